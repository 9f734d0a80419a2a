package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
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

// Launches are the ScaleUps of a cluster, open and closed, in order of their start. One that no worker could answer for
// is left out, and named in the error beside what was found.
func Launches(ctx context.Context, temporal client.Client, cluster string) ([]Launch, error) {
	executions, err := running(ctx, temporal, contract.WorkflowScaleUp, cluster, false)
	if err != nil {
		return nil, err
	}
	var (
		mu       sync.Mutex
		launches []Launch
		errs     []error
	)
	query(ctx, temporal, executions, contract.QueryChain, func(i int, view contract.ScaleUpView, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", executions[i].Execution.WorkflowId, err))
			return
		}
		launches = append(launches, Launch{
			Workflow: executions[i].Execution.WorkflowId, Started: executions[i].StartTime.AsTime(), ScaleUpView: view,
		})
	})
	slices.SortFunc(launches, func(a, b Launch) int { return a.Started.Compare(b.Started) })
	return launches, errors.Join(errs...)
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
