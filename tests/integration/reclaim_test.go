package integration

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// spotPool buys spot machines of one size only, so that every pod of most of a machine has a machine of its own.
func spotPool() *v1alpha1.NodePool {
	p := pool("general")
	p.Spec.Requirements = []corev1.NodeSelectorRequirement{{Key: v1alpha1.LabelInstanceType, Operator: corev1.NodeSelectorOpIn, Values: []string{"m5.large"}}}
	return p
}

// budget lets so many pods of an app be away.
func (w *world) budget(app string, unavailable int) {
	w.t.Helper()
	most := intstr.FromInt(unavailable)
	_, err := w.kube.PolicyV1().PodDisruptionBudgets("default").Create(w.t.Context(), &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: app},
		Spec:       policyv1.PodDisruptionBudgetSpec{MaxUnavailable: &most, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// life is what a Node's workflow says of itself.
func (w *world) life(instance string) contract.NodeView {
	w.t.Helper()
	view, err := query[contract.NodeView](w, contract.NodeID("demo", instance), contract.QueryLife)
	require.NoError(w.t, err)
	return view
}

func (w *world) instancesOf(pool string) (ids []string) {
	for _, n := range w.nodes(pool) {
		id, _ := contract.InstanceOfProviderID(n.Spec.ProviderID)
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// EC2 takes machines back whose pods have a budget, with one warning doubled: room for all is bought at once, the
// budget is kept, and all are gone before EC2 takes them.
func TestSpotMachinesAreTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.createPool(spotPool())
	w.deploy("app", 3, "1500m", "1Gi")
	eventually(t, func() bool { return w.running() == 3 && len(w.nodes("general")) == 3 }, "every pod runs")
	w.budget("app", 1)
	before := w.instancesOf("general")
	w.script("event interruption 1 twice")
	w.script("reclaim * spot *: 2")
	var taken []string
	eventually(t, func() bool {
		taken = nil
		for _, id := range before {
			if w.life(id).Phase == contract.PhaseTerminated {
				taken = append(taken, id)
			}
		}
		return len(taken) == 2
	}, "two machines have left")
	for _, id := range taken {
		v := w.life(id)
		require.Equal(t, contract.ReclaimConfirmed, v.Reclaim.Verdict)
		require.Equal(t, 1, v.Reclaim.Notices, "the second of two alike is none")
		require.Equal(t, "queue", v.Reclaim.Source)
		require.Contains(t, v.Reason, "EC2 takes the spot machine back at ")
		require.Equal(t, v.Reclaim.Notice.Add(2*time.Minute), v.Reclaim.Deadline)
		require.True(t, v.Since[contract.PhaseTerminated].Before(v.Reclaim.Deadline), "gone before EC2 takes it")
		drain, err := query[contract.NodeView](w, contract.NodeID("demo", id), contract.QueryLife)
		require.NoError(t, err)
		require.Equal(t, 1, drain.Drains)
	}
	eventually(t, func() bool { return w.running() == 3 }, "every pod runs again")
	require.Len(t, w.truth().Instances, 5, "one machine for each that left, and none twice")
}

// A forged warning cordons for as long as EC2 is asked, moves nothing, and is recorded.
func TestAForgedWarningMovesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.createPool(spotPool())
	w.deploy("app", 1, "1500m", "1Gi")
	eventually(t, func() bool { return w.running() == 1 }, "the pod runs")
	node := w.nodes("general")[0]
	id := w.instancesOf("general")[0]
	w.script("forge * spot *: 1 as 999999999999")
	w.script("forge * spot *: 1")
	eventually(t, func() bool {
		n, err := w.kube.CoreV1().Nodes().Get(t.Context(), node.Name, metav1.GetOptions{})
		require.NoError(t, err)
		return n.Spec.Unschedulable
	}, "the node is cordoned")
	eventually(t, func() bool {
		v := w.life(id)
		return v.Reclaim != nil && v.Reclaim.Verdict == contract.ReclaimRefuted && !v.Reclaim.Unmark
	}, "EC2 knows nothing of it")
	n, err := w.kube.CoreV1().Nodes().Get(t.Context(), node.Name, metav1.GetOptions{})
	require.NoError(t, err)
	require.False(t, n.Spec.Unschedulable)
	require.Empty(t, n.Spec.Taints)
	require.Equal(t, 1, w.running())
	require.Len(t, w.truth().Instances, 1)
	require.Zero(t, w.life(id).Drains)
	require.Equal(t, 1, w.life(id).Reclaim.Notices, "another account's warning is nobody's")
	require.True(t, bytes.Contains([]byte(w.life(id).Notes[0]), []byte("is refuted: the spot request is fulfilled")), w.life(id).Notes)
}
