package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// departing is a Node that is asked to leave, and whoever it talks to.
type departing struct {
	*freezer
	// fate answers the Node's question; nil: nobody does.
	fate func(contract.Departing) contract.Fate
	// noStandby: there is nobody to be asked.
	noStandby bool

	questions []contract.Departing
	replies   []contract.OperationResult
	reports   []contract.ReportedState
}

func leaveAt(at time.Duration) event {
	return event{at, signal(contract.SignalLeave, contract.Operation{
		Request: "disruption/demo/1", Reason: "empty: it is empty", By: "floe",
		ReplyTo: &contract.ReplyTo{WorkflowID: "disruption/demo", Signal: contract.SignalLeft},
	})}
}

// play has a machine that is ready leave after ten minutes, and gives its last view.
func (d *departing) play(t *testing.T, w *world, in contract.NodeInput, events ...event) contract.NodeView {
	t.Helper()
	in.LeaveWithin = leaveWithin
	env := w.env()
	d.register(env)
	env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(
		func(_, _, _, signal string, payload any) error {
			switch v := payload.(type) {
			case contract.Departing:
				if d.noStandby {
					return fatal("NotFound", "no such workflow")
				}
				d.questions = append(d.questions, v)
				if d.fate != nil {
					fate := d.fate(v)
					fate.Key = v.Key
					env.RegisterDelayedCallback(func() { env.SignalWorkflow(contract.SignalFate, fate) }, time.Second)
				}
			case contract.OperationResult:
				d.replies = append(d.replies, v)
			case contract.StandbyReport:
				d.reports = append(d.reports, v.State)
			}
			return nil
		})
	for _, e := range append([]event{{2 * time.Second, seen("a", true)}, {3 * time.Second, seen("b", true)}, leaveAt(10 * time.Minute)}, events...) {
		env.RegisterDelayedCallback(func() { e.do(env) }, e.at)
	}
	w.terminate = func(contract.InstanceInput) (contract.InstanceResult, error) {
		return contract.InstanceResult{State: "terminated"}, nil
	}
	return lived(t, env, in)
}

func keptAs(tier v1alpha1.CapacityType) func(contract.Departing) contract.Fate {
	return func(contract.Departing) contract.Fate {
		return contract.Fate{Tier: tier, Reason: string(tier) + ": the tier has 0 of 1"}
	}
}

// A machine that its pool's Standby wants goes there, in the tier that it is told, and whoever had it leave is told so.
func TestALeavingMachineIsKept(t *testing.T) {
	for _, tier := range []v1alpha1.CapacityType{v1alpha1.Hibernated, v1alpha1.Stopped} {
		t.Run(string(tier), func(t *testing.T) {
			w, d := newWorld(t), &departing{freezer: newFreezer(), fate: keptAs(tier)}
			in := onDemand()
			in.Instance.Hibernatable = true
			v := d.play(t, w, in)
			require.Equal(t, contract.PhaseStandby, v.Phase)
			require.Equal(t, tier, v.Standby.Tier)
			require.False(t, v.Standby.ByHand, "the standby may let it go again")
			require.Len(t, w.drained, 1, "it is emptied before")
			require.Equal(t, map[v1alpha1.CapacityType]string{v1alpha1.Hibernated: "stop hibernate=true", v1alpha1.Stopped: "stop hibernate=false"}[tier], d.asked[1])
			require.Len(t, d.questions, 1)
			require.True(t, d.questions[0].Instance.Hibernatable)
			require.Equal(t, "Leaves its pool (empty: it is empty): "+string(tier)+": the tier has 0 of 1.", v.Notes[0])
			require.Equal(t, tier, v.Fate.Tier)
			require.Equal(t, []contract.OperationResult{{
				Request: "disruption/demo/1", Accepted: true, Phase: contract.PhaseReady, Watch: "default-test-workflow-id", Message: string(tier) + ": the tier has 0 of 1",
			}}, d.replies)
			require.Equal(t, []contract.ReportedState{contract.ReportFrozen}, d.reports)
			require.Empty(t, w.terminated)
		})
	}
}

