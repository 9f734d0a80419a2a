package watch

import (
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/activities/kube"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/reclaim"
)

const (
	spotTaint      = "aws-node-termination-handler/spot-itn"
	rebalanceTaint = "aws-node-termination-handler/rebalance-recommendation"
)

// testSigns are those that every test's watcher looks for.
var testSigns = []reclaim.Sign{
	{Condition: "SpotInterruption", Kind: contract.ReclaimInterruption},
	{Taint: spotTaint, Kind: contract.ReclaimInterruption},
	{Taint: rebalanceTaint, Kind: contract.ReclaimRebalance},
	{Condition: "Maintenance", Kind: contract.ReclaimScheduled},
}

// bears puts a condition that is True since then on a Node.
func bears(condition string, since time.Time) func(*corev1.Node) {
	return func(n *corev1.Node) {
		n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{
			Type: corev1.NodeConditionType(condition), Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(since),
		})
	}
}

func tainted(key, value string) func(*corev1.Node) {
	return func(n *corev1.Node) {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffectNoSchedule})
	}
}

// shown counts what came of the signs of a source.
func (w *world) shown(t *testing.T, source, result string) (n int) {
	t.Helper()
	families, err := w.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if f.GetName() == "floe_watch_node_notices_total" && labels["source"] == source && labels["result"] == result {
				n += int(m.GetCounter().GetValue())
			}
		}
	}
	return n
}

func (w *world) awaitShown(t *testing.T, source, result string) {
	t.Helper()
	require.Eventually(t, func() bool { return w.shown(t, source, result) > 0 }, waitFor, tick)
}

// What others put on a Node is told as a message is: marked, and signaled, once for each occurrence.
func TestASignOnANodeIsMarkedAndToldOnce(t *testing.T) {
	w := reclaimWorld(t, "")
	since := time.Now().Add(-5 * time.Second).Truncate(time.Second)
	w.put(t, node("n1", machine, ready, bears("SpotInterruption", since)))
	w.awaitShown(t, "condition SpotInterruption", resultTaken)
	told := w.temporal.allReclaims()
	require.Len(t, told, 1)
	require.Equal(t, contract.NodeID("demo", machine), told[0].workflow)
	require.Equal(t, contract.ReclaimInterruption, told[0].Kind)
	require.Equal(t, "condition SpotInterruption", told[0].Source)
	require.True(t, told[0].Notice.Equal(since))
	require.Equal(t, told[0].Notice.Add(2*time.Minute), told[0].Deadline)
	require.Contains(t, told[0].Key, "uid-n1/condition SpotInterruption/")
	n := w.nodeNow(t)
	require.True(t, n.Spec.Unschedulable)
	require.True(t, kube.Noticed(n))
	require.False(t, kube.Leaves(n), "EC2 has not confirmed it")

	// The Node changes, and bears another sign besides: only that is news.
	w.put(t, node("n1", machine, ready, bears("SpotInterruption", since), bears("Pressure", since)))
	w.put(t, node("n1", machine, ready, bears("SpotInterruption", since), tainted(spotTaint, "event-1")))
	w.awaitShown(t, "taint "+spotTaint, resultTaken)
	told = w.temporal.allReclaims()
	require.Len(t, told, 2)
	require.Equal(t, "taint "+spotTaint, told[1].Source)
	require.Equal(t, told[1].Received, told[1].Notice, "the taint has no time: the two minutes begin when it is seen")

	// The condition went and came again: that is another occurrence.
	w.put(t, node("n1", machine, ready, tainted(spotTaint, "event-1"), bears("SpotInterruption", since.Add(2*time.Second))))
	require.Eventually(t, func() bool { return len(w.temporal.allReclaims()) == 3 }, waitFor, tick)
	require.NotEqual(t, told[0].Key, w.temporal.allReclaims()[2].Key)
	require.Equal(t, 2, w.shown(t, "condition SpotInterruption", resultTaken))
}

// A second watcher, or one that was restarted, tells what Nodes bear under the same keys: the workflow takes a key once.
func TestSignsHaveTheSameKeysForEveryWatcher(t *testing.T) {
	w := reclaimWorld(t, "")
	since := time.Now().Truncate(time.Second)
	w.put(t, node("n1", machine, ready, bears("SpotInterruption", since), tainted(spotTaint, "event-1")))
	require.Eventually(t, func() bool { return len(w.temporal.allReclaims()) == 2 }, waitFor, tick)
	w.registry = prometheus.NewRegistry()
	w.run(t, quick)
	require.Eventually(t, func() bool { return len(w.temporal.allReclaims()) == 4 }, waitFor, tick)
	times := map[string]int{}
	for _, told := range w.temporal.allReclaims() {
		times[told.Key]++
	}
	require.Len(t, times, 2)
	for key, n := range times {
		require.Equal(t, 2, n, key)
	}
}

