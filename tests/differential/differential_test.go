package differential

import (
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

// TestPlannerAgreesWithScheduler runs FLOE_TRIALS trials from FLOE_SEED on; both have defaults.
func TestPlannerAgreesWithScheduler(t *testing.T) {
	n := fewTrials
	if os.Getenv("FLOE_LONG") != "" {
		n = manyTrials
	}
	first := 0
	for name, v := range map[string]*int{"FLOE_TRIALS": &n, "FLOE_SEED": &first} {
		if text := os.Getenv(name); text != "" {
			var err error
			*v, err = strconv.Atoi(text)
			require.NoError(t, err, name)
		}
	}
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
		for seed := first; seed < first+n && s.few(); seed++ {
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
	if n >= fewTrials {
		for _, p := range predicates {
			require.GreaterOrEqual(t, s.counts[p.name], enough, "trials of %s", p.name)
		}
	}
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

// judge runs the trial of a seed. A disagreement is looked at again with the pods given to the scheduler one at a time,
// as its own order is not the same in every run, and what remains is made as small as can be.
func (s *summary) judge(ctx context.Context, l *lane, seed int) error {
	t := drawn(seed)
	v, err := l.try(ctx, t, false)
	if err != nil {
		return fmt.Errorf("seed %d: %w", seed, err)
	}
	again := v.disagreement != ""
	if again {
		if v, err = l.try(ctx, t, true); err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
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
			if w, err := l.try(ctx, smaller, true); err == nil && w.disagreement != "" {
				t, v, cut = smaller, w, true
				break
			}
		}
	}
	return t, v
}

func (s *summary) words(took time.Duration) string {
	words := []string{fmt.Sprintf("%d trials in %.0f s: %d pods on nodes that existed, %d on machines bought, %d without a place; %d trials judged one pod at a time; %d disagreements; trials by predicate:",
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
