package planner

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

func preferring(weight int32, key string, values ...string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		a := affinity(p)
		if a.NodeAffinity == nil {
			a.NodeAffinity = &corev1.NodeAffinity{}
		}
		a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution = append(a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution,
			corev1.PreferredSchedulingTerm{Weight: weight, Preference: corev1.NodeSelectorTerm{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values}},
			}})
	}
}

func TestPreferencesAreBoughtAndGivenUpOneByOne(t *testing.T) {
	p := pool(t, view("m5", "c6i"), "general")
	for name, tt := range map[string]struct {
		changes []func(*corev1.Pod)
		zones   []string
		family  string
		without string // that the reason names
	}{
		"all can be had": {
			changes: []func(*corev1.Pod){preferring(1, v1alpha1.LabelZone, testZones[2]), preferring(2, v1alpha1.LabelInstanceFamily, "m5")},
			zones:   []string{testZones[2]}, family: "m5",
		},
		"the least goes first": {
			changes: []func(*corev1.Pod){preferring(9, v1alpha1.LabelZone, testZones[2]), preferring(2, v1alpha1.LabelArch, "arm64")},
			zones:   []string{testZones[2]}, family: "c6i", without: "default/a and its like prefer, and go without, kubernetes.io/arch In [arm64]",
		},
		"what is required stays": {
			changes: []func(*corev1.Pod){selecting(v1alpha1.LabelZone, testZones[1]), preferring(9, v1alpha1.LabelZone, testZones[2])},
			zones:   []string{testZones[1]}, family: "c6i", without: "topology.kubernetes.io/zone In [eu-west-1c]",
		},
	} {
		r := Plan(Snapshot{Pods: []*corev1.Pod{pod("a", cpuMem("1", "1Gi"), tt.changes...)}, Pools: []Pool{p}})
		require.Len(t, r.Launches, 1, name)
		l := r.Launches[0]
		require.Equal(t, tt.zones, l.Zones, name)
		require.Contains(t, l.InstanceTypes[0], tt.family+".", name)
		if tt.without == "" {
			require.NotContains(t, l.Reason, "prefer", name)
		} else {
			require.Contains(t, l.Reason, tt.without, name)
		}
	}
}

func TestAPreferenceDoesNotKeepPodsOffNodes(t *testing.T) {
	p := pool(t, view("m5"), "general")
	r := Plan(Snapshot{
		Pods:  []*corev1.Pod{pod("a", cpuMem("1", "1Gi"), preferring(1, v1alpha1.LabelZone, testZones[2]))},
		Pools: []Pool{p}, Nodes: []Node{node(p, "n", "m5.xlarge", testZones[0])},
	})
	require.Len(t, r.OnNodes["n"], 1)
	require.Empty(t, r.Launches)
}

func TestPreferencesYieldToLimitsAndBackOff(t *testing.T) {
	prefers := preferring(1, v1alpha1.LabelInstanceCPU, "96")
	limited := pool(t, view("m5"), "general", func(np *v1alpha1.NodePool) {
		np.Spec.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8")}
	})
	r := Plan(Snapshot{Pods: many(2, "a", cpuMem("1", "1Gi"), prefers), Pools: []Pool{limited}})
	require.Empty(t, r.Unplaced)
	require.NotEmpty(t, r.Launches)

	backedOff := pool(t, view("m5"), "general")
	now := time.Now()
	backedOff.BackOff = map[contract.Offering]time.Time{}
	for _, c := range backedOff.Candidates {
		for _, o := range c.Overrides {
			if o.Zone == testZones[2] {
				backedOff.BackOff[o.Offering] = now.Add(time.Minute)
			}
		}
	}
	r = Plan(Snapshot{
		Pods: many(1, "a", cpuMem("1", "1Gi"), preferring(1, v1alpha1.LabelZone, testZones[2])), Pools: []Pool{backedOff}, Now: now,
	})
	require.Empty(t, r.Launches[0].Zones, "a zone that probably has nothing is not waited for")
}
