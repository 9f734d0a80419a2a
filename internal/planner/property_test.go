package planner

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"floe.dev/floe/api/v1alpha1"
)

// snapshots draws clusters of a few pools, nodes and kinds of pods, with any mix of rules among them.
func snapshots(t *rapid.T, tb testing.TB) Snapshot {
	v := view("m5", "c6i", "r6i")
	var s Snapshot
	for i := range rapid.IntRange(1, 3).Draw(t, "pools") {
		s.Pools = append(s.Pools, drawPool(t, tb, fmt.Sprintf("pool-%d", i), func(np *v1alpha1.NodePool) Pool {
			return pool(tb, v, np.Name, func(to *v1alpha1.NodePool) { to.Spec = merged(to.Spec, np.Spec) })
		}))
	}
	apps := []string{"a", "b", "c"}
	for i := range rapid.IntRange(0, 2).Draw(t, "daemonsets") {
		ds := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("ds-%d", i), UID: "u"}}
		ds.Spec.Template.Spec = pod("", cpuMem(rapid.SampledFrom([]string{"50m", "300m"}).Draw(t, "ds cpu"), "100Mi")).Spec
		if rapid.Bool().Draw(t, "ds zonal") {
			ds.Spec.Template.Spec.NodeSelector = map[string]string{v1alpha1.LabelZone: testZones[0]}
		}
		s.DaemonSets = append(s.DaemonSets, ds)
	}
	for i := range rapid.IntRange(0, 5).Draw(t, "nodes") {
		p := s.Pools[rapid.IntRange(0, len(s.Pools)-1).Draw(t, "of")]
		if len(p.Candidates) == 0 {
			continue
		}
		n := node(p, fmt.Sprintf("node-%d", i), "m5.2xlarge", rapid.SampledFrom(testZones).Draw(t, "in"))
		for j := range rapid.IntRange(0, 3).Draw(t, "bound") {
			n.Pods = append(n.Pods, pod(fmt.Sprintf("bound-%d-%d", i, j), cpuMem("500m", "1Gi"), labeled("app", rapid.SampledFrom(apps).Draw(t, "app"))))
		}
		s.Nodes = append(s.Nodes, n)
	}
	for i := range s.Pools {
		drawStandby(t, &s.Pools[i])
	}
	for i := range rapid.IntRange(1, 6).Draw(t, "kinds") {
		s.Pods = append(s.Pods, drawPods(t, fmt.Sprintf("kind-%d", i), apps)...)
	}
	return s
}

func merged(to, from v1alpha1.NodePoolSpec) v1alpha1.NodePoolSpec {
	from.Subnets, from.LaunchTemplate = to.Subnets, to.LaunchTemplate
	return from
}

func drawPool(t *rapid.T, tb testing.TB, name string, make func(*v1alpha1.NodePool) Pool) Pool {
	np := &v1alpha1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name}}
	np.Spec.Fallback = rapid.SampledFrom([][]v1alpha1.FallbackStep{
		{{CapacityType: v1alpha1.OnDemand}},
		{{CapacityType: v1alpha1.Spot}, {CapacityType: v1alpha1.OnDemand}},
		{{CapacityType: v1alpha1.Hibernated}, {CapacityType: v1alpha1.Stopped}, {CapacityType: v1alpha1.Spot}, {CapacityType: v1alpha1.OnDemand}},
		{{CapacityType: v1alpha1.Stopped}, {CapacityType: v1alpha1.OnDemand}},
		{{CapacityType: v1alpha1.Spot, Requirements: []corev1.NodeSelectorRequirement{{Key: v1alpha1.LabelInstanceFamily, Operator: corev1.NodeSelectorOpIn, Values: []string{"c6i"}}}}, {CapacityType: v1alpha1.OnDemand}},
	}).Draw(t, "chain")
	np.Spec.Weight = int32(rapid.IntRange(0, 1).Draw(t, "weight"))
	if rapid.IntRange(0, 3).Draw(t, "tainted") == 0 {
		np.Spec.Template.Taints = []corev1.Taint{{Key: "dedicated", Value: name, Effect: corev1.TaintEffectNoSchedule}}
	}
	if rapid.Bool().Draw(t, "limited") {
		np.Spec.Limits = corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(int64(rapid.IntRange(2, 60).Draw(t, "limit")), resource.DecimalSI)}
		if rapid.Bool().Draw(t, "nodes limited") {
			np.Spec.Limits[v1alpha1.ResourceNodes] = *resource.NewQuantity(int64(rapid.IntRange(1, 6).Draw(t, "most nodes")), resource.DecimalSI)
		}
	}
	if rapid.Bool().Draw(t, "max pods") {
		n := int32(rapid.IntRange(4, 20).Draw(t, "pods"))
		np.Spec.MaxPods = &n
	}
	np.Spec.Reserved = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("300Mi")}
	return make(np)
}

