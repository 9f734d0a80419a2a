package toolchain

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// build is one tool with all that its binary depends on.
type build struct {
	tool   tool
	dir    string // of the tool's module
	args   []string
	target string // path of the finished program
}

// plan says how and where t is built. The target's folder is named by a hash of everything that goes into the
// program, so that a changed pin or flag is another folder, and no folder is ever written twice.
func (t tool) plan(root, cache, goVersion string) (build, error) {
	dir := filepath.Join(root, "tools", t.module)
	// -trimpath makes the result the same in every clone; -mod=readonly refuses a go.mod that does not hold all pins.
	args := []string{"build", "-v", "-trimpath", "-buildvcs=false", "-mod=readonly"}
	args = append(args, "-ldflags", strings.TrimSpace("-s -w "+t.ldflags))
	if t.tags != "" {
		args = append(args, "-tags", t.tags)
	}
	args = append(args, t.pkg)

	sum := sha256.New()
	fmt.Fprintln(sum, goVersion, runtime.GOOS, runtime.GOARCH, args)
	sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return build{}, err
	}
	slices.Sort(sources)
	for _, path := range append([]string{filepath.Join(dir, "go.mod"), filepath.Join(dir, "go.sum")}, sources...) {
		data, err := os.ReadFile(path)
		if err != nil {
			return build{}, fmt.Errorf("tool %s: %w", t.name, err)
		}
		fmt.Fprintln(sum, filepath.Base(path), len(data))
		sum.Write(data)
	}
	key := hex.EncodeToString(sum.Sum(nil))[:16]
	return build{tool: t, dir: dir, args: args, target: filepath.Join(cache, "tools", t.name+"-"+key, t.name)}, nil
}

// run builds the tool unless another process did so meanwhile.
func (b build) run(ctx context.Context, r *reporter) error {
	r.begin(b.tool.name)
	home := filepath.Dir(b.target)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	unlock, err := lock(ctx, filepath.Join(home, "lock"), r.waiting)
	if err != nil {
		return err
	}
	defer unlock()
	if isFile(b.target) {
		r.done()
		return nil
	}
	temp := b.target + ".part"
	cmd := exec.CommandContext(ctx, "go", append([]string{b.args[0], "-o", temp}, b.args[1:]...)...)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "PWD="+b.dir)
	if err := runGo(cmd, r.line); err != nil {
		_ = os.Remove(temp)
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %w; run it again to go on from here", context.Cause(ctx))
		}
		return err
	}
	if err := os.Rename(temp, b.target); err != nil {
		return err
	}
	r.done()
	return nil
}

// runGo runs a go command and hands each line of its stderr to line. The last lines are in the error.
func runGo(cmd *exec.Cmd, line func(string)) error {
	// The compilers that go starts must stop with it, so they share a process group of their own.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	out, in := io.Pipe()
	cmd.Stderr = in
	var tail []string
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			line(lines.Text())
			if tail = append(tail, lines.Text()); len(tail) > 30 {
				tail = tail[1:]
			}
		}
		_, _ = io.Copy(io.Discard, out) // a line beyond the buffer ends the scan, and must not block the command
	}()
	err := cmd.Run()
	_ = in.Close()
	<-read
	if err != nil {
		return fmt.Errorf("%s (in %s): %w\n%s", strings.Join(cmd.Args, " "), cmd.Dir, err, strings.Join(tail, "\n"))
	}
	return nil
}

// goVersion is the version of the go command, which may differ from the one that built this program.
func goVersion(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOVERSION").Output()
	if err != nil {
		return "", fmt.Errorf("run the go command: %w; install Go 1.26 or later from go.dev/dl and put it in PATH", err)
	}
	return strings.TrimSpace(string(out)), nil
}
