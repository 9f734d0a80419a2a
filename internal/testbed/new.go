package testbed

import (
	"context"
	"os"

	"floe.dev/floe/internal/testbed/toolchain"
)

// T is what New needs of a *testing.T. An interface, so that programs which use a testbed don't carry package testing.
type T interface {
	Helper()
	Cleanup(func())
	Context() context.Context
	Failed() bool
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// New starts a testbed for a test and closes it at the test's end. When the test has failed, the end of each process's
// log is in its output; and a part that ended by itself, or did not stop when asked to, fails the test.
func New(t T, o Options) *Testbed {
	t.Helper()
	// Only a build is worth a line of a test's output: it takes minutes.
	if _, err := toolchain.Ensure(t.Context(), toolNames(o.complete().Parts), os.Stderr); err != nil {
		t.Fatalf("testbed: %v", err)
	}
	tb, err := Start(t.Context(), o)
	if err != nil {
		t.Fatalf("testbed: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, p := range tb.Processes() {
				if tail := p.Tail(40); tail != "" {
					t.Logf("--- end of %s's log\n%s", p.Name, tail)
				}
			}
		}
		if err := tb.Close(); err != nil {
			t.Errorf("testbed: %v", err)
		}
	})
	return tb
}
