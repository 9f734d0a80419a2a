package aws

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/config"
	"floe.dev/floe/internal/sim"
)

// bucket is EC2's side: a token bucket that starts full and refuses what it has no tokens for.
type bucket struct {
	tokens
	left float64
	at   time.Time
}

func (b *bucket) take(n float64, now time.Time) bool {
	b.left = min(b.size, b.left+b.refill*now.Sub(b.at).Seconds())
	b.at = now
	b.left -= n
	return b.left >= 0
}

// However calls come, however many processes share the account and however large the calls are, EC2's own buckets never
// run dry.
func TestBudgetNeverOverdraws(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		action := rapid.SampledFrom([]string{"CreateFleet", "RunInstances", "StartInstances", "StopInstances", "TerminateInstances", "DescribeInstances"}).Draw(rt, "action")
		processes := rapid.IntRange(1, 4).Draw(rt, "processes")
		calls := rapid.SliceOfN(rapid.IntRange(0, 700), 1, 60).Draw(rt, "machines")
		pauses := rapid.SliceOfN(rapid.IntRange(0, 3000), len(calls), len(calls)).Draw(rt, "pauses")
		overdrawn := ""
		synctest.Test(t, func(t *testing.T) {
			l := limitsOf(action)
			now := time.Now()
			requests, resources := bucket{l.requests, l.requests.size, now}, bucket{l.resources, l.resources.size, now}
			budgets := make([]*budget, processes)
			for i := range budgets {
				budgets[i] = newBudget(config.Account{})
				budgets[i].divide(processes)
			}
			for i, machines := range calls {
				time.Sleep(time.Duration(pauses[i]) * time.Millisecond)
				require.NoError(t, budgets[i%processes].wait(t.Context(), action, machines))
				if !requests.take(1, time.Now()) {
					overdrawn = fmt.Sprintf("call %d is one request too many", i)
				}
				if resources.size > 0 && !resources.take(float64(machines), time.Now()) {
					overdrawn = fmt.Sprintf("call %d of %d machines is too large", i, machines)
				}
			}
		})
		if overdrawn != "" {
			rt.Fatal(overdrawn)
		}
	})
}

// What the buckets hold is used at once, and what flows in as it flows.
func TestBudgetSpendsWhatThereIs(t *testing.T) {
	for name, c := range map[string]struct {
		account   config.Account
		processes int
		calls     int
		want      time.Duration
	}{
		"half of the bucket at once": {calls: 50, want: 0},
		"then the refill":            {calls: 60, want: 2 * time.Second},
		"one of two processes":       {processes: 2, calls: 60, want: 14 * time.Second},
		"a raised limit":             {account: config.Account{Rates: map[contract.APIClass]float64{contract.ClassTerminate: 10}}, calls: 110, want: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBudget(c.account)
				b.divide(c.processes)
				began := time.Now()
				for range c.calls {
					require.NoError(t, b.wait(t.Context(), "TerminateInstances", 0))
				}
				require.InDelta(t, c.want.Seconds(), time.Since(began).Seconds(), 0.01)
			})
		})
	}
}

func TestBudgetFollowsTheNumberOfProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(config.Account{})
		for range 50 { // what the bucket held
			require.NoError(t, b.wait(t.Context(), "TerminateInstances", 0))
		}
		b.divide(5)
		began := time.Now()
		for range 10 {
			require.NoError(t, b.wait(t.Context(), "TerminateInstances", 0))
		}
		require.InDelta(t, 10, time.Since(began).Seconds(), 1, "a fifth of five a second")
	})
}

// A call that would wait beyond its deadline is not made, and is no failure but a delay.
func TestOverBudgetIsThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(config.Account{Rates: map[contract.APIClass]float64{contract.ClassRead: 0.01}})
		require.NoError(t, b.wait(t.Context(), "DescribeInstances", 0))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		acc := &account{cfg: config.Account{Name: testAccount, Region: sim.DefaultRegion}}
		err := acc.fail(b.wait(ctx, "DescribeInstances", 0))
		require.Equal(t, contract.ErrThrottled, typeOf(t, err))
		require.ErrorContains(t, err, "ec2:DescribeInstances")
	})
}

// While a call waits for its budget, what comes goes with it.
func TestBatcherGathersWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := time.Now().Add(5 * time.Second)
		var calls [][]string
		b := newBatcher(100, asking, func() time.Duration { return time.Until(ready) }, func(_ context.Context, ids []string) map[string]result[string] {
			calls = append(calls, ids)
			answers := map[string]result[string]{}
			for _, id := range ids {
				answers[id] = result[string]{value: id}
			}
			return answers
		})
		var group errgroup.Group
		for i := range 30 {
			group.Go(func() error {
				time.Sleep(time.Duration(i) * 150 * time.Millisecond)
				id := fmt.Sprint(i)
				if got, err := b.do(t.Context(), id); err != nil || got != id {
					return fmt.Errorf("%s: %q, %w", id, got, err)
				}
				return nil
			})
		}
		require.NoError(t, group.Wait())
		require.Len(t, calls, 1)
		require.Len(t, slices.Compact(slices.Sorted(slices.Values(calls[0]))), 30)
	})
}

// More calls than EC2's bucket holds, as fast as they go, and machines in hundreds: not one call is refused.
func TestNoCallIsRefused(t *testing.T) {
	b := newBed(t, "")
	acc := b.accounts[testAccount]
	var group errgroup.Group
	for range 120 {
		group.Go(func() error {
			_, err := acc.instances(t.Context(), filter("instance-id", "i-00000000000000bad"))
			return err
		})
	}
	for i := range 8 { // RunInstances holds five
		group.Go(func() error {
			in := launchInput(fmt.Sprint("token-", i), 5, v1alpha1.OnDemand, "m5.large")
			in.RunInstances, in.Step.Overrides = true, in.Step.Overrides[:1]
			_, err := b.launch(in)
			return err
		})
	}
	require.NoError(t, group.Wait())
	counts := b.truth().Counts
	require.GreaterOrEqual(t, counts["DescribeInstances"].All, 120)
	require.Equal(t, 8, counts["RunInstances"].All)
	for action, count := range counts {
		require.Zero(t, count.Refused["RequestLimitExceeded"], action)
	}
}
