package workflows

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
)

func reclaimSignal(key string, kind contract.ReclaimKind) func(*testsuite.TestWorkflowEnvironment) {
	return signal(contract.SignalReclaim, contract.Reclaim{Key: key, Kind: kind, Source: "queue"})
}

func terminated() func(*testsuite.TestWorkflowEnvironment) {
	return signal(contract.SignalObserved, contract.Observation{Key: "gone", InstanceState: "terminated"})
}

// A true notice, told twice: EC2 is asked once, the pods have until the machine goes, the offering memory learns of it.
func TestNodeIsTakenBack(t *testing.T) {
	atEveryTurn(t, func(t *testing.T, maxTurns int) {
		w := newWorld(t)
		in := nodeInput()
		in.MaxTurns = maxTurns
		env, _ := runAcrossContinue(t, w, func(env *testsuite.TestWorkflowEnvironment) { takesSignals(env) }, contract.WorkflowNode, in, []event{
			{1 * time.Second, seen("a", true)},
			{10 * time.Second, reclaimSignal("e-1", contract.ReclaimInterruption)},
			{11 * time.Second, reclaimSignal("e-1", contract.ReclaimInterruption)},
			{20 * time.Second, terminated()},
		})
		var view contract.NodeView
		require.NoError(t, env.GetWorkflowResult(&view))
		require.Equal(t, contract.ReclaimConfirmed, view.Reclaim.Verdict)
		require.Equal(t, 1, view.Reclaim.Notices)
		require.Contains(t, view.Reason, "EC2 takes the spot machine back at ")
		require.Len(t, w.confirmed, 1)
		require.Equal(t, view.Reclaim.Received.Add(30*time.Second), w.confirmed[0].By)
		require.Len(t, w.drained, 1)
		require.True(t, w.drained[0].Reclaim)
		require.Equal(t, view.Reclaim.Notice.Add(2*time.Minute), w.drained[0].End)
		require.Len(t, w.reclaimed, 1)
		require.Equal(t, "m5.large", w.reclaimed[0].Offering.InstanceType)
		require.Equal(t, []string{"i-1"}, w.terminated)
	})
}

// Where whoever asks EC2 has told the offering memory, the workflow need not; and its end is the one record of it.
func TestAReclaimIsLearnedByWhoeverConfirmsIt(t *testing.T) {
	w := newWorld(t)
	w.confirm = func(in contract.ConfirmReclaimInput) (contract.ConfirmReclaimResult, error) {
		require.Equal(t, "i-1", in.Record.Instance)
		require.Equal(t, "m5.large", in.Record.Offering.InstanceType)
		require.False(t, in.Record.At.IsZero())
		return contract.ConfirmReclaimResult{Verdict: contract.ReclaimConfirmed, Recorded: true}, nil
	}
	in := nodeInput()
	in.RecordAfter, in.LeaveWithin = recordAfter, leaveWithin
	env, _ := runAcrossContinue(t, w, func(env *testsuite.TestWorkflowEnvironment) { takesSignals(env) }, contract.WorkflowNode, in, []event{
		{1 * time.Second, seen("a", true)},
		{2 * time.Second, seen("b", true)},
		{10 * time.Second, reclaimSignal("e-1", contract.ReclaimInterruption)},
		{20 * time.Second, terminated()},
	})
	require.NoError(t, env.GetWorkflowError())
	require.Empty(t, w.reclaimed)
	require.Len(t, w.drained, 1)
	require.Equal(t, []contract.Phase{contract.PhaseReady, contract.PhaseTerminated}, phases(w.records))
}

