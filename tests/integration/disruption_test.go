package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// An empty node leaves, but only once nothing is in the way: a budget, then an annotation. A node that has expired is
// replaced, but not while a PodDisruptionBudget lets none of its pods go. Each refusal is told with its reason.
func TestNodesLeaveWhenNothingIsInTheWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.disruption(time.Second)
	p := pool("general")
	p.Spec.Disruption = v1alpha1.Disruption{
		EmptyAfter: &metav1.Duration{Duration: time.Second}, Stabilization: &metav1.Duration{}, Budgets: []v1alpha1.DisruptionBudget{{Nodes: "0"}},
	}
	w.createPool(p)
	status, _, errs := w.floe("pool", "scale-up", "general", "--count=2", "--instance-type=m5.xlarge", "--wait")
	require.Zero(t, status, errs)
	w.deploy("app", 1, "250m", "256Mi")
	eventually(t, func() bool { return w.running() == 1 && len(w.nodes("general")) == 2 }, "the pod runs")
	var empty, busy corev1.Node
	pods, err := w.kube.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, n := range w.nodes("general") {
		if n.Name == pods.Items[0].Spec.NodeName {
			busy = n
		} else {
			empty = n
		}
	}
	require.Equal(t, "hand", empty.Annotations[v1alpha1.AnnotationPurpose])
	require.NotEmpty(t, empty.Annotations[v1alpha1.AnnotationLaunchTemplate])

	eventually(t, func() bool { return w.refusal(empty.Name).Code == "budget" }, "the pool's budget is told")
	status, out, errs := w.floe("why", empty.Name)
	require.Zero(t, status, errs)
	require.Contains(t, out, empty.Name+" stays.")
	require.Contains(t, out, "a budget of pool general lets no node leave")

	w.annotate(empty.Name, v1alpha1.AnnotationDoNotDisrupt, `"true"`)
	w.patchPool("general", `{"spec":{"disruption":{"budgets":[{"nodes":"100%"},{"nodes":"0","reasons":["underused"]}]}}}`)
	eventually(t, func() bool { return w.refusal(empty.Name).Code == "do-not-disrupt" }, "the annotation is told")
	w.annotate(empty.Name, v1alpha1.AnnotationDoNotDisrupt, "null")
	life := contract.NodeID(w.Cluster, instanceOf(t, empty))
	eventually(t, func() bool { return w.phase(life) == contract.PhaseTerminated }, "the empty node is gone")
	view, err := query[contract.NodeView](w, life, contract.QueryLife)
	require.NoError(t, err)
	require.Contains(t, view.Reason, "empty: it is empty since")
	require.Equal(t, 1, w.running(), "no pod noticed")

	one := intstr.FromInt32(1)
	_, err = w.kube.PolicyV1().PodDisruptionBudgets("default").Create(t.Context(), &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "keep"},
		Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "app"}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	eventually(t, func() bool {
		b, err := w.kube.PolicyV1().PodDisruptionBudgets("default").Get(t.Context(), "keep", metav1.GetOptions{})
		require.NoError(t, err)
		return b.Status.CurrentHealthy == 1
	}, "the budget has counted its pod")
	w.patchPool("general", `{"spec":{"disruption":{"expireAfter":"1s"}}}`)
	eventually(t, func() bool { return w.refusal(busy.Name).Code == "pdb" }, "the PodDisruptionBudget is told")
	require.Equal(t, 1, w.running())
	w.patchPool("general", `{"spec":{"disruption":{"expireAfter":"1h"}}}`)

	// With one replica more the budget lets one go. The machine is looked upon as expired for as long as it takes to grant.
	scale, err := w.kube.AppsV1().Deployments("default").GetScale(t.Context(), "app", metav1.GetOptions{})
	require.NoError(t, err)
	scale.Spec.Replicas = 2
	_, err = w.kube.AppsV1().Deployments("default").UpdateScale(t.Context(), "app", scale, metav1.UpdateOptions{})
	require.NoError(t, err)
	eventually(t, func() bool { return w.running() == 2 }, "two run")
	w.patchPool("general", `{"spec":{"disruption":{"expireAfter":"1s"}}}`)
	eventually(t, func() bool {
		w.requireServed(1)
		return len(w.disruptionState().Leaving) > 0
	}, "its replacement begins")
	w.patchPool("general", `{"spec":{"disruption":{"expireAfter":"1h"}}}`)
	eventually(t, func() bool {
		w.requireServed(1)
		return w.phase(contract.NodeID(w.Cluster, instanceOf(t, busy))) == contract.PhaseTerminated
	}, "the expired node is gone")
	eventually(t, func() bool { return w.running() == 2 && len(w.disruptionState().Leaving) == 0 }, "both run on its replacement")
	require.Equal(t, 2, w.disruptionState().Ended)
	// Of the two the one that had the quieter machine: a busy one times tasks out.
	events := min(w.eventsOfLeaving(instanceOf(t, empty), contract.SignalTerminate), w.eventsOfLeaving(instanceOf(t, busy), contract.SignalTerminate))
	require.LessOrEqual(t, events, 50, "events from the word to leave to the end, with the Drain's")
}

