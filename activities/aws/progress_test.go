package aws

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func TestDoubtful(t *testing.T) {
	started := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	sent := started.Add(-time.Minute)
	for name, tc := range map[string]struct {
		number   int32
		last     progress
		sentBy   time.Time
		doubtful bool
	}{
		"the first":                      {1, progress{}, time.Time{}, false},
		"left nothing":                   {2, progress{}, started, true},
		"answered":                       {2, progress{Attempt: 1, Over: true}, time.Time{}, false},
		"sent":                           {2, progress{Attempt: 1, SentAt: sent}, sent, true},
		"looking":                        {3, progress{Attempt: 2}, started, true},
		"answered long ago, nothing yet": {3, progress{Attempt: 1, Over: true}, started, true},
		"sent long ago, nothing yet":     {3, progress{Attempt: 1, SentAt: sent}, started, true},
	} {
		t.Run(name, func(t *testing.T) {
			sentBy, doubtful := attempt{number: tc.number, last: tc.last, started: started}.doubtful()
			require.Equal(t, tc.doubtful, doubtful)
			require.Equal(t, tc.sentBy, sentBy)
		})
	}
}

func TestBatcher(t *testing.T) {
	var mu sync.Mutex
	var calls []int
	b := newBatcher(10, asking, unhurried, func(_ context.Context, ids []string) map[string]result[string] {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, len(ids))
		results := map[string]result[string]{}
		for _, id := range ids {
			results[id] = result[string]{value: "did " + id}
		}
		return results
	})
	var group errgroup.Group
	for i := range 50 {
		group.Go(func() error {
			id := strconv.Itoa(i % 25) // each twice
			got, err := b.do(t.Context(), id)
			if got != "did "+id {
				t.Errorf("%s: %s", id, got)
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
	total := 0
	for _, n := range calls {
		require.LessOrEqual(t, n, 10)
		total += n
	}
	require.GreaterOrEqual(t, total, 25)
	require.LessOrEqual(t, total, 50)
}

func TestBatcherCallerThatLeaves(t *testing.T) {
	served := make(chan error, 1)
	b := newBatcher(10, asking, unhurried, func(ctx context.Context, _ []string) map[string]result[string] {
		served <- ctx.Err()
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.do(ctx, "a")
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, <-served, "others of the batch are served all the same")
}

// unhurried is a budget that nobody waits for.
func unhurried() time.Duration { return 0 }
