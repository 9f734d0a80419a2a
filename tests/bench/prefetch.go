package main

import (
	"context"
	"fmt"

	"floe.dev/floe/internal/images"
	"floe.dev/floe/tests/prefetch"
)

// prefetchSeeds are the synthetic workloads that the policies are compared on.
const prefetchSeeds = 5

// prefetchBudget is the disk that images may take: about a fifth of what the workload uses at a time.
const prefetchBudget = 6 << 30

// measurePrefetch replays what woken machines would have found on their disks. SYNTHETIC: nothing of it is a measurement of
// machines; pulls are taken to bring 60 MB a second, unpacked.
func measurePrefetch(ctx context.Context, t *table) error {
	for _, policy := range prefetch.Policies {
		var all prefetch.Result
		lowest, highest := 1.0, 0.0
		for seed := range t.rounds(prefetchSeeds) {
			if err := ctx.Err(); err != nil {
				return err
			}
			r := prefetch.Replay(uint64(seed), 4, policy, prefetchBudget)
			lowest, highest = min(lowest, r.HitRatio()), max(highest, r.HitRatio())
			all = all.Add(r)
		}
		goal := ""
		if policy == images.Scored {
			goal = "above lfu and lru"
		}
		t.row("prefetch, synthetic workload: "+string(policy),
			fmt.Sprintf("%.1f %% of the bytes were there (%.1f to %.1f by seed), %.1f s of %.1f s of pulls saved a wake",
				100*all.HitRatio(), 100*lowest, 100*highest, all.SavedPerWake().Seconds(), all.Pulling.Seconds()/float64(max(1, all.Wakes))),
			goal)
	}
	return nil
}