func drawPods(t *rapid.T, name string, apps []string) []*corev1.Pod {
	requests := cpuMem(
		rapid.SampledFrom([]string{"100m", "500m", "1", "3500m", "9", "200"}).Draw(t, "cpu"),
		rapid.SampledFrom([]string{"128Mi", "1Gi", "3Gi", "20Gi"}).Draw(t, "memory"))
	app := rapid.SampledFrom(apps).Draw(t, "app")
	other := rapid.SampledFrom(apps).Draw(t, "other app")
	key := rapid.SampledFrom([]string{v1alpha1.LabelZone, corev1.LabelHostname}).Draw(t, "topology")
	changes := []func(*corev1.Pod){labeled("app", app)}
	switch rapid.IntRange(0, 8).Draw(t, "rule") {
	case 0:
		changes = append(changes, spreading(key, app, int32(rapid.IntRange(1, 3).Draw(t, "skew"))))
	case 1:
		changes = append(changes, avoiding(key, other))
	case 2:
		changes = append(changes, near(key, other))
	case 3:
		changes = append(changes, onPort(8080))
	case 4:
		changes = append(changes, selecting(v1alpha1.LabelZone, rapid.SampledFrom(testZones).Draw(t, "zone")))
	case 5:
		changes = append(changes, selecting(v1alpha1.LabelCapacityType, string(v1alpha1.OnDemand)))
	}
	if rapid.Bool().Draw(t, "tolerates") {
		changes = append(changes, tolerating("dedicated"))
	}
	return many(rapid.IntRange(1, 30).Draw(t, "n"), name, requests, changes...)
}

// TestAnyPlanIsSound: no machine is overfilled, every pod is in one place, no limit passed, no rule broken.
func TestAnyPlanIsSound(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := snapshots(rt, t)
		r := Plan(s)
		if err := check(s, r); err != nil {
			rt.Fatal(err)
		}
	})
}

// TestOrderDoesNotMatter: the same snapshot in any order gives the same plan.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := snapshots(rt, t)
		want := Plan(s)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		r.Shuffle(len(s.Pods), func(i, j int) { s.Pods[i], s.Pods[j] = s.Pods[j], s.Pods[i] })
		r.Shuffle(len(s.Nodes), func(i, j int) { s.Nodes[i], s.Nodes[j] = s.Nodes[j], s.Nodes[i] })
		r.Shuffle(len(s.Pools), func(i, j int) { s.Pools[i], s.Pools[j] = s.Pools[j], s.Pools[i] })
		r.Shuffle(len(s.DaemonSets), func(i, j int) { s.DaemonSets[i], s.DaemonSets[j] = s.DaemonSets[j], s.DaemonSets[i] })
		require.Equal(rt, want, Plan(s))
	})
}

// TestNothingIsBoughtTwice: once a plan's launches are in the ledger, and what fits on nodes is bound, the same pods need
// nothing more.
func TestNothingIsBoughtTwice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := snapshots(rt, t)
		first := Plan(s)
		s.Ledger = ledgerOf(first)
		bind(&s, first)
		second := Plan(s)
		again := 0
		for _, l := range second.Launches {
			for _, pods := range l.Machines {
				again += len(pods)
			}
		}
		// Where the first plan left pods out, its launches may have made room for some, by changing what is counted.
		if again+len(second.Unplaced) > len(first.Unplaced) {
			rt.Fatalf("%d pods were unplaced; now %d are, and for %d of them more is bought: %q\nfirst: %q", len(first.Unplaced), len(second.Unplaced), again, reasons(second), reasons(first))
		}
	})
}
