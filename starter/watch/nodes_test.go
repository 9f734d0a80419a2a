package watch

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// news waits for so many observations of an instance.
func (w *world) news(t *testing.T, instance string, n int) []contract.Observation {
	t.Helper()
	require.Eventually(t, func() bool { return len(w.temporal.of(instance)) >= n }, waitFor, tick)
	return w.temporal.of(instance)
}

func TestANodesLife(t *testing.T) {
	w := newWorld(t, quick)
	w.put(t, node("n1", "i-1"))
	require.Equal(t, &contract.KubeNode{Name: "n1", UID: "uid-n1", Exists: true}, w.news(t, "i-1", 1)[0].Node)

	w.put(t, node("n1", "i-1", ready))
	require.True(t, w.news(t, "i-1", 2)[1].Node.Ready)

	// A heartbeat, which workflows have no use for; then something they have.
	w.put(t, node("n1", "i-1", ready, func(n *corev1.Node) { n.Annotations = map[string]string{"heartbeat": "1"} }))
	w.put(t, node("n1", "i-1", ready, func(n *corev1.Node) { n.Status.NodeInfo.BootID = "b" }))
	require.Equal(t, "b", w.news(t, "i-1", 3)[2].Node.BootID)

	require.NoError(t, w.client.Tracker().Delete(nodesGVR, "", "n1"))
	seen := w.news(t, "i-1", 4)
	require.Equal(t, &contract.KubeNode{Name: "n1", UID: "uid-n1"}, seen[3].Node, "it does not exist any more")
	require.Len(t, seen, 4)
	keys := map[string]bool{}
	for _, o := range seen {
		keys[o.Key] = true
	}
	require.Len(t, keys, 4)
}

// What the workflow did itself is no news to it, and costs a signal only where nothing more may come.
func TestRegistrationIsNoNews(t *testing.T) {
	unregistered, notReady := v1alpha1.TaintUnregistered+":NoExecute", "node.kubernetes.io/not-ready:NoSchedule"
	before := contract.KubeNode{Name: "n", Exists: true, Initialized: true, Taints: []string{unregistered, notReady}}
	after := before
	after.Taints = []string{notReady, "cni.example/agent-not-ready:NoExecute"}
	require.True(t, justRegistered(before, after))
	require.False(t, justRegistered(after, after), "it was registered before")
	require.False(t, justRegistered(before, before))
	ready := after
	ready.Ready = true
	require.False(t, justRegistered(before, ready))
	other := after
	other.BootID = "another"
	require.False(t, justRegistered(before, other))
}

func TestKubernetesOwnTaintsAreNoNews(t *testing.T) {
	ready := contract.KubeNode{Name: "n", Exists: true, Ready: true, Taints: []string{"node.kubernetes.io/not-ready:NoSchedule", "a=b:NoSchedule"}}
	free := ready
	free.Taints = []string{"a=b:NoSchedule"}
	require.True(t, same(ready, free))
	free.Taints = nil
	require.False(t, same(ready, free))
	free = ready
	free.Ready = false
	require.False(t, same(ready, free))
}

func TestWhoseNodesAreTold(t *testing.T) {
	stranger := func(n *corev1.Node) { n.Labels = nil }
	w := newWorld(t, quick)
	w.ec2.show(nil, contract.Instance{ID: "i-known", State: "running"})
	w.put(t, node("stranger", "i-stranger", stranger))
	w.put(t, node("fargate", "", func(n *corev1.Node) { n.Spec.ProviderID = "aws:///eu-west-1a/abc/fargate-1" }))
	w.put(t, node("waits", "i-waits", stranger, func(n *corev1.Node) {
		n.Spec.Taints = []corev1.Taint{{Key: v1alpha1.TaintUnregistered, Effect: corev1.TaintEffectNoExecute}}
	}))
	w.put(t, node("known", "i-known", stranger))
	w.news(t, "i-waits", 1)
	require.Eventually(t, func() bool {
		for _, o := range w.temporal.of("i-known") {
			if o.Node != nil {
				return true
			}
		}
		return false
	}, waitFor, tick)
	require.NoError(t, w.client.Tracker().Delete(nodesGVR, "", "stranger"))
	w.put(t, node("last", "i-last"))
	w.news(t, "i-last", 1)
	require.Empty(t, w.temporal.of("i-stranger"))
}

