package workflows

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

func nodeInput() contract.NodeInput {
	return contract.NodeInput{
		Cluster: "demo", Pool: "general", Account: "main", Region: "eu-west-1", RegistrationTimeout: 15 * time.Minute, ScaleUp: "scaleup/demo/p-1/0",
		Instance: contract.Instance{ID: "i-1", InstanceType: "m5.large", Zone: "eu-west-1a", CapacityType: v1alpha1.Spot, State: "pending"},
	}
}

const startupTaint = "cni.example/agent-not-ready:NoExecute"

func seen(key string, ready bool, taints ...string) func(*testsuite.TestWorkflowEnvironment) {
	return signal(contract.SignalObserved, contract.Observation{Key: key, Node: &contract.KubeNode{
		Name: "ip-10-0-0-1", UID: "u1", Exists: true, Ready: ready, Initialized: true, Taints: taints,
	}})
}

func nodeView(t *testing.T, env *testsuite.TestWorkflowEnvironment) (v contract.NodeView) {
	t.Helper()
	got, err := env.QueryWorkflow(contract.QueryLife)
	require.NoError(t, err)
	require.NoError(t, got.Get(&v))
	return v
}

func phaseIs(t *testing.T, want contract.Phase) func(*testsuite.TestWorkflowEnvironment) {
	return func(env *testsuite.TestWorkflowEnvironment) { require.Equal(t, want, nodeView(t, env).Phase) }
}

// A whole life, with observations doubled, however often it continues as new.
func TestNodeAcrossContinueAsNew(t *testing.T) {
	atEveryTurn(t, func(t *testing.T, maxTurns int) {
		w := newWorld(t)
		w.register = func(in contract.RegisterInput) (contract.RegisterResult, error) {
			return contract.RegisterResult{
				Node:          contract.KubeNode{Name: in.Node, UID: "u1", Exists: true, Initialized: true, Taints: []string{startupTaint}},
				StartupTaints: []string{startupTaint},
			}, nil
		}
		in := nodeInput()
		in.MaxTurns = maxTurns
		var sent *[]string
		env, _ := runAcrossContinue(t, w, func(env *testsuite.TestWorkflowEnvironment) { sent = takesSignals(env) },
			contract.WorkflowNode, in, []event{
				{1 * time.Second, phaseIs(t, contract.PhaseLaunching)},
				{2 * time.Second, seen("a", false, "floe.dev/unregistered:NoExecute")},
				{3 * time.Second, seen("a", false, "floe.dev/unregistered:NoExecute")},
				{4 * time.Second, phaseIs(t, contract.PhaseRegistered)},
				{5 * time.Second, seen("b", true, startupTaint)},
				{6 * time.Second, phaseIs(t, contract.PhaseInitialized)},
				{7 * time.Second, seen("c", true)},
				{8 * time.Second, phaseIs(t, contract.PhaseReady)},
				{9 * time.Second, seen("b", true, startupTaint)}, // late and doubled: known
				{10 * time.Second, phaseIs(t, contract.PhaseReady)},
				{11 * time.Second, signal(contract.SignalTerminate, contract.Operation{Request: "r1", Reason: "by hand"})},
				{12 * time.Second, phaseIs(t, contract.PhaseTerminating)},
				{13 * time.Second, signal(contract.SignalObserved, contract.Observation{Key: "d", InstanceState: "terminated"})},
			})
		var view contract.NodeView
		require.NoError(t, env.GetWorkflowResult(&view))
		require.Equal(t, contract.PhaseTerminated, view.Phase)
		require.Equal(t, "by hand", view.Reason)
		require.Len(t, w.drained, 1)
		require.Equal(t, []string{"i-1"}, w.terminated)
		require.Equal(t, []string{"ip-10-0-0-1"}, w.deleted)
		require.Contains(t, *sent, contract.SignalGone)

		var phases []contract.Phase
		revision := int64(0)
		for _, r := range w.records {
			require.Greater(t, r.Revision, revision)
			revision = r.Revision
			phases = append(phases, r.View.Phase)
		}
		require.Equal(t, []contract.Phase{contract.PhaseLaunching, contract.PhaseReady, contract.PhaseTerminating, contract.PhaseTerminated}, phases)
	})
}

func TestNodeThatNeverRegistersIsGivenBack(t *testing.T) {
	w := newWorld(t)
	w.describe = func(contract.InstanceInput) (contract.InstanceResult, error) {
		if len(w.terminated) > 0 {
			return contract.InstanceResult{State: "terminated"}, nil
		}
		return contract.InstanceResult{State: "running"}, nil
	}
	env := w.env()
	sent := takesSignals(env)
	env.ExecuteWorkflow(contract.WorkflowNode, nodeInput())
	var view contract.NodeView
	require.NoError(t, env.GetWorkflowResult(&view))
	require.Equal(t, "it did not register a Node in time", view.Reason)
	require.Equal(t, []string{"i-1"}, w.terminated)
	require.Empty(t, w.drained, "there is no Node to drain")
	require.Equal(t, []string{contract.SignalGone}, *sent)
}

