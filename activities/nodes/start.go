// Package nodes starts Node workflows and signals them, many at once.
package nodes

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"floe.dev/floe/api/contract"
)

// atOnce is how many starts or signals are under way at the same time.
const atOnce = 8

// Temporal is the part of Temporal's client that is needed here.
type Temporal interface {
	ExecuteWorkflow(ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
	SignalWorkflow(ctx context.Context, workflowID, runID, signalName string, arg any) error
}

// Activities start workflows and signal them.
type Activities struct {
	temporal func(context.Context) Temporal
}

// New makes the activities. They talk to Temporal with the client of the worker that runs them.
func New() *Activities {
	return &Activities{temporal: func(ctx context.Context) Temporal { return activity.GetClient(ctx) }}
}

// Start starts the Node workflow of each machine. One that is there already is as good; one that has ended in good order
// is not started again: so it may be repeated.
//
// A workflow's child costs its parent two events, a task and its lock: 500 machines' workflows were 90 s in starting as
// one ScaleUp's children, one after the other, and are seconds like this.
func (a *Activities) Start(ctx context.Context, in contract.StartNodesInput) error {
	t := a.temporal(ctx)
	group, starting := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, node := range in.Nodes {
		group.Go(func() error {
			id := contract.NodeID(node.Cluster, node.Instance.ID)
			_, err := t.ExecuteWorkflow(starting, client.StartWorkflowOptions{
				ID:                                       id,
				TaskQueue:                                contract.TaskQueue,
				WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
				WorkflowExecutionErrorWhenAlreadyStarted: true,
				StaticSummary:                            Summary(node),
				TypedSearchAttributes:                    temporal.NewSearchAttributes(SearchAttributes(node)...),
			}, contract.WorkflowNode, node)
			var started *serviceerror.WorkflowExecutionAlreadyStarted
			if err == nil || errors.As(err, &started) {
				beat(ctx)
				return nil
			}
			return temporal.NewApplicationErrorWithCause("start "+id+": "+err.Error(), contract.ErrUnavailable, err)
		})
	}
	return group.Wait()
}

func beat(ctx context.Context) {
	if activity.IsActivity(ctx) {
		activity.RecordHeartbeat(ctx)
	}
}

// Summary is what the UI's list says of a Node workflow.
func Summary(in contract.NodeInput) string {
	i := in.Instance
	return fmt.Sprintf("%s %s in %s for pool %s", i.CapacityType, i.InstanceType, i.Zone, in.Pool)
}

// SearchAttributes are those that a Node workflow starts with.
func SearchAttributes(in contract.NodeInput) []temporal.SearchAttributeUpdate {
	i := in.Instance
	var updates []temporal.SearchAttributeUpdate
	for _, a := range []struct{ name, value string }{
		{contract.AttributeCluster, in.Cluster},
		{contract.AttributePool, in.Pool},
		{contract.AttributeInstance, i.ID},
		{contract.AttributeInstanceType, i.InstanceType},
		{contract.AttributeZone, i.Zone},
		{contract.AttributeCapacityType, string(i.CapacityType)},
		{contract.AttributePhase, string(contract.PhaseLaunching)},
	} {
		updates = append(updates, temporal.NewSearchAttributeKeyKeyword(a.name).ValueSet(a.value))
	}
	return updates
}
