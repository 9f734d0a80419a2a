package planner

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// sound plans, and holds the plan against its snapshot.
func sound(t *testing.T, s Snapshot) Result {
	t.Helper()
	r := Plan(s)
	require.NoError(t, check(s, r))
	return r
}

func TestWhyNot(t *testing.T) {
	v := view("m5")
	limits := func(name corev1.ResourceName, q string) func(*v1alpha1.NodePool) {
		return func(np *v1alpha1.NodePool) { np.Spec.Limits = corev1.ResourceList{name: resource.MustParse(q)} }
	}
	tainted := func(np *v1alpha1.NodePool) {
		np.Spec.Template.Taints = []corev1.Taint{{Key: "app", Value: "db", Effect: corev1.TaintEffectNoSchedule}}
	}
	for name, c := range map[string]struct {
		pod  *corev1.Pod
		pool func(*v1alpha1.NodePool)
		why  string
	}{
		"too large": {
			pod("p", cpuMem("200", "1Gi")), func(*v1alpha1.NodePool) {},
			"pool general: 8 types too small for 200 CPU",
		},
		"too large in two ways": {
			pod("p", cpuMem("90", "380Gi")), func(*v1alpha1.NodePool) {},
			"pool general: 7 types too small for 90 CPU, 1 type too small for 380Gi memory",
		},
		"no such resource": {
			pod("p", map[corev1.ResourceName]string{"nvidia.com/gpu": "1"}), func(*v1alpha1.NodePool) {},
			"pool general: 8 types without nvidia.com/gpu",
		},
		"taint": {pod("p", cpuMem("1", "1Gi")), tainted, "pool general: taint app=db:NoSchedule is not tolerated"},
		"selector": {
			pod("p", cpuMem("1", "1Gi"), selecting("disk", "ssd")), func(*v1alpha1.NodePool) {},
			"pool general: none of 8 types has label disk=ssd, which the pod's nodeSelector asks for",
		},
		"affinity": {
			pod("p", cpuMem("1", "1Gi"), func(p *corev1.Pod) {
				affinity(p).NodeAffinity = &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
					NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
						{Key: v1alpha1.LabelArch, Operator: corev1.NodeSelectorOpIn, Values: []string{"arm64"}},
					}}},
				}}
			}), func(*v1alpha1.NodePool) {},
			"pool general: none of 8 types satisfies the pod's required node affinity (kubernetes.io/arch In [arm64])",
		},
		"limit": {
			pod("p", cpuMem("4", "1Gi")), limits(corev1.ResourceCPU, "3"),
			"pool general: limit cpu 3 reached (0 used, needs 4)",
		},
		"limit on nodes": {pod("p", cpuMem("4", "1Gi")), limits(v1alpha1.ResourceNodes, "0"), "pool general: limit nodes 0 reached (0 used)"},
		"alone": {
			pod("p", cpuMem("1", "1Gi"), near(v1alpha1.LabelZone, "nobody")), func(*v1alpha1.NodePool) {},
			"pool general: pod affinity over topology.kubernetes.io/zone: no place to be had has room beside a pod that it selects",
		},
		"no subnet": {
			pod("p", cpuMem("1", "1Gi")), func(np *v1alpha1.NodePool) { np.Spec.Subnets = []string{"subnet-x"} },
			"pool general: spec.subnets: none of subnet-x is known in account main, region eu-west-1: name subnets that exist there",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := sound(t, Snapshot{Pods: []*corev1.Pod{c.pod}, Pools: []Pool{pool(t, v, "general", c.pool)}})
			require.Equal(t, []contract.Unplaceable{{Pod: "default/p", Count: 1, Reasons: []string{c.why}}}, r.Unplaceable)
			require.Empty(t, r.Launches)
		})
	}
	require.Equal(t, []string{"there is no NodePool: create one"},
		Plan(Snapshot{Pods: []*corev1.Pod{pod("p", cpuMem("1", "1Gi"))}}).Unplaceable[0].Reasons)
}

