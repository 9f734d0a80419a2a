package planner

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"floe.dev/floe/api/v1alpha1"
)

func TestATypeIsNotBoughtForWhatItsNodeRefused(t *testing.T) {
	p := pool(t, view("m5"), "general")
	other := pool(t, view("m5"), "other", func(np *v1alpha1.NodePool) {
		np.Spec.Template.Taints = []corev1.Taint{{Key: "other", Effect: corev1.TaintEffectNoSchedule}}
	})
	n := node(p, "n", "m5.large", testZones[0], pod("all", cpuMem("1", "6Gi")))
	least := n.Allocatable.DeepCopy()
	least[corev1.ResourceMemory] = resource.MustParse("7Gi")
	asked := pod("a", cpuMem("1", "7300Mi"))
	for name, tt := range map[string]struct {
		change func(*Node)
		want   string
	}{
		"as reckoned":           {func(*Node) {}, "m5.large"},
		"less than reckoned":    {func(n *Node) { n.Allocatable = least }, "m5.xlarge"},
		"not ready yet":         {func(n *Node) { n.Allocatable, n.Settled = least, false }, "m5.large"},
		"a node of other pools": {func(n *Node) { n.Allocatable, n.Pool = least, "other" }, "m5.large"},
	} {
		n := n
		tt.change(&n)
		r := Plan(Snapshot{Pods: []*corev1.Pod{asked}, Pools: []Pool{p, other}, Nodes: []Node{n}})
		require.Len(t, r.Launches, 1, name)
		require.Equal(t, tt.want, r.Launches[0].InstanceTypes[0], name)
		if tt.want != "m5.large" {
			require.NotContains(t, r.Launches[0].InstanceTypes, "m5.large", name)
		}
	}
}
