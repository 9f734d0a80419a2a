package kube

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

func reclaimValue(node *corev1.Node) string {
	for _, t := range node.Spec.Taints {
		if t.Key == v1alpha1.TaintReclaim {
			return t.Value
		}
	}
	return ""
}

func TestMark(t *testing.T) {
	other := corev1.Taint{Key: "other", Effect: corev1.TaintEffectNoSchedule}
	w := newWorld(t, testNode("n1", "i-1", func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{other} }))
	ctx := t.Context()
	require.NoError(t, w.cluster.Mark(ctx, "n1", "uid-n1", false))
	n := w.nodeNow(t, "n1")
	require.True(t, n.Spec.Unschedulable)
	require.Equal(t, v1alpha1.ReclaimNoticed, reclaimValue(n))
	require.True(t, Noticed(n))
	require.False(t, Leaves(n))

	require.NoError(t, w.cluster.Mark(ctx, "n1", "", true))
	require.True(t, Leaves(w.nodeNow(t, "n1")))
	// The real API server refuses what was made of an older Node; the fake one does not look.
	seen := func(marked bool) {
		require.Eventually(t, func() bool {
			n, err := w.cluster.node(ctx, "n1", false)
			return err == nil && Leaves(n) == marked
		}, waitFor, tick)
	}
	seen(true)
	require.NoError(t, w.cluster.Mark(ctx, "n1", "uid-n1", false), "the same notice once more")
	require.True(t, Leaves(w.nodeNow(t, "n1")), "what leaves goes on leaving")
	require.ErrorIs(t, w.cluster.Mark(ctx, "n1", "another", true), errNodeReplaced)

	require.NoError(t, w.Unmark(ctx, contract.UnmarkInput{Cluster: "demo", Node: "n1", UID: "uid-n1"}))
	n = w.nodeNow(t, "n1")
	require.False(t, n.Spec.Unschedulable)
	require.Equal(t, []corev1.Taint{other}, n.Spec.Taints)
	seen(false)
	w.client.ClearActions()
	require.NoError(t, w.Unmark(ctx, contract.UnmarkInput{Cluster: "demo", Node: "n1"}))
	require.NoError(t, w.Unmark(ctx, contract.UnmarkInput{Cluster: "demo", Node: "gone"}))
	require.NoError(t, w.Unmark(ctx, contract.UnmarkInput{Cluster: "demo", Node: "n1", UID: "another"}))
	require.Empty(t, w.writes(), "there is nothing to take off")
	requireType(t, w.Unmark(ctx, contract.UnmarkInput{Cluster: "demo"}), contract.ErrInvalidInput, false)
}

// The pods of a machine that is taken back need room as if they waited already: each once, and only those that somebody
// makes anew.
func TestSnapshotOfANodeThatLeaves(t *testing.T) {
	going := func(p *corev1.Pod) {
		p.DeletionTimestamp = &metav1.Time{Time: time.Now()}
		p.Finalizers = []string{"x"} // the fake API server wants a reason
	}
	mark := func(value string) func(*corev1.Node) {
		return func(n *corev1.Node) {
			n.Labels = map[string]string{v1alpha1.LabelPool: "api"}
			n.Spec.Unschedulable = true
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: v1alpha1.TaintReclaim, Value: value, Effect: corev1.TaintEffectNoSchedule})
		}
	}
	w := newWorld(t, testPool("api"),
		testNode("n1", "i-1", ready, mark(v1alpha1.ReclaimLeaving)), testNode("n2", "i-2", ready, mark(v1alpha1.ReclaimNoticed)),
		testPod("waits", unschedulable),
		testPod("served", on("n1"), owned("ReplicaSet")),
		testPod("stateful", on("n1"), owned("StatefulSet"), going),
		testPod("replaced", on("n1"), owned("ReplicaSet"), going),
		testPod("alone", on("n1")),
		testPod("agent", on("n1"), owned("DaemonSet")),
		testPod("ended", on("n1"), owned("Job"), func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }),
		testPod("elsewhere", on("n2"), owned("ReplicaSet")),
	)
	s, _ := w.look(t)
	var names []string
	for _, p := range s.Pods {
		names = append(names, p.Name)
		require.Empty(t, p.Spec.NodeName)
		require.Nil(t, p.DeletionTimestamp)
	}
	require.ElementsMatch(t, []string{"waits", "served", "stateful"}, names)
	require.Len(t, s.Nodes, 1, "what leaves has no room")
	require.Equal(t, "n2", s.Nodes[0].Name)
	used := s.Pools[0].Used[v1alpha1.ResourceNodes]
	require.EqualValues(t, 1, used.Value(), "what leaves keeps nothing from coming")
	for _, p := range w.cluster.podsOn("n1") {
		require.Equal(t, "n1", p.Spec.NodeName, "the cache is nobody's to change")
	}
}
