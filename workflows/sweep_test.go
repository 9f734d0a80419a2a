package workflows

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// sweepWorld answers a Sweep's activities; finds are the answers of one look after the other, the last one again and
// again.
type sweepWorld struct {
	*testsuite.TestWorkflowEnvironment
	looks   []contract.LookInput
	finds   []contract.FindResult
	found   []contract.FindInput
	repairs []contract.RepairInput
	repair  func(contract.RepairInput) (contract.RepairResult, error)
	nodes   *[]contract.NodeInput
}

func newSweepWorld(t *testing.T, finds ...contract.FindResult) *sweepWorld {
	w := &sweepWorld{TestWorkflowEnvironment: newWorld(t).env(), finds: finds}
	w.repair = func(in contract.RepairInput) (contract.RepairResult, error) {
		return contract.RepairResult{Done: in.Repairs}, nil
	}
	w.nodes = noNodes(w.TestWorkflowEnvironment)
	register := func(name string, f any) { w.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name}) }
	register(contract.ActivityLook, func(_ context.Context, in contract.LookInput) (contract.LookResult, error) {
		w.looks = append(w.looks, in)
		return contract.LookResult{AccountRegion: in.AccountRegion, Live: []string{"i-a", "i-b"}, Orphans: make([]contract.Orphan, 1)}, nil
	})
	register(contract.ActivityFind, func(_ context.Context, in contract.FindInput) (contract.FindResult, error) {
		w.found = append(w.found, in)
		return w.finds[min(len(w.found), len(w.finds))-1], nil
	})
	register(contract.ActivityRepair, func(_ context.Context, in contract.RepairInput) (contract.RepairResult, error) {
		w.repairs = append(w.repairs, in)
		return w.repair(in)
	})
	return w
}

func (w *sweepWorld) run(t *testing.T) contract.SweepResult {
	t.Helper()
	w.ExecuteWorkflow(contract.WorkflowSweep, contract.SweepInput{Cluster: "demo", Accounts: []contract.AccountRegion{
		{Account: "main", Region: "eu-west-1"}, {Account: "other", Region: "us-east-1"},
	}})
	var result contract.SweepResult
	require.NoError(t, w.GetWorkflowResult(&result))
	return result
}

func adopts(instance string) contract.Repair {
	in := nodeInput()
	in.Instance.ID = instance
	in.Adopted = &contract.Adoption{Reason: "it runs"}
	return contract.Repair{Kind: contract.RepairAdopt, Instance: instance, Reason: "it runs", Start: &in}
}

var tells = contract.Repair{Kind: contract.RepairTell, Instance: "i-9", Reason: "it is no more", State: "terminated"}

func TestSweepOfAClusterInOrderLooksOnce(t *testing.T) {
	left := []contract.Finding{{Subject: "i-7", Message: "another's"}}
	w := newSweepWorld(t, contract.FindResult{Left: left})
	result := w.run(t)
	require.Len(t, w.looks, 2, "one for each account")
	require.Equal(t, "other", w.found[0].Looks[1].Account)
	require.Empty(t, w.repairs)
	require.Equal(t, contract.SweepResult{Cluster: "demo", Machines: 6, InOrder: 4, Left: left}, result)
}

func TestSweepRepairsWhatTwoLooksFound(t *testing.T) {
	w := newSweepWorld(t,
		contract.FindResult{Repairs: []contract.Repair{adopts("i-1"), adopts("i-2"), tells}},
		contract.FindResult{Repairs: []contract.Repair{adopts("i-1"), adopts("i-3"), tells}})
	began := w.Now()
	result := w.run(t)
	require.GreaterOrEqual(t, w.Now().Sub(began), contract.DefaultSettle)
	require.Len(t, *w.nodes, 1, "i-2 was passing, i-3 is looked at again by the next sweep")
	require.Equal(t, "i-1", (*w.nodes)[0].Instance.ID)
	require.NotNil(t, (*w.nodes)[0].Adopted)
	require.Len(t, w.repairs, 1)
	require.Len(t, result.Repairs, 2)
	require.Nil(t, result.Repairs[0].Start, "the child's history has it")
	require.Equal(t, tells, result.Repairs[1])
}

func TestSweepOfWhatPassesRepairsNothing(t *testing.T) {
	w := newSweepWorld(t, contract.FindResult{Repairs: []contract.Repair{adopts("i-1"), tells}}, contract.FindResult{})
	result := w.run(t)
	require.Empty(t, *w.nodes)
	require.Empty(t, w.repairs)
	require.Empty(t, result.Repairs)
}

func TestSweepIsBounded(t *testing.T) {
	var repairs []contract.Repair
	for n := range contract.MaxAdoptions + 7 {
		repairs = append(repairs, adopts("i-"+string(rune('A'+n))))
	}
	w := newSweepWorld(t, contract.FindResult{Repairs: repairs})
	result := w.run(t)
	require.Len(t, *w.nodes, contract.MaxAdoptions)
	require.Equal(t, 7, result.Postponed)
}