func TestSignsThatMoveNothing(t *testing.T) {
	now := time.Now()
	foreign := func(n *corev1.Node) { n.Labels = nil }
	onDemand := spot(machine)
	onDemand.CapacityType = v1alpha1.OnDemand
	stopped := spot(machine)
	stopped.State = "stopped"
	for name, tc := range map[string]struct {
		machine        contract.Instance
		change         []func(*corev1.Node)
		source, result string
	}{
		"of an on-demand machine": {onDemand, []func(*corev1.Node){tainted(spotTaint, "")}, "taint " + spotTaint, resultForged},
		"of a stopped machine":    {stopped, []func(*corev1.Node){tainted(spotTaint, "")}, "taint " + spotTaint, resultLate},
		"of an hour ago":          {spot(machine), []func(*corev1.Node){bears("SpotInterruption", now.Add(-time.Hour))}, "condition SpotInterruption", resultLate},
		"a recommendation":        {spot(machine), []func(*corev1.Node){tainted(rebalanceTaint, "")}, "taint " + rebalanceTaint, resultIgnored},
		"of nobody's Node":        {spot(machine), []func(*corev1.Node){tainted(spotTaint, ""), foreign}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, quick)
			w.ec2Shows(t, tc.machine)
			n := node("n1", machine, append([]func(*corev1.Node){ready}, tc.change...)...)
			w.put(t, n)
			if tc.result == "" {
				// Another's Node that is told shows that this one had its turn.
				w.put(t, node("n2", "i-0000000000000000b", ready, tainted(spotTaint, ""), capacity("spot")))
				require.Eventually(t, func() bool { return len(w.temporal.allReclaims()) == 1 }, waitFor, tick)
				require.Equal(t, contract.NodeID("demo", "i-0000000000000000b"), w.temporal.allReclaims()[0].workflow)
				require.False(t, w.nodeNow(t).Spec.Unschedulable)
				return
			}
			w.awaitShown(t, tc.source, tc.result)
			require.Empty(t, w.temporal.allReclaims())
			require.False(t, w.nodeNow(t).Spec.Unschedulable)
		})
	}
}

// Of a machine that EC2 has not shown, the Node's own label says whether it is a spot machine; a Node that is not
// registered yet has to wait for either.
func TestSignsWithoutEC2(t *testing.T) {
	w := newWorld(t, quick)
	w.ec2.show(errors.New("EC2 is down"))
	w.put(t, node("n1", machine, ready, tainted(spotTaint, "")))
	w.awaitShown(t, "taint "+spotTaint, resultRetried)
	require.Empty(t, w.temporal.allReclaims())
	w.put(t, node("n1", machine, ready, tainted(spotTaint, ""), capacity("spot")))
	w.awaitShown(t, "taint "+spotTaint, resultTaken)
	require.Len(t, w.temporal.allReclaims(), 1)
}

// A recommendation and a maintenance may be long known; the pool's policy holds for the one as for a message.
func TestSignsOfOtherKinds(t *testing.T) {
	w := reclaimWorld(t, "pre-spin")
	long := time.Now().Add(-24 * time.Hour).Truncate(time.Second)
	w.put(t, node("n1", machine, ready, tainted(rebalanceTaint, "rebalance-1"), bears("Maintenance", long)))
	require.Eventually(t, func() bool { return len(w.temporal.allReclaims()) == 2 }, waitFor, tick)
	told := map[contract.ReclaimKind]contract.Reclaim{}
	for _, r := range w.temporal.allReclaims() {
		told[r.Kind] = r.Reclaim
	}
	require.True(t, told[contract.ReclaimRebalance].Stay)
	require.Zero(t, told[contract.ReclaimRebalance].Deadline)
	require.Zero(t, told[contract.ReclaimScheduled].Deadline, "EC2 says when")
	require.True(t, told[contract.ReclaimScheduled].Notice.Equal(long))
}

func TestASignIsToldUntilItIsTaken(t *testing.T) {
	w := reclaimWorld(t, "")
	w.temporal.set(func(string) error { return errors.New("Temporal is down") })
	w.put(t, node("n1", machine, ready, tainted(spotTaint, "e")))
	require.Eventually(t, func() bool { return w.shown(t, "taint "+spotTaint, resultRetried) >= 2 }, waitFor, tick)
	require.True(t, w.nodeNow(t).Spec.Unschedulable, "the cordon does not wait for Temporal")
	w.temporal.set(nil)
	w.awaitShown(t, "taint "+spotTaint, resultTaken)
	require.Len(t, w.temporal.allReclaims(), 1)
}

func TestASignWithoutAWorkflow(t *testing.T) {
	timing := quick
	timing.Unheard = time.Nanosecond
	w := newWorld(t, timing)
	w.ec2Shows(t, spot(machine))
	w.temporal.set(func(string) error { return serviceerror.NewNotFound("no such workflow") })
	w.put(t, node("n1", machine, ready, tainted(spotTaint, "e")))
	w.awaitShown(t, "taint "+spotTaint, resultUnheard)
	require.Equal(t, 1, w.shown(t, "taint "+spotTaint, resultUnheard))
	require.Empty(t, w.temporal.allReclaims())
}

// What a Node bears no more, and a Node that is gone, is forgotten.
func TestSignsAreForgotten(t *testing.T) {
	s := newSigns(testSigns, nil)
	now := time.Now()
	one, two := reclaim.Shown{Key: "one"}, reclaim.Shown{Key: "two"}
	require.Len(t, s.open("i-1", []reclaim.Shown{one, two}, now), 2)
	s.close("i-1", "one")
	require.Equal(t, []opened{{two, now}}, s.open("i-1", []reclaim.Shown{one, two}, now.Add(time.Minute)), "its first sight counts")
	require.Empty(t, s.open("i-1", []reclaim.Shown{one}, now))
	require.Len(t, s.open("i-1", []reclaim.Shown{two}, now.Add(time.Hour)), 1)
	require.Len(t, s.seen["i-1"], 1)
	require.Empty(t, s.open("i-1", nil, now))
	require.Empty(t, s.seen)
	s.close("i-1", "two") // it went while it was dealt with
	require.Empty(t, s.seen)
}

func capacity(label string) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Labels[v1alpha1.LabelCapacityType] = label }
}
