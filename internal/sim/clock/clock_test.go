package clock_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim/clock"
)

func TestManualCallsInOrderOfTime(t *testing.T) {
	start := time.Date(2026, 7, 31, 12, 0, 0, 0, time.UTC)
	c := clock.NewManual(start)
	var got []string
	note := func(what string) func() {
		return func() { got = append(got, what+" "+c.Now().Sub(start).String()) }
	}
	c.AfterFunc(2*time.Second, note("second"))
	c.AfterFunc(time.Second, func() {
		note("first")()
		c.AfterFunc(500*time.Millisecond, note("nested"))
	})
	c.AfterFunc(time.Minute, note("too late"))
	stop := c.AfterFunc(time.Second, note("stopped"))
	stop()
	c.Advance(10 * time.Second)
	require.Equal(t, []string{"first 1s", "nested 1.5s", "second 2s"}, got)
	require.Equal(t, start.Add(10*time.Second), c.Now())
}
