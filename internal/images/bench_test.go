package images_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/images"
	"floe.dev/floe/tests/prefetch"
)

// budget is the disk that prefetching is given: about a fifth of all that is in use at a time.
const budget = 6 << 30

// BenchmarkPrefetch compares the policies on one seed. SYNTHETIC: see the package prefetch; `go run ./tests/bench -run
// prefetch` has several seeds.
func BenchmarkPrefetch(b *testing.B) {
	for _, policy := range prefetch.Policies {
		b.Run(string(policy), func(b *testing.B) {
			var found prefetch.Result
			for b.Loop() {
				found = prefetch.Replay(1, 2, policy, budget)
			}
			b.ReportMetric(100*found.HitRatio(), "%-of-bytes")
			b.ReportMetric(found.SavedPerWake().Seconds(), "s-saved/wake")
		})
	}
}

func TestScoresSaveMoreThanRecencyOrFrequencyAlone(t *testing.T) {
	saved := map[images.Policy]float64{}
	for _, policy := range prefetch.Policies {
		found := prefetch.Replay(7, 1, policy, budget)
		require.Greater(t, found.Wakes, 100)
		require.Less(t, found.Hit, found.Needed)
		saved[policy] = found.Saved.Seconds()
	}
	require.Greater(t, saved[images.Scored], 1.15*saved[images.LRU])
	require.Greater(t, saved[images.Scored], 1.5*saved[images.LFU])
	require.Greater(t, saved[prefetch.Oracle], saved[images.Scored])
}