func TestTheWorkflowStartsLater(t *testing.T) {
	w := newWorld(t, quick)
	w.temporal.set(func(string) error { return serviceerror.NewNotFound("no such workflow") })
	w.put(t, node("n1", "i-1"))
	require.Eventually(t, func() bool { return w.temporal.tried() >= 2 }, waitFor, tick)
	w.put(t, node("n1", "i-1", ready))
	w.temporal.set(nil)
	seen := w.news(t, "i-1", 1)
	require.True(t, seen[0].Node.Exists)
	require.Eventually(t, func() bool { // the last word is what is there, whichever try it took
		seen = w.temporal.of("i-1")
		return seen[len(seen)-1].Node.Ready
	}, waitFor, tick)
}

func TestNobodyEverListens(t *testing.T) {
	timing := quick
	timing.Unheard = time.Millisecond
	w := newWorld(t, timing)
	w.temporal.set(func(string) error { return serviceerror.NewNotFound("no such workflow") })
	w.put(t, node("n1", "i-1"))
	require.Eventually(t, func() bool { return w.temporal.tried() == 2 }, waitFor, tick)
	w.temporal.set(nil)
	w.put(t, node("n1", "i-1", ready))
	require.Len(t, w.news(t, "i-1", 1), 1, "the next change is told again")
}

func TestTemporalIsDownForNodes(t *testing.T) {
	w := newWorld(t, quick)
	w.temporal.set(func(string) error { return errors.New("connection refused") })
	w.put(t, node("n1", "i-1"), node("n2", "i-2"))
	require.Eventually(t, func() bool { return w.temporal.tried() >= 4 }, waitFor, tick)
	w.temporal.set(nil)
	require.Len(t, w.news(t, "i-1", 1), 1)
	require.Len(t, w.news(t, "i-2", 1), 1)
}

func TestANodeThatComesBackUnderItsName(t *testing.T) {
	w := newWorld(t, quick)
	w.put(t, node("n1", "i-1"))
	w.news(t, "i-1", 1)
	require.NoError(t, w.client.Tracker().Delete(nodesGVR, "", "n1"))
	require.False(t, w.news(t, "i-1", 2)[1].Node.Exists)
	w.put(t, node("n1", "i-1", func(n *corev1.Node) { n.UID = "second" }))
	require.Equal(t, "second", w.news(t, "i-1", 3)[2].Node.UID)
}

// That a machine goes is no news of one that was drained, since its workflow has asked for that; of any other it is.
func TestEndingAsAskedForIsNoNews(t *testing.T) {
	drained := node("n1", "i-1", func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: v1alpha1.TaintLeaving}} })
	require.True(t, ending(drained, "shutting-down"))
	require.False(t, ending(drained, "terminated"))
	require.False(t, ending(node("n1", "i-1"), "shutting-down"))
}

// A drained machine's end is one signal, in whatever order Kubernetes and EC2 tell of it.
func TestTheEndOfADrainedMachineIsToldOnce(t *testing.T) {
	w := newWorld(t, quick)
	w.ec2.show(nil, inState("running"))
	w.put(t, node("n1", "i-1", ready, func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: v1alpha1.TaintLeaving}} }))
	before := len(w.news(t, "i-1", 1))
	require.NoError(t, w.client.Tracker().Delete(nodesGVR, "", "n1"))
	for _, state := range []string{"running", "shutting-down", "terminated"} {
		w.ec2.show(nil, inState(state))
		polls := w.ec2.polled()
		require.Eventually(t, func() bool { return w.ec2.polled() > polls+3 }, waitFor, tick)
	}
	seen := w.news(t, "i-1", before+1)
	require.Len(t, seen, before+1)
	require.False(t, seen[before].Node.Exists)
	require.Equal(t, "terminated", seen[before].InstanceState)
}
