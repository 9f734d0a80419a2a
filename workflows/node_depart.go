package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// depart lets the node leave its pool: into the pool's standby where its machine is worth keeping, else away. The pool's
// Standby says which. A machine that is kept is drained and frozen like any other; one that cannot be frozen after all is
// terminated, so that whoever asked for its leaving gets it either way.
func (n *node) depart(ctx workflow.Context) {
	op := *n.state.Operation
	fate := n.fate(ctx, op)
	if n.overtaken(op) {
		n.inherit(ctx, op)
		return
	}
	n.state.Fate = &fate
	n.remember(fmt.Sprintf("Leaves its pool (%s): %s.", op.Reason, fate.Reason))
	if op.Fate = fate.Reason; fate.Tier == "" {
		op.Kind = contract.SignalTerminate
	} else {
		// Not by hand, whoever asked: the standby may let it go again.
		op.Kind, op.Tier, op.Leaves, op.By = contract.SignalHibernate, fate.Tier, true, contract.StandbyID(n.in.Cluster, n.in.Pool)
	}
	n.state.Operation = &op
}

// fate asks the pool's Standby what becomes of the machine. Where that does not answer in time, it is terminated; an answer
// that comes later is undone by the report that it is gone.
func (n *node) fate(ctx workflow.Context, op contract.Operation) contract.Fate {
	if n.in.Instance.CapacityType == v1alpha1.Spot {
		return contract.Fate{Reason: "terminated: a spot machine can be neither stopped nor kept"}
	}
	if n.state.Phase != contract.PhaseReady || n.state.Node == nil || !n.state.Node.Exists {
		return contract.Fate{Reason: "terminated: it is in phase " + string(n.state.Phase) + ", and only a ready node can be frozen"}
	}
	n.state.Departs++
	n.describe(ctx)
	key := fmt.Sprintf("%s/%d", n.info.WorkflowExecution.RunID, n.state.Departs)
	err := workflow.SignalExternalWorkflow(ctx, contract.StandbyID(n.in.Cluster, n.in.Pool), "", contract.SignalDepart, contract.Departing{
		Key: key, Instance: n.in.Instance, Reason: op.Reason,
		ReplyTo: contract.ReplyTo{WorkflowID: n.info.WorkflowExecution.ID, Signal: contract.SignalFate},
	}).Get(ctx, nil)
	if err != nil {
		return contract.Fate{Reason: "terminated: its pool has no standby that could be asked"}
	}
	timing, cancel := workflow.WithCancel(ctx)
	defer cancel()
	over := workflow.NewTimerWithOptions(timing, contract.FatePatience, workflow.TimerOptions{Summary: "terminate it without the standby's answer"})
	var answer contract.Fate
	answered := func() bool {
		drain(n.fates, func(f contract.Fate) {
			if f.Key == key {
				answer = f
			}
		})
		return answer.Key != ""
	}
	for !answered() && !over.IsReady() && !n.overtaken(op) {
		if workflow.Await(ctx, func() bool { return n.fates.Len() > 0 || over.IsReady() || n.heard() }) != nil {
			break
		}
		n.hear(ctx)
	}
	if answer.Key == "" {
		answer = contract.Fate{Reason: fmt.Sprintf("terminated: its pool's standby has not answered within %s", contract.FatePatience)}
	}
	return answer
}

// spared ends a leaving whose machine could not be frozen: it is terminated instead, whoever else asked for that meanwhile.
func (n *node) spared(ctx workflow.Context, op contract.Operation) {
	if n.state.Operation != nil && n.state.Operation.Kind != op.Kind {
		n.inherit(ctx, op)
		return
	}
	op.Fate = fmt.Sprintf("terminated: it was to be %s, and that failed: %s", op.Tier, n.state.Standby.Reason)
	op.Kind, op.Tier, op.Leaves = contract.SignalTerminate, "", false
	n.state.Operation = &op
}

// inherit has the terminate that came meanwhile answer whoever asked for a leaving, too.
func (n *node) inherit(ctx workflow.Context, op contract.Operation) {
	heir := n.state.Operation
	switch {
	case heir == nil || heir.Kind == op.Kind: // the machine is gone: its end answers
	case heir.ReplyTo == nil:
		both := *heir
		both.Request, both.ReplyTo = op.Request, op.ReplyTo
		n.state.Operation = &both
	default:
		n.reply(ctx, op, true, "terminated: "+heir.Reason)
	}
}