func TestFirstFitBeforeBuying(t *testing.T) {
	p := pool(t, view("m5"), "general")
	full := node(p, "full", "m5.large", testZones[0], many(2, "old", cpuMem("900m", "1Gi"))...)
	cordoned := node(p, "cordoned", "m5.large", testZones[0])
	cordoned.Unschedulable = true
	s := Snapshot{
		Pods:  many(3, "new", cpuMem("900m", "1Gi")),
		Nodes: []Node{full, cordoned, node(p, "free", "m5.large", testZones[1])},
		Pools: []Pool{p},
	}
	r := sound(t, s)
	require.Len(t, r.OnNodes["free"], 2)
	require.Len(t, r.OnNodes, 1)
	require.Equal(t, 1, machines(r))
	require.Equal(t, "m5.large", r.Launches[0].InstanceTypes[0])
}

func TestTaintsOfStartingNodes(t *testing.T) {
	p := pool(t, view("m5"), "general", func(np *v1alpha1.NodePool) {
		np.Spec.Template.StartupTaints = []corev1.Taint{{Key: "cni", Effect: corev1.TaintEffectNoExecute}}
	})
	for _, c := range []struct {
		taint   string
		settled bool
		fits    bool
	}{
		{v1alpha1.TaintUnregistered, false, true},
		{corev1.TaintNodeNotReady, false, true},
		{"cni", false, true},
		{"other", false, false},
		{v1alpha1.TaintLeaving, false, false},
		{corev1.TaintNodeNotReady, true, false},
		{"cni", true, false},
	} {
		t.Run(fmt.Sprintf("%s settled=%v", c.taint, c.settled), func(t *testing.T) {
			n := node(p, "n", "m5.large", testZones[0])
			n.Settled = c.settled
			n.Taints = []corev1.Taint{{Key: c.taint, Effect: corev1.TaintEffectNoExecute}}
			r := Plan(Snapshot{Pods: []*corev1.Pod{pod("p", cpuMem("1", "1Gi"))}, Nodes: []Node{n}, Pools: []Pool{p}})
			require.Equal(t, c.fits, len(r.OnNodes["n"]) == 1)
			require.Equal(t, !c.fits, len(r.Launches) == 1)
		})
	}
}

func TestIgnoredPods(t *testing.T) {
	now := metav1.Now()
	controller := true
	s := Snapshot{Pools: []Pool{pool(t, view("m5"), "general")}, Pods: []*corev1.Pod{
		pod("bound", cpuMem("1", "1Gi"), func(p *corev1.Pod) { p.Spec.NodeName = "n" }),
		pod("going", cpuMem("1", "1Gi"), func(p *corev1.Pod) { p.DeletionTimestamp = &now }),
		pod("gated", cpuMem("1", "1Gi"), func(p *corev1.Pod) { p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "g"}} }),
		pod("ended", cpuMem("1", "1Gi"), func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }),
		pod("daemon", cpuMem("1", "1Gi"), func(p *corev1.Pod) {
			p.OwnerReferences = []metav1.OwnerReference{{Kind: "DaemonSet", Controller: &controller}}
		}),
	}}
	r := Plan(s)
	require.Equal(t, 5, r.Ignored)
	require.Empty(t, r.Launches)
	require.Empty(t, r.Unplaced)
}

func TestRequests(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	container := func(cpu string, restart *corev1.ContainerRestartPolicy) corev1.Container {
		return corev1.Container{RestartPolicy: restart, Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse(cpu)}}}
	}
	for name, c := range map[string]struct {
		change func(*corev1.Pod)
		cpu    string
	}{
		"plain":    {func(*corev1.Pod) {}, "1"},
		"init":     {func(p *corev1.Pod) { p.Spec.InitContainers = []corev1.Container{container("3", nil)} }, "3"},
		"sidecar":  {func(p *corev1.Pod) { p.Spec.InitContainers = []corev1.Container{container("3", &always)} }, "4"},
		"overhead": {func(p *corev1.Pod) { p.Spec.Overhead = corev1.ResourceList{"cpu": resource.MustParse("500m")} }, "1500m"},
		"pod level": {func(p *corev1.Pod) {
			p.Spec.Resources = &corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("2500m")}}
		}, "2500m"},
	} {
		t.Run(name, func(t *testing.T) {
			r := sound(t, Snapshot{Pods: []*corev1.Pod{pod("p", cpuMem("1", "1Gi"), c.change)}, Pools: []Pool{pool(t, view("m5"), "general")}})
			want, got := resource.MustParse(c.cpu), r.Launches[0].Requests[corev1.ResourceCPU]
			require.Zero(t, want.Cmp(got), got.String())
		})
	}
}

