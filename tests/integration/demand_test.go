package integration

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/testbed"
)

func TestPendingPodsRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "at 0s * spot *: 0")
	w.createPool(pool("general"))
	w.deploy("small", 20, "500m", "512Mi")
	w.deploy("large", 4, "3", "6Gi")
	w.deploy("huge", 1, "96", "1Gi")

	eventually(t, func() bool { return w.running() == 24 }, "every pod that can run, runs")
	var view contract.ProvisionerView
	eventually(t, func() bool {
		var err error
		view, err = query[contract.ProvisionerView](w, contract.ProvisionerID("demo"), contract.QueryState)
		return err == nil && view.LastPlan != nil && view.LastPlan.UnplaceableCount == 1 && len(view.LastPlan.Unplaceable) == 1
	}, "the plan names the pod that can never run")
	huge := view.LastPlan.Unplaceable[0]
	require.True(t, strings.HasPrefix(huge.Pod, "default/huge-"), huge.Pod)
	require.Len(t, huge.Reasons, 1, "one for each pool")
	require.Contains(t, huge.Reasons[0], "general")

	w.requireEveryMachineWasAskedFor()
	w.requireShortHistories()
	for _, instance := range w.truth().Instances {
		require.Equal(t, string(v1alpha1.OnDemand), instance.CapacityType, "spot was dry")
		require.Equal(t, contract.OwnerFloe, instance.Tags[contract.TagOwner])
		require.Equal(t, "demo", instance.Tags[contract.TagCluster])
		require.Equal(t, "general", instance.Tags[contract.TagPool])
	}
}

// A worker that dies with a launch under way, at any moment of it, costs nothing but time. The pods are all alike: of
// several sizes, the scheduler may put them differently than planned, and one that is left over is rightly bought for
// again.
func TestKilledWorkerBuysNothingTwice(t *testing.T) {
	for moment, reached := range map[string]func(*world) bool{
		"before the first call": func(w *world) bool {
			_, err := query[contract.ProvisionerView](w, contract.ProvisionerID("demo"), contract.QueryState)
			return err == nil
		},
		"at the first call":    func(w *world) bool { return w.truth().Counts["CreateFleet"].All > 0 },
		"at the first machine": func(w *world) bool { return len(w.truth().Instances) > 0 },
		"at the first node":    func(w *world) bool { return len(w.nodes("general")) > 0 },
	} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "lose answer of CreateFleet 1")
			w.createPool(pool("general"))
			w.deploy("app", 36, "900m", "1Gi")
			eventually(t, func() bool { return reached(w) }, moment)
			w.worker.Kill()
			require.NoError(t, w.worker.Restart(t.Context()))
			eventually(t, func() bool { return w.running() == 36 }, "every pod runs")
			w.requireEveryMachineWasAskedFor()
			require.LessOrEqual(t, w.served(), 36, "launches for more pods than there are")
		})
	}
}

// A watcher that dies loses no demand, and Kubernetes may be away for a moment.
func TestRestartedWatcherAndTemporalLoseNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.createPool(pool("general"))
	watcher := w.Process("watcher-1")
	watcher.Kill()
	w.deploy("small", 10, "500m", "512Mi")
	require.NoError(t, watcher.Restart(t.Context()))
	require.NoError(t, w.Process("temporal").Restart(t.Context()))
	eventually(t, func() bool { return w.running() == 10 }, "every pod runs")
	w.requireEveryMachineWasAskedFor()
	require.LessOrEqual(t, w.served(), 10, "launches for more pods than there are")
}

// requireEveryMachineWasAskedFor asserts that there is not one machine more than the ScaleUps were to bring, and that
// each is a Ready node of the cluster.
func (w *world) requireEveryMachineWasAskedFor() {
	t := w.t
	t.Helper()
	asked := 0
	for _, launch := range w.launches() {
		asked += launch.Count
	}
	perToken := map[string]int{}
	truth := w.truth()
	for _, instance := range truth.Instances {
		require.Equal(t, "running", instance.State, "%s was not needed", instance.ID)
		require.NotEmpty(t, instance.Tags[contract.TagToken])
		perToken[instance.Tags[contract.TagToken]]++
	}
	require.Len(t, truth.Instances, asked, "machines by launch token: %v", perToken)
	eventually(t, func() bool { return len(w.nodes("general")) == asked }, "every machine is a Ready node")
}

// served counts the pods that machines were bought for: one bought for twice counts twice, and one that found room on a
// machine that was on its way does not count.
func (w *world) served() (pods int) {
	w.t.Helper()
	for _, launch := range w.launches() {
		pods += launch.PodCount
	}
	return pods
}

// requireShortHistories asserts the budgets of design: what a node's way to Ready and a launch may cost in events.
func (w *world) requireShortHistories() {
	t := w.t
	t.Helper()
	// length counts a history's events, up to the first of a type where one is named.
	length := func(id string, upTo enumspb.EventType) (n int) {
		for it := w.temporal.GetWorkflowHistory(t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); it.HasNext(); {
			n++
			event, err := it.Next()
			require.NoError(t, err)
			if event.EventType == upTo {
				break
			}
		}
		return n
	}
	scaleUps := map[string]bool{}
	for _, node := range w.nodes("general") {
		id, _ := contract.InstanceOfProviderID(node.Spec.ProviderID)
		view, err := query[contract.NodeView](w, contract.NodeID("demo", id), contract.QueryLife)
		require.NoError(t, err)
		scaleUps[view.ScaleUp] = true
		toReady := length(contract.NodeID("demo", id), enumspb.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES)
		require.LessOrEqual(t, toReady, 40, "events of a Node until its phase is ready")
	}
	for id := range scaleUps {
		view, err := query[contract.ScaleUpView](w, id, contract.QueryChain)
		require.NoError(t, err)
		require.LessOrEqual(t, length(id, enumspb.EVENT_TYPE_UNSPECIFIED), 25+6*(len(view.Hops)-1)+4*len(view.Instances), "events of a ScaleUp with %d hops", len(view.Hops))
	}
}

// launches are the inputs of all ScaleUps there ever were, from their histories.
func (w *world) launches() (inputs []contract.ScaleUpInput) {
	t := w.t
	t.Helper()
	list, err := w.temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: testbed.TemporalNamespace, Query: fmt.Sprintf("WorkflowType='%s'", contract.WorkflowScaleUp),
	})
	require.NoError(t, err)
	for _, execution := range list.Executions {
		id := execution.Execution
		events := w.temporal.GetWorkflowHistory(t.Context(), id.WorkflowId, id.RunId, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		event, err := events.Next()
		require.NoError(t, err)
		var in contract.ScaleUpInput
		payloads := event.GetWorkflowExecutionStartedEventAttributes().Input
		require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(payloads, &in))
		inputs = append(inputs, in)
	}
	return inputs
}

func requireApplicationError(t *testing.T, err error, kind, says string) {
	t.Helper()
	var application *temporal.ApplicationError
	require.True(t, errors.As(err, &application), "%v", err)
	require.Equal(t, kind, application.Type())
	require.Contains(t, application.Message(), says)
}