// A notice that EC2 knows nothing of: no pod moves, the mark comes off, and once more where the message comes once more.
func TestNodeIsNotTakenBack(t *testing.T) {
	w := newWorld(t)
	w.confirm = func(contract.ConfirmReclaimInput) (contract.ConfirmReclaimResult, error) {
		return contract.ConfirmReclaimResult{Verdict: contract.ReclaimRefuted, Why: "fulfilled"}, nil
	}
	env := w.env()
	takesSignals(env)
	at := func(d time.Duration, f func(*testsuite.TestWorkflowEnvironment)) {
		env.RegisterDelayedCallback(func() { f(env) }, d)
	}
	at(time.Second, seen("a", true))
	at(2*time.Second, seen("b", true))
	at(10*time.Second, reclaimSignal("e-1", contract.ReclaimInterruption))
	at(20*time.Second, func(env *testsuite.TestWorkflowEnvironment) {
		v := nodeView(t, env)
		require.Equal(t, contract.PhaseReady, v.Phase)
		require.Equal(t, contract.ReclaimRefuted, v.Reclaim.Verdict)
		require.Contains(t, v.Notes[0], "is refuted: fulfilled")
		require.Len(t, w.unmarked, 1)
	})
	at(30*time.Second, reclaimSignal("e-1", contract.ReclaimInterruption))
	at(40*time.Second, func(*testsuite.TestWorkflowEnvironment) { require.Len(t, w.unmarked, 2); env.CancelWorkflow() })
	env.ExecuteWorkflow(contract.WorkflowNode, nodeInput())
	require.True(t, env.IsWorkflowCompleted())
	require.Empty(t, w.drained)
	require.Empty(t, w.reclaimed)
	require.Len(t, w.confirmed, 1)
}

// Where EC2 can't be asked in time, the notice counts.
func TestNodeIsTakenBackUnanswered(t *testing.T) {
	w := newWorld(t)
	w.confirm = func(contract.ConfirmReclaimInput) (contract.ConfirmReclaimResult, error) {
		return contract.ConfirmReclaimResult{}, errors.New("EC2 does not answer")
	}
	env := w.env()
	takesSignals(env)
	env.RegisterDelayedCallback(func() { seen("a", true)(env) }, time.Second)
	env.RegisterDelayedCallback(func() { reclaimSignal("e-1", contract.ReclaimInterruption)(env) }, 10*time.Second)
	env.RegisterDelayedCallback(func() { require.Len(t, w.drained, 1); terminated()(env) }, 2*time.Minute)
	env.ExecuteWorkflow(contract.WorkflowNode, nodeInput())
	var view contract.NodeView
	require.NoError(t, env.GetWorkflowResult(&view))
	require.Equal(t, contract.ReclaimUnanswered, view.Reclaim.Verdict)
	require.Empty(t, w.reclaimed, "the memory learns what is sure")
}

// A drain by hand that waits on budgets ends when the machine is taken back, and so does a leaving that has more time.
func TestAReclaimPreempts(t *testing.T) {
	for _, kind := range []string{contract.SignalDrain, contract.SignalTerminate} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t)
			env := w.env()
			takesSignals(env)
			var drains []contract.DrainInput
			env.OnWorkflow(contract.WorkflowDrain, mock.Anything, mock.Anything).Return(func(ctx workflow.Context, in contract.DrainInput) (contract.DrainResult, error) {
				drains = append(drains, in)
				if !in.Reclaim {
					return contract.DrainResult{}, workflow.Sleep(ctx, time.Hour) // a budget holds it
				}
				return contract.DrainResult{Evicted: 1}, nil
			})
			env.RegisterDelayedCallback(func() { seen("a", true)(env) }, time.Second)
			env.RegisterDelayedCallback(func() {
				signal(kind, contract.Operation{Request: "r", Reason: "maintenance"})(env)
			}, 2*time.Second)
			env.RegisterDelayedCallback(func() { reclaimSignal("e-1", contract.ReclaimInterruption)(env) }, 10*time.Second)
			env.RegisterDelayedCallback(func() { terminated()(env) }, 20*time.Second)
			env.ExecuteWorkflow(contract.WorkflowNode, nodeInput())
			require.NoError(t, env.GetWorkflowError())
			require.Len(t, drains, 2)
			require.False(t, drains[0].Reclaim)
			require.True(t, drains[1].Reclaim)
			require.Equal(t, []string{"i-1"}, w.terminated)
		})
	}
}
