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

// minDomains of a spreading pod's rule.
func minDomains(n int32) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.TopologySpreadConstraints[0].MinDomains = &n }
}

// A plan holds in whatever order the scheduler takes pods of one priority.
func TestPlacesDoNotLeanOnAnOrder(t *testing.T) {
	const rack = "example.com/rack"
	p := pool(t, view("m5"), "general", func(np *v1alpha1.NodePool) { np.Spec.Template.Labels = map[string]string{rack: "new"} })
	web, honor := labeled("app", "web"), corev1.NodeInclusionPolicyHonor
	roomy := node(p, "n", "m5.xlarge", testZones[0])
	old := node(p, "old", "m5.large", testZones[1])
	old.Labels[rack] = "old"
	old.Taints = []corev1.Taint{{Key: "old", Effect: corev1.TaintEffectNoSchedule}}
	full := node(p, "full", "m5.large", testZones[1], pod("bound", cpuMem("1", "1Gi")))
	tainted := node(p, "tainted", "m5.xlarge", testZones[2])
	tainted.Taints = old.Taints
	for name, c := range map[string]struct {
		pods       []*corev1.Pod
		nodes      []Node
		here       map[string]string // pods on nodes that exist
		launched   []string
		noneBought string
	}{
		"a spread by host and minDomains beside one that lets all in": {
			pods: []*corev1.Pod{
				pod("alone", cpuMem("1500m", "2Gi"), web, spreading(corev1.LabelHostname, "web", 1), minDomains(4)),
				pod("any", cpuMem("400m", "2Gi"), web, spreading(rack, "web", 1)),
			},
			nodes: []Node{roomy}, here: map[string]string{"any": "n"}, launched: []string{"alone"},
		},
		"a pod that could be the first of its group": {
			pods: []*corev1.Pod{
				pod("leader", cpuMem("100m", "2Gi"), web, spreading(corev1.LabelHostname, "web", 1)),
				pod("follower-0", cpuMem("1500m", "2Gi"), web, near(v1alpha1.LabelZone, "web"), tolerating("old")),
				pod("follower-1", cpuMem("1500m", "2Gi"), web, near(v1alpha1.LabelZone, "web"), tolerating("old")),
			},
			nodes: []Node{full, tainted}, here: map[string]string{"leader": "full"}, launched: []string{"follower-0", "follower-1"},
		},
		"a spread that counts a rack that others do not": {
			pods: []*corev1.Pod{
				pod("sees-one", cpuMem("5", "2Gi"), web, spreading(rack, "web", 1), func(p *corev1.Pod) {
					p.Spec.TopologySpreadConstraints[0].NodeTaintsPolicy = &honor
				}),
				pod("sees-two", cpuMem("5", "2Gi"), web, spreading(rack, "web", 1), tolerating("old")),
			},
			nodes: []Node{old}, launched: []string{"sees-one"}, noneBought: "sees-two",
		},
		"a spread over others' pods": {
			pods: append(many(3, "web", cpuMem("100m", "6Gi"), web, spreading(corev1.LabelHostname, "web", 1)),
				pod("other", cpuMem("100m", "1Gi"), spreading(rack, "web", 2))),
			nodes: []Node{old}, launched: []string{"web-0", "web-1", "web-2"}, noneBought: "other",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := Plan(Snapshot{Pods: c.pods, Nodes: c.nodes, Pools: []Pool{p}})
			here := map[string]string{}
			for node, pods := range r.OnNodes {
				for _, pod := range pods {
					here[pod.Name] = node
				}
			}
			var launched []string
			for _, l := range r.Launches {
				for _, pods := range l.Machines {
					for _, pod := range pods {
						launched = append(launched, pod.Name)
					}
				}
			}
			if c.here == nil {
				c.here = map[string]string{}
			}
			require.Equal(t, c.here, here)
			require.ElementsMatch(t, c.launched, launched)
			if c.noneBought != "" {
				require.Equal(t, c.noneBought, r.Unplaced[0].Name)
			}
		})
	}
}

// A pod of higher priority is taken first, so that its place may lean on that.
func TestHigherPriorityMayLeanOnComingFirst(t *testing.T) {
	const rack = "example.com/rack"
	high := int32(10)
	p := pool(t, view("m5"), "general", func(np *v1alpha1.NodePool) { np.Spec.Template.Labels = map[string]string{rack: "new"} })
	old := node(p, "old", "m5.large", testZones[1])
	old.Labels[rack] = "old"
	old.Taints = []corev1.Taint{{Key: "old", Effect: corev1.TaintEffectNoSchedule}}
	r := Plan(Snapshot{
		Pods: append(many(3, "web", cpuMem("100m", "6Gi"), labeled("app", "web"), spreading(corev1.LabelHostname, "web", 1)),
			pod("other", cpuMem("100m", "1Gi"), spreading(rack, "web", 2), func(p *corev1.Pod) { p.Spec.Priority = &high })),
		Nodes: []Node{old}, Pools: []Pool{p},
	})
	require.Empty(t, r.Unplaced)
}

func TestSpreadDoesNotCountWhereItDoesNotLook(t *testing.T) {
	p := pool(t, view("m5"), "general")
	r := Plan(Snapshot{
		Pods: append(many(3, "any", cpuMem("1500m", "2Gi"), labeled("app", "job")),
			pod("large-only", cpuMem("400m", "6Gi"), labeled("app", "job"), spreading(v1alpha1.LabelZone, "job", 1), minDomains(3), func(p *corev1.Pod) {
				affinity(p).NodeAffinity = &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
					NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
						{Key: v1alpha1.LabelInstanceCPU, Operator: corev1.NodeSelectorOpGt, Values: []string{"3"}},
						{Key: v1alpha1.LabelZone, Operator: corev1.NodeSelectorOpNotIn, Values: testZones[:1]},
					}}},
				}}
			})),
		Pools: []Pool{p},
	})
	require.Empty(t, r.Unplaced)
	zoneOf := map[string]string{}
	large := map[string]bool{}
	for _, l := range r.Launches {
		for _, pods := range l.Machines {
			for _, pod := range pods {
				require.Len(t, l.Zones, 1)
				zoneOf[pod.Name] = l.Zones[0]
				for _, name := range l.InstanceTypes {
					large[pod.Name] = large[pod.Name] || typeOf(p, name).VCPU > 3
				}
			}
		}
	}
	for name, zone := range zoneOf {
		if name != "large-only" {
			require.False(t, zone == zoneOf["large-only"] && large[name], "%s is counted beside large-only: %v", name, zoneOf)
		}
	}
}

func TestOneOfTheDaemonSetsThatWantAPortRuns(t *testing.T) {
	p := pool(t, view("m5"), "general")
	daemon := func(name, cpu string, change ...func(*corev1.Pod)) *appsv1.DaemonSet {
		of := pod(name, cpuMem(cpu, "100Mi"), append(change, onPort(8080))...)
		return &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: appsv1.DaemonSetSpec{Template: corev1.PodTemplateSpec{Spec: of.Spec}}}
	}
	r := Plan(Snapshot{
		Pods: many(1, "a", cpuMem("1700m", "1Gi")), Pools: []Pool{p},
		DaemonSets: []*appsv1.DaemonSet{daemon("a-small", "50m", selecting(v1alpha1.LabelZone, testZones[0])), daemon("b-large", "450m")},
	})
	require.NotContains(t, r.Launches[0].InstanceTypes, "m5.large", "where the small one does not run the large one does")
	require.Equal(t, int64(2150), r.Launches[0].Requests.Cpu().MilliValue(), "one of them runs")
}
