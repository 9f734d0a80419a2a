package workflows

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

func scaleUpInput(count int) contract.ScaleUpInput {
	return contract.ScaleUpInput{Cluster: "demo", Pool: "general", Count: count, Plan: "p-1", Purpose: contract.PurposeDemand}
}

func TestScaleUpHopsFromADryStepToTheNext(t *testing.T) {
	w := newWorld(t)
	w.launch = func(in contract.LaunchInput) (contract.LaunchResult, error) {
		if in.Step.CapacityType == v1alpha1.Spot {
			return brings(in, 0), nil
		}
		return brings(in, in.Count), nil
	}
	env := w.env()
	sent, nodes := takesSignals(env), noNodes(env)
	env.ExecuteWorkflow(contract.WorkflowScaleUp, scaleUpInput(3))
	var view contract.ScaleUpView
	require.NoError(t, env.GetWorkflowResult(&view))

	require.Equal(t, contract.ScaleUpFilled, view.Phase)
	require.Len(t, view.Hops, 2, "the skipped step is no hop")
	require.Equal(t, []int{0, 2}, []int{view.Hops[0].Step, view.Hops[1].Step})
	require.NotEqual(t, w.launches[0].Token, w.launches[1].Token, "each hop has its own token")
	require.Len(t, *nodes, 3)
	require.Equal(t, []string{contract.SignalLaunchFilled}, *sent, "a plan's launch needs no launch-opened")
}

func TestScaleUpKeepsAPartialFillAndGoesOn(t *testing.T) {
	w := newWorld(t)
	w.launch = func(in contract.LaunchInput) (contract.LaunchResult, error) {
		r := brings(in, 1)
		if len(in.Step.Overrides) == 2 { // the second offering is short, the first has given one
			r.Outcomes = []contract.Outcome{
				{Offering: in.Step.Overrides[0].Offering, Answer: contract.AnswerLaunched, Count: 1},
				{Offering: in.Step.Overrides[1].Offering, Answer: contract.AnswerICE},
			}
		}
		return r, nil
	}
	env := w.env()
	sent, nodes := takesSignals(env), noNodes(env)
	env.ExecuteWorkflow(contract.WorkflowScaleUp, scaleUpInput(4))
	var view contract.ScaleUpView
	require.NoError(t, env.GetWorkflowResult(&view))

	require.Equal(t, contract.ScaleUpExhausted, view.Phase)
	require.Contains(t, view.Reason, "3 of 4 machines")
	require.Len(t, *nodes, 3)
	require.Equal(t, []int{4, 3, 2}, []int{w.launches[0].Count, w.launches[1].Count, w.launches[2].Count})
	require.Equal(t, 1, len(w.launches[1].Step.Overrides), "the refused offering is not asked again")
	require.Contains(t, *sent, contract.SignalLaunchExhausted)
}

// Many machines' workflows are started by activities, a hundred at a time, and are awaited like children.
func TestScaleUpStartsManyNodesTogether(t *testing.T) {
	w := newWorld(t)
	w.launch = func(in contract.LaunchInput) (contract.LaunchResult, error) { return brings(in, in.Count+1), nil }
	env := w.env()
	sent, children := takesSignals(env), noNodes(env)
	in := scaleUpInput(250)
	in.Machines = make([][]string, 250)
	in.Machines[249] = []string{"default/last"}
	env.ExecuteWorkflow(contract.WorkflowScaleUp, in)
	var view contract.ScaleUpView
	require.NoError(t, env.GetWorkflowResult(&view))

	require.Equal(t, contract.ScaleUpFilled, view.Phase)
	require.Empty(t, *children)
	require.Equal(t, []string{contract.SignalLaunchFilled}, *sent)
	all := slices.Concat(w.started...)
	require.Len(t, all, 251)
	for _, some := range w.started {
		require.LessOrEqual(t, len(some), mostTold)
	}
	byID := map[string]contract.NodeInput{}
	for _, node := range all {
		byID[node.Instance.ID] = node
		require.Equal(t, "general", node.Pool)
		require.NotEmpty(t, node.ScaleUp)
	}
	require.Len(t, byID, 251)
	require.Equal(t, []string{"default/last"}, byID["i-1-249"].Pods)
	require.Empty(t, byID["i-1-249"].Surplus)
	require.NotEmpty(t, byID["i-1-250"].Surplus, "it gives itself back")
}

