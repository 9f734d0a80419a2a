package workflows

import (
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/ledger"
	"floe.dev/floe/internal/reclaim"
)

// operation is something that a Node may be asked to do, by update or by signal.
type operation struct{ kind, description, payload string }

// operations are all there are, in the order in which signals that came together are taken: a hold counts before
// whatever came beside it.
var operations = []operation{
	{contract.SignalRelease, "Let a held node go again", `{"by": "…", "reason": "…"}`},
	{contract.SignalHold, "Keep the node from leaving voluntarily", `{"by": "…", "reason": "…", "for": "4h"}`},
	{contract.SignalDrain, "Empty the node and keep it cordoned", `{"request": "…", "reason": "…", "force": false}`},
	{contract.SignalHibernate, "Empty the node, freeze its machine and put it into the pool's standby", `{"request": "…", "reason": "…", "tier": "hibernated"}`},
	{contract.SignalResume, "Wake the frozen machine, have it prove itself, and open it to pods", `{"request": "…", "reason": "…"}`},
	{contract.SignalLeave, "Leave the pool: into its standby where the machine is worth keeping, else as terminate does", `{"request": "…", "reason": "…"}`},
	{contract.SignalTerminate, "Drain, then terminate", `{"request": "…", "reason": "…", "force": false}`},
}

// askedBySignal is the channel of one operation.
type askedBySignal struct {
	kind    string
	channel workflow.ReceiveChannel
}

// refuses says why an operation cannot be taken now: one at a time, and a drain under way may be followed only by the
// same request again. On a held node none begins unless it is forced.
func (n *node) refuses(ctx workflow.Context, kind string, op contract.Operation) error {
	now := n.state.Operation
	busy := func(format string, args ...any) error {
		return temporal.NewApplicationError(fmt.Sprintf(format, args...), contract.ErrBusy)
	}
	switch {
	case kind == contract.UpdateRelease:
		return nil
	case n.leaving():
		if kind == contract.UpdateTerminate || kind == contract.UpdateLeave {
			return nil // it leaves already
		}
		return busy("the node leaves already: %s", n.state.Reason)
	case kind == contract.UpdateHold && op.For.Duration < 0:
		return temporal.NewApplicationError(fmt.Sprintf("for: %s is in the past; give a duration such as 4h, or leave it out", op.For.Duration), contract.ErrInvalidInput)
	case kind == contract.UpdateHold && now != nil && (now.Kind == contract.SignalTerminate || now.Kind == contract.SignalLeave || now.Leaves):
		return busy("the node is about to leave: %s", now.Reason)
	case kind == contract.UpdateHold:
		return nil
	case kind == contract.UpdateDrain && (n.state.Node == nil || !n.state.Node.Exists):
		return busy("there is no Node to drain yet; terminate gives the machine back")
	case op.Unready && n.state.Phase == contract.PhaseReady:
		return busy("it is in service")
	case now != nil && now.Kind == kind:
		return nil // it is under way already
	}
	if err := n.refusesStandby(kind, op); err != nil {
		return err
	}
	if why := n.held(ctx, op); why != "" && kind != contract.UpdateResume {
		return temporal.NewApplicationError(why, contract.ErrHeld)
	}
	if now == nil || kind == contract.UpdateTerminate {
		return nil // a terminate ends what is under way
	}
	return busy("the node is busy with %s (%s); ask again when it is done", now.Kind, now.Reason)
}

func (n *node) leaving() bool {
	return n.state.Phase == contract.PhaseTerminating || n.state.Phase == contract.PhaseTerminated
}

// accept takes an operation that was not refused.
func (n *node) accept(ctx workflow.Context, kind string, op contract.Operation) contract.OperationResult {
	result := contract.OperationResult{Request: op.Request, Accepted: true, Phase: n.state.Phase, Watch: n.info.WorkflowExecution.ID}
	repeated := op.Request != "" && !ledger.FirstSight(&n.state.Seen, kind+"/"+op.Request)
	switch {
	case repeated:
		result.Message = "this request was taken before"
	case n.leaving():
		result.Message = "the node leaves already: " + n.state.Reason
	case kind == contract.UpdateHold:
		result.Message = n.hold(ctx, op)
	case kind == contract.UpdateRelease:
		result.Message = n.release(ctx, op)
	case n.state.Operation != nil && n.state.Operation.Kind == kind:
		result.Message = kind + " is under way already"
	default:
		result.Message = kind + " begins"
		if now := workflow.Now(ctx); n.state.Hold.Lasts(now) {
			result.Message += " by force: the node is " + n.state.Hold.String()
		}
		op.Kind = kind
		n.state.Operation = &op
		if op.Fate != "" {
			n.remember(fmt.Sprintf("Leaves its pool (%s): %s.", op.Reason, op.Fate))
		}
	}
	n.describe(ctx)
	return result
}

