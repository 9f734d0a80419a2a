package integration

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim"
)

// Everything is a workflow with a small JSON payload: no program of ours is needed to drive it.
func TestScaleUpByTemporalsOwnCommandLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "at 0s * spot *: 0")
	w.createPool(pool("general"))

	w.cli("workflow", "start", "--type", "ScaleUp", "--task-queue", "floe", "--workflow-id", "by-hand",
		"--input", `{"cluster":"demo","pool":"general","count":1}`)
	eventually(t, func() bool { return len(w.nodes("general")) == 1 }, "a Ready node")
	var result contract.ScaleUpView
	require.NoError(t, w.temporal.GetWorkflow(t.Context(), "by-hand", "").Get(t.Context(), &result))
	require.Equal(t, contract.ScaleUpFilled, result.Phase)
	require.Len(t, result.Instances, 1)

	chain := w.cli("workflow", "query", "--workflow-id", "by-hand", "--type", "chain", "--output", "json")
	var answer struct{ QueryResult []contract.ScaleUpView }
	require.NoError(t, json.Unmarshal([]byte(chain), &answer), chain)
	require.Len(t, answer.QueryResult, 1)
	hops := answer.QueryResult[0].Hops
	require.GreaterOrEqual(t, len(hops), 2)
	last := hops[len(hops)-1]
	for _, hop := range hops[:len(hops)-1] {
		require.Equal(t, v1alpha1.Spot, hop.CapacityType)
		require.Zero(t, hop.Got)
		require.NotEmpty(t, hop.Outcomes)
		for _, outcome := range hop.Outcomes {
			require.Equal(t, contract.AnswerICE, outcome.Answer)
		}
	}
	require.Equal(t, v1alpha1.OnDemand, last.CapacityType)
	require.Equal(t, 1, last.Got)

	instance := result.Instances[0]
	node := w.nodes("general")[0]
	require.Equal(t, instance.ProviderID(), node.Spec.ProviderID)
	require.Equal(t, string(v1alpha1.OnDemand), node.Labels[v1alpha1.LabelCapacityType])
	require.Equal(t, instance.InstanceType, node.Labels[v1alpha1.LabelInstanceType])

	life := contract.NodeID("demo", instance.ID)
	eventually(t, func() bool {
		view, err := query[contract.NodeView](w, life, contract.QueryLife)
		return err == nil && view.Phase == contract.PhaseReady
	}, "the Node workflow knows that it is Ready")
	found := w.cli("workflow", "list", "--query", "FloePool='general' AND FloePhase='ready'", "--output", "json")
	require.Contains(t, found, life)

	w.cli("workflow", "signal", "--workflow-id", life, "--name", "terminate", "--input", `{"request":"1","reason":"the test is over"}`)
	eventually(t, func() bool {
		truth := w.truth()
		return len(truth.Instances) == 1 && truth.Instances[0].State == "terminated" && len(w.nodes("general")) == 0
	}, "the node leaves")
	var end contract.NodeView
	require.NoError(t, w.temporal.GetWorkflow(t.Context(), life, "").Get(t.Context(), &end))
	require.Equal(t, contract.PhaseTerminated, end.Phase)
}

// A mistake in a pool is said in the open, waited out, and a signal changes what comes then.
func TestScaleUpWaitsForItsPoolToBeMended(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	broken := pool("general")
	broken.Spec.LaunchTemplate = v1alpha1.LaunchTemplate{Name: "no-such-template"}
	w.createPool(broken)
	w.cli("workflow", "start", "--type", "ScaleUp", "--task-queue", "floe", "--workflow-id", "by-hand",
		"--input", `{"cluster":"demo","pool":"general","count":2}`)

	eventually(t, func() bool {
		details := w.cli("workflow", "metadata", "--workflow-id", "by-hand")
		return strings.Contains(details, "no-such-template")
	}, "the current details name the template")
	view, err := query[contract.ScaleUpView](w, "by-hand", contract.QueryChain)
	require.NoError(t, err)
	require.Equal(t, contract.ScaleUpOpening, view.Phase)
	require.Empty(t, w.truth().Instances)

	w.cli("workflow", "signal", "--workflow-id", "by-hand", "--name", "skip-step", "--input", `{"step":0}`)
	_, err = w.pools.Patch(t.Context(), "general", types.MergePatchType,
		[]byte(`{"spec":{"launchTemplate":{"name":null,"id":"`+sim.LaunchTemplateID+`"}}}`), metav1.PatchOptions{})
	require.NoError(t, err)

	var result contract.ScaleUpView
	require.NoError(t, w.temporal.GetWorkflow(t.Context(), "by-hand", "").Get(t.Context(), &result))
	require.Equal(t, contract.ScaleUpFilled, result.Phase)
	require.Len(t, result.Hops, 1, "the spot step was skipped")
	for _, instance := range result.Instances {
		require.Equal(t, v1alpha1.OnDemand, instance.CapacityType)
	}
	eventually(t, func() bool { return len(w.nodes("general")) == 2 }, "two Ready nodes")
}

func TestScaleUpRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.createPool(pool("general"))
	for id, tc := range map[string]struct{ input, kind, says string }{
		"no-count":   {`{"cluster":"demo","pool":"general"}`, contract.ErrInvalidInput, "count"},
		"no-pool":    {`{"cluster":"demo","pool":"genral","count":1}`, contract.ErrPoolNotFound, "general"},
		"no-cluster": {`{"pool":"general","count":1}`, contract.ErrInvalidInput, "cluster"},
	} {
		w.cli("workflow", "start", "--type", "ScaleUp", "--task-queue", "floe", "--workflow-id", id, "--input", tc.input)
		err := w.temporal.GetWorkflow(t.Context(), id, "").Get(t.Context(), nil)
		requireApplicationError(t, err, tc.kind, tc.says)
	}
	require.Empty(t, w.truth().Instances)
}
