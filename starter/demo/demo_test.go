package demo

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/telemetry/otlptest"
)

// The whole demo, as a person runs it, and on its way the trace of it: from the watcher's first sight of the pods to
// their binding, through workflows, activities, AWS and the store, in one trace.
func TestDemo(t *testing.T) {
	temp := onlyHere(t)
	collector := otlptest.New(t)
	var out bytes.Buffer
	err := Run(t.Context(), Options{Out: &out})
	require.NoError(t, err, out.String())
	for _, want := range []string{
		"59 of 59 that can run are running",
		"insufficient-capacity",
		"too small for 96 CPU",
		"taint dedicated=payments:NoSchedule is not tolerated",
		"Temporal UI      http://127.0.0.1:",
	} {
		require.Contains(t, out.String(), want)
	}
	requireEmpty(t, temp)
	requireOneTrace(t, collector.Spans())
}

func requireOneTrace(t *testing.T, spans []otlptest.Span) {
	t.Helper()
	var trace string // of the first demand that led to a launch
	for _, s := range spans {
		if s.Name == "RunActivity:aws.Launch" {
			trace = s.TraceID
			break
		}
	}
	seen := map[string]string{} // span -> service
	ids := map[string]bool{}
	for _, s := range spans {
		if s.TraceID == trace {
			seen[s.Name] = s.Service
			ids[s.SpanID] = true
		}
	}
	for name, service := range map[string]string{
		"pods need room":            "floe-watch",
		"RunActivity:kube.Plan":     "floe-worker",
		"RunWorkflow:ScaleUp":       "floe-worker",
		"RunActivity:aws.Launch":    "floe-worker",
		"EC2.CreateFleet":           "floe-worker",
		"RunWorkflow:Node":          "floe-worker",
		"RunActivity:kube.Register": "floe-worker",
		"floe.insert":               "floe-worker",
		"pods bound":                "floe-watch",
	} {
		require.Equal(t, service, seen[name], "%s in the trace; it has %v", name, seen)
	}
	for _, s := range spans {
		if s.TraceID == trace && s.Name != "pods need room" {
			require.True(t, ids[s.ParentID], "%s hangs in the air", s.Name)
		}
	}
}

// Ctrl-C in the middle leaves nothing behind.
func TestInterruptedDemo(t *testing.T) {
	temp := onlyHere(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var once sync.Once
	out := writer(func(line []byte) {
		if bytes.Contains(line, []byte("pods pending")) {
			once.Do(interrupt)
		}
	})
	require.ErrorIs(t, Run(ctx, Options{Out: out}), context.Canceled)
	requireEmpty(t, temp)
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

var _ io.Writer = writer(nil)

// onlyHere makes everything that is left behind land in one folder.
func onlyHere(t *testing.T) string {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	return temp
}

// requireEmpty fails if a file is left, or a process that was started with a file there.
func requireEmpty(t *testing.T, temp string) {
	t.Helper()
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, file := range commands {
		line, err := os.ReadFile(file)
		if err == nil { // else it has ended meanwhile
			require.NotContains(t, strings.ReplaceAll(string(line), "\x00", " "), temp)
		}
	}
}