// What the store did not take goes from sweep to sweep until it does.
func TestSweepHandsInWhatTheStoreMissed(t *testing.T) {
	event := contract.EventRecord{ID: "demo/run/adopt/i-1", At: time.Unix(0, 0).UTC(), Cluster: "demo", Kind: "sweep-adopt", Subject: "i-1"}
	w := newSweepWorld(t, contract.FindResult{})
	w.SetLastCompletionResult(contract.SweepResult{Unrecorded: []contract.EventRecord{event}})
	w.repair = func(in contract.RepairInput) (contract.RepairResult, error) {
		return contract.RepairResult{Unrecorded: in.Earlier}, nil
	}
	result := w.run(t)
	require.Equal(t, []contract.EventRecord{event}, w.repairs[0].Earlier)
	require.Equal(t, []contract.EventRecord{event}, result.Unrecorded)
}

func TestSweepSaysWhatItNeeds(t *testing.T) {
	w := newSweepWorld(t, contract.FindResult{})
	w.ExecuteWorkflow(contract.WorkflowSweep, contract.SweepInput{Cluster: "demo"})
	requireErrorType(t, contract.ErrInvalidInput, w.GetWorkflowError())
	require.ErrorContains(t, w.GetWorkflowError(), "accounts")
}

// The former life's drains have taken their ids, and its records their revisions.
func TestAdoptedNodeTakesItsFormerLifeOver(t *testing.T) {
	w := newWorld(t)
	env := w.env()
	takesSignals(env)
	in := nodeInput()
	in.Adopted = &contract.Adoption{
		Reason: "it runs", Drains: 4, Revision: 1000,
		Node: &contract.KubeNode{Name: "ip-10-0-0-1", UID: "u1", Exists: true, Ready: true, Initialized: true},
	}
	w.register = func(in contract.RegisterInput) (contract.RegisterResult, error) {
		return contract.RegisterResult{Node: contract.KubeNode{Name: in.Node, UID: "u1", Exists: true, Ready: true, Initialized: true}}, nil
	}
	env.RegisterDelayedCallback(func() {
		v := nodeView(t, env)
		require.Equal(t, contract.PhaseReady, v.Phase, "no signal was needed")
		require.Contains(t, v.Notes[0], "it runs")
		env.SignalWorkflow(contract.SignalTerminate, contract.Operation{Request: "r", Reason: "done"})
	}, time.Second)
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(contract.SignalObserved, contract.Observation{Key: "x", InstanceState: "terminated"})
	}, 2*time.Second)
	env.ExecuteWorkflow(contract.WorkflowNode, in)
	var view contract.NodeView
	require.NoError(t, env.GetWorkflowResult(&view))
	require.Equal(t, 5, view.Drains)
	require.EqualValues(t, 1001, w.records[0].Revision)
	require.Equal(t, contract.PhaseLaunching, w.records[0].View.Phase)
}

// A frozen machine is taken over in the tier that its Node says, and its boot ID will tell what it woke from.
func TestAdoptedFrozenNodeKeepsItsTier(t *testing.T) {
	for label, want := range map[v1alpha1.CapacityType]contract.Frozen{
		v1alpha1.Stopped:    {Tier: v1alpha1.Stopped, Verdict: contract.VerdictPlainStopped},
		v1alpha1.Hibernated: {Tier: v1alpha1.Hibernated},
		"":                  {Tier: v1alpha1.Hibernated},
	} {
		t.Run(string(label), func(t *testing.T) {
			env := newWorld(t).env()
			takesSignals(env)
			in := nodeInput()
			in.Instance.State = "stopped"
			in.Adopted = &contract.Adoption{Reason: "its workflow has ended", Node: &contract.KubeNode{
				Name: "ip-10-0-0-1", UID: "u1", Exists: true, BootID: "boot-1", Standby: label, Taints: []string{v1alpha1.TaintStandby + ":NoSchedule"},
			}}
			env.RegisterDelayedCallback(func() {
				v := nodeView(t, env)
				require.Equal(t, contract.PhaseStandby, v.Phase)
				require.Equal(t, want.Tier, v.Standby.Tier)
				require.Equal(t, want.Verdict, v.Standby.Verdict)
				require.Equal(t, "boot-1", v.Standby.Last.BootID)
				env.CancelWorkflow()
			}, time.Second)
			env.ExecuteWorkflow(contract.WorkflowNode, in)
		})
	}
}

// A machine that nobody can use is drained before it is terminated: pods may run there.
func TestAdoptedToBeGivenBackIsDrained(t *testing.T) {
	w := newWorld(t)
	w.terminate = func(contract.InstanceInput) (contract.InstanceResult, error) {
		return contract.InstanceResult{State: "terminated"}, nil
	}
	env := w.env()
	takesSignals(env)
	in := nodeInput()
	in.Surplus = "its pool is gone"
	in.Adopted = &contract.Adoption{Reason: in.Surplus, Node: &contract.KubeNode{Name: "ip-10-0-0-1", UID: "u1", Exists: true, Ready: true}}
	env.ExecuteWorkflow(contract.WorkflowNode, in)
	require.NoError(t, env.GetWorkflowError())
	require.Len(t, w.drained, 1)
	require.Equal(t, []string{"i-1"}, w.terminated)
	require.Equal(t, []string{"ip-10-0-0-1"}, w.deleted)
}
