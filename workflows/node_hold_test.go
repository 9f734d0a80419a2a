package workflows

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
)

// standing is a world whose Node is still there whenever it is looked at again.
func standing(t *testing.T) *world {
	w := newWorld(t)
	w.read = func(contract.ReadNodeInput) (contract.KubeNode, error) {
		return contract.KubeNode{Name: "ip-10-0-0-1", UID: "u1", Exists: true, Ready: true, Initialized: true}, nil
	}
	return w
}

// asks sends updates and keeps what was answered.
func asks(answers *[]string, kind string, op contract.Operation) func(*testsuite.TestWorkflowEnvironment) {
	return func(env *testsuite.TestWorkflowEnvironment) {
		env.UpdateWorkflow(kind, fmt.Sprint(kind, env.Now()), &testsuite.TestUpdateCallback{
			OnAccept:   func() {},
			OnReject:   func(err error) { *answers = append(*answers, "refused: "+words(err)) },
			OnComplete: func(v any, _ error) { *answers = append(*answers, v.(contract.OperationResult).Message) },
		}, op)
	}
}

func forHours(h int) metav1.Duration { return metav1.Duration{Duration: time.Duration(h) * time.Hour} }

// A held node is not drained and not given back, until the hold's end has passed, it is released, or somebody forces it.
func TestHeldNodeStays(t *testing.T) {
	atEveryTurn(t, func(t *testing.T, maxTurns int) {
		w := standing(t)
		in := nodeInput()
		in.MaxTurns = maxTurns
		var answers []string
		ask := func(kind string, op contract.Operation) func(*testsuite.TestWorkflowEnvironment) {
			return asks(&answers, kind, op)
		}
		drain := contract.Operation{Reason: "maintenance"}
		forced := contract.Operation{Reason: "now", Force: true}
		env, runs := runAcrossContinue(t, w, func(env *testsuite.TestWorkflowEnvironment) { takesSignals(env) },
			contract.WorkflowNode, in, []event{
				{1 * time.Second, seen("a", true)},
				{2 * time.Second, seen("b", true)},
				{3 * time.Second, ask(contract.UpdateHold, contract.Operation{By: "alice@laptop", Reason: "upgrade", For: forHours(4)})},
				{1 * time.Hour, seen("c", true)},
				{2 * time.Hour, ask(contract.UpdateDrain, drain)},
				{3 * time.Hour, func(env *testsuite.TestWorkflowEnvironment) {
					require.Equal(t, "held by alice@laptop until 2026-01-01T16:00:03Z: upgrade", nodeView(t, env).Hold.String())
					env.SignalWorkflow(contract.SignalTerminate, contract.Operation{Request: "by signal", Reason: "surplus"})
				}},
				{3*time.Hour + time.Minute, phaseIs(t, contract.PhaseReady)},
				{5 * time.Hour, ask(contract.UpdateDrain, drain)}, // its end has passed
				{6 * time.Hour, signal(contract.SignalHold, contract.Operation{By: "bob@ci"})},
				{7 * time.Hour, ask(contract.UpdateTerminate, drain)},
				{8 * time.Hour, signal(contract.SignalRelease, contract.Operation{By: "carol", Reason: "done"})},
				{9 * time.Hour, ask(contract.UpdateRelease, contract.Operation{})},
				{10 * time.Hour, ask(contract.UpdateHold, contract.Operation{By: "dave", For: forHours(-1)})},
				{11 * time.Hour, ask(contract.UpdateHold, contract.Operation{By: "dave"})},
				{12 * time.Hour, ask(contract.UpdateTerminate, forced)},
				{13 * time.Hour, signal(contract.SignalObserved, contract.Observation{Key: "d", InstanceState: "terminated"})},
			})
		var view contract.NodeView
		require.NoError(t, env.GetWorkflowResult(&view))
		require.Equal(t, []string{
			"held by alice@laptop until 2026-01-01T16:00:03Z: upgrade",
			"refused: the node is held by alice@laptop until 2026-01-01T16:00:03Z: upgrade; release it with: floe node release i-1 --cluster demo, or ask with force",
			"drain begins",
			"refused: the node is held by bob@ci until it is released; release it with: floe node release i-1 --cluster demo, or ask with force",
			"the node is not held",
			"refused: for: -1h0m0s is in the past; give a duration such as 4h, or leave it out",
			"held by dave until it is released",
			"terminate begins by force: the node is held by dave until it is released",
		}, answers)
		require.Equal(t, []string{
			"Drained by request (maintenance): 1 pods evicted, 0 deleted.",
			"Held by alice@laptop from 2026-01-01T12:00:03Z to 2026-01-01T16:00:03Z (upgrade).",
			"Held by bob@ci from 2026-01-01T18:00:00Z to 2026-01-01T20:00:00Z; released by carol (done).",
		}, view.Notes)
		require.Equal(t, "dave", view.Hold.By, "it never stood in the way of the end")
		require.Equal(t, "now", view.Reason)
		require.Equal(t, maxTurns > 0, runs > 1, "%d runs", runs)

		var recorded []string
		for _, r := range w.records {
			recorded = append(recorded, fmt.Sprint(r.View.Phase, " ", r.View.Hold != nil))
		}
		require.Equal(t, []string{
			"launching false", "ready false", "ready true", "ready true", "ready false", "ready true", "terminating true", "terminated true",
		}, recorded, "the store knows of every hold")
	})
}