func TestDaemonSets(t *testing.T) {
	p := pool(t, view("m5"), "general", func(np *v1alpha1.NodePool) {
		np.Spec.Template.Taints = []corev1.Taint{{Key: "dedicated", Effect: corev1.TaintEffectNoSchedule}}
	})
	everywhere := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "agent", UID: types.UID("agent")}}
	everywhere.Spec.Template.Spec = pod("", cpuMem("500m", "1Gi"), tolerating("dedicated")).Spec
	elsewhere := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "gpu"}}
	elsewhere.Spec.Template.Spec = pod("", cpuMem("1", "1Gi")).Spec // does not tolerate
	s := Snapshot{
		Pods: []*corev1.Pod{pod("p", cpuMem("1700m", "1Gi"), tolerating("dedicated"))}, Pools: []Pool{p},
		DaemonSets: []*appsv1.DaemonSet{everywhere, elsewhere},
	}
	r := sound(t, s)
	require.Equal(t, "m5.xlarge", r.Launches[0].InstanceTypes[0], "1.7 CPU and the agent's 0.5 are more than 2")
	cpu := r.Launches[0].Requests[corev1.ResourceCPU]
	require.Equal(t, int64(2200), cpu.MilliValue())

	// A node on which the agent has not started yet keeps its room; once it runs it is counted once.
	n := node(p, "n", "m5.large", testZones[0])
	s.Nodes = []Node{n}
	s.Pods = []*corev1.Pod{pod("p", cpuMem("1600m", "1Gi"), tolerating("dedicated"))}
	require.Empty(t, Plan(s).OnNodes)
	s.Pods = []*corev1.Pod{pod("p", cpuMem("1500m", "1Gi"), tolerating("dedicated"))}
	require.Len(t, Plan(s).OnNodes["n"], 1)
	controller := true
	s.Nodes[0].Pods = []*corev1.Pod{pod("agent-1", cpuMem("500m", "1Gi"), func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{{Kind: "DaemonSet", UID: "agent", Controller: &controller}}
	})}
	require.Len(t, Plan(s).OnNodes["n"], 1)
}

func TestWeightAndLimits(t *testing.T) {
	v := view("m5")
	heavy := pool(t, v, "heavy", func(np *v1alpha1.NodePool) {
		np.Spec.Weight = 10
		np.Spec.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("4")}
	})
	s := Snapshot{Pods: many(10, "p", cpuMem("1", "1Gi")), Pools: []Pool{pool(t, v, "light"), heavy}}
	r := sound(t, s)
	bought := map[string]int{}
	for _, l := range r.Launches {
		for _, pods := range l.Machines {
			bought[l.Pool] += len(pods)
		}
	}
	require.Equal(t, map[string]int{"heavy": 4, "light": 6}, bought)
	require.Empty(t, r.Unplaced)
}

func TestLimitOnNodesTakesLargerMachines(t *testing.T) {
	p := pool(t, view("m5"), "general", func(np *v1alpha1.NodePool) {
		np.Spec.Limits = corev1.ResourceList{v1alpha1.ResourceNodes: resource.MustParse("1")}
	})
	r := sound(t, Snapshot{Pods: many(60, "p", cpuMem("1", "1Gi")), Pools: []Pool{p}})
	require.Empty(t, r.Unplaced, "one machine of 64 CPU holds all")
	require.Equal(t, 1, machines(r))
}

