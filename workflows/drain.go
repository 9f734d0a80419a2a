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
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("Draining node `%s`: %s.%s", in.Node, in.Reason, until(in.Deadline)))
	o := draining(contract.KubeTaskQueue(in.Cluster), "evict the pods of "+in.Node)
	result, err := drainActivity.run(ctx, o, in)
	if err != nil {
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("Node `%s` is not drained: %s", in.Node, words(err)))
		return result, err
	}
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("Node `%s` is drained: %d pods evicted, %d deleted past the deadline.", in.Node, result.Evicted, result.Deleted))
	return result, nil
}

func until(deadline time.Time) string {
	if deadline.IsZero() {
		return ""
	}
	return " Evictions wait on budgets until " + deadline.UTC().Format(time.RFC3339) + "."
}