func TestScaleUpGivesBackWhatCameTooMuch(t *testing.T) {
	w := newWorld(t)
	w.launch = func(in contract.LaunchInput) (contract.LaunchResult, error) { return brings(in, in.Count+1), nil }
	env := w.env()
	takesSignals(env)
	nodes := noNodes(env)
	env.ExecuteWorkflow(contract.WorkflowScaleUp, scaleUpInput(2))
	var view contract.ScaleUpView
	require.NoError(t, env.GetWorkflowResult(&view))
	require.Len(t, view.Instances, 2)
	require.Len(t, *nodes, 3)
	surplus := 0
	for _, n := range *nodes {
		if n.Surplus != "" {
			surplus++
		}
	}
	require.Equal(t, 1, surplus)
}

func TestScaleUpCanceledStopsAfterTheHopAndKeepsWhatItGot(t *testing.T) {
	w := newWorld(t)
	env := w.env()
	takesSignals(env)
	nodes := noNodes(env)
	w.launch = func(in contract.LaunchInput) (contract.LaunchResult, error) {
		env.CancelWorkflow()
		return brings(in, 1), nil
	}
	env.ExecuteWorkflow(contract.WorkflowScaleUp, scaleUpInput(3))
	require.True(t, temporal.IsCanceledError(env.GetWorkflowError()), "%v", env.GetWorkflowError())
	require.Len(t, w.launches, 1)
	require.Len(t, *nodes, 1)
	got, err := env.QueryWorkflow(contract.QueryChain)
	require.NoError(t, err)
	var view contract.ScaleUpView
	require.NoError(t, got.Get(&view))
	require.Equal(t, contract.ScaleUpCanceled, view.Phase)
}

func TestScaleUpSkipsAStepOnRequest(t *testing.T) {
	w := newWorld(t)
	env := w.env()
	takesSignals(env)
	noNodes(env)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(contract.SignalSkipStep, contract.SkipStep{Step: 0}) }, 0)
	env.ExecuteWorkflow(contract.WorkflowScaleUp, scaleUpInput(1))
	require.NoError(t, env.GetWorkflowError())
	require.Len(t, w.launches, 1)
	require.Equal(t, v1alpha1.OnDemand, w.launches[0].Step.CapacityType)
}

func TestScaleUpBlocked(t *testing.T) {
	w := newWorld(t)
	w.launch = func(contract.LaunchInput) (contract.LaunchResult, error) {
		return contract.LaunchResult{}, fatal(contract.ErrAccessDenied, "ec2:CreateFleet is not allowed")
	}
	env := w.env()
	sent := takesSignals(env)
	noNodes(env)
	env.ExecuteWorkflow(contract.WorkflowScaleUp, scaleUpInput(1))
	requireErrorType(t, contract.ErrAccessDenied, env.GetWorkflowError())
	require.Equal(t, []string{contract.SignalLaunchExhausted}, *sent, "the Provisioner must not wait for it")
	require.Len(t, w.hops, 1, "the store learns of the hop all the same")
}

func TestScaleUpByHandWaitsForWhatAPersonCanMend(t *testing.T) {
	w := newWorld(t)
	tries := 0
	w.chain = func(contract.OpenChainInput) (contract.Chain, error) {
		if tries++; tries < 4 {
			return contract.Chain{}, fatal(contract.ErrPoolInvalid, "launch template lt-1 not found: create it")
		}
		return threeSteps(), nil
	}
	env := w.env()
	sent := takesSignals(env)
	noNodes(env)
	env.RegisterDelayedCallback(func() {
		got, err := env.QueryWorkflow("__temporal_workflow_metadata")
		require.NoError(t, err)
		require.NotNil(t, got)
	}, time.Second)
	env.ExecuteWorkflow(contract.WorkflowScaleUp, contract.ScaleUpInput{Cluster: "demo", Pool: "general", Count: 1})
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, 4, tries)
	require.Equal(t, []string{contract.SignalLaunchOpened, contract.SignalLaunchFilled}, *sent)
}

func TestScaleUpRefusesBadInput(t *testing.T) {
	env := newWorld(t).env()
	env.ExecuteWorkflow(contract.WorkflowScaleUp, contract.ScaleUpInput{Cluster: "demo", Pool: "general"})
	requireErrorType(t, contract.ErrInvalidInput, env.GetWorkflowError())
	require.ErrorContains(t, env.GetWorkflowError(), "count: 0 is out of range; ask for 1 to 1000 machines")
}

func TestScaleUpHandsInHopsThatTheStoreMissed(t *testing.T) {
	w := newWorld(t)
	w.launch = func(in contract.LaunchInput) (contract.LaunchResult, error) {
		r := brings(in, in.Count)
		r.Recorded = false
		return r, nil
	}
	env := w.env()
	takesSignals(env)
	noNodes(env)
	env.ExecuteWorkflow(contract.WorkflowScaleUp, scaleUpInput(1))
	require.NoError(t, env.GetWorkflowError())
	require.Len(t, w.hops, 1)
	require.Equal(t, w.launches[0].Token, w.hops[0].ID)
}
