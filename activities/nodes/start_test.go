package nodes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

type fakeTemporal struct {
	mu      sync.Mutex
	started map[string]client.StartWorkflowOptions
	told    map[string]contract.Operation
	err     map[string]error
}

func (f *fakeTemporal) SignalWorkflow(_ context.Context, id, _, name string, arg any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.err[id]; err != nil {
		return err
	}
	f.told[id+" "+name] = arg.(contract.Operation)
	return nil
}

func (f *fakeTemporal) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.err[o.ID]; err != nil {
		return nil, err
	}
	f.started[o.ID] = o
	return nil, nil
}

func input(n int) (in contract.StartNodesInput) {
	for i := range n {
		in.Nodes = append(in.Nodes, contract.NodeInput{Cluster: "demo", Pool: "general", Instance: contract.Instance{
			ID: fmt.Sprint("i-", i), InstanceType: "m5.large", Zone: "eu-west-1a", CapacityType: v1alpha1.Spot,
		}})
	}
	return in
}

func TestStart(t *testing.T) {
	temporalFake := &fakeTemporal{started: map[string]client.StartWorkflowOptions{}, err: map[string]error{
		"node/demo/i-3": serviceerror.NewWorkflowExecutionAlreadyStarted("there", "", ""),
	}}
	a := &Activities{temporal: func(context.Context) Temporal { return temporalFake }}
	require.NoError(t, a.Start(t.Context(), input(20)), "one that is there is as good")
	require.Len(t, temporalFake.started, 19)
	o := temporalFake.started["node/demo/i-0"]
	require.Equal(t, contract.TaskQueue, o.TaskQueue)
	require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY, o.WorkflowIDReusePolicy, "a life that has ended is not begun again")
	require.True(t, o.WorkflowExecutionErrorWhenAlreadyStarted)
	require.Equal(t, "spot m5.large in eu-west-1a for pool general", o.StaticSummary)
	zone, ok := o.TypedSearchAttributes.GetKeyword(temporal.NewSearchAttributeKeyKeyword(contract.AttributeZone))
	require.True(t, ok)
	require.Equal(t, "eu-west-1a", zone)
	require.Equal(t, len(contract.SearchAttributes), o.TypedSearchAttributes.Size())
}

func TestStartFails(t *testing.T) {
	temporalFake := &fakeTemporal{started: map[string]client.StartWorkflowOptions{}, err: map[string]error{"node/demo/i-1": errors.New("away")}}
	a := &Activities{temporal: func(context.Context) Temporal { return temporalFake }}
	err := a.Start(t.Context(), input(3))
	requireUnavailable(t, err)
	require.ErrorContains(t, err, "node/demo/i-1")
}

// requireUnavailable asserts that an error is one that Temporal tries again after.
func requireUnavailable(t *testing.T, err error) {
	t.Helper()
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.Equal(t, contract.ErrUnavailable, app.Type())
	require.False(t, app.NonRetryable())
}
