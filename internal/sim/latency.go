package sim

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path"
	"sync"
	"time"
)

// Latency is how long calls of some actions take, from their effect to their answer: so a caller that gives up early has
// had its effect all the same. Times of AWS's calls are close to lognormal, with a long tail.
type Latency struct {
	// Actions is a pattern with * and ?: CreateFleet, Describe*.
	Actions string
	// Median is what half of the calls stay below. Speed divides it.
	Median time.Duration
	// Sigma is the standard deviation of the duration's logarithm: at 0.5 one call in a hundred takes 3.2 times the median
	// or more; at 0 all take the median.
	Sigma float64
}

// latencies draws latencies of calls, repeatably.
type latencies struct {
	rules []Latency // the first that matches an action holds for it

	mu   sync.Mutex
	rand *rand.Rand
}

func newLatencies(rules []Latency, seed int64) *latencies {
	return &latencies{rules: rules, rand: rand.New(rand.NewPCG(uint64(seed), 3))}
}

// of is how long a call of the action is to take.
func (l *latencies) of(action string) time.Duration {
	for _, rule := range l.rules {
		if matched, err := path.Match(rule.Actions, action); err != nil || !matched {
			continue
		}
		if rule.Sigma == 0 {
			return rule.Median
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		return time.Duration(float64(rule.Median) * math.Exp(rule.Sigma*l.rand.NormFloat64()))
	}
	return 0
}

// maxSigma is far beyond what any service shows: one call in a hundred takes a hundred times the median.
const maxSigma = 2

func checkLatencies(rules []Latency) error {
	for n, rule := range rules {
		_, err := path.Match(rule.Actions, "")
		switch {
		case rule.Actions == "" || err != nil:
			return fmt.Errorf("latency[%d].actions: %q is no pattern of actions: such as CreateFleet, Describe* or * are wanted", n, rule.Actions)
		case rule.Median < 0:
			return fmt.Errorf("latency[%d].median: %s is not possible: it must not be negative", n, rule.Median)
		case rule.Sigma < 0 || rule.Sigma > maxSigma:
			return fmt.Errorf("latency[%d].sigma: %g is not possible: it must be from 0 to %d", n, rule.Sigma, maxSigma)
		}
	}
	return nil
}

// wait waits until d of the world's time has passed, or the caller is gone.
func (s *Server) wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	due := make(chan struct{})
	stop := s.clock.AfterFunc(s.scaled(d), func() { close(due) })
	defer stop()
	select {
	case <-due:
	case <-ctx.Done():
	}
}
