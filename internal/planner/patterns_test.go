package planner

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"floe.dev/floe/api/v1alpha1"
)

// TestPatternsAreCheaper: of many pods of a few kinds, packed one machine after the other, the large ones take machines
// that only together with others would have been full. The best patterns leave next to nothing over.
func TestPatternsAreCheaper(t *testing.T) {
	var pods []*corev1.Pod
	for name, requests := range map[string]map[corev1.ResourceName]string{
		"a": cpuMem("11400m", "47Gi"), "b": cpuMem("8", "30Gi"), "c": cpuMem("3150m", "5600Mi"),
		"d": cpuMem("12500m", "56Gi"), "e": cpuMem("4", "15Gi"),
	} {
		pods = append(pods, many(200, name, requests)...)
	}
	p := pool(t, view(nine...), "general", func(np *v1alpha1.NodePool) {
		np.Spec.Requirements = []corev1.NodeSelectorRequirement{{Key: v1alpha1.LabelInstanceCPU, Operator: corev1.NodeSelectorOpLt, Values: []string{"33"}}}
	})
	r := sound(t, Snapshot{Pods: pods, Pools: []Pool{p}})
	require.Less(t, r.USDPerHour, 1.08*r.LowerBoundUSDPerHour) // 1.072; without patterns 1.091
}

// TestScarcity: no pods that fit together are worth more than the machine's room, and none is worth more than what it
// asks for.
func TestScarcity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amounts := func(least, most int64) vec {
			return rapid.Custom(func(t *rapid.T) vec {
				return rapid.SliceOfN(rapid.Int64Range(least, most), 3, 3).Draw(t, "amounts")
			}).Draw(t, "vec")
		}
		room := amounts(10, 1000)
		var items []*item
		var worth []float64
		for range rapid.IntRange(1, 6).Draw(t, "items") {
			items = append(items, &item{class: &class{req: amounts(1, 10)}})
			worth = append(worth, rapid.Float64Range(0, 5).Draw(t, "worth"))
		}
		scarce := scarcity(worth, items, room)
		of := func(v vec) (sum float64) {
			for i, s := range scarce {
				require.False(t, s < 0 || math.IsNaN(s))
				sum += s * float64(v[i])
			}
			return sum
		}
		const rounding = 1e-6
		used, value := make(vec, 3), 0.0
		for i, it := range items {
			require.GreaterOrEqual(t, of(it.class.req), worth[i]-rounding)
			n := times(room, used, it.class.req)
			used.add(it.class.req, int64(n))
			value += worth[i] * float64(n)
		}
		require.LessOrEqual(t, value, of(room)+rounding)
	})
}