// ask is accept for signals. The answer goes to the reply address, if there is one: at once, or where an operation
// begins, when it is done.
func (n *node) ask(ctx workflow.Context, kind string, op contract.Operation) {
	if (kind == contract.SignalHold || kind == contract.SignalRelease) && !takesHolds(ctx) {
		return
	}
	if err := n.refuses(ctx, kind, op); err != nil {
		n.reply(ctx, op, false, words(err))
		return
	}
	before := n.state.Operation
	if result := n.accept(ctx, kind, op); n.state.Operation == before {
		n.reply(ctx, op, true, result.Message)
	}
}

// operate does what was asked for.
func (n *node) operate(ctx workflow.Context) {
	switch n.state.Operation.Kind {
	case contract.SignalHibernate:
		n.freeze(ctx)
	case contract.SignalResume:
		n.wake(ctx)
	case contract.SignalLeave:
		n.depart(ctx)
	default:
		n.drain(ctx)
	}
}

// over ends an operation, unless another has taken its place meanwhile.
func (n *node) over(op contract.Operation) {
	if n.state.Operation != nil && n.state.Operation.Kind == op.Kind {
		n.state.Operation = nil
	}
}

// drain empties the node and keeps it: cordoned, in the phase it is in.
func (n *node) drain(ctx workflow.Context) {
	op := *n.state.Operation
	result, err := n.drained(ctx, op)
	if errors.Is(err, errPreempted) {
		return // the node leaves; whoever asked is answered when it has
	}
	note := fmt.Sprintf("Drained by request (%s): %d pods evicted, %d deleted.", op.Reason, result.Evicted, result.Deleted)
	if err != nil {
		note = fmt.Sprintf("A drain by request (%s) failed: %s", op.Reason, words(err))
	}
	n.remember(note)
	n.reply(ctx, op, true, note)
	n.over(op) // else a terminate came meanwhile
}

// errPreempted ends a drain because a reclaim leaves less time than it has.
var errPreempted = errors.New("the machine is taken back before")

// drained runs a Drain as a child, so that it shows as its own story.
func (n *node) drained(ctx workflow.Context, op contract.Operation) (contract.DrainResult, error) {
	n.state.Drains++
	n.describe(ctx)
	in := contract.DrainInput{
		Cluster: n.in.Cluster, Pool: n.in.Pool, Node: n.state.Node.Name, UID: n.state.Node.UID,
		Instance: n.in.Instance.ID, Reason: op.Reason, Deadline: op.Deadline,
	}
	if r := n.state.Reclaim; r.Leaves() {
		in.Reclaim, in.End, in.Reason = true, r.Deadline, reclaim.Reason(r.Reclaim)
	}
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: contract.DrainID(n.in.Cluster, n.in.Instance.ID, n.state.Drains), TaskQueue: contract.TaskQueue,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		StaticSummary:         "drain " + n.state.Node.Name + ": " + in.Reason,
		TypedSearchAttributes: temporal.NewSearchAttributes(
			keyword(contract.AttributeCluster, n.in.Cluster), keyword(contract.AttributePool, n.in.Pool),
			keyword(contract.AttributeInstance, n.in.Instance.ID)),
	}), contract.WorkflowDrain, in)
	for !child.IsReady() {
		err := workflow.Await(ctx, func() bool { return child.IsReady() || n.reclaims.Len() > 0 || n.answered() || n.overdue() })
		if err != nil {
			break
		}
		n.recordOverdue()
		n.hearReclaims(ctx)
		n.confirm(ctx)
		if !child.IsReady() && n.tighter(in) {
			return contract.DrainResult{}, errPreempted
		}
	}
	var result contract.DrainResult
	err := child.Get(ctx, &result)
	return result, err
}

// reply answers whoever asked by signal.
func (n *node) reply(ctx workflow.Context, op contract.Operation, accepted bool, message string) {
	if op.ReplyTo == nil {
		return
	}
	n.told = append(n.told, workflow.SignalExternalWorkflow(ctx, op.ReplyTo.WorkflowID, "", op.ReplyTo.Signal, contract.OperationResult{
		Request: op.Request, Accepted: accepted, Phase: n.state.Phase, Watch: n.info.WorkflowExecution.ID, Message: message,
	}))
}
