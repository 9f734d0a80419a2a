package watch

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/contract"
)

// A burst of changes is one signal, and none is lost while Temporal is down.
func TestChangesAreToldToTheDisruption(t *testing.T) {
	m, err := newMetrics(nil, "demo")
	require.NoError(t, err)
	f := &fakeTemporal{}
	d := newDisruption("demo", f, Timing{BatchMax: 20 * time.Millisecond}.withDefaults(), m, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { d.run(ctx); close(done) }()
	for range 100 {
		d.changed()
	}
	require.Eventually(t, func() bool { return f.tried() == 1 }, waitFor, tick)
	f.set(func(id string) error { require.Equal(t, contract.DisruptionID("demo"), id); return errors.New("down") })
	d.changed()
	require.Eventually(t, func() bool { return f.tried() >= 3 }, waitFor, tick, "it is tried again")
	f.set(nil)
	before := f.tried()
	require.Eventually(t, func() bool { return f.tried() > before }, waitFor, tick)
	cancel()
	<-done
}