// Neither a reclaim nor a machine that is gone asks for leave.
func TestHoldDoesNotKeepTheDead(t *testing.T) {
	w := newWorld(t)
	env := w.env()
	takesSignals(env)
	env.RegisterDelayedCallback(func() { seen("a", true)(env) }, time.Second)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(contract.SignalHold, contract.Operation{By: "alice"}) }, 2*time.Second)
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(contract.SignalObserved, contract.Observation{Key: "b", InstanceState: "terminated"})
	}, 3*time.Second)
	env.ExecuteWorkflow(contract.WorkflowNode, nodeInput())
	var view contract.NodeView
	require.NoError(t, env.GetWorkflowResult(&view))
	require.Equal(t, contract.PhaseTerminated, view.Phase)
	require.Equal(t, "terminated", view.InstanceState)
}

// Renewing a hold is no news; another hand's hold is. A hold comes too late for what is under way.
func TestHoldIsRenewedAndReplaced(t *testing.T) {
	w := standing(t)
	env := w.env()
	takesSignals(env)
	var answers []string
	w.drain = func(contract.DrainInput) (contract.DrainResult, error) {
		asks(&answers, contract.UpdateHold, contract.Operation{By: "dave"})(env)
		return contract.DrainResult{}, nil
	}
	hold := func(at time.Duration, by string) {
		env.RegisterDelayedCallback(func() { asks(&answers, contract.UpdateHold, contract.Operation{By: by, For: forHours(1)})(env) }, at)
	}
	env.SetStartTime(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
	env.RegisterDelayedCallback(func() { seen("a", true)(env) }, time.Second)
	hold(2*time.Second, "alice")
	hold(10*time.Minute, "alice")
	env.RegisterDelayedCallback(func() {
		require.Empty(t, nodeView(t, env).Notes)
		require.Equal(t, 2*time.Second, nodeView(t, env).Hold.Since.Sub(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)))
	}, 11*time.Minute)
	hold(20*time.Minute, "bob")
	env.RegisterDelayedCallback(func() {
		asks(&answers, contract.UpdateTerminate, contract.Operation{Force: true, Reason: "meant"})(env)
	}, 30*time.Minute)
	env.RegisterDelayedCallback(func() {
		asks(&answers, contract.UpdateRelease, contract.Operation{})(env)
		env.SignalWorkflow(contract.SignalObserved, contract.Observation{Key: "b", InstanceState: "terminated"})
	}, 31*time.Minute)
	env.ExecuteWorkflow(contract.WorkflowNode, nodeInput())
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{
		"held by alice until 2026-01-01T13:00:02Z", "held by alice until 2026-01-01T13:10:00Z", "held by bob until 2026-01-01T13:20:00Z",
		"terminate begins by force: the node is held by bob until 2026-01-01T13:20:00Z",
		"refused: the node leaves already: meant", "the node leaves already: meant",
	}, answers)
	var view contract.NodeView
	require.NoError(t, env.GetWorkflowResult(&view))
	require.Equal(t, []string{"Held by alice from 2026-01-01T12:00:02Z to 2026-01-01T12:20:00Z."}, view.Notes)
}

// A workflow cannot send an update: it signals, and is answered where it says.
func TestWhoeverAsksBySignalIsAnswered(t *testing.T) {
	w := newWorld(t)
	env := w.env()
	var answers []string
	env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).
		Return(func(_, id, _, signal string, v any) error {
			if r, ok := v.(contract.OperationResult); ok {
				answers = append(answers, fmt.Sprintf("%s %s %s %t: %s", id, signal, r.Request, r.Accepted, r.Message))
			}
			return nil
		})
	reply := &contract.ReplyTo{WorkflowID: "disruption/demo", Signal: "answer"}
	at := func(d time.Duration, kind string, op contract.Operation) {
		op.ReplyTo, op.Request = reply, fmt.Sprint(d)
		env.RegisterDelayedCallback(func() { env.SignalWorkflow(kind, op) }, d)
	}
	env.RegisterDelayedCallback(func() { seen("a", true)(env) }, time.Second)
	at(2*time.Second, contract.SignalHold, contract.Operation{By: "alice"})
	at(3*time.Second, contract.SignalDrain, contract.Operation{Reason: "empty"})
	at(4*time.Second, contract.SignalRelease, contract.Operation{})
	at(5*time.Second, contract.SignalDrain, contract.Operation{Reason: "empty"})
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
	env.ExecuteWorkflow(contract.WorkflowNode, nodeInput())
	require.Equal(t, []string{
		"disruption/demo answer 2s true: held by alice until it is released",
		"disruption/demo answer 3s false: the node is held by alice until it is released; release it with: floe node release i-1 --cluster demo, or ask with force",
		"disruption/demo answer 4s true: released; it was held by alice until it is released",
		"disruption/demo answer 5s true: Drained by request (empty): 1 pods evicted, 0 deleted.",
	}, answers)
}

func TestNotesAreBounded(t *testing.T) {
	n := &node{}
	for i := range mostNotes + 7 {
		n.remember(fmt.Sprint(i))
	}
	require.Len(t, n.state.Notes, mostNotes)
	require.Equal(t, "7", n.state.Notes[0])
}