func TestZoneSpreadOnNewMachines(t *testing.T) {
	p := pool(t, view("m5"), "general")
	old := node(p, "old", "m5.large", testZones[0], pod("old-0", cpuMem("1900m", "1Gi"), labeled("app", "web")))
	s := Snapshot{
		Pods:  many(8, "web", cpuMem("1", "1Gi"), labeled("app", "web"), spreading(v1alpha1.LabelZone, "web", 1)),
		Nodes: []Node{old}, Pools: []Pool{p},
	}
	r := sound(t, s)
	zones := map[string]int{"eu-west-1a": 1}
	for _, l := range r.Launches {
		require.Len(t, l.Zones, 1)
		for _, pods := range l.Machines {
			zones[l.Zones[0]] += len(pods)
		}
	}
	require.Equal(t, map[string]int{"eu-west-1a": 3, "eu-west-1b": 3, "eu-west-1c": 3}, zones)
}

func TestSpreadByHostAndPorts(t *testing.T) {
	for name, rule := range map[string]func(*corev1.Pod){
		"anti-affinity": avoiding(corev1.LabelHostname, "web"),
		"spread":        spreading(corev1.LabelHostname, "web", 1),
		"port":          onPort(8080),
	} {
		t.Run(name, func(t *testing.T) {
			r := sound(t, Snapshot{
				Pods:  append(many(5, "web", cpuMem("500m", "1Gi"), labeled("app", "web"), rule), many(7, "other", cpuMem("100m", "100Mi"))...),
				Pools: []Pool{pool(t, view("m5"), "general")},
			})
			require.Equal(t, 5, machines(r))
		})
	}
}

// TestCompanions is the example of the Kubernetes documentation: three caches that keep apart, and a web server beside
// each (kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node, "More practical use-cases").
func TestCompanions(t *testing.T) {
	caches := many(3, "cache", cpuMem("1", "1Gi"), labeled("app", "cache"), avoiding(corev1.LabelHostname, "cache"))
	webs := many(3, "web", cpuMem("1", "1Gi"), labeled("app", "web"), near(corev1.LabelHostname, "cache"), avoiding(corev1.LabelHostname, "web"))
	r := sound(t, Snapshot{Pods: append(caches, webs...), Pools: []Pool{pool(t, view("m5"), "general")}})
	require.Equal(t, 3, machines(r))
	require.Empty(t, r.Unplaced)
}

func TestGroupThatWantsOneMachine(t *testing.T) {
	p := pool(t, view("m5"), "general")
	group := func(n int) []*corev1.Pod {
		return many(n, "p", cpuMem("3", "1Gi"), labeled("app", "p"), near(corev1.LabelHostname, "p"))
	}
	r := sound(t, Snapshot{Pods: group(5), Pools: []Pool{p}})
	require.Equal(t, 1, machines(r))
	require.Equal(t, "m5.4xlarge", r.Launches[0].InstanceTypes[0])
	r = sound(t, Snapshot{Pods: group(40), Pools: []Pool{p}})
	require.Equal(t, 1, machines(r), "the 96 CPU of the largest hold 32 of them")
	require.Len(t, r.Unplaced, 8)
}

func TestChainDecidesPriceAndTypes(t *testing.T) {
	v := view("m5", "c6i", "r6i")
	p := pool(t, v, "general", func(np *v1alpha1.NodePool) {
		np.Spec.Fallback = []v1alpha1.FallbackStep{
			{CapacityType: v1alpha1.Spot, Requirements: []corev1.NodeSelectorRequirement{
				{Key: v1alpha1.LabelInstanceFamily, Operator: corev1.NodeSelectorOpIn, Values: []string{"r6i"}},
			}},
			{CapacityType: v1alpha1.OnDemand},
		}
	})
	s := Snapshot{Pods: many(2, "p", cpuMem("1", "1Gi")), Pools: []Pool{p}, Now: time.Unix(1000, 0)}
	r := sound(t, s)
	l := r.Launches[0]
	require.Equal(t, "r6i.large", l.InstanceTypes[0])
	require.InDelta(t, 0.126*0.33, l.USDPerHour, 1e-6)
	require.Contains(t, l.InstanceTypes, "c6i.large", "the next step has somewhere to go")
	require.Empty(t, l.CapacityTypes)

	// All of the first step in back-off: the second decides.
	s.Pools[0].BackOff = map[contract.Offering]time.Time{}
	for _, c := range p.Candidates {
		for _, o := range c.Overrides {
			if o.CapacityType == v1alpha1.Spot {
				s.Pools[0].BackOff[o.Offering] = time.Unix(1001, 0)
			}
		}
	}
	r = sound(t, s)
	require.Equal(t, "c6i.large", r.Launches[0].InstanceTypes[0])
	require.InDelta(t, 0.085, r.Launches[0].USDPerHour, 1e-6)

	// Pods that select on-demand never get spot.
	s.Pods = many(2, "p", cpuMem("1", "1Gi"), selecting(v1alpha1.LabelCapacityType, string(v1alpha1.OnDemand)))
	r = sound(t, s)
	require.Equal(t, []v1alpha1.CapacityType{v1alpha1.OnDemand}, r.Launches[0].CapacityTypes)

	// With everything in back-off it is tried all the same.
	for i := range s.Pools[0].Candidates {
		for _, o := range s.Pools[0].Candidates[i].Overrides {
			s.Pools[0].BackOff[o.Offering] = time.Unix(1001, 0)
		}
	}
	require.Equal(t, 1, machines(sound(t, s)))
}

