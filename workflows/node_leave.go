package workflows

import (
	"cmp"
	"errors"
	"time"

	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/lifecycle"
)

// leave ends the life: drain, terminate, wait until EC2 says so, delete the Node, tell the Provisioner, record. Each part
// is tried until it succeeds: a node never leaves halfway. Where the machine is gone already, there is nothing to drain.
func (n *node) leave(ctx workflow.Context, step lifecycle.Step) (*contract.NodeView, error) {
	n.describe(ctx)
	op := contract.Operation{Reason: n.state.Reason}
	if n.state.Operation != nil {
		op = *n.state.Operation
	}
	if n.brief() {
		n.tellGone(ctx) // with the drain's beginning, so that one workflow task takes in both
	}
	if step.Act == lifecycle.Leave {
		n.empty(ctx, op)
		n.terminate(ctx)
	}
	n.awaitGone(ctx)
	n.deleteNode(ctx)
	if err := ctx.Err(); err != nil {
		return nil, err // canceled by a person: what is left is the sweep's
	}
	n.enter(ctx, lifecycle.Step{Phase: contract.PhaseTerminated, Act: lifecycle.Close, Reason: n.state.Reason})
	n.state.Operation = nil
	if !n.brief() {
		n.tellGone(ctx)
	}
	n.report(ctx, contract.ReportGone)
	n.tellRace(ctx, false)
	n.reply(ctx, op, true, cmp.Or(op.Fate, "terminated"))
	n.save(ctx)
	n.describe(ctx)
	// Canceled from here on, it waits all the same: all else is done, and nobody would write this node's end after it.
	detached, _ := workflow.NewDisconnectedContext(ctx)
	if n.brief() {
		n.record.last(detached, n)
	}
	for _, signal := range n.told {
		if err := signal.Get(ctx, nil); err != nil {
			workflow.GetLogger(ctx).Info("nobody took the news that this node is gone", "error", err)
		}
	}
	if err := workflow.Await(detached, func() bool { return n.record.idle() && n.learning == 0 }); err != nil {
		return nil, err
	}
	view := n.view()
	return &view, nil
}

// empty drains the node. A reclaim that is heard meanwhile and leaves less time has it done anew, by then.
func (n *node) empty(ctx workflow.Context, op contract.Operation) {
	for n.state.Node != nil && n.state.Node.Exists {
		_, err := n.drained(ctx, op)
		if errors.Is(err, errPreempted) {
			continue
		}
		if err != nil {
			n.remember("The drain failed: " + words(err))
		}
		return
	}
}

func (n *node) terminate(ctx workflow.Context) {
	o := quick(contract.AWSTaskQueue(n.in.Account, n.in.Region, contract.ClassTerminate), "terminate "+n.in.Instance.ID)
	o.ScheduleToStartTimeout = 0 // the queue is rate-limited: many at once wait their turn
	result, err := insist(ctx, terminateActivity, o, n.instance(), never, n.note(ctx))
	if err == nil {
		n.state.Instance = result.State
	}
}

// awaitGone waits for EC2 to be done, as the watcher observes it; a slow look helps where a signal was missed.
func (n *node) awaitGone(ctx workflow.Context) {
	for !lifecycle.Gone(n.state.Instance) && ctx.Err() == nil {
		heard, err := n.awaitSeen(ctx)
		if err != nil {
			return
		}
		if heard {
			n.hear(ctx)
			continue
		}
		o := quick(contract.AWSTaskQueue(n.in.Account, n.in.Region, contract.ClassRead), "look at the instance again")
		if seen, err := describeActivity.run(ctx, o, n.instance()); err == nil {
			n.observe(contract.Observation{InstanceState: seen.State})
		}
	}
}

// awaitSeen waits until something was observed, a minute or so at most.
func (n *node) awaitSeen(ctx workflow.Context) (heard bool, err error) {
	if !n.brief() {
		return workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
			Timeout: time.Minute, TimerOptions: workflow.TimerOptions{Summary: "look at the instance again"},
		}, func() bool { return n.observed.Len() > 0 })
	}
	if n.look.fired() {
		n.recordOverdue()
		n.look.at(ctx, workflow.Now(ctx).Add(n.in.LeaveWithin))
	}
	err = workflow.Await(ctx, func() bool { return n.observed.Len() > 0 || n.look.fired() })
	return n.observed.Len() > 0, err
}

// brief reports whether the node's leaving is to take few events: nodes from before that was so leave as they did.
func (n *node) brief() bool { return n.in.LeaveWithin > 0 }

// overdueAt sets the time from which a leaving is worth a record of its own. The timer before is left to itself: to cancel
// it would cost an event, and to fire it as a rule does not come.
func (n *node) overdueAt(ctx workflow.Context) {
	if n.state.Phase != contract.PhaseTerminating {
		return
	}
	n.look = timer{summary: n.look.summary}
	n.look.at(ctx, workflow.Now(ctx).Add(n.in.LeaveWithin))
}

// overdue reports whether the leaving takes so long that the store is to hear of it now.
func (n *node) overdue() bool {
	return n.brief() && n.state.Phase == contract.PhaseTerminating && n.saved != n.state.Phase && n.look.fired()
}

func (n *node) recordOverdue() {
	if n.overdue() {
		n.saved = n.state.Phase
		n.record.want(n)
	}
}

// tellGone tells the Provisioner that the machine is none that it has in flight: it leaves.
func (n *node) tellGone(ctx workflow.Context) {
	n.told = append(n.told, workflow.SignalExternalWorkflow(ctx, contract.ProvisionerID(n.in.Cluster), "", contract.SignalGone, contract.Gone{
		Key: n.info.WorkflowExecution.ID + "/gone", Instance: n.in.Instance.ID, Reason: n.state.Reason,
	}))
}

func (n *node) deleteNode(ctx workflow.Context) {
	if n.state.Node == nil || !n.state.Node.Exists {
		return
	}
	o := quick(contract.KubeTaskQueue(n.in.Cluster), "delete the Node "+n.state.Node.Name)
	in := contract.DeleteNodeInput{Cluster: n.in.Cluster, Node: n.state.Node.Name, UID: n.state.Node.UID}
	if _, err := insist(ctx, deleteNodeActivity, o, in, never, n.note(ctx)); err == nil {
		n.state.Node.Exists = false
	}
}

// note shows a trouble in the details.
func (n *node) note(ctx workflow.Context) func(string) {
	return func(trouble string) {
		n.state.Trouble = trouble
		n.describe(ctx)
	}
}
