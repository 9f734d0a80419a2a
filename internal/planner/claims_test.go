package planner

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"floe.dev/floe/api/v1alpha1"
)

func oneHolder(c *corev1.PersistentVolumeClaim) *corev1.PersistentVolumeClaim {
	c.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}
	return c
}

func TestOnePodHasAReadWriteOncePodClaim(t *testing.T) {
	low, high := int32(0), int32(10)
	s := withStorage(t, pod("b", cpuMem("1", "1Gi"), claiming("mine")), pod("a", cpuMem("1", "1Gi"), claiming("mine")))
	s.Claims = append(s.Claims, oneHolder(unboundClaim("mine", "waits")))
	r := Plan(s)
	require.Equal(t, 1, machines(r))
	require.Equal(t, "a", r.Launches[0].Machines[0][0].Name)
	require.Equal(t, "default/b", r.Unplaceable[0].Pod)
	require.Equal(t, []string{"pool general: claim mine is ReadWriteOncePod, and pod a has it or comes first"}, r.Unplaceable[0].Reasons)

	s.Pods[0].Spec.Priority, s.Pods[1].Spec.Priority = &high, &low
	require.Equal(t, "b", Plan(s).Launches[0].Machines[0][0].Name, "the scheduler takes it first")

	s.Nodes = []Node{node(s.Pools[0], "n", "m5.4xlarge", testZones[0], pod("bound", cpuMem("1", "1Gi"), claiming("mine")))}
	r = Plan(s)
	require.Empty(t, r.Launches)
	require.Empty(t, r.OnNodes)
	require.Len(t, r.Unplaced, 2)

	s.Nodes[0].Pods[0].Status.Phase = corev1.PodSucceeded
	require.Equal(t, "b", Plan(s).OnNodes["n"][0].Name, "whoever has ended has nothing")
}

func TestPodsThatShareAClaimComeToOneZone(t *testing.T) {
	// Two thirds of a machine each; rooms in two zones, and one pod that is not bound to them.
	s := withStorage(t, append(many(2, "a", cpuMem("1500m", "1Gi"), claiming("ours")), many(2, "b", cpuMem("1400m", "1Gi"), claiming("ours"))...)...)
	s.Claims = append(s.Claims, unboundClaim("ours", "waits"))
	s.Nodes = []Node{
		node(s.Pools[0], "in-a", "m5.large", testZones[0]), node(s.Pools[0], "in-b", "m5.large", testZones[1]),
	}
	r := Plan(s)
	require.Empty(t, r.Unplaced)
	require.Len(t, r.OnNodes, 1, "the volume is made in the zone of the first: the other node is of no use")
	for _, l := range r.Launches {
		require.Equal(t, []string{s.Nodes[0].Labels[v1alpha1.LabelZone]}, l.Zones)
	}

	s.Nodes = nil
	r = Plan(s)
	require.Empty(t, r.Unplaced)
	require.Len(t, r.Launches[0].Zones, 1)
	for _, l := range r.Launches {
		require.Equal(t, r.Launches[0].Zones, l.Zones)
	}
}

func TestASharedClaimIsNoAffinity(t *testing.T) {
	s := withStorage(t, many(2, "a", cpuMem("500m", "1Gi"), claiming("ours"), near(corev1.LabelHostname, "web"))...)
	s.Claims = append(s.Claims, unboundClaim("ours", "waits"))
	s.Nodes = []Node{
		node(s.Pools[0], "alone", "m5.xlarge", testZones[0]),
		node(s.Pools[0], "web", "m5.xlarge", testZones[1], pod("bound", cpuMem("1", "1Gi"), labeled("app", "web"))),
	}
	require.Len(t, Plan(s).OnNodes["web"], 2, "that no pod uses the claim yet says nothing of whom they want to be near")
}

func TestAVolumeIsMadeWhereTheSchedulerSaid(t *testing.T) {
	s := withStorage(t, pod("a", cpuMem("1", "1Gi"), claiming("ours")))
	claim := unboundClaim("ours", "waits")
	claim.Annotations = map[string]string{annSelected: "n"}
	s.Claims = append(s.Claims, claim)
	s.Nodes = []Node{node(s.Pools[0], "n", "m5.large", testZones[2], pod("first", cpuMem("1500m", "1Gi"), claiming("ours")))}
	require.Equal(t, []string{testZones[2]}, Plan(s).Launches[0].Zones)
	s.Nodes[0].Name = "another"
	require.Empty(t, Plan(s).Launches[0].Zones)
}

func TestMachinesHaveTheExtendedResourcesOfTheirLike(t *testing.T) {
	const widget = "example.com/widget"
	p := pool(t, view("m5"), "general")
	asking := pod("a", map[corev1.ResourceName]string{corev1.ResourceCPU: "100m", widget: "2"})
	with := func(name, amount string) Node {
		n := node(p, name, "m5.xlarge", testZones[0], pod("all", map[corev1.ResourceName]string{corev1.ResourceCPU: "3", widget: amount}))
		n.Allocatable = n.Allocatable.DeepCopy()
		n.Allocatable[widget] = resource.MustParse(amount)
		return n
	}
	without := node(p, "without", "m5.xlarge", testZones[0])
	starting := without
	starting.Settled = false
	for name, tt := range map[string]struct {
		nodes  []Node
		bought bool
	}{
		"all have it":          {[]Node{with("n", "4"), with("m", "2")}, true},
		"one has too little":   {[]Node{with("n", "4"), with("m", "1")}, false},
		"one has none":         {[]Node{with("n", "4"), without}, false},
		"one is starting":      {[]Node{with("n", "4"), starting}, true},
		"one has lost its own": {[]Node{with("n", "4"), with("m", "0")}, false},
		"none is there":        {nil, false},
	} {
		r := Plan(Snapshot{Pods: []*corev1.Pod{asking}, Pools: []Pool{p}, Nodes: tt.nodes})
		if !tt.bought {
			require.Empty(t, r.Launches, name)
			continue
		}
		require.Len(t, r.Launches, 1, name)
		require.Equal(t, []string{"m5.xlarge"}, r.Launches[0].InstanceTypes, name)
		require.NotContains(t, r.Launches[0].Requests, corev1.ResourceName(widget), "chains leave types out that lack what is asked for, and know of no widgets")
	}
}
