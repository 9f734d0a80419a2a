package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
)

// Drain empties one node: cordon, evict, and past the deadline delete. It is a workflow of its own so that the UI shows
// each drain as its own story; the activity resumes where it was after a crash.
func Drain(ctx workflow.Context, in contract.DrainInput) (contract.DrainResult, error) {
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("Draining node `%s`: %s.%s What becomes of each pod is in the heartbeat of the pending activity.",
		in.Node, in.Reason, until(in)))
	o := draining(contract.DrainTaskQueue(in.Cluster), "evict the pods of "+in.Node)
	result, err := drainActivity.run(ctx, o, in)
	if err != nil {
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("Node `%s` is not drained: %s", in.Node, words(err)))
		return result, err
	}
	workflow.SetCurrentDetails(ctx, drainDetails(in, result))
	return result, nil
}

// until says how long evictions wait.
func until(in contract.DrainInput) string {
	switch {
	case !in.End.IsZero():
		return " The machine goes at " + in.End.UTC().Format(time.RFC3339) + "."
	case !in.Deadline.IsZero():
		return " Evictions wait on budgets until " + in.Deadline.UTC().Format(time.RFC3339) + "."
	}
	return ""
}
