package testbed

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// bare is a testbed without parts, for processes made by the test.
func bare(t *testing.T) *Testbed {
	t.Helper()
	tb, err := newTestbed(Options{Cluster: "demo", Progress: testWriter{t}}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tb.Close() })
	return tb
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

// script is a process of one shell script, whose $1 is its ready file.
func (tb *Testbed) script(name, text string) *Process {
	ready := filepath.Join(tb.Dir, "tmp", name+".ready")
	return tb.newProcess(name, command{path: "/bin/sh", args: []string{"-c", text, name, ready}, readyFile: ready})
}

func TestProcessLives(t *testing.T) {
	tb := bare(t)
	p := tb.script("p", `echo "life $$"; echo "http://here:$$" > "$1"; sleep 1000`)
	require.NoError(t, p.start(t.Context()))
	first := p.PID()
	require.Equal(t, fmt.Sprintf("http://here:%d", first), p.URL())
	require.NoError(t, p.failure(), "it runs")

	p.Kill()
	p.Kill()
	require.NoError(t, p.failure(), "its end was asked for")

	require.NoError(t, p.Restart(t.Context()))
	require.NotEqual(t, first, p.PID())
	require.Equal(t, fmt.Sprintf("http://here:%d", p.PID()), p.URL(), "the old life's ready file does not count")
	require.Equal(t, fmt.Sprintf("life %d\nlife %d", first, p.PID()), p.Tail(10))
	require.Equal(t, fmt.Sprintf("life %d", p.PID()), p.Tail(1))
}

func TestProcessEndsBeforeItServes(t *testing.T) {
	p := bare(t).script("p", `echo "the cause"; exit 3`)
	err := p.start(t.Context())
	require.ErrorContains(t, err, "p ended by itself: exit status 3\nthe cause")
}

func TestProcessThatNeverServesIsKilled(t *testing.T) {
	p := bare(t).script("p", `sleep 1000`)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("the test has seen enough"))
	require.ErrorContains(t, p.start(ctx), "the test has seen enough")
	<-p.Done()
}

func TestStop(t *testing.T) {
	tb := bare(t)
	polite := tb.script("polite", `trap 'kill $child; exit 0' TERM; sleep 1000 & child=$!; echo up > "$1"; wait`)
	require.NoError(t, polite.start(t.Context()))
	require.NoError(t, polite.Stop())
	require.NoError(t, polite.Stop(), "stopping a stopped one does nothing")

	rude := tb.script("rude", `trap 'echo no; kill $child; exit 7' TERM; sleep 1000 & child=$!; echo up > "$1"; wait`)
	require.NoError(t, rude.start(t.Context()))
	require.ErrorContains(t, rude.Stop(), "rude, asked to stop: exit status 7\nno")
}

func TestCloseTellsWhatEndedByItself(t *testing.T) {
	tb := bare(t)
	p := tb.script("p", `echo up > "$1"; while [ ! -e tmp/go ]; do sleep 0.01; done; exit 5`)
	require.NoError(t, p.start(t.Context()))
	tb.keep(p)
	require.NoError(t, os.WriteFile(filepath.Join(tb.Dir, "tmp", "go"), nil, 0o600))
	<-p.Done()
	require.ErrorContains(t, tb.Close(), "p ended by itself: exit status 5")
	require.NoDirExists(t, tb.Dir)
	require.NoError(t, tb.Close(), "closing twice does nothing")
}

func TestTakenPortIsReplaced(t *testing.T) {
	tb := bare(t)
	var stranger net.Listener
	p, ports, err := tb.startOnPorts(t.Context(), "p", 1, func(ports []int) command {
		if stranger == nil { // a stranger is quicker
			var err error
			stranger, err = net.Listen("tcp", address(ports[0]))
			require.NoError(t, err)
			return command{path: "/bin/sh", args: []string{"-c", "exit 1"}, ready: never}
		}
		return command{path: "/bin/sleep", args: []string{"1000"}, ready: always}
	})
	require.NoError(t, err)
	defer stranger.Close()
	require.NotEqual(t, stranger.Addr().String(), address(ports[0]))
	require.Equal(t, p, tb.Process("p"))
}

func TestFailureThatIsNoConflictIsNotRetried(t *testing.T) {
	tries := 0
	_, _, err := bare(t).startOnPorts(t.Context(), "p", 1, func([]int) command {
		tries++
		return command{path: "/bin/sh", args: []string{"-c", "exit 1"}, ready: never}
	})
	require.ErrorContains(t, err, "p ended by itself: exit status 1")
	require.Equal(t, 1, tries)
}

func never(context.Context) error  { return os.ErrNotExist }
func always(context.Context) error { return nil }

func TestPortsBelongToOneTestbed(t *testing.T) {
	t.Setenv("FLOE_CACHE", t.TempDir())
	one, err := newPorts()
	require.NoError(t, err)
	two, err := newPorts()
	require.NoError(t, err)
	seen := map[int]bool{}
	for range blockSize { // more than a block for each
		for _, p := range []*ports{one, two} {
			ports, err := p.take(2)
			require.NoError(t, err)
			for _, port := range ports {
				require.False(t, seen[port], "%d was given twice", port)
				seen[port] = true
				require.True(t, isFree(port))
			}
		}
	}

	held := len(one.unlocks) + len(two.unlocks)
	for range blocks - held {
		require.NoError(t, one.takeBlock())
	}
	require.ErrorContains(t, one.takeBlock(), "belong to other testbeds")
	two.release()
	require.NoError(t, one.takeBlock())
	one.release()
}
