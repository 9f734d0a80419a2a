package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"

	"floe.dev/floe/api/contract"
)

// Launch is one ScaleUp.
type Launch struct {
	// Workflow is its id.
	Workflow string    `json:"workflow"`
	Started  time.Time `json:"started"`
	contract.ScaleUpView
}

// Ended reports whether nothing more will change.
func (l Launch) Ended() bool {
	switch l.Phase {
	case contract.ScaleUpFilled, contract.ScaleUpExhausted, contract.ScaleUpCanceled, contract.ScaleUpBlocked:
		return true
	}
	return false
}

// Launches are the ScaleUps of a cluster, open and closed, in order of their start. What is known of one already is
// taken as it is if that one has ended, and if no worker answers for it now. One that nothing is known of is left out,
// and named in the error beside what was found.
func Launches(ctx context.Context, temporal client.Client, cluster string, known ...Launch) ([]Launch, error) {
	executions, err := running(ctx, temporal, contract.WorkflowScaleUp, cluster, false)
	if err != nil {
		return known, err
	}
	launches := map[string]Launch{}
	for _, l := range known {
		launches[l.Workflow] = l
	}
	executions = slices.DeleteFunc(executions, func(e *workflow.WorkflowExecutionInfo) bool {
		return launches[e.Execution.WorkflowId].Ended()
	})
	var (
		mu   sync.Mutex
		errs []error
	)
	query(ctx, temporal, executions, contract.QueryChain, func(i int, view contract.ScaleUpView, err error) {
		mu.Lock()
		defer mu.Unlock()
		id := executions[i].Execution.WorkflowId
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", id, err))
			return
		}
		launches[id] = Launch{Workflow: id, Started: executions[i].StartTime.AsTime(), ScaleUpView: view}
	})
	all := slices.Collect(maps.Values(launches))
	slices.SortFunc(all, func(a, b Launch) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.Workflow, b.Workflow))
	})
	return all, errors.Join(errs...)
}

// Provisioner is a cluster's Provisioner; nil where none runs yet.
func Provisioner(ctx context.Context, temporal client.Client, cluster string) (*contract.ProvisionerView, error) {
	value, err := temporal.QueryWorkflow(ctx, contract.ProvisionerID(cluster), "", contract.QueryState)
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var view contract.ProvisionerView
	return &view, value.Get(&view)
}
