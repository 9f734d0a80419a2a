package kube

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	"floe.dev/floe/api/contract"
)

// serving pods are Ready, and a ReplicaSet makes them anew.
func serving(p *corev1.Pod) {
	owned("ReplicaSet")(p)
	p.Status.Phase = corev1.PodRunning
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
}

func sized(cpu string) func(*corev1.Node) {
	return func(n *corev1.Node) {
		n.Status.Allocatable = corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse("8Gi"), corev1.ResourcePods: resource.MustParse("10"),
		}
	}
}

func takenBack(n *corev1.Node) { n.Spec.Taints = append(n.Spec.Taints, reclaimTaint(true)) }

// Three machines of one pod each are taken back, and elsewhere there is room for two of them: two have it, whatever drain asks.
// A node that is not ready yet is no room, and a pod that waits already comes first to what there is.
func TestRoomIsCountedOnce(t *testing.T) {
	objects := []runtime.Object{testNode("n4", "i-4", ready, sized("2")), testNode("n5", "i-5", sized("2"))}
	for n := range 3 {
		node := fmt.Sprintf("n%d", n+1)
		objects = append(objects, testNode(node, "i-"+fmt.Sprint(n+1), ready, sized("2"), takenBack), testPod("p"+fmt.Sprint(n+1), on(node), serving))
	}
	have := func(more ...runtime.Object) (n int) {
		w := newWorld(t, append(append(slices.Clone(objects), testPool("api")), more...)...)
		for _, name := range []string{"p1", "p2", "p3"} {
			if w.cluster.hasRoom(testPod(name), time.Now()) {
				n++
			}
		}
		return n
	}
	require.Equal(t, 2, have())
	require.Equal(t, 1, have(testPod("waiting", owned("ReplicaSet"), unschedulable, func(p *corev1.Pod) {
		most := int32(1000)
		p.Spec.Priority = &most
	})))
	require.Equal(t, 3, have(testNode("n6", "i-6", ready, sized("1"))))
}

// A pod that serves stays on a machine that is taken back until there is room elsewhere; one that does not serve goes at once.
func TestDrainWaitsForRoomElsewhere(t *testing.T) {
	w := newWorld(t, testPool("api"), testNode("n1", "i-1", ready, sized("4")),
		testPod("serves", on("n1"), serving), testPod("broken", on("n1"), owned("ReplicaSet")), testPod("bare", on("n1")))
	e := w.evictor(nil)
	over := make(chan contract.DrainResult)
	go func() {
		result, err := w.drainNow(t, reclaimN1(10*time.Minute))
		if err != nil {
			t.Error(err)
		}
		over <- result
	}()
	require.Eventually(t, func() bool { return e.asked() == 2 }, waitFor, tick)
	require.Never(t, func() bool { return e.asked() > 2 }, 3*roomEvery, tick)
	require.NoError(t, w.client.Tracker().Add(testNode("n2", "i-2", ready, sized("4"))))
	result := <-over
	require.Equal(t, contract.DrainResult{Evicted: 3}, counts(result))
	require.Contains(t, e.evicted[2], "serves")
}

// A pod is held for half of the time, and not so long that its own grace period does not fit.
func TestNobodyIsHeldForTooLong(t *testing.T) {
	w := newWorld(t, testPool("api"), testNode("n1", "i-1", ready, sized("4"), takenBack))
	began := time.Now()
	for name, tc := range map[string]struct {
		in    contract.DrainInput
		grace int64
		until time.Duration
	}{
		"two minutes":        {contract.DrainInput{Reclaim: true, End: began.Add(2 * time.Minute)}, 30, 52500 * time.Millisecond},
		"a long grace":       {contract.DrainInput{Reclaim: true, End: began.Add(2 * time.Minute)}, 90, 15 * time.Second},
		"a longer one":       {contract.DrainInput{Reclaim: true, End: began.Add(2 * time.Minute)}, 600, 0},
		"retired next week":  {contract.DrainInput{Reclaim: true, End: began.Add(168 * time.Hour)}, 30, DrainTimeout / 2},
		"too late for words": {contract.DrainInput{Reclaim: true, End: began.Add(10 * time.Second)}, 1, 0},
		"by request":         {contract.DrainInput{}, 30, 0},
	} {
		t.Run(name, func(t *testing.T) {
			tc.in.Pool = "api"
			d := &drain{cluster: w.cluster, in: tc.in, tried: map[string]attempt{}}
			d.setTimes(began)
			pod := testPod("p", on("n1"), serving, graceful(tc.grace))
			if tc.until > 0 {
				require.True(t, d.holds(pod, began.Add(tc.until-time.Millisecond)))
			}
			require.False(t, d.holds(pod, began.Add(tc.until)))
			require.False(t, d.holds(testPod("p", on("n1"), graceful(tc.grace)), began))
		})
	}
}
