package workflows

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
)

// noScaleUps keeps ScaleUp workflows from running, and returns the inputs they were started with.
func noScaleUps(env *testsuite.TestWorkflowEnvironment, started *[]contract.ScaleUpInput) {
	env.OnWorkflow(contract.WorkflowScaleUp, mock.Anything, mock.Anything).Return(
		func(_ workflow.Context, in contract.ScaleUpInput) (*contract.ScaleUpView, error) {
			*started = append(*started, in)
			return &contract.ScaleUpView{}, nil
		})
}

func signal(name string, payload any) func(*testsuite.TestWorkflowEnvironment) {
	return func(env *testsuite.TestWorkflowEnvironment) { env.SignalWorkflow(name, payload) }
}

func provisionerView(t *testing.T, env *testsuite.TestWorkflowEnvironment) (v contract.ProvisionerView) {
	t.Helper()
	got, err := env.QueryWorkflow(contract.QueryState)
	require.NoError(t, err)
	require.NoError(t, got.Get(&v))
	return v
}

func cancel(env *testsuite.TestWorkflowEnvironment) { env.CancelWorkflow() }

// The day of a Provisioner: demand, twice the same; a launch filled; one exhausted, which is planned again; a machine
// that goes before its Node was seen, which is planned again too. However often it continues as new, the outcome is the
// same: no event is lost or counted twice, no launch is bought twice.
func TestProvisionerAcrossContinueAsNew(t *testing.T) {
	atEveryTurn(t, func(t *testing.T, maxTurns int) {
		w := newWorld(t)
		var scaleUps []contract.ScaleUpInput
		w.plan = func(in contract.PlanInput) (contract.PlanDigest, error) {
			d := contract.PlanDigest{Plan: in.Plan, CaughtUp: true, Pending: 1}
			if len(in.Ledger) == 0 { // nothing on its way: buy
				d.Launches, d.Launched = []contract.PlannedLaunch{{Pool: "general", Count: 2, PodCount: 9}}, 1
			} else {
				d.InFlight = 1
			}
			return d, nil
		}
		// The id of a plan's launch holds the first run id, which in the test environment differs from run to run: events
		// name the launch that was started last.
		last := func(kind string, open int, key string, ids ...string) func(*testsuite.TestWorkflowEnvironment) {
			return func(env *testsuite.TestWorkflowEnvironment) {
				ledger := provisionerView(t, env).Ledger
				require.Len(t, ledger, 1)
				ev := contract.LaunchEvent{Key: key, ScaleUp: ledger[0].ScaleUp, Pool: "general", Purpose: contract.PurposeDemand, Open: open, Reason: "dry"}
				for _, id := range ids {
					ev.Instances = append(ev.Instances, contract.Instance{ID: id})
				}
				env.SignalWorkflow(kind, ev)
			}
		}
		var view contract.ProvisionerView
		env, runs := runAcrossContinue(t, w, func(env *testsuite.TestWorkflowEnvironment) { noScaleUps(env, &scaleUps) },
			contract.WorkflowProvisioner, contract.ProvisionerInput{Cluster: "demo", MaxTurns: maxTurns}, []event{
				{1 * time.Second, signal(contract.SignalDemand, contract.Demand{Key: "d1", Pods: 3, Watermark: "9"})},
				{2 * time.Second, signal(contract.SignalDemand, contract.Demand{Key: "d1", Pods: 3, Watermark: "9"})}, // twice
				{3 * time.Second, signal(contract.SignalDemand, contract.Demand{Key: "d2", Pods: 1, Watermark: "10"})},
				{4 * time.Second, last(contract.SignalLaunchFilled, 1, "f1", "i-1")},
				{5 * time.Second, last(contract.SignalLaunchFilled, 1, "f1", "i-1")}, // twice
				{6 * time.Second, last(contract.SignalLaunchExhausted, 0, "e1")},     // planned again after 2 s
				{20 * time.Second, signal(contract.SignalGone, contract.Gone{Key: "g1", Instance: "i-1"})},
				{21 * time.Second, signal(contract.SignalGone, contract.Gone{Key: "g1", Instance: "i-1"})},
				{22 * time.Second, signal(contract.SignalGone, contract.Gone{Key: "g2", Instance: "i-never-heard-of"})},
				{30 * time.Second, func(env *testsuite.TestWorkflowEnvironment) { view = provisionerView(t, env) }},
				{31 * time.Second, cancel},
			})
		require.Error(t, env.GetWorkflowError(), "canceled")
		require.Len(t, scaleUps, 2, "once for the demand, once when the machine went")
		require.Len(t, w.plans, 4, "d1, d2, exhausted, gone")
		require.Equal(t, 4, view.Plans)
		require.Len(t, view.Ledger, 1)
		require.Equal(t, 2, view.Ledger[0].Open)
		require.Equal(t, "10", w.plans[1].Watermark)
		require.Nil(t, view.Demand)
		require.Equal(t, maxTurns > 0 && maxTurns < 5, runs > 1, "%d runs", runs)
		plans := map[string]bool{}
		for _, p := range w.plans {
			plans[p.Plan] = true
		}
		if maxTurns == 0 {
			require.Len(t, plans, 4, "plan ids are never used twice")
		}
	})
}

