package workflows

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// steady is a pool that launched so many in every hour of three weeks.
func steady(perHour int) func(contract.LaunchHistoryInput) (contract.LaunchHistory, error) {
	return func(in contract.LaunchHistoryInput) (contract.LaunchHistory, error) {
		h := contract.LaunchHistory{Since: in.Now.UTC().Add(-3 * 7 * 24 * time.Hour).Truncate(time.Hour)}
		for t := h.Since; !t.After(in.Now); t = t.Add(time.Hour) {
			h.Launched = append(h.Launched, perHour)
		}
		return h, nil
	}
}

// forecasting is a pool that keeps what is foretold.
func forecasting(most int32) *pooled {
	p := newPooled(0)
	p.facts.Spec.Targets = []v1alpha1.StandbyTarget{{Tier: v1alpha1.Hibernated, Forecast: &v1alpha1.StandbyForecast{Percent: 90, Max: most}}}
	return p
}

func standbyView(t *testing.T, env *testsuite.TestWorkflowEnvironment) (v contract.StandbyView) {
	t.Helper()
	got, err := env.QueryWorkflow(contract.QueryStandby)
	require.NoError(t, err)
	require.NoError(t, got.Get(&v))
	return v
}

func TestStandbyKeepsWhatIsForetold(t *testing.T) {
	p := forecasting(9)
	p.history = steady(3)
	v := p.play(t)
	require.Equal(t, 3, v.Hibernated)
	require.Contains(t, v.Reasons[0], "foretell that 3 are enough in 90 of 100 hours")
	require.Equal(t, 3, p.launches[0].Count)
	require.Equal(t, "general", p.asks[0].Pool)
	require.Greater(t, len(p.asks), 2, "it is read again now and then")
	require.LessOrEqual(t, len(p.asks), 4, "every ten minutes in half an hour")
	require.Nil(t, v.Launches, "a view is no place for 1,500 numbers")
}

// While the store is down nothing goes; what was known last stays, and the view says of when it is.
func TestStandbyForecastsWithoutTheStore(t *testing.T) {
	down := func(contract.LaunchHistoryInput) (contract.LaunchHistory, error) {
		return contract.LaunchHistory{}, fatal(contract.ErrUnavailable, "the store does not answer")
	}
	t.Run("from the start", func(t *testing.T) {
		p := forecasting(9)
		p.sleepers = 2
		p.history = down
		v := p.play(t)
		require.Equal(t, map[string]contract.StandbyPhase{"i-1": contract.StandbyFrozen, "i-2": contract.StandbyFrozen}, whereabouts(v),
			"how many are wanted is not known: none goes")
		require.Contains(t, v.Reasons[0], "not read yet")
		require.Contains(t, v.Reasons[len(v.Reasons)-1], "cannot be read: the store does not answer")
	})
	t.Run("later", func(t *testing.T) {
		p := forecasting(9)
		p.sleepers = 2
		p.history = func(in contract.LaunchHistoryInput) (contract.LaunchHistory, error) {
			if len(p.asks) == 1 {
				return steady(2)(in)
			}
			return contract.LaunchHistory{}, errors.New("down")
		}
		v := p.play(t)
		require.Equal(t, 2, v.Hibernated)
		require.Empty(t, p.launches)
		require.Contains(t, v.Reasons[len(v.Reasons)-1], "which cannot be read now")
	})
	t.Run("back again", func(t *testing.T) {
		p := forecasting(9)
		p.sleepers = 2
		p.history = func(in contract.LaunchHistoryInput) (contract.LaunchHistory, error) {
			if len(p.asks) < 8 {
				return down(in)
			}
			return steady(1)(in)
		}
		v := p.play(t)
		require.Equal(t, 1, v.Hibernated)
		require.Len(t, p.dropped, 1, "now it is known that one is too many")
	})
}

// A pool without a forecast does not ask the store.
func TestStandbyReadsNoLaunchesWithoutAForecast(t *testing.T) {
	p := newPooled(1)
	p.play(t)
	require.Empty(t, p.asks)
}

// A machine whose Node is held refuses to go: another goes in its place, and it is asked again after a while.
func TestStandbyMachinesThatAreHeld(t *testing.T) {
	p := newPooled(1)
	p.sleepers = 2 // one too many; the first is held
	answer := func(accepted bool) func(*testsuite.TestWorkflowEnvironment) {
		return func(env *testsuite.TestWorkflowEnvironment) {
			env.SignalWorkflow(contract.SignalAnswered, contract.OperationResult{
				Request: p.dropped[0].Request, Accepted: accepted, Message: "the node is held by alice",
			})
		}
	}
	var mid contract.StandbyView
	p.play(t, event{time.Minute, answer(false)},
		event{time.Minute + time.Second, func(env *testsuite.TestWorkflowEnvironment) { mid = standbyView(t, env) }})
	require.Equal(t, map[string]contract.StandbyPhase{"i-1": contract.StandbyFrozen, "i-2": contract.StandbyLeaving}, whereabouts(mid))
	require.Contains(t, mid.Machines[0].Reason, "held by alice")
	require.Equal(t, contract.SignalAnswered, p.dropped[0].ReplyTo.Signal)
	require.Len(t, p.dropped, 2)

	// Nobody else could go: the same one is asked again when a while has passed.
	p = newPooled(0)
	p.sleepers = 1
	p.facts.Spec.Stopped = 1 // else the standby would end
	p.play(t, event{time.Minute, answer(false)})
	require.Len(t, p.dropped, 2)
	require.Equal(t, p.dropped[0].Request, p.dropped[1].Request)

	// One that cannot be frozen, and is held.
	p = newPooled(1)
	v := p.play(t, event{time.Second, signal(contract.SignalReported, contract.StandbyReport{
		Key: "r", Instance: machineOf(1), Tier: v1alpha1.Hibernated, State: contract.ReportRefused, Verdict: contract.VerdictRefused,
	})}, event{time.Minute, answer(false)})
	require.Len(t, p.dropped, 2)
	require.Equal(t, contract.StandbyLeaving, whereabouts(v)["i-1"])
	require.NotEmpty(t, p.launches, "it is no standby machine meanwhile")
}
