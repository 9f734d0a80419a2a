package planner

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// steady leaves out arm64 and the burstable families, whose price does not pay for the CPU that they show.
func steady(np *v1alpha1.NodePool) {
	var burstable []string
	for _, t := range catalog.Facts() {
		if family, _ := catalog.FamilyAndSize(t.Name); strings.HasPrefix(family, "t") {
			burstable = append(burstable, family)
		}
	}
	np.Spec.Requirements = append(np.Spec.Requirements,
		corev1.NodeSelectorRequirement{Key: v1alpha1.LabelArch, Operator: corev1.NodeSelectorOpIn, Values: []string{"amd64"}},
		corev1.NodeSelectorRequirement{Key: v1alpha1.LabelInstanceFamily, Operator: corev1.NodeSelectorOpNotIn, Values: burstable})
}

// report prints what a plan came to beside how fast it was.
func report(b *testing.B, s Snapshot, r Result) {
	perSecond := float64(len(s.Pods)*b.N) / b.Elapsed().Seconds()
	b.ReportMetric(perSecond, "pods/s")
	b.ReportMetric(float64(machines(r)), "nodes")
	b.ReportMetric(r.USDPerHour, "$/h")
	b.ReportMetric(100*(r.USDPerHour/r.LowerBoundUSDPerHour-1), "%above-bound")
	b.ReportMetric(float64(len(r.Unplaced)), "unplaced")
	b.ReportMetric(float64(r.Classes), "classes")
}

func run(b *testing.B, s Snapshot) {
	b.Helper()
	b.ReportAllocs()
	var r Result
	for b.Loop() {
		r = Plan(s)
	}
	report(b, s, r)
}

// BenchmarkTrace plans 5,000 pods of a production trace, with all sizes of nine families and with those up to 32 vCPU.
func BenchmarkTrace(b *testing.B) {
	pods := trace(b, 5000)
	for _, most := range []string{"1000", "32"} {
		b.Run("vcpu<="+most, func(b *testing.B) {
			v := view(nine...)
			p := pool(b, v, "general", func(np *v1alpha1.NodePool) {
				if most == "32" {
					np.Spec.Requirements = []corev1.NodeSelectorRequirement{{Key: v1alpha1.LabelInstanceCPU, Operator: corev1.NodeSelectorOpLt, Values: []string{"33"}}}
				}
			})
			run(b, Snapshot{Pods: pods, Pools: []Pool{p}})
		})
	}
}

// synthetic pods: so many, of so many kinds, some of them spread or tied to a zone.
func synthetic(n, kinds int) []*corev1.Pod {
	r := rand.New(rand.NewPCG(1, 2))
	cpu := []int{100, 250, 500, 1000, 2000, 4000}
	memory := []int{128, 256, 512, 1024, 2048, 4096, 8192}
	var pods []*corev1.Pod
	for k := range kinds {
		var changes []func(*corev1.Pod)
		switch k % 10 {
		case 0:
			changes = append(changes, labeled("app", fmt.Sprint(k)), spreading(v1alpha1.LabelZone, fmt.Sprint(k), 1))
		case 1:
			changes = append(changes, selecting(v1alpha1.LabelZone, testZones[r.IntN(3)]))
		case 2:
			changes = append(changes, selecting(v1alpha1.LabelCapacityType, string(v1alpha1.OnDemand)))
		}
		requests := cpuMem(fmt.Sprintf("%dm", cpu[r.IntN(len(cpu))]+k), fmt.Sprintf("%dMi", memory[r.IntN(len(memory))]))
		pods = append(pods, many(n/kinds, fmt.Sprintf("kind-%03d", k), requests, changes...)...)
	}
	return pods
}

// BenchmarkSynthetic plans 100,000 synthetic pods in 500 classes onto 3,000 full nodes and what is bought.
func BenchmarkSynthetic(b *testing.B) {
	v := view()
	p := pool(b, v, "general", steady, func(np *v1alpha1.NodePool) {
		np.Spec.Fallback = []v1alpha1.FallbackStep{{CapacityType: v1alpha1.Spot}, {CapacityType: v1alpha1.OnDemand}}
	})
	s := Snapshot{Pods: synthetic(100_000, 500), Pools: []Pool{p}}
	for i := range 3000 {
		s.Nodes = append(s.Nodes, node(p, fmt.Sprintf("node-%04d", i), "m5.2xlarge", testZones[i%3],
			many(30, fmt.Sprintf("bound-%d", i), cpuMem("250m", "900Mi"))...))
	}
	run(b, s)
}
