package differential

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"

	"floe.dev/floe/internal/testbed"
)

const (
	// fewTrials are run always, manyTrials with FLOE_LONG.
	fewTrials, manyTrials = 300, 10_000
	// enough trials of each predicate.
	enough = 20
	// lanes are trials that run at the same time: the scheduler's verdicts are waited for, not worked for.
	lanes = 12
)

// TestPlannerAgreesWithScheduler runs the trials that seedsAsked names.
func TestPlannerAgreesWithScheduler(t *testing.T) {
	asked := seedsAsked(t)
	tb := testbed.New(t, testbed.Options{Parts: testbed.Kubernetes})
	kube, err := kubernetes.NewForConfig(tb.Kube)
	require.NoError(t, err)
	c, err := newCluster(t.Context(), kube)
	require.NoError(t, err)
	start := time.Now()
	s := &summary{t: t, counts: map[string]int{}}
	seeds := make(chan int)
	g, ctx := errgroup.WithContext(t.Context())
	g.Go(func() error {
		defer close(seeds)
		for _, seed := range asked {
			if !s.few() {
				break
			}
			select {
			case seeds <- seed:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for i := range lanes {
		l, err := c.newLane(t.Context(), fmt.Sprintf("lane%d", i))
		require.NoError(t, err)
		g.Go(func() error {
			for seed := range seeds {
				if err := s.judge(ctx, l, seed); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	t.Log(s.words(time.Since(start)))
	if asked[0] == 0 && len(asked) >= fewTrials { // other seeds may draw one of them less often
		for _, p := range predicates {
			require.GreaterOrEqual(t, s.counts[p.name], enough, "trials of %s", p.name)
		}
	}
}

// seedsAsked are the seeds of the trials to run: FLOE_TRIALS of them from FLOE_SEED on, both of which have defaults; or
// those that FLOE_SEED lists, as in 11816,12252.
func seedsAsked(t *testing.T) (seeds []int) {
	n := fewTrials
	if os.Getenv("FLOE_LONG") != "" {
		n = manyTrials
	}
	if text := os.Getenv("FLOE_TRIALS"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		require.NoError(t, err, "FLOE_TRIALS")
	}
	for text := range strings.SplitSeq(cmp.Or(os.Getenv("FLOE_SEED"), "0"), ",") {
		seed, err := strconv.Atoi(text)
		require.NoError(t, err, "FLOE_SEED")
		seeds = append(seeds, seed)
	}
	if len(seeds) > 1 {
		return seeds
	}
	for i := 1; i < n; i++ {
		seeds = append(seeds, seeds[0]+i)
	}
	return seeds
}

// summary of all trials.
type summary struct {
	t *testing.T

	mu                           sync.Mutex
	counts                       map[string]int
	trials, again, disagreements int
	launched, onNodes, unplaced  int
}

// few reports whether there are few disagreements so far: more of them teach nothing.
func (s *summary) few() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.disagreements < 8
}

// judge runs the trial of a seed. A disagreement is made as small as can be.
func (s *summary) judge(ctx context.Context, l *lane, seed int) error {
	t := drawn(seed)
	v, again, err := l.judge(ctx, t)
	if err != nil {
		return fmt.Errorf("seed %d: %w", seed, err)
	}
	s.mu.Lock()
	s.trials++
	for _, p := range t.Predicates {
		s.counts[p]++
	}
	s.launched += v.launched
	s.onNodes += v.onNodes
	s.unplaced += v.unplaced
	if again {
		s.again++
	}
	if v.disagreement != "" {
		s.disagreements++
	}
	s.mu.Unlock()
	if v.disagreement == "" {
		return nil
	}
	t, v = shrink(ctx, l, t, v)
	s.t.Errorf("seed %d, %s: planner and scheduler disagree:\n%s\nThe smallest such case:\n%s",
		seed, strings.Join(t.Predicates, ", "), v.disagreement, t)
	return nil
}

// shrink cuts a trial down as long as planner and scheduler still disagree about it, for at most 60 tries.
func shrink(ctx context.Context, l *lane, t *trial, v verdict) (*trial, verdict) {
	tries := 0
	for cut := true; cut; {
		cut = false
		for _, smaller := range t.smaller() {
			if tries++; tries > 60 {
				return t, v
			}
			if w, _, err := l.judge(ctx, smaller); err == nil && w.disagreement != "" {
				t, v, cut = smaller, w, true
				break
			}
		}
	}
	return t, v
}

func (s *summary) words(took time.Duration) string {
	words := []string{fmt.Sprintf("%d trials in %.0f s: %d pods on nodes that existed, %d on machines bought, %d without a place; %d trials judged twice; %d disagreements; trials by predicate:",
		s.trials, took.Seconds(), s.onNodes, s.launched, s.unplaced, s.again, s.disagreements)}
	var names []string
	for _, p := range predicates {
		names = append(names, p.name)
	}
	slices.Sort(names)
	for _, name := range names {
		words = append(words, fmt.Sprintf("  %-24s %d", name, s.counts[name]))
	}
	return strings.Join(words, "\n")
}