// No signal comes at all; the slow look finds the Node.
func TestNodeLooksAgainWhenASignalIsMissed(t *testing.T) {
	w := newWorld(t)
	w.read = func(contract.ReadNodeInput) (contract.KubeNode, error) {
		return contract.KubeNode{Name: "ip-10-0-0-1", Exists: true, Ready: true, Initialized: true}, nil
	}
	w.register = func(in contract.RegisterInput) (contract.RegisterResult, error) {
		return contract.RegisterResult{Node: contract.KubeNode{Name: in.Node, Exists: true, Ready: true, Initialized: true}, Unguarded: true}, nil
	}
	env := w.env()
	takesSignals(env)
	env.RegisterDelayedCallback(func() {
		v := nodeView(t, env)
		require.Equal(t, contract.PhaseReady, v.Phase)
		require.Len(t, v.Notes, 1, "a Node without floe.dev/unregistered is served and reported")
		env.CancelWorkflow()
	}, firstLook+time.Second)
	env.ExecuteWorkflow(contract.WorkflowNode, nodeInput())
}

func TestNodeOfAnInstanceThatIsGone(t *testing.T) {
	w := newWorld(t)
	env := w.env()
	takesSignals(env)
	env.RegisterDelayedCallback(func() { seen("a", true)(env) }, time.Second)
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(contract.SignalObserved, contract.Observation{Key: "b", InstanceState: "terminated"})
	}, 2*time.Second)
	env.ExecuteWorkflow(contract.WorkflowNode, nodeInput())
	var view contract.NodeView
	require.NoError(t, env.GetWorkflowResult(&view))
	require.Empty(t, w.drained)
	require.Empty(t, w.terminated)
	require.Equal(t, []string{"ip-10-0-0-1"}, w.deleted)
	require.Equal(t, "the instance is terminated, not at Floe's request", view.Reason)
}

func TestNodeSurplusLeavesAtOnce(t *testing.T) {
	w := newWorld(t)
	w.terminate = func(contract.InstanceInput) (contract.InstanceResult, error) {
		return contract.InstanceResult{State: "terminated"}, nil
	}
	env := w.env()
	takesSignals(env)
	in := nodeInput()
	in.Surplus = "hop 1 brought more than the 2 machines asked for"
	env.ExecuteWorkflow(contract.WorkflowNode, in)
	var view contract.NodeView
	require.NoError(t, env.GetWorkflowResult(&view))
	require.Equal(t, in.Surplus, view.Reason)
	require.Equal(t, []string{"i-1"}, w.terminated)
}

// With the store down a node lives on; its record catches up with what is newest.
func TestNodeLivesOnWithoutTheStore(t *testing.T) {
	w := newWorld(t)
	down := true
	w.putNode = func(contract.NodeRecord) error {
		if down {
			return errors.New("the store does not answer")
		}
		return nil
	}
	env := w.env()
	takesSignals(env)
	env.RegisterDelayedCallback(func() { seen("a", true)(env) }, time.Second)
	env.RegisterDelayedCallback(func() { seen("b", true)(env) }, 2*time.Second)
	env.RegisterDelayedCallback(func() { phaseIs(t, contract.PhaseReady)(env); down = false }, 10*time.Second)
	env.RegisterDelayedCallback(func() {
		last := w.records[len(w.records)-1]
		require.Equal(t, contract.PhaseReady, last.View.Phase)
		require.EqualValues(t, 2, last.Revision)
		env.CancelWorkflow()
	}, 2*time.Minute)
	env.ExecuteWorkflow(contract.WorkflowNode, nodeInput())
}

func TestNodeOperations(t *testing.T) {
	w := newWorld(t)
	env := w.env()
	takesSignals(env)
	var answers []string
	ask := func(kind string, op contract.Operation) {
		env.UpdateWorkflow(kind, fmt.Sprint("update ", len(answers)), &testsuite.TestUpdateCallback{
			OnAccept:   func() {},
			OnReject:   func(err error) { answers = append(answers, "refused: "+err.Error()) },
			OnComplete: func(v any, err error) { answers = append(answers, v.(contract.OperationResult).Message) },
		}, op)
	}
	env.RegisterDelayedCallback(func() { ask(contract.UpdateDrain, contract.Operation{Request: "early"}) }, time.Second)
	env.RegisterDelayedCallback(func() { seen("a", true)(env) }, 2*time.Second)
	env.RegisterDelayedCallback(func() { seen("b", true)(env) }, 3*time.Second)
	env.RegisterDelayedCallback(func() { ask(contract.UpdateDrain, contract.Operation{Request: "r1", Reason: "maintenance"}) }, 4*time.Second)
	env.RegisterDelayedCallback(func() { ask(contract.UpdateDrain, contract.Operation{Request: "r1"}) }, 5*time.Second)
	env.RegisterDelayedCallback(func() {
		phaseIs(t, contract.PhaseReady)(env)
		ask(contract.UpdateTerminate, contract.Operation{Request: "r2", Reason: "replaced"})
	}, 6*time.Second)
	env.RegisterDelayedCallback(func() { ask(contract.UpdateDrain, contract.Operation{Request: "late"}) }, 7*time.Second)
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(contract.SignalObserved, contract.Observation{InstanceState: "terminated"})
	}, 8*time.Second)
	env.ExecuteWorkflow(contract.WorkflowNode, nodeInput())
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{
		"refused: there is no Node to drain yet; terminate gives the machine back (type: Busy, retryable: true)",
		"drain begins", "this request was taken before", "terminate begins", "refused: the node leaves already: replaced (type: Busy, retryable: true)",
	}, answers)
	require.Len(t, w.drained, 2)
}
