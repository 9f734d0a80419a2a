package toolchain

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// heartbeat is how often a reporter says that a build goes on where each line stays: in logs, which are cut off or
// taken for stuck when nothing comes for minutes.
const heartbeat = 15 * time.Second

// reporter tells of builds: on a terminal as one line that is drawn over, elsewhere as lines.
type reporter struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	total    int
	number   int // of the current tool, from 1
	name     string
	doing    string
	packages int // of the current tool, compiled so far
	started  time.Time
	stop     chan struct{}
	stopped  sync.WaitGroup
}

func newReporter(out io.Writer, total int) *reporter {
	r := &reporter{out: out, total: total, stop: make(chan struct{})}
	if out == nil {
		r.out = io.Discard
	}
	r.terminal = isTerminal(out)
	fmt.Fprintf(r.out, "building %d pinned tools, once; kept in the cache afterwards\n", total)
	every := heartbeat
	if r.terminal {
		every = time.Second / 4
	}
	r.stopped.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-r.stop:
				return
			case <-tick.C:
				r.mu.Lock()
				r.draw()
				r.mu.Unlock()
			}
		}
	})
	return r
}

func (r *reporter) close() {
	close(r.stop)
	r.stopped.Wait()
	if r.terminal {
		fmt.Fprint(r.out, "\r\x1b[K")
	}
}

func (r *reporter) begin(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.number++
	r.name, r.doing, r.packages, r.started = name, "", 0, time.Now()
	r.draw()
}

func (r *reporter) waiting() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.doing = ", another process is building it"
	r.draw()
}

// line takes one line of `go build -v`: the path of a package that was compiled, or news of a download.
func (r *reporter) line(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if module, ok := strings.CutPrefix(s, "go: downloading "); ok {
		r.doing = ", downloading " + module
		return
	}
	r.packages++
	r.doing = fmt.Sprintf(", %d packages compiled", r.packages)
}

func (r *reporter) done() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.terminal {
		fmt.Fprint(r.out, "\r\x1b[K")
	}
	fmt.Fprintf(r.out, "built %s in %s (%d of %d)\n", r.name, r.elapsed(), r.number, r.total)
	r.name = ""
}

// draw shows the build under way; the caller holds mu.
func (r *reporter) draw() {
	if r.name == "" {
		return
	}
	text := fmt.Sprintf("building %s (%d of %d, %d left after it) %s%s",
		r.name, r.number, r.total, r.total-r.number, r.elapsed(), r.doing)
	if r.terminal {
		fmt.Fprintf(r.out, "\r\x1b[K%.100s", text)
		return
	}
	fmt.Fprintln(r.out, text)
}

func (r *reporter) elapsed() time.Duration { return time.Since(r.started).Round(time.Second) }

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("TERM") == "" || os.Getenv("TERM") == "dumb" || os.Getenv("CI") != "" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
