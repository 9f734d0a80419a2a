package integration

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/util/retry"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/testbed"
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

// eventsOfLeaving counts the events of a node's leaving: its own from the first signal of a kind to the end, and its Drain's.
func (w *world) eventsOfLeaving(instance, signal string) (events int) {
	w.t.Helper()
	for _, id := range []string{contract.NodeID("demo", instance), contract.DrainID("demo", instance, 1)} {
		begun := events > 0
		history := w.temporal.GetWorkflowHistory(w.t.Context(), id, "", true, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for history.HasNext() {
			event, err := history.Next()
			require.NoError(w.t, err)
			begun = begun || event.GetWorkflowExecutionSignaledEventAttributes().GetSignalName() == signal
			if begun {
				events++
			}
		}
	}
	return events
}

func (w *world) instancesOf(pool string) (ids []string) {
	for _, n := range w.nodes(pool) {
		id, _ := contract.InstanceOfProviderID(n.Spec.ProviderID)
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// evictedForRoom asserts that the pod of each machine that was taken left it only when a machine to go to was ready.
func (w *world) evictedForRoom(taken, before []string) {
	t := w.t
	t.Helper()
	var evicted, ready []time.Time
	for _, id := range taken {
		var result contract.DrainResult
		require.NoError(t, w.temporal.GetWorkflow(t.Context(), contract.DrainID("demo", id, 1), "").Get(t.Context(), &result))
		require.Equal(t, 1, result.Evicted)
		evicted = append(evicted, result.Pods[0].At)
	}
	for _, node := range w.nodes("general") {
		if id, _ := contract.InstanceOfProviderID(node.Spec.ProviderID); slices.Contains(before, id) {
			continue
		}
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady {
				ready = append(ready, c.LastTransitionTime.Time)
			}
		}
	}
	require.Len(t, ready, len(evicted))
	slices.SortFunc(evicted, time.Time.Compare)
	slices.SortFunc(ready, time.Time.Compare)
	for n := range evicted {
		require.False(t, evicted[n].Before(ready[n]), "%d machines are ready at %s, when the %d. pod is evicted at %s", n, ready[n], n+1, evicted[n])
	}
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
	w.evictedForRoom(taken, before)
	// Of the two the one that had the quieter machine: a busy one times tasks out.
	require.LessOrEqual(t, min(w.eventsOfLeaving(taken[0], contract.SignalReclaim), w.eventsOfLeaving(taken[1], contract.SignalReclaim)), 50,
		"events from the notice to the end, with the Drain's")
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

// Without a queue, the taints of a node termination handler do: what EC2 confirms leaves in time, what it refutes is opened
// again, and a taint that stays is heard once, by a watcher that was restarted too.
func TestTaintsOfOthersAreNotices(t *testing.T) {
	t.Parallel()
	const taint = "aws-node-termination-handler/spot-itn"
	w := newWorldWith(t, testbed.Options{NoQueue: true, Notices: []map[string]string{{"taint": taint, "kind": "interruption"}}}, "", "")
	w.createPool(spotPool())
	w.deploy("app", 2, "1500m", "1Gi")
	eventually(t, func() bool { return w.running() == 2 && len(w.nodes("general")) == 2 }, "every pod runs")
	nodes := w.nodes("general")
	w.script("reclaim * spot *: 1")
	for _, node := range nodes {
		w.addTaint(node.Name, corev1.Taint{Key: taint, Value: "spot-itn-" + node.Name, Effect: corev1.TaintEffectNoSchedule})
	}
	var taken, stays string
	verdict := func(id string) contract.ReclaimVerdict {
		if r := w.life(id).Reclaim; r != nil {
			return r.Verdict
		}
		return ""
	}
	eventually(t, func() bool {
		for _, node := range nodes {
			id, _ := contract.InstanceOfProviderID(node.Spec.ProviderID)
			switch verdict(id) {
			case contract.ReclaimConfirmed:
				taken = id
			case contract.ReclaimRefuted:
				stays = id
			}
		}
		return taken != "" && stays != ""
	}, "EC2 confirms one and refutes the other")
	eventually(t, func() bool { return w.life(taken).Phase == contract.PhaseTerminated }, "one has left")
	left := w.life(taken)
	require.Equal(t, "taint "+taint, left.Reclaim.Source)
	require.Equal(t, 1, left.Reclaim.Notices)
	require.Equal(t, left.Reclaim.Notice.Add(2*time.Minute), left.Reclaim.Deadline)
	require.True(t, left.Since[contract.PhaseTerminated].Before(left.Reclaim.Deadline), "gone before EC2 takes it")

	opened := func() bool {
		for _, node := range nodes {
			if id, _ := contract.InstanceOfProviderID(node.Spec.ProviderID); id == stays {
				n, err := w.kube.CoreV1().Nodes().Get(t.Context(), node.Name, metav1.GetOptions{})
				require.NoError(t, err)
				return !n.Spec.Unschedulable && len(n.Spec.Taints) == 1 && n.Spec.Taints[0].Key == taint
			}
		}
		return false
	}
	eventually(t, func() bool { return !w.life(stays).Reclaim.Unmark && opened() }, "the other is open again, but for the taint of others")
	again, err := w.StartWatcher(t.Context())
	require.NoError(t, err)
	require.NoError(t, again.AwaitReady(t.Context()))
	eventually(t, func() bool {
		return strings.Contains(w.metricsOf(again), `floe_watch_node_notices_total{cluster="demo",result="taken",source="taint `+taint+`"} 1`)
	}, "the other watcher has told it too")
	eventually(t, func() bool { return !w.life(stays).Reclaim.Unmark && opened() }, "and it is open again")
	require.Equal(t, 1, w.life(stays).Reclaim.Notices, "it is known")
	require.Zero(t, w.life(stays).Drains)
	eventually(t, func() bool { return w.running() == 2 }, "every pod runs again")
	require.Len(t, w.truth().Instances, 3)
}

// addTaint puts a taint on a Node, as somebody else would.
func (w *world) addTaint(node string, taint corev1.Taint) {
	w.t.Helper()
	require.NoError(w.t, retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		n, err := w.kube.CoreV1().Nodes().Get(w.t.Context(), node, metav1.GetOptions{})
		if err != nil {
			return err
		}
		n.Spec.Taints = append(n.Spec.Taints, taint)
		_, err = w.kube.CoreV1().Nodes().Update(w.t.Context(), n, metav1.UpdateOptions{})
		return err
	}))
}
