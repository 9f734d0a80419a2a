package testbed

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// watchdogScript reads the process groups of a testbed as they come (+) and go (-). When its input ends, its owner has
// closed the testbed or is dead, however it died: what is left is killed and the folder removed.
const watchdogScript = `
groups=
while read -r op group; do
	case $op in
	+) groups="$groups $group" ;;
	-)
		rest=
		for g in $groups; do [ "$g" = "$group" ] || rest="$rest $g"; done
		groups=$rest
		;;
	esac
done
for g in $groups; do kill -s KILL -- "-$g" 2>/dev/null; done
tries=0
while [ -e "$1" ] && [ $tries -lt 100 ]; do
	rm -rf -- "$1" 2>/dev/null
	tries=$((tries + 1))
	[ -e "$1" ] && sleep 0.1
done
`

// watchdog is a process that outlives its owner for as long as it takes to clean up after it.
type watchdog struct {
	mu  sync.Mutex
	in  io.WriteCloser
	cmd *exec.Cmd
}

func startWatchdog(dir string) (*watchdog, error) {
	cmd := exec.Command("/bin/sh", "-c", watchdogScript, "floe-watchdog", dir)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	// A session of its own: neither Ctrl-C nor a closed terminal reaches it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the testbed's watchdog: %w", err)
	}
	return &watchdog{in: in, cmd: cmd}, nil
}

// add and remove tell of a process group. A watchdog that is gone is no reason to fail: on Linux the kernel kills the
// parts of a dead owner as well.
func (w *watchdog) add(group int)    { w.tell("+", group) }
func (w *watchdog) remove(group int) { w.tell("-", group) }

func (w *watchdog) tell(op string, group int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = fmt.Fprintln(w.in, op, group)
}

// close lets the watchdog clean up what is left, and waits for it.
func (w *watchdog) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.in.Close()
	return w.cmd.Wait()
}