// In every other case the machine is terminated, once, whoever asked is answered, once, and the Standby, where it was
// asked, learns that it is gone.
func TestALeavingMachineIsTerminated(t *testing.T) {
	gone := []contract.ReportedState{contract.ReportGone}
	for name, c := range map[string]struct {
		spot    bool
		change  func(*world, *departing)
		events  []event
		message string
		reports []contract.ReportedState
		drains  int
	}{
		"it is not wanted": {
			change: func(_ *world, d *departing) {
				d.fate = func(contract.Departing) contract.Fate {
					return contract.Fate{Reason: "terminated: the standby has all"}
				}
			},
			message: "terminated: the standby has all", reports: gone, drains: 1,
		},
		"a spot machine": {spot: true, message: "terminated: a spot machine can be neither stopped nor kept", drains: 1},
		"nobody to ask":  {change: func(_ *world, d *departing) { d.noStandby = true }, message: "terminated: its pool has no standby that could be asked", reports: gone, drains: 1},
		"nobody answers": {message: "terminated: its pool's standby has not answered within 20s", reports: gone, drains: 1},
		"it cannot be frozen": {
			change: func(_ *world, d *departing) {
				d.fate = keptAs(v1alpha1.Hibernated)
				d.stop = func(contract.StopInput) (contract.StopResult, error) {
					return contract.StopResult{Answer: contract.StopUnsupported, State: "running", Code: "UnsupportedHibernationConfiguration", Message: "no"}, nil
				}
			},
			message: "terminated: it was to be hibernated, and that failed: EC2 refuses to hibernate it: no (UnsupportedHibernationConfiguration)",
			reports: []contract.ReportedState{contract.ReportInService, contract.ReportGone}, drains: 2,
		},
		"it cannot be emptied": {
			change: func(w *world, d *departing) {
				d.fate = keptAs(v1alpha1.Hibernated)
				w.drain = func(contract.DrainInput) (contract.DrainResult, error) {
					return contract.DrainResult{}, fatal(contract.ErrInvalidInput, "no")
				}
			},
			message: "terminated: it was to be hibernated, and that failed: it could not be emptied: no",
			reports: []contract.ReportedState{contract.ReportInService, contract.ReportGone}, drains: 2,
		},
		"somebody else terminates it meanwhile": {
			change:  func(_ *world, d *departing) { d.fate = nil },
			events:  []event{{10*time.Minute + 5*time.Second, signal(contract.SignalTerminate, contract.Operation{Request: "by hand", Reason: "now"})}},
			message: "terminated", reports: gone, drains: 1,
		},
		"it dies while it is being frozen": {
			change: func(_ *world, d *departing) {
				d.fate = keptAs(v1alpha1.Hibernated)
				d.stop = func(contract.StopInput) (contract.StopResult, error) {
					return contract.StopResult{Answer: contract.StopRefused, State: "terminated", Code: "IncorrectInstanceState"}, nil
				}
			},
			message: "terminated: it was to be hibernated, and that failed: EC2 refuses to hibernate it:  (IncorrectInstanceState)",
			reports: []contract.ReportedState{contract.ReportInService, contract.ReportGone}, drains: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t), &departing{freezer: newFreezer()}
			in := onDemand()
			if c.spot {
				in = nodeInput()
			}
			if c.change != nil {
				c.change(w, d)
			}
			v := d.play(t, w, in, c.events...)
			require.Equal(t, contract.PhaseTerminated, v.Phase)
			require.Len(t, d.replies, 1)
			require.True(t, d.replies[0].Accepted)
			require.Equal(t, "disruption/demo/1", d.replies[0].Request)
			require.Equal(t, c.message, d.replies[0].Message)
			require.Equal(t, c.reports, d.reports)
			require.Len(t, w.drained, c.drains)
			require.Empty(t, d.open, "no pod comes to it again")
			require.Equal(t, contract.PhaseTerminated, w.records[len(w.records)-1].View.Phase)
		})
	}
}

// A node that is held does not leave, and says so; one that leaves cannot be held.
func TestALeavingAndAHold(t *testing.T) {
	w, d := newWorld(t), &departing{freezer: newFreezer(), fate: keptAs(v1alpha1.Stopped)}
	v := d.play(t, w, onDemand(), event{time.Minute, signal(contract.SignalHold, contract.Operation{By: "alice"})})
	require.Equal(t, contract.PhaseReady, v.Phase)
	require.Empty(t, d.questions)
	require.Len(t, d.replies, 1)
	require.False(t, d.replies[0].Accepted)
	require.Contains(t, d.replies[0].Message, "held by alice")

	w, d = newWorld(t), &departing{freezer: newFreezer()}
	var refused error
	d.play(t, w, onDemand(), event{10*time.Minute + 5*time.Second, func(env *testsuite.TestWorkflowEnvironment) {
		env.UpdateWorkflow(contract.UpdateHold, "h", &testsuite.TestUpdateCallback{
			OnAccept: func() {}, OnReject: func(err error) { refused = err }, OnComplete: func(any, error) {},
		}, contract.Operation{By: "alice"})
	}})
	requireErrorType(t, contract.ErrBusy, refused)
}

// Two machines leave at once, and the standby lacks one: it keeps the first that asks, and launches none.
func TestStandbyKeepsNoMoreThanItLacks(t *testing.T) {
	p := newPooled(2)
	p.sleepers = 1
	ask := func(n int) func(*testsuite.TestWorkflowEnvironment) {
		m := machineOf(n)
		m.Hibernatable, m.CapacityType = true, v1alpha1.OnDemand
		return signal(contract.SignalDepart, contract.Departing{Key: m.ID, Instance: m, Reason: "empty", ReplyTo: contract.ReplyTo{WorkflowID: "node/demo/" + m.ID, Signal: contract.SignalFate}})
	}
	view := p.play(t,
		// A launch that failed has the next one wait.
		event{time.Minute, func(env *testsuite.TestWorkflowEnvironment) {
			env.SignalWorkflow(contract.SignalLaunchExhausted, contract.LaunchEvent{Key: "x", ScaleUp: standbyView(t, env).Fills[0].ScaleUp, Reason: "ICE"})
		}},
		event{time.Minute + time.Second, func(env *testsuite.TestWorkflowEnvironment) { ask(7)(env); ask(8)(env) }})
	require.Len(t, p.launches, 1, "no other follows the one that failed")
	require.Len(t, p.fates, 2)
	require.Equal(t, contract.Fate{Key: "i-7", Tier: v1alpha1.Hibernated, Reason: p.fates[0].Reason}, p.fates[0])
	require.Contains(t, p.fates[0].Reason, "hibernated: the tier has 1 of 2 (the pool's number)")
	require.Empty(t, p.fates[1].Tier)
	require.Contains(t, p.fates[1].Reason, "terminated: the standby has all it is to keep: 2 of 2 hibernated")
	require.Len(t, view.Machines, 2)
	require.Equal(t, contract.StandbyMaking, view.Machines[1].Phase)
}
