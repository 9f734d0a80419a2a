package planner

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/v1alpha1"
)

// What the test against the real scheduler (tests/differential) found, each as the smallest case.

func TestNodeOfThatNameIsNotBought(t *testing.T) {
	byName := func(p *corev1.Pod) {
		affinity(p).NodeAffinity = &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{
				{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{"gone"}},
			}}},
		}}
	}
	r := Plan(Snapshot{Pods: many(1, "a", cpuMem("1", "1Gi"), byName), Pools: []Pool{pool(t, view("m5"), "general")}})
	require.Empty(t, r.Launches)
	require.Len(t, r.Unplaced, 1)
}

func TestPodsWaitForWhomTheyWantToBeNear(t *testing.T) {
	low, high := int32(0), int32(10)
	p := pool(t, view("m5"), "general")
	leader := pod("leader", cpuMem("500m", "1Gi"), labeled("app", "web"), spreading(v1alpha1.LabelZone, "web", 2), func(p *corev1.Pod) { p.Spec.Priority = &low })
	for name, priority := range map[string]*int32{"as high": &low, "higher": &high} {
		follower := pod("follower", cpuMem("500m", "1Gi"), near(v1alpha1.LabelZone, "web"), func(p *corev1.Pod) { p.Spec.Priority = priority })
		r := Plan(Snapshot{
			Pods: []*corev1.Pod{leader, follower}, Pools: []Pool{p}, Nodes: []Node{node(p, "n", "m5.xlarge", testZones[0])},
		})
		require.Empty(t, r.Launches, name)
		require.Len(t, r.OnNodes["n"], 2, name)
	}
}

func TestHigherPriorityGoesFirstWhateverItsRules(t *testing.T) {
	high := int32(10)
	p := pool(t, view("m5"), "general")
	r := Plan(Snapshot{
		Pods: []*corev1.Pod{
			pod("low", cpuMem("1500m", "1Gi"), labeled("app", "web"), spreading(v1alpha1.LabelZone, "web", 5)),
			pod("high", cpuMem("1500m", "1Gi"), func(p *corev1.Pod) { p.Spec.Priority = &high }),
		},
		Pools: []Pool{p}, Nodes: []Node{node(p, "n", "m5.large", testZones[0])},
	})
	require.Equal(t, "high", r.OnNodes["n"][0].Name)
}

func TestCordonIsATaintThatPodsMayTolerate(t *testing.T) {
	p := pool(t, view("m5"), "general")
	n := node(p, "n", "m5.large", testZones[0])
	n.Unschedulable = true
	r := Plan(Snapshot{
		Pods: []*corev1.Pod{
			pod("a", cpuMem("500m", "1Gi")),
			pod("b", cpuMem("500m", "1Gi"), tolerating(corev1.TaintNodeUnschedulable)),
		},
		Pools: []Pool{p}, Nodes: []Node{n},
	})
	require.Len(t, r.OnNodes["n"], 1)
	require.Equal(t, "b", r.OnNodes["n"][0].Name)
	require.Equal(t, 1, machines(r))
}

func TestADaemonSetWhosePortIsTakenTakesNoRoom(t *testing.T) {
	p := pool(t, view("m5"), "general")
	s := Snapshot{Pods: many(1, "a", cpuMem("1200m", "1Gi")), Pools: []Pool{p}, Nodes: []Node{node(p, "n", "m5.large", testZones[0])}}
	for _, name := range []string{"one", "two"} {
		ds := &appsv1.DaemonSet{}
		ds.Name = name
		ds.Spec.Template.Spec = pod("", cpuMem("700m", "100Mi"), onPort(8080)).Spec
		s.DaemonSets = append(s.DaemonSets, ds)
	}
	s.DaemonSets[0].UID, s.DaemonSets[1].UID = "one", "two"
	require.Len(t, Plan(s).OnNodes["n"], 1)
}

func TestStandbyMachinesAreNoRoom(t *testing.T) {
	p := pool(t, view("m5"), "general")
	n := node(p, "n", "m5.large", testZones[0])
	s := Snapshot{Pods: many(1, "a", cpuMem("200m", "1Gi"), tolerating(v1alpha1.TaintStandby)), Pools: []Pool{p}, Nodes: []Node{n}}
	require.Len(t, Plan(s).OnNodes["n"], 1)
	s.Nodes[0].Taints = []corev1.Taint{{Key: v1alpha1.TaintStandby, Effect: corev1.TaintEffectNoSchedule}}
	require.Equal(t, 1, machines(Plan(s)))
}

func TestADaemonSetThatHasNoRoomTakesNone(t *testing.T) {
	p := pool(t, view("m5"), "general")
	s := Snapshot{Pods: many(1, "a", cpuMem("200m", "1Gi")), Pools: []Pool{p}, Nodes: []Node{
		node(p, "n", "m5.large", testZones[0], pod("bound", cpuMem("1700m", "1Gi"))),
	}}
	ds := &appsv1.DaemonSet{}
	ds.Spec.Template.Spec = pod("", cpuMem("400m", "100Mi")).Spec
	s.DaemonSets = append(s.DaemonSets, ds)
	require.Len(t, Plan(s).OnNodes["n"], 1)
}
