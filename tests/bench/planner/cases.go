package main

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// benchCase is pods to plan for, and what can be bought for them.
type benchCase struct {
	name  string
	trace bool
	pods  []*corev1.Pod
	// left counts pods that none of the types holds; they are not among pods.
	left  int
	pool  *v1alpha1.NodePool
	view  *catalog.View
	types []contract.InstanceType // that the pool may buy
}

const region = "test"

var zones = []string{region + "a", region + "b", region + "c"}

// newCase offers the types on demand in three zones at the same price, so that neither spot prices nor the way in which
// a fleet chooses between them are part of the bill. Pods that no type holds are left out: both say so of them, and
// Karpenter would try them again and again.
func newCase(name string, pods []*corev1.Pod, types []contract.InstanceType) benchCase {
	pool := &v1alpha1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "general"}}
	pool.Spec.Fallback = []v1alpha1.FallbackStep{{CapacityType: v1alpha1.OnDemand}}
	v1alpha1.SetDefaults(pool)
	view := &catalog.View{
		Account: "bench", Region: region, Types: map[string]contract.InstanceType{},
		Subnets: map[string]catalog.Subnet{}, Offered: map[catalog.OfferedKey]bool{},
	}
	for _, zone := range zones {
		subnet := "subnet-" + zone
		pool.Spec.Subnets = append(pool.Spec.Subnets, subnet)
		view.Subnets[subnet] = catalog.Subnet{ID: subnet, Zone: zone, ZoneID: zone, FreeAddresses: 1 << 20}
		for _, t := range types {
			view.Offered[catalog.OfferedKey{InstanceType: t.Name, ZoneID: zone}] = true
		}
	}
	for _, t := range types {
		view.Types[t.Name] = t
	}
	c := benchCase{name: name, pool: pool, view: view, types: types}
	for _, pod := range pods {
		if slices.ContainsFunc(types, func(t contract.InstanceType) bool { return holds(catalog.Allocatable(pool, t), pod) }) {
			c.pods = append(c.pods, pod)
		} else {
			c.left++
		}
	}
	return c
}

// holds reports whether a machine with nothing else on it has a pod's CPU and memory.
func holds(room corev1.ResourceList, pod *corev1.Pod) bool {
	requests := pod.Spec.Containers[0].Resources.Requests
	return requests.Cpu().Cmp(*room.Cpu()) <= 0 && requests.Memory().Cmp(*room.Memory()) <= 0
}

// diverseCases are the mix of Karpenter's published benchmark on the types of that benchmark, and on real ones.
func diverseCases() (cases []benchCase) {
	for _, list := range []struct {
		name  string
		types []contract.InstanceType
	}{{"400 made-up types", madeUp(400)}, {"nine families", families(0)}} {
		for _, n := range []int{100, 500, 1000, 2000, 5000} {
			cases = append(cases, newCase(fmt.Sprintf("diverse %d, %s", n, list.name), newMix().pods(n), list.types))
		}
	}
	return cases
}

// traceCases are pods of a trace on all sizes of nine families, and on those up to 32 vCPU.
func traceCases(pods []*corev1.Pod, most int) []benchCase {
	if most > 0 {
		pods = pods[:min(most, len(pods))]
	}
	for i, pod := range pods {
		pod.UID = types.UID(fmt.Sprintf("trace-%d", i)) // Karpenter tells pods apart by it
	}
	all := newCase("trace, nine families", pods, families(0))
	capped := newCase("trace, nine families to 32 vCPU", pods, families(32))
	all.trace, capped.trace = true, true
	return []benchCase{all, capped}
}

// madeUp are the types that Karpenter's benchmark buys (InstanceTypes of its pkg/cloudprovider/fake): the n-th has n
// vCPU, 2n GiB and room for 10n pods, at 0.1 US dollars a vCPU and 0.1 a gigabyte (of 10⁹ bytes).
func madeUp(count int) (types []contract.InstanceType) {
	for n := 1; n <= count; n++ {
		types = append(types, contract.InstanceType{
			Name: fmt.Sprintf("made-up.%dxlarge", n), Arch: "amd64", VCPU: n, MemoryMiB: 2048 * n,
			ENIs: 1, IPv4PerENI: 10*n - 1, // 10n pods by catalog.MaxPods
			OnDemandUSD: 0.1*float64(n) + 0.1*float64(2*n<<30)/1e9,
		})
	}
	return types
}

// families are the sizes of nine families of general, compute and memory machines, no bare metal, at the list prices of
// internal/catalog; up to so many vCPU, or all where that is 0.
func families(most int) (types []contract.InstanceType) {
	nine := strings.Fields("m5 c5 r5 m6i c6i r6i m7i c7i r7i")
	for _, t := range catalog.Facts() {
		family, _ := catalog.FamilyAndSize(t.Name)
		if slices.Contains(nine, family) && !t.BareMetal && (most == 0 || t.VCPU <= most) {
			types = append(types, t)
		}
	}
	return types
}

func requests(cpuMilli, memoryMiB int64) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(cpuMilli, resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(memoryMiB<<20, resource.BinarySI),
	}}
}