func TestProvisionerBacksOffAndRecoversWhenPlansFail(t *testing.T) {
	w := newWorld(t)
	down := true
	w.plan = func(in contract.PlanInput) (contract.PlanDigest, error) {
		if down {
			return contract.PlanDigest{}, fatal(contract.ErrUnavailable, "The API server of cluster demo does not answer: is it up")
		}
		return contract.PlanDigest{Plan: in.Plan, CaughtUp: true}, nil
	}
	env := w.env()
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(contract.SignalDemand, contract.Demand{Key: "d1", Pods: 3}) }, 0)
	env.RegisterDelayedCallback(func() {
		v := provisionerView(t, env)
		require.Contains(t, v.Trouble, "does not answer")
		require.NotNil(t, v.Demand, "the demand is kept")
		require.Contains(t, provisionerDetails(v), "**Trouble:** The API server of cluster demo does not answer")
		require.LessOrEqual(t, len(w.plans), 5, "2 s, 4 s, 8 s, 16 s")
		down = false
	}, 29*time.Second)
	env.RegisterDelayedCallback(func() {
		v := provisionerView(t, env)
		require.Empty(t, v.Trouble)
		require.Nil(t, v.Demand)
		require.Zero(t, v.Failures)
	}, 2*time.Minute)
	env.RegisterDelayedCallback(env.CancelWorkflow, 3*time.Minute)
	env.ExecuteWorkflow(contract.WorkflowProvisioner, contract.ProvisionerInput{Cluster: "demo"})
	require.GreaterOrEqual(t, len(w.plans), 5)
}

// News brings a plan at once, though the last one failed and its back-off is not over.
func TestProvisionerPlansAtOnceOnNews(t *testing.T) {
	w := newWorld(t)
	w.plan = func(contract.PlanInput) (contract.PlanDigest, error) {
		return contract.PlanDigest{}, fatal(contract.ErrUnavailable, "down")
	}
	env := w.env()
	for i := range 8 {
		env.RegisterDelayedCallback(func() {
			env.SignalWorkflow(contract.SignalDemand, contract.Demand{Key: fmt.Sprint(i)})
		}, time.Duration(i)*100*time.Millisecond)
	}
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Second)
	env.ExecuteWorkflow(contract.WorkflowProvisioner, contract.ProvisionerInput{Cluster: "demo"})
	require.Len(t, w.plans, 8)
}

// A drought: the demand is planned again later each time, but no later than the first offering is free; where nothing
// could be tried, not before that. It is shown until a launch is filled.
func TestProvisionerProbesADrought(t *testing.T) {
	for name, tc := range map[string]struct {
		hops int
		free time.Duration // from the launch's end
		want time.Duration
	}{
		"nothing is known":       {3, 0, 2 * time.Second},
		"free later":             {3, 30 * time.Second, 2 * time.Second},
		"free at once":           {3, time.Millisecond, 2 * time.Second},
		"nothing tried":          {0, 30 * time.Second, 30 * time.Second},
		"nothing tried for long": {0, time.Hour, recheck - time.Second}, // the plan before asks for it
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.plan = func(in contract.PlanInput) (contract.PlanDigest, error) {
				return contract.PlanDigest{
					Plan: in.Plan, CaughtUp: true, Pending: 1, Launched: 1, Launches: []contract.PlannedLaunch{{Pool: "general", Count: 1}},
				}, nil
			}
			env := w.env()
			var scaleUps []contract.ScaleUpInput
			noScaleUps(env, &scaleUps)
			env.RegisterDelayedCallback(func() { env.SignalWorkflow(contract.SignalDemand, contract.Demand{Key: "d"}) }, 0)
			env.RegisterDelayedCallback(func() {
				ev := contract.LaunchEvent{
					Key: "e", ScaleUp: "s", Pool: "general", Purpose: contract.PurposeDemand, Hops: tc.hops, Reason: "dry", Help: []string{"allow m6i"},
				}
				if tc.free > 0 {
					ev.FreeAt = env.Now().Add(tc.free)
				}
				env.SignalWorkflow(contract.SignalLaunchExhausted, ev)
			}, time.Second)
			env.RegisterDelayedCallback(func() {
				require.Len(t, w.plans, 1)
				v := provisionerView(t, env)
				require.Equal(t, "Launch `s` of pool general is not filled: dry.", v.Trouble)
			}, time.Second+tc.want-time.Millisecond)
			env.RegisterDelayedCallback(func() {
				require.Len(t, w.plans, 2)
				require.Equal(t, []bool{false, true}, []bool{scaleUps[0].Drought, scaleUps[1].Drought}, "the chain is to say what would help")
				v := provisionerView(t, env)
				require.Empty(t, v.Trouble)
				require.Equal(t, "allow m6i", v.Droughts[0].Help[0])
				require.Contains(t, provisionerDetails(v), "**Launches of pool `general` are not filled** since ")
				require.Contains(t, provisionerDetails(v), "1 of them. The last, `s`, at ")
				env.SignalWorkflow(contract.SignalLaunchFilled, contract.LaunchEvent{Key: "f", ScaleUp: v.Ledger[0].ScaleUp, Pool: "general", Open: 0})
			}, time.Second+tc.want+100*time.Millisecond)
			env.RegisterDelayedCallback(func() { require.Empty(t, provisionerView(t, env).Droughts) }, 70*time.Second)
			env.RegisterDelayedCallback(env.CancelWorkflow, 71*time.Second)
			env.ExecuteWorkflow(contract.WorkflowProvisioner, contract.ProvisionerInput{Cluster: "demo"})
		})
	}
}

