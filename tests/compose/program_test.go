package compose

import (
	"bytes"
	"context"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program is one of Floe's programs as a container would run it.
type program struct {
	name, path string
	args, env  []string

	cmd   *exec.Cmd
	out   output
	ended chan struct{} // closed once it has ended
	err   error         // how; valid then
}

func (p *program) command(ctx context.Context, out io.Writer) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.path, p.args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = "/", p.env, out, out
	return cmd
}

// run runs it to its end.
func (p *program) run(ctx context.Context, out io.Writer) error { return p.command(ctx, out).Run() }

// start starts it. It dies with the test, however that ends: on Linux with the thread that started it, so the test must
// be locked to its thread.
func (p *program) start(t *testing.T) {
	t.Helper()
	p.cmd = p.command(context.WithoutCancel(t.Context()), &p.out)
	p.cmd.SysProcAttr = dieWithParent()
	require.NoError(t, p.cmd.Start(), p.name)
	p.ended = make(chan struct{})
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
}

func (p *program) lives() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// stop asks it to end, and kills it after the grace that its service gives.
func (p *program) stop(t *testing.T, grace time.Duration) {
	t.Helper()
	if !p.lives() {
		t.Errorf("%s ended by itself: %v\n%s", p.name, p.err, p.log())
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may end this very moment
	select {
	case <-p.ended:
		if p.err != nil {
			t.Errorf("%s, asked to stop: %v\n%s", p.name, p.err, p.log())
		}
	case <-time.After(grace):
		_ = p.cmd.Process.Kill()
		<-p.ended
		t.Errorf("%s did not end within %s of SIGTERM\n%s", p.name, grace, p.log())
	}
	if t.Failed() {
		t.Logf("--- end of %s's log\n%s", p.name, p.log())
	}
}

// log is the end of what it wrote.
func (p *program) log() string {
	const most = 4 << 10
	text := p.out.String()
	return text[max(0, len(text)-most):]
}

// output may be written and read at the same time.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(data []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(data)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
