package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"floe.dev/floe/api/contract"
)

var errStoreAway = temporal.NewApplicationError("the store does not answer", contract.ErrUnavailable)

// The store is away while a node comes and goes: its workflow goes on, and ends once its end is written. What
// was overtaken meanwhile is not written.
func TestNodeIsWrittenWhenTheStoreReturns(t *testing.T) {
	for name, canceled := range map[string]bool{"left alone": false, "canceled when only its record was missing": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.terminate = func(contract.InstanceInput) (contract.InstanceResult, error) {
				return contract.InstanceResult{State: "terminated"}, nil
			}
			w.register = func(in contract.RegisterInput) (contract.RegisterResult, error) {
				return contract.RegisterResult{Node: contract.KubeNode{Name: in.Node, UID: "u1", Exists: true, Ready: true, Initialized: true}}, nil
			}
			var written []contract.NodeRecord
			env := w.env()
			takesSignals(env)
			// Soon: where a policy has no end, the test environment gives up after ten attempts.
			returns := env.Now().Add(40 * time.Second)
			w.putNode = func(r contract.NodeRecord) error {
				if env.Now().Before(returns) {
					return errStoreAway
				}
				written = append(written, r)
				return nil
			}
			env.RegisterDelayedCallback(func() { seen("a", true)(env) }, time.Second)
			env.RegisterDelayedCallback(func() { phaseIs(t, contract.PhaseReady)(env) }, 2*time.Second)
			env.RegisterDelayedCallback(func() {
				env.SignalWorkflow(contract.SignalTerminate, contract.Operation{Request: "r", Reason: "done"})
			}, 10*time.Second)
			env.RegisterDelayedCallback(func() {
				phaseIs(t, contract.PhaseTerminated)(env)
				if canceled {
					env.CancelWorkflow()
				}
			}, 30*time.Second)
			env.ExecuteWorkflow(contract.WorkflowNode, nodeInput())
			require.NoError(t, env.GetWorkflowError())
			var phases []contract.Phase
			for _, r := range written {
				phases = append(phases, r.View.Phase)
			}
			require.Equal(t, []contract.Phase{contract.PhaseLaunching, contract.PhaseTerminated}, phases)
		})
	}
}

// What was asked and answered is kept, even where the ScaleUp itself fails.
func TestHopsAreWrittenThoughANodeCannotBeStarted(t *testing.T) {
	w := newWorld(t)
	w.launch = func(in contract.LaunchInput) (contract.LaunchResult, error) {
		result := brings(in, in.Count)
		result.Recorded = false
		return result, nil
	}
	env := w.env()
	takesSignals(env)
	env.OnWorkflow(contract.WorkflowNode, mock.Anything, mock.Anything).Return(nil, testsuite.ErrMockStartChildWorkflowFailed)
	env.ExecuteWorkflow(contract.WorkflowScaleUp, contract.ScaleUpInput{Cluster: "demo", Pool: "general", Count: 1})
	require.Error(t, env.GetWorkflowError())
	require.Len(t, w.hops, 1)
}
