package testbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// startTimeout bounds how long a part may take until it serves. A loaded two-core machine needs a tenth of it.
	startTimeout = 90 * time.Second
	// stopTimeout bounds how long a part may take from SIGTERM to its end.
	stopTimeout = 20 * time.Second
	// poll is how often a part that is starting is asked whether it serves.
	poll = 25 * time.Millisecond
)

// command is how a process is started, each time in the same way.
type command struct {
	path string
	args []string
	env  []string // beyond the base environment
	// ready returns nil once the process serves. It is asked again and again, and must not block for long.
	ready func(context.Context) error
	// readyFile is where the process writes its address once it serves; empty where ready is asked.
	readyFile string
	// graceful processes are asked to end (SIGTERM) when the testbed closes; the others keep nothing, and are killed.
	graceful bool
}

// Process is one program of a testbed. Its methods may be called by several goroutines, but not Restart by two.
type Process struct {
	// Name is what the testbed calls it: kube-apiserver, worker-1, …
	Name string
	// LogFile is where its stdout and stderr go, of all its lives one after another.
	LogFile string

	command command
	owner   *Testbed

	mu      sync.Mutex
	cmd     *exec.Cmd
	done    chan struct{} // closed when the present life has ended
	ended   error         // how; valid once done is closed
	ordered bool          // Kill or Stop asked for the end
	url     string
}

// start begins a life of p and returns once it serves.
func (p *Process) start(ctx context.Context) error {
	if err := p.spawn(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	if err := p.await(ctx, p.serves); err != nil {
		p.Kill()
		return err
	}
	return nil
}

// await asks until the answer is nil, the process has ended, or it has taken too long.
func (p *Process) await(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil && !p.hasEnded() { // a stranger may have answered in its place
			return nil
		}
		select {
		case <-p.Done():
			return p.exit()
		case <-ctx.Done():
			return fmt.Errorf("%s does not serve: %w (%w)\n%s", p.Name, err, context.Cause(ctx), p.Tail(20))
		case <-tick.C:
		}
	}
}

func (p *Process) spawn() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.command.readyFile != "" {
		if err := os.Remove(p.command.readyFile); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	log, err := os.OpenFile(p.LogFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.command.path, p.command.args...)
	cmd.Dir = p.owner.Dir
	cmd.Env = append(p.owner.environment(), p.command.env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := spawn(cmd); err != nil {
		return err
	}
	p.owner.watchdog.add(cmd.Process.Pid)
	done := make(chan struct{})
	p.cmd, p.done, p.ended, p.ordered, p.url = cmd, done, nil, false, ""
	go func() {
		err := cmd.Wait()
		p.owner.watchdog.remove(cmd.Process.Pid)
		p.mu.Lock()
		p.ended = err
		p.mu.Unlock()
		close(done)
	}()
	return nil
}

// serves reports whether the process serves, and why it seems not to.
func (p *Process) serves(ctx context.Context) error {
	if p.command.readyFile == "" {
		return p.command.ready(ctx)
	}
	line, err := os.ReadFile(p.command.readyFile)
	if err != nil {
		return fmt.Errorf("no ready file yet: %w", err)
	}
	if len(line) == 0 {
		return errors.New("its ready file is empty")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.url = strings.TrimSpace(string(line))
	return nil
}

// URL is the address that the process wrote to its ready file, empty where it has none.
func (p *Process) URL() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.url
}

// AwaitReady returns once the process answers /readyz at its URL with 200. StartWorker and StartWatcher return as soon as
// a process lives, because it may have to wait for others until it can work.
func (p *Process) AwaitReady(ctx context.Context) error {
	return p.await(ctx, plainProbe().ok(p.URL()+"/readyz"))
}

// PID is the process id of the present or last life.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// Done is closed when the present life has ended.
func (p *Process) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// Kill ends the process at once (SIGKILL, its whole group) and waits until it is gone. Killing a dead one does nothing.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	<-p.Done()
}

// Stop asks the process to end (SIGTERM) and waits until it is gone. One that is still there after 20 s is killed, and
// the error says so; so is it an error if the process ends with another status than 0.
func (p *Process) Stop() error {
	if !p.signal(syscall.SIGTERM) {
		return nil
	}
	select {
	case <-p.Done():
	case <-time.After(stopTimeout):
		p.Kill()
		return fmt.Errorf("%s did not end within %s of SIGTERM and was killed\n%s", p.Name, stopTimeout, p.Tail(20))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended != nil {
		return fmt.Errorf("%s, asked to stop: %w\n%s", p.Name, p.ended, p.Tail(20))
	}
	return nil
}

// signal reaches the whole process group. It reports false where the process has ended already.
func (p *Process) signal(sig syscall.Signal) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
		return false
	default:
	}
	p.ordered = true
	return syscall.Kill(-p.cmd.Process.Pid, sig) == nil
}

// Restart begins a new life with the same arguments, after killing the present one if there is any, and returns once
// the process serves again.
func (p *Process) Restart(ctx context.Context) error {
	p.Kill()
	return p.start(ctx)
}

func (p *Process) hasEnded() bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}

// exit is how the process ended; it must have.
func (p *Process) exit() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &exitError{name: p.Name, how: p.ended, tail: p.Tail(20)}
}

// failure is how the process ended if nobody asked it to, else nil.
func (p *Process) failure() error {
	p.mu.Lock()
	ordered := p.ordered
	p.mu.Unlock()
	if ordered || !p.hasEnded() {
		return nil
	}
	return p.exit()
}

// Tail is the end of the process's log, at most n lines.
func (p *Process) Tail(n int) string {
	const most = 64 << 10
	f, err := os.Open(p.LogFile)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > most {
		_, _ = f.Seek(-most, io.SeekEnd)
	}
	data, _ := io.ReadAll(f)
	lines := bytes.Split(bytes.TrimRight(data, "\n"), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n")))
}

// exitError says that a process ended by itself.
type exitError struct {
	name string
	how  error // nil: exit status 0
	tail string
}

func (e *exitError) Error() string {
	how := "exit status 0"
	if e.how != nil {
		how = e.how.Error()
	}
	return fmt.Sprintf("%s ended by itself: %s\n%s", e.name, how, e.tail)
}

func (e *exitError) Unwrap() error { return e.how }

func (tb *Testbed) newProcess(name string, c command) *Process {
	return &Process{Name: name, LogFile: filepath.Join(tb.Dir, "logs", name+".log"), command: c, owner: tb}
}
