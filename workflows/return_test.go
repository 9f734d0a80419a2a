package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

func returning(change ...func(*contract.ReplaceInput)) contract.ReplaceInput {
	in := contract.ReplaceInput{
		Cluster: "demo", Request: "r-1", ReplyTo: &contract.ReplyTo{WorkflowID: "disruption/demo", Signal: contract.SignalLeft},
		Grant: contract.Grant{
			Instance: "i-old", Node: "old", UID: "u", Pool: "p", Reason: v1alpha1.DisruptReturn, Words: "it was a fallback",
			Launches: []contract.PlannedLaunch{{Pool: "p", Count: 1, CapacityTypes: []v1alpha1.CapacityType{v1alpha1.Spot}, PodCount: 3}},
		},
	}
	for _, f := range change {
		f(&in)
	}
	return in
}

// replaced plays a replacement: its ScaleUps answer in turn, and the old node as told.
func replaced(t *testing.T, l *leaving, in contract.ReplaceInput, scaleUps []contract.ScaleUpView, answer *contract.OperationResult) (*testsuite.TestWorkflowEnvironment, []contract.ScaleUpInput, []contract.OperationResult) {
	t.Helper()
	w := newWorld(t)
	env := w.env()
	var replies []contract.OperationResult
	env.OnSignalExternalWorkflow(mock.Anything, "disruption/demo", mock.Anything, contract.SignalLeft, mock.Anything).
		Return(func(_, _, _, _ string, arg any) error {
			replies = append(replies, arg.(contract.OperationResult))
			return nil
		})
	letGo := contract.SignalTerminate
	if in.Grant.Keep {
		letGo = contract.SignalLeave
	}
	env.OnSignalExternalWorkflow(mock.Anything, "node/demo/i-old", mock.Anything, letGo, mock.Anything).
		Return(func(_, id, _, signal string, arg any) error {
			l.took(id, signal, arg)
			if answer != nil {
				env.RegisterDelayedCallback(func() { env.SignalWorkflow(contract.SignalLeft, *answer) }, time.Second)
			}
			return nil
		})
	l.prepare(env)
	var asked []contract.ScaleUpInput
	env.OnWorkflow(contract.WorkflowScaleUp, mock.Anything, mock.Anything).Return(
		func(_ workflow.Context, in contract.ScaleUpInput) (*contract.ScaleUpView, error) {
			asked = append(asked, in)
			return &scaleUps[len(asked)-1], nil
		})
	kind := contract.WorkflowReplace
	if in.Grant.Reason == v1alpha1.DisruptReturn {
		kind = contract.WorkflowReturnToSpot
	}
	env.ExecuteWorkflow(kind, in)
	require.True(t, env.IsWorkflowCompleted())
	return env, asked, replies
}

func filled(id string) contract.ScaleUpView {
	return contract.ScaleUpView{Phase: contract.ScaleUpFilled, Instances: []contract.Instance{{ID: id}}}
}

func result(t *testing.T, env *testsuite.TestWorkflowEnvironment) (r contract.ReplaceResult) {
	t.Helper()
	require.NoError(t, env.GetWorkflowError())
	require.NoError(t, env.GetWorkflowResult(&r))
	return r
}

func TestReturnToSpot(t *testing.T) {
	l := newLeaving()
	readied := false
	l.await = func(in contract.AwaitNodesInput) (contract.AwaitNodesResult, error) {
		require.Equal(t, []string{"i-new"}, in.Instances)
		require.Empty(t, l.asked, "the old node stays until the new one takes pods")
		readied = true
		return contract.AwaitNodesResult{}, nil
	}
	env, asked, replies := replaced(t, l, returning(), []contract.ScaleUpView{filled("i-new")}, &contract.OperationResult{Request: "r-1", Accepted: true})
	r := result(t, env)
	require.True(t, r.Left)
	require.True(t, readied)
	require.Equal(t, []string{"i-new"}, r.Instances)
	require.Len(t, asked, 1)
	require.Equal(t, contract.PurposeReturn, asked[0].Purpose)
	require.Equal(t, []v1alpha1.CapacityType{v1alpha1.Spot}, asked[0].CapacityTypes)
	require.NoError(t, asked[0].Validate())
	require.Equal(t, "return: it was a fallback", l.asked["node/demo/i-old"].Reason)
	require.False(t, l.asked["node/demo/i-old"].Force, "a person's hold is kept")
	require.Empty(t, l.cordoned)
	require.Len(t, replies, 1)
	require.Equal(t, "r-1", replies[0].Request)
	require.True(t, replies[0].Accepted)
}