// A launch that finds machines is news for a pool that found none.
func TestProvisionerHearsOfCapacityElsewhere(t *testing.T) {
	w := newWorld(t)
	w.plan = func(in contract.PlanInput) (contract.PlanDigest, error) {
		return contract.PlanDigest{Plan: in.Plan, CaughtUp: true, Pending: 1, InFlight: 1}, nil
	}
	env := w.env()
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(contract.SignalDemand, contract.Demand{Key: "d"}) }, 0)
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(contract.SignalLaunchExhausted, contract.LaunchEvent{
			Key: "e", Pool: "general", Purpose: contract.PurposeDemand, FreeAt: env.Now().Add(time.Hour), Reason: "dry",
		})
	}, time.Second)
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(contract.SignalLaunchFilled, contract.LaunchEvent{
			Key: "f", ScaleUp: "by-hand", Pool: "other", Open: 1, Instances: []contract.Instance{{ID: "i-1"}},
		})
	}, 5*time.Second)
	env.RegisterDelayedCallback(func() { require.Len(t, w.plans, 2) }, 8*time.Second)
	env.RegisterDelayedCallback(env.CancelWorkflow, 9*time.Second)
	env.ExecuteWorkflow(contract.WorkflowProvisioner, contract.ProvisionerInput{Cluster: "demo"})
	require.Len(t, w.plans, 2)
}

func TestProvisionerShowsWhyAPodCannotBePlaced(t *testing.T) {
	w := newWorld(t)
	w.plan = func(in contract.PlanInput) (contract.PlanDigest, error) {
		return contract.PlanDigest{
			Plan: in.Plan, CaughtUp: true, Pending: 1, UnplaceableCount: 1,
			Unplaceable: []contract.Unplaceable{{Pod: "default/huge", Count: 1, Reasons: []string{"pool api: 412 types too small for 96 CPU"}}},
		}, nil
	}
	env := w.env()
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(contract.SignalDemand, contract.Demand{Key: "d"}) }, 0)
	env.RegisterDelayedCallback(func() {
		require.Contains(t, provisionerDetails(provisionerView(t, env)), "- `default/huge`: pool api: 412 types too small for 96 CPU")
		require.Len(t, w.plans, 1, "a hopeless pod is not planned again and again")
	}, 2*time.Minute)
	env.RegisterDelayedCallback(env.CancelWorkflow, 3*time.Minute)
	env.ExecuteWorkflow(contract.WorkflowProvisioner, contract.ProvisionerInput{Cluster: "demo"})
}

func TestPlanNow(t *testing.T) {
	w := newWorld(t)
	var scaleUps []contract.ScaleUpInput
	w.plan = func(in contract.PlanInput) (contract.PlanDigest, error) {
		return contract.PlanDigest{Plan: in.Plan, CaughtUp: true, Launches: []contract.PlannedLaunch{{Pool: "general", Count: 1}}}, nil
	}
	env := w.env()
	noScaleUps(env, &scaleUps)
	var dry, real contract.PlanDigest
	answer := func(into *contract.PlanDigest) *testsuite.TestUpdateCallback {
		return &testsuite.TestUpdateCallback{
			OnAccept:   func() {},
			OnReject:   func(err error) { t.Error(err) },
			OnComplete: func(v any, err error) { require.NoError(t, err); *into = v.(contract.PlanDigest) },
		}
	}
	env.RegisterDelayedCallback(func() {
		env.UpdateWorkflow(contract.UpdatePlanNow, "u1", answer(&dry), contract.PlanNow{DryRun: true})
	}, time.Second)
	env.RegisterDelayedCallback(func() { require.Empty(t, scaleUps, "a dry run buys nothing") }, 2*time.Second)
	env.RegisterDelayedCallback(func() { env.UpdateWorkflow(contract.UpdatePlanNow, "u2", answer(&real), contract.PlanNow{}) }, 3*time.Second)
	env.RegisterDelayedCallback(env.CancelWorkflow, 5*time.Second)
	env.ExecuteWorkflow(contract.WorkflowProvisioner, contract.ProvisionerInput{Cluster: "demo"})
	require.Len(t, dry.Launches, 1)
	require.True(t, w.plans[0].DryRun)
	require.Len(t, real.Launches, 1)
	require.Len(t, scaleUps, 1)
}