// On-demand machines that were taken in a drought return to spot when it has ended: the new machine first, one pod at a
// time, as the PodDisruptionBudget has it.
func TestFallbacksReturnToSpot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "at 0s * spot *: 0")
	w.disruption(time.Second)
	p := pool("general")
	p.Spec.Requirements[1] = corev1.NodeSelectorRequirement{Key: v1alpha1.LabelInstanceCPU, Operator: corev1.NodeSelectorOpIn, Values: []string{"4"}}
	p.Spec.Disruption = v1alpha1.Disruption{ReturnAfter: &metav1.Duration{Duration: 2 * time.Second}, Budgets: []v1alpha1.DisruptionBudget{{Nodes: "1"}}}
	w.createPool(p)
	w.deploy("app", 2, "3", "1Gi")
	eventually(t, func() bool { return w.running() == 2 }, "both pods run")
	require.Equal(t, map[string]int{"on-demand": 2}, w.capacity())
	one := intstr.FromInt32(1)
	_, err := w.kube.PolicyV1().PodDisruptionBudgets("default").Create(t.Context(), &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "keep"},
		Spec:       policyv1.PodDisruptionBudgetSpec{MaxUnavailable: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "app"}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	fallback := w.nodes("general")[0]
	require.Equal(t, "demand", fallback.Annotations[v1alpha1.AnnotationPurpose])
	eventually(t, func() bool { return w.refusal(fallback.Name).Code == "drought" }, "that there is no spot is told")

	// The offering memory waits for minutes before it asks again; a machine that somebody gets tells it that there is spot.
	w.script("at 0s * spot *: unlimited")
	status, _, errs := w.floe("pool", "scale-up", "general", "--count=1", "--instance-type=m5.xlarge", "--capacity-type=spot", "--wait")
	require.Zero(t, status, errs)
	eventually(t, func() bool {
		w.requireServed(1)
		c := w.capacity()
		return c["on-demand"] == 0 && c["spot"] == 2
	}, "all is spot again")
	eventually(t, func() bool { return w.running() == 2 }, "both pods run")
	eventually(t, func() bool { return w.disruptionState().Ended == 2 }, "both returns are told as ended")
	bought := 0
	for _, i := range w.truth().Instances {
		if i.CapacityType == "spot" {
			bought++
		}
	}
	require.Equal(t, 2, bought, "one by hand and one in the place of the second: nothing was bought twice")
}

// disruption starts the cluster's Disruption before the watcher does, so that it looks more often.
func (w *world) disruption(every time.Duration) {
	w.t.Helper()
	_, err := w.temporal.ExecuteWorkflow(w.t.Context(), client.StartWorkflowOptions{ID: contract.DisruptionID(w.Cluster), TaskQueue: contract.TaskQueue},
		contract.WorkflowDisruption, contract.DisruptionInput{Cluster: w.Cluster, Every: metav1.Duration{Duration: every}})
	require.NoError(w.t, err)
}

func (w *world) disruptionState() contract.DisruptionView {
	w.t.Helper()
	view, err := query[contract.DisruptionView](w, contract.DisruptionID(w.Cluster), contract.QueryState)
	require.NoError(w.t, err)
	return view
}

// refusal is what keeps a node, at the last look; empty where nothing does.
func (w *world) refusal(node string) contract.Refusal {
	w.t.Helper()
	for _, r := range w.disruptionState().Refused {
		if r.Node == node {
			return r
		}
	}
	return contract.Refusal{}
}

// requireServed asserts that so many pods are ready.
func (w *world) requireServed(least int) {
	w.t.Helper()
	require.GreaterOrEqual(w.t, w.running(), least, "pods that serve")
}

// capacity counts the pool's nodes in service by capacity type.
func (w *world) capacity() map[string]int {
	w.t.Helper()
	count := map[string]int{}
	for _, n := range w.nodes("general") {
		count[n.Labels[v1alpha1.LabelCapacityType]]++
	}
	return count
}

func (w *world) annotate(node, key, value string) {
	w.t.Helper()
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%s}}}`, key, value)
	_, err := w.kube.CoreV1().Nodes().Patch(w.t.Context(), node, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(w.t, err)
}

func instanceOf(t *testing.T, node corev1.Node) string {
	t.Helper()
	id, ok := contract.InstanceOfProviderID(node.Spec.ProviderID)
	require.True(t, ok)
	return id
}