// A fallback that its pool's standby may want is offered to it, and who granted the return hears what became of it.
func TestAReturnGivesItsMachineToStandby(t *testing.T) {
	l := newLeaving()
	env, _, replies := replaced(t, l, returning(func(in *contract.ReplaceInput) { in.Grant.Keep = true }),
		[]contract.ScaleUpView{filled("i-new")}, &contract.OperationResult{Request: "r-1", Accepted: true, Message: "hibernated: the tier has 0 of 1"})
	r := result(t, env)
	require.Equal(t, []string{"node/demo/i-old leave"}, l.signals)
	require.Equal(t, "hibernated: the tier has 0 of 1", r.Fate)
	require.Equal(t, "It has left: it was a fallback; hibernated: the tier has 0 of 1.", r.Message)
	require.Equal(t, r.Fate, replies[0].Message)
}

func TestAReturnWithoutSpotLeavesTheNodeAlone(t *testing.T) {
	l := newLeaving()
	env, _, replies := replaced(t, l, returning(func(in *contract.ReplaceInput) { in.Grant.Launches = append(in.Grant.Launches, in.Grant.Launches[0]) }),
		[]contract.ScaleUpView{filled("i-half"), {Phase: contract.ScaleUpExhausted, Reason: "all 12 offerings: insufficient capacity"}}, nil)
	r := result(t, env)
	require.False(t, r.Left)
	require.True(t, r.Exhausted)
	require.Equal(t, "there is no replacement to be had: all 12 offerings: insufficient capacity", r.Message)
	require.Equal(t, []string{"node/demo/i-half terminate"}, l.signals, "what came is given back, the old node is not asked")
	require.False(t, replies[0].Accepted)
	require.Equal(t, r.Message, replies[0].Message)
}

func TestAReplacementThatDoesNotTakePodsIsGivenBack(t *testing.T) {
	l := newLeaving()
	l.await = func(in contract.AwaitNodesInput) (contract.AwaitNodesResult, error) {
		return contract.AwaitNodesResult{Missing: in.Instances}, nil
	}
	env, _, replies := replaced(t, l, returning(), []contract.ScaleUpView{filled("i-new")}, nil)
	require.Equal(t, "its replacement leaves, or does not take pods within 20m0s: i-new", result(t, env).Message)
	require.Equal(t, []string{"node/demo/i-new terminate"}, l.signals)
	require.False(t, replies[0].Accepted)
}

func TestAReplacementOfANodeThatIsHeldMeanwhile(t *testing.T) {
	l := newLeaving()
	env, _, replies := replaced(t, l, returning(), []contract.ScaleUpView{filled("i-new")}, &contract.OperationResult{Request: "r-1", Message: "the node is held by alice"})
	require.Equal(t, "the node is held by alice; its replacement goes as any node that is empty", result(t, env).Message)
	require.False(t, replies[0].Accepted)
}

func TestANodeThatNeverAnswers(t *testing.T) {
	l := newLeaving()
	env, _, replies := replaced(t, l, returning(), []contract.ScaleUpView{filled("i-new")}, &contract.OperationResult{Request: "another"})
	require.Equal(t, "its Node workflow has not answered within 6h0m0s", result(t, env).Message)
	require.False(t, replies[0].Accepted)
}

func TestAnUnsoundNodeIsCordonedFirst(t *testing.T) {
	l := newLeaving()
	env, asked, _ := replaced(t, l, returning(func(in *contract.ReplaceInput) {
		in.Grant.Reason, in.Grant.Cordon = v1alpha1.DisruptCondition, true
	}), []contract.ScaleUpView{filled("i-new")}, &contract.OperationResult{Request: "r-1", Accepted: true})
	require.True(t, result(t, env).Left)
	require.Equal(t, []string{"old"}, l.cordoned)
	require.Equal(t, contract.PurposeReplace, asked[0].Purpose)
}

// Canceled by a person it still tells whoever granted it.
func TestACanceledReplacementTells(t *testing.T) {
	w, l := newWorld(t), newLeaving()
	env := w.env()
	var replies []contract.OperationResult
	env.OnSignalExternalWorkflow(mock.Anything, "disruption/demo", mock.Anything, contract.SignalLeft, mock.Anything).
		Return(func(_, _, _, _ string, arg any) error {
			replies = append(replies, arg.(contract.OperationResult))
			return nil
		})
	l.prepare(env)
	env.OnWorkflow(contract.WorkflowScaleUp, mock.Anything, mock.Anything).Return(
		func(ctx workflow.Context, _ contract.ScaleUpInput) (*contract.ScaleUpView, error) {
			return nil, workflow.Sleep(ctx, time.Hour)
		})
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
	env.ExecuteWorkflow(contract.WorkflowReturnToSpot, returning())
	require.Error(t, env.GetWorkflowError())
	require.Len(t, replies, 1)
	require.False(t, replies[0].Accepted)
	require.Empty(t, l.asked)
}
