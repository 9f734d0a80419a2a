package workflows

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"floe.dev/floe/api/contract"
)

func phases(records []contract.NodeRecord) (phases []contract.Phase) {
	revision := int64(0)
	for _, r := range records {
		if r.Revision <= revision {
			phases = append(phases, "out of order")
		}
		revision = r.Revision
		phases = append(phases, r.View.Phase)
	}
	return phases
}

// The store hears of a quick machine once, when it is Ready, and of a slow one within the minute; however often the
// workflow continues as new.
func TestNodeIsRecordedInTime(t *testing.T) {
	ready := contract.KubeNode{Name: "ip-10-0-0-1", UID: "u1", Exists: true, Ready: true, Initialized: true}
	for name, tc := range map[string]struct {
		after  time.Duration
		events []event
		want   []contract.Phase
	}{
		"quick": {recordAfter, []event{
			{8 * time.Second, seen("a", true)},
			{time.Hour, signal(contract.SignalTerminate, contract.Operation{})},
			{time.Hour + time.Minute, signal(contract.SignalObserved, contract.Observation{Key: "d", InstanceState: "terminated"})},
		}, []contract.Phase{contract.PhaseReady, contract.PhaseTerminating, contract.PhaseTerminated}},
		"slow": {recordAfter, []event{
			{recordAfter + 20*time.Second, seen("a", true)},
			{time.Hour, signal(contract.SignalTerminate, contract.Operation{})},
			{time.Hour + time.Minute, signal(contract.SignalObserved, contract.Observation{Key: "d", InstanceState: "terminated"})},
		}, []contract.Phase{contract.PhaseLaunching, contract.PhaseReady, contract.PhaseTerminating, contract.PhaseTerminated}},
		"stuck before it is ready": {recordAfter, []event{
			{2 * time.Second, seen("a", false)},
			{recordAfter + 20*time.Second, phaseIs(t, contract.PhaseRegistered)},
			{recordAfter + 21*time.Second, signal(contract.SignalTerminate, contract.Operation{})},
			{recordAfter + 30*time.Second, signal(contract.SignalObserved, contract.Observation{Key: "d", InstanceState: "terminated"})},
		}, []contract.Phase{contract.PhaseRegistered, contract.PhaseTerminating, contract.PhaseTerminated}},
		"gone at once": {recordAfter, []event{
			{2 * time.Second, signal(contract.SignalObserved, contract.Observation{Key: "d", InstanceState: "terminated"})},
		}, []contract.Phase{contract.PhaseTerminated}},
		"one that was begun before there was a delay": {0, []event{
			{8 * time.Second, seen("a", true)},
			{9 * time.Second, signal(contract.SignalObserved, contract.Observation{Key: "d", InstanceState: "terminated"})},
		}, []contract.Phase{contract.PhaseLaunching, contract.PhaseReady, contract.PhaseTerminating, contract.PhaseTerminated}},
	} {
		t.Run(name, func(t *testing.T) {
			atEveryTurn(t, func(t *testing.T, maxTurns int) {
				w := newWorld(t)
				w.register = func(contract.RegisterInput) (contract.RegisterResult, error) {
					node := ready
					node.Ready = name != "stuck before it is ready"
					return contract.RegisterResult{Node: node}, nil
				}
				in := nodeInput()
				in.MaxTurns, in.RecordAfter = maxTurns, tc.after
				runAcrossContinue(t, w, func(env *testsuite.TestWorkflowEnvironment) { takesSignals(env) }, contract.WorkflowNode, in, tc.events)
				require.Equal(t, tc.want, phases(w.records))
			})
		})
	}
}

// Of a leaving that is soon over the store hears at its end, of one that takes its time meanwhile too; where the store is
// down at the end, it hears when it is back. The workflow ends only then.
func TestNodeThatLeavesIsRecordedOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		gone time.Duration // after it was asked
		down int           // writes that fail
		want []contract.Phase
	}{
		"soon":              {30 * time.Second, 0, []contract.Phase{contract.PhaseReady, contract.PhaseTerminated}},
		"late":              {leaveWithin + 30*time.Second, 0, []contract.Phase{contract.PhaseReady, contract.PhaseTerminating, contract.PhaseTerminated}},
		"the store is down": {30 * time.Second, 3, []contract.Phase{contract.PhaseReady, contract.PhaseTerminated}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			down := tc.down
			var taken []contract.NodeRecord
			w.putNode = func(r contract.NodeRecord) error {
				if r.View.Phase == contract.PhaseTerminated && down > 0 {
					down--
					return errors.New("the store is down")
				}
				taken = append(taken, r)
				return nil
			}
			env := w.env()
			sent := takesSignals(env)
			at := time.Hour
			for _, e := range []event{
				{8 * time.Second, seen("a", true)},
				{9 * time.Second, seen("b", true)},
				{at, signal(contract.SignalTerminate, contract.Operation{})},
				{at + tc.gone, signal(contract.SignalObserved, contract.Observation{Key: "d", InstanceState: "terminated"})},
			} {
				env.RegisterDelayedCallback(func() { e.do(env) }, e.at)
			}
			in := nodeInput()
			in.RecordAfter, in.LeaveWithin = recordAfter, leaveWithin
			env.ExecuteWorkflow(contract.WorkflowNode, in)
			require.NoError(t, env.GetWorkflowError())
			require.Equal(t, tc.want, phases(taken))
			require.Equal(t, []string{contract.SignalGone}, *sent)
			require.Zero(t, down)
		})
	}
}
