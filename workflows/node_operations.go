package workflows

import (
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/ledger"
)

// refuses says why an operation cannot be taken now: one at a time, and a drain under way may be followed only by the
// same request again.
func (n *node) refuses(kind string, op contract.Operation) error {
	switch now := n.state.Operation; {
	case n.state.Phase == contract.PhaseTerminating || n.state.Phase == contract.PhaseTerminated:
		if kind == contract.UpdateTerminate {
			return nil // it leaves already
		}
		return temporal.NewApplicationError(fmt.Sprintf("the node leaves already: %s", n.state.Reason), contract.ErrBusy)
	case kind == contract.UpdateDrain && (n.state.Node == nil || !n.state.Node.Exists):
		return temporal.NewApplicationError("there is no Node to drain yet; terminate gives the machine back", contract.ErrBusy)
	case now == nil, now.Kind == kind, now.Kind == contract.SignalDrain && kind == contract.UpdateTerminate:
		return nil
	default:
		return temporal.NewApplicationError(fmt.Sprintf("the node is busy with %s (%s); ask again when it is done", now.Kind, now.Reason), contract.ErrBusy)
	}
}

// accept takes an operation that was not refused.
func (n *node) accept(kind string, op contract.Operation) contract.OperationResult {
	result := contract.OperationResult{Request: op.Request, Accepted: true, Phase: n.state.Phase, Watch: n.info.WorkflowExecution.ID}
	repeated := op.Request != "" && !ledger.FirstSight(&n.state.Seen, kind+"/"+op.Request)
	leaving := n.state.Phase == contract.PhaseTerminating || n.state.Phase == contract.PhaseTerminated
	switch {
	case repeated:
		result.Message = "this request was taken before"
	case leaving:
		result.Message = "the node leaves already: " + n.state.Reason
	case n.state.Operation != nil && n.state.Operation.Kind == kind:
		result.Message = kind + " is under way already"
	default:
		op.Kind = kind
		n.state.Operation = &op
		result.Message = kind + " begins"
	}
	return result
}

// ask is accept for signals: a refusal goes to the reply address, if there is one.
func (n *node) ask(kind string, op contract.Operation) {
	if n.refuses(kind, op) == nil {
		n.accept(kind, op)
	}
}

// drain empties the node and keeps it: cordoned, in the phase it is in.
func (n *node) drain(ctx workflow.Context) {
	op := *n.state.Operation
	result, err := n.drained(ctx, op)
	note := fmt.Sprintf("Drained by request (%s): %d pods evicted, %d deleted.", op.Reason, result.Evicted, result.Deleted)
	if err != nil {
		note = fmt.Sprintf("A drain by request (%s) failed: %s", op.Reason, words(err))
	}
	n.state.Notes = append(n.state.Notes, note)
	n.reply(ctx, op, note)
	if n.state.Operation != nil && n.state.Operation.Kind == contract.SignalDrain {
		n.state.Operation = nil // else a terminate came meanwhile
	}
}

// drained runs a Drain as a child, so that it shows as its own story.
func (n *node) drained(ctx workflow.Context, op contract.Operation) (contract.DrainResult, error) {
	n.state.Drains++
	n.describe(ctx)
	child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: contract.DrainID(n.in.Cluster, n.in.Instance.ID, n.state.Drains), TaskQueue: contract.TaskQueue,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		StaticSummary:         "drain " + n.state.Node.Name + ": " + op.Reason,
		TypedSearchAttributes: temporal.NewSearchAttributes(
			keyword(contract.AttributeCluster, n.in.Cluster), keyword(contract.AttributePool, n.in.Pool),
			keyword(contract.AttributeInstance, n.in.Instance.ID)),
	})
	var result contract.DrainResult
	err := workflow.ExecuteChildWorkflow(child, contract.WorkflowDrain, contract.DrainInput{
		Cluster: n.in.Cluster, Pool: n.in.Pool, Node: n.state.Node.Name, UID: n.state.Node.UID,
		Instance: n.in.Instance.ID, Reason: op.Reason, Deadline: op.Deadline,
	}).Get(ctx, &result)
	return result, err
}

// reply answers whoever asked by signal.
func (n *node) reply(ctx workflow.Context, op contract.Operation, message string) {
	if op.ReplyTo == nil {
		return
	}
	n.told = append(n.told, workflow.SignalExternalWorkflow(ctx, op.ReplyTo.WorkflowID, "", op.ReplyTo.Signal, contract.OperationResult{
		Request: op.Request, Accepted: true, Phase: n.state.Phase, Watch: n.info.WorkflowExecution.ID, Message: message,
	}))
}
