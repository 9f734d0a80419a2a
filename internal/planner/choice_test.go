package planner

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"floe.dev/floe/api/v1alpha1"
)

func TestExplainNamesTheNextBest(t *testing.T) {
	v := view("m5")
	s := Snapshot{
		Pods: []*corev1.Pod{pod("a", cpuMem("3", "2Gi"), selecting(v1alpha1.LabelZone, testZones[1])), pod("b", cpuMem("500m", "2Gi"))},
		Pools: []Pool{pool(t, v, "general"), pool(t, v, "spare", func(np *v1alpha1.NodePool) {
			np.Spec.Weight = 9
			np.Spec.Limits = corev1.ResourceList{"cpu": resource.MustParse("1")}
		})},
	}
	r, e := Explain(s, "a")
	require.Equal(t, Plan(s).Launches, r.Launches, "the plan is the same")
	require.Equal(t, "default/a", e.Pod)
	require.Equal(t, "m5.xlarge", e.Winner.InstanceType)
	require.Equal(t, []string{testZones[1]}, e.Winner.Zones, "where its selector wants it")
	require.Equal(t, 1, e.Beside)
	var next []string
	for _, c := range e.Next {
		require.Equal(t, "general", c.Pool, "the other's limit leaves no room for any")
		require.InDelta(t, c.USDPerHour-e.Winner.USDPerHour, c.MoreUSDPerHour, 1e-9)
		next = append(next, c.InstanceType)
	}
	require.Equal(t, []string{"m5.2xlarge", "m5.4xlarge", "m5.8xlarge"}, next)
	require.Contains(t, e.Pools[0], "pool general: 7 types can hold it; filtered: 1 type too small for 3 CPU")
}

func TestExplainPodsThatNeedNothing(t *testing.T) {
	v := view("m5")
	p := pool(t, v, "general")
	s := Snapshot{Pods: []*corev1.Pod{pod("a", cpuMem("1", "1Gi"))}, Pools: []Pool{p}, Nodes: []Node{node(p, "n1", "m5.large", testZones[0])}}
	_, e := Explain(s, "default/a")
	require.Equal(t, "n1", e.Node)
	require.Equal(t, "fits on node n1", e.Place)
	require.Nil(t, e.Winner)
	require.Len(t, e.Next, nextBest)
	require.Equal(t, "m5.large", e.Next[0].InstanceType, "what it would cost otherwise")

	_, e = Explain(s, "nobody")
	require.Nil(t, e)
}

func TestExplainWantsOneName(t *testing.T) {
	twin := pod("a", cpuMem("2", "1Gi"))
	twin.Namespace = "other"
	s := Snapshot{Pods: []*corev1.Pod{pod("a", cpuMem("1", "1Gi")), twin}}
	_, e := Explain(s, "a")
	require.Nil(t, e, "two have it")
	_, e = Explain(s, "other/a")
	require.Equal(t, "cannot be placed: there is no NodePool", e.Place)
}