func TestMixedPodsShareMachines(t *testing.T) {
	// CPU-heavy and memory-heavy pods, which alone would need c6i and r6i, fill m5 machines between them.
	r := sound(t, Snapshot{
		Pods:  append(many(20, "cpu", cpuMem("3", "2Gi")), many(20, "memory", cpuMem("900m", "11Gi"))...),
		Pools: []Pool{pool(t, view("m5"), "general")},
	})
	require.Less(t, r.USDPerHour, 1.1*r.LowerBoundUSDPerHour)
}

func TestPriceOnTheTrace(t *testing.T) {
	pods := trace(t, 5000)
	r := sound(t, Snapshot{Pods: pods, Pools: []Pool{pool(t, view(nine...), "general")}})
	require.Less(t, r.USDPerHour, 1.03*r.LowerBoundUSDPerHour)
}

func TestDigestStaysSmall(t *testing.T) {
	p := pool(t, view(nine...), "general", func(np *v1alpha1.NodePool) {
		np.Spec.Fallback = []v1alpha1.FallbackStep{{CapacityType: v1alpha1.Spot}, {CapacityType: v1alpha1.OnDemand}}
	})
	pools := []Pool{p}
	for i := range 20 {
		pools = append(pools, pool(t, view("m5"), fmt.Sprintf("dedicated-%02d", i), func(np *v1alpha1.NodePool) {
			np.Spec.Template.Taints = []corev1.Taint{{Key: "dedicated", Value: strings.Repeat("x", 40), Effect: corev1.TaintEffectNoSchedule}}
		}))
	}
	pods := synthetic(5000, 500)
	for i := range 300 {
		pods = append(pods, pod(fmt.Sprintf("huge-%03d", i), cpuMem(fmt.Sprint(1000+i), "1Gi")))
	}
	r := Plan(Snapshot{Pods: pods, Pools: pools})
	d := r.Digest()
	b, err := json.Marshal(d)
	require.NoError(t, err)
	require.Less(t, len(b), 64_000)
	require.Equal(t, 5300, d.Pending)
	require.Equal(t, 300, d.UnplaceableCount)
	require.NotEmpty(t, d.Launches)
	require.NotEmpty(t, d.Unplaceable)
	for _, l := range d.Launches {
		require.LessOrEqual(t, len(l.Pods), 20)
		require.NotEmpty(t, l.Reason)
	}
}

func TestClassKeysStayTheSame(t *testing.T) {
	// The key of a launch's pods may not depend on what else is in the snapshot.
	p := pool(t, view("m5"), "general")
	alone := Plan(Snapshot{Pods: many(2, "p", cpuMem("1", "1Gi"), labeled("app", "p")), Pools: []Pool{p}})
	other := pod("other", cpuMem("3", "1Gi"), avoiding(corev1.LabelHostname, "p"))
	among := Plan(Snapshot{Pods: append(many(2, "p", cpuMem("1", "1Gi"), labeled("app", "p")), other), Pools: []Pool{p}})
	for key := range alone.Launches[0].Classes {
		n := 0
		for _, l := range among.Launches {
			n += l.Classes[key]
		}
		require.Equal(t, 2, n)
	}
}
