package reclaim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDeadline(t *testing.T) {
	m := Message{At: told, Until: told.Add(Warning)}
	require.Equal(t, told.Add(Warning), Deadline(m, told.Add(45*time.Second)), "a late message gives no more time")
	require.Equal(t, told.Add(Warning-time.Minute), Deadline(m, told.Add(-time.Minute)), "nor does one from the future")
	require.Zero(t, Deadline(Message{At: told}, told))
}

func TestStale(t *testing.T) {
	require.False(t, Stale(Message{At: told, Until: told.Add(Warning)}, told.Add(MaxAge)))
	require.True(t, Stale(Message{At: told, Until: told.Add(Warning)}, told.Add(MaxAge+time.Second)))
	require.True(t, Stale(Message{At: told}, told.Add(MaxAge+time.Second)), "a recommendation of long ago")
	require.False(t, Stale(Message{At: told, Until: told.Add(336 * time.Hour)}, told.Add(300*time.Hour)), "a retirement that is still to come")
}

func TestEarlier(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := func(name string) time.Time {
			if s := rapid.IntRange(0, 5).Draw(t, name); s > 0 {
				return told.Add(time.Duration(s) * time.Second)
			}
			return time.Time{}
		}
		a, b, c := at("a"), at("b"), at("c")
		require.Equal(t, Earlier(a, b), Earlier(b, a))
		require.Equal(t, Earlier(a, Earlier(b, c)), Earlier(Earlier(a, b), c))
		e := Earlier(a, b)
		require.True(t, e.Equal(a) || e.Equal(b))
		require.False(t, !a.IsZero() && e.After(a))
		require.Equal(t, a.IsZero() && b.IsZero(), e.IsZero())
	})
}

// Whatever a pod asks for and however late it is: it gets a second at least, never more than its own, and as long as
// there is a second it is over before the machine goes.
func TestGrace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own := time.Duration(rapid.IntRange(0, 7200).Draw(t, "own")) * time.Second
		left := time.Duration(rapid.IntRange(-100_000, 130_000).Draw(t, "left in ms")) * time.Millisecond
		end := told.Add(left)
		g := Grace(own, end, told)
		require.GreaterOrEqual(t, g, time.Second)
		require.LessOrEqual(t, g, max(own, time.Second))
		require.Zero(t, g%time.Second)
		if left >= LastMoment+time.Second {
			require.False(t, told.Add(g).After(end.Add(-LastMoment)) && g > time.Second)
		}
		require.LessOrEqual(t, Grace(own, end, told.Add(time.Second)), g, "it only becomes less")
	})
	require.Equal(t, 30*time.Second, Grace(30*time.Second, told.Add(Warning), told))
	require.Equal(t, 13*time.Second, Grace(30*time.Second, told.Add(DefaultMargin), told))
}

func TestEvictUntil(t *testing.T) {
	end := told.Add(Warning)
	require.Equal(t, end.Add(-DefaultMargin), EvictUntil(end, DefaultMargin))
	require.Equal(t, end.Add(-LastMoment), EvictUntil(end, 0), "the last moment is nobody's")
}

// Whatever time there is, half of it and more is left to budgets where pods waited for room; where there is none, nobody waits.
func TestHoldUntil(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		left := time.Duration(rapid.Int64Range(int64(-time.Hour), int64(30*time.Minute)).Draw(t, "left"))
		end := told.Add(left)
		held := HoldUntil(told, end)
		if left <= 0 {
			require.False(t, held.After(told))
			return
		}
		require.False(t, held.Before(told))
		require.GreaterOrEqual(t, end.Sub(held), held.Sub(told))
	})
}
