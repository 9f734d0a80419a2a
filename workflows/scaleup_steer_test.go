package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"go.temporal.io/sdk/testsuite"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

func TestScaleUpIsHeldAndReleased(t *testing.T) {
	hold := func(d time.Duration) contract.Operation {
		return contract.Operation{By: "alice", Reason: "wait", For: metav1.Duration{Duration: d}}
	}
	for name, tc := range map[string]struct {
		do     func(*testsuite.TestWorkflowEnvironment)
		begins time.Duration // of the second hop
		note   string
	}{
		"its end": {func(env *testsuite.TestWorkflowEnvironment) { env.SignalWorkflow(contract.SignalHold, hold(time.Hour)) }, time.Hour + time.Second, "held by alice until"},
		"released": {func(env *testsuite.TestWorkflowEnvironment) {
			env.SignalWorkflow(contract.SignalHold, hold(0))
			env.RegisterDelayedCallback(func() { env.SignalWorkflow(contract.SignalRelease, contract.Operation{By: "bob"}) }, 10*time.Minute)
		}, 10*time.Minute + time.Second, "released by bob"},
		"use-now": {func(env *testsuite.TestWorkflowEnvironment) {
			env.SignalWorkflow(contract.SignalHold, hold(0))
			env.RegisterDelayedCallback(func() { env.SignalWorkflow(contract.SignalUseNow, contract.SkipStep{Step: 2}) }, 5*time.Minute)
		}, 5*time.Minute + time.Second, "step 3 (index 2) is to be tried now"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.chain = func(contract.OpenChainInput) (contract.Chain, error) { return hedged(0), nil }
			w.launch = func(in contract.LaunchInput) (contract.LaunchResult, error) {
				if in.Hop == 1 {
					return brings(in, 0), nil
				}
				return brings(in, in.Count), nil
			}
			env := w.env()
			takesSignals(env)
			noNodes(env)
			w.slowly(env, 10*time.Second)
			var begun time.Time
			env.RegisterDelayedCallback(func() { begun = env.Now(); tc.do(env) }, time.Second)
			env.RegisterDelayedCallback(func() {
				v := chainView(t, env)
				require.Len(t, v.Hops, 1)
				require.Equal(t, 0, v.Hops[0].Got)
				require.Contains(t, v.Next, "No new hop begins: the launch is held by alice")
			}, 2*time.Minute)
			env.ExecuteWorkflow(contract.WorkflowScaleUp, scaleUpInput(1))
			var view contract.ScaleUpView
			require.NoError(t, env.GetWorkflowResult(&view))
			require.Equal(t, contract.ScaleUpFilled, view.Phase)
			require.Len(t, view.Hops, 2)
			require.InDelta(t, tc.begins.Seconds(), view.Hops[1].Started.Sub(begun).Seconds()+1, 1)
			require.Contains(t, view.Notes[len(view.Notes)-1], tc.note)
		})
	}
}

// A held launch that is canceled ends.
func TestScaleUpHeldIsCanceled(t *testing.T) {
	w := newWorld(t)
	env := w.env()
	takesSignals(env)
	noNodes(env)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(contract.SignalHold, contract.Operation{}) }, 0)
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Hour)
	env.ExecuteWorkflow(contract.WorkflowScaleUp, scaleUpInput(1))
	require.Error(t, env.GetWorkflowError())
	require.Equal(t, contract.ScaleUpCanceled, chainView(t, env).Phase)
	require.Empty(t, w.launches)
}

// use-now does not wait for the hop under way, and what that one brings then is given back.
func TestScaleUpUsesAStepNow(t *testing.T) {
	w := newWorld(t)
	w.chain = func(contract.OpenChainInput) (contract.Chain, error) { return hedged(0), nil }
	env := w.env()
	takesSignals(env)
	nodes := noNodes(env)
	w.slowly(env, time.Hour, time.Second)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(contract.SignalUseNow, contract.SkipStep{Step: 7}) }, time.Second)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(contract.SignalUseNow, contract.SkipStep{Step: 2}) }, time.Minute)
	env.ExecuteWorkflow(contract.WorkflowScaleUp, scaleUpInput(1))
	var view contract.ScaleUpView
	require.NoError(t, env.GetWorkflowResult(&view))
	require.Equal(t, []string{
		"step 8 (index 7) is to be tried now, but the chain has no step of index 7; the indexes are 0 to 2", "step 3 (index 2) is to be tried now",
	}, view.Notes)
	require.Equal(t, v1alpha1.OnDemand, view.Instances[0].CapacityType)
	require.Equal(t, time.Minute, view.Hops[1].Started.Sub(view.Hops[0].Started).Round(time.Second))
	require.Len(t, *nodes, 2)
}
