package planner

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// seen is what the nodes of a pool and type that have been ready give to pods: the least of each resource that any of
// them has, and how many have it at all.
type seen struct {
	nodes int
	least corev1.ResourceList
	have  map[corev1.ResourceName]int
}

// learn reads off the nodes that have been ready what machines of their pool and type really give to pods. What is
// reckoned for a type is an estimate, and a machine bought for a pod that its like has just refused would be refused too.
func (p *plan) learn(nodes []Node) {
	p.learned, p.lacks = map[poolType]*seen{}, map[string][]lacking{}
	for i := range nodes {
		n := &nodes[i]
		key := poolType{n.Pool, n.Labels[v1alpha1.LabelInstanceType]}
		if n.Pool == "" || key.typ == "" || !n.Settled || len(n.Allocatable) == 0 {
			continue
		}
		known := p.learned[key]
		if known == nil {
			known = &seen{least: corev1.ResourceList{}, have: map[corev1.ResourceName]int{}}
			p.learned[key] = known
		}
		known.nodes++
		for name, amount := range n.Allocatable {
			if !amount.IsZero() { // as where a device plugin is starting, or gone
				known.have[name]++
			}
			if have, ok := known.least[name]; !ok || amount.Cmp(have) < 0 {
				known.least[name] = amount
			}
		}
	}
}

type poolType struct{ pool, typ string }

// allocatable is what a machine gives to pods: what is reckoned for its type, or what its like were seen to give, if
// that is less. Never more: chains leave out types that hold less than a launch's requests, by what is reckoned.
// Extended resources nobody reckons with: a machine has those that all of its like have. As long as one of them lacks
// some, because its device plugin is still starting say, no more are bought for it.
func (p *plan) allocatable(pool *poolState, t contract.InstanceType) corev1.ResourceList {
	list := catalog.Allocatable(pool.NodePool, t)
	known := p.learned[poolType{pool.Name, t.Name}]
	if known == nil {
		p.lack(pool, t, list)
		return list
	}
	for name, least := range known.least {
		if have, reckoned := list[name]; reckoned && least.Cmp(have) < 0 || !reckoned && known.have[name] == known.nodes {
			list[name] = least
		}
	}
	return list
}

// lacking is by how much nodes of a type fall short of what is reckoned for it.
type lacking struct {
	typ  contract.InstanceType
	less corev1.ResourceList // cpu and memory
}

// lack takes from what is reckoned for a type that nobody has seen what smaller machines of its pool were seen to lack: what a
// kubelet and its system keep for themselves does not shrink with the machine. Else one pod that asks for all of a machine
// would have one of each type bought before the pool knows.
func (p *plan) lack(pool *poolState, t contract.InstanceType, list corev1.ResourceList) {
	lacks, ok := p.lacks[pool.Name]
	if !ok {
		for _, c := range pool.Candidates {
			if known := p.learned[poolType{pool.Name, c.Type.Name}]; known != nil {
				lacks = append(lacks, lacking{c.Type, shortfall(catalog.Allocatable(pool.NodePool, c.Type), known.least)})
			}
		}
		p.lacks[pool.Name] = lacks
	}
	if len(lacks) == 0 {
		return
	}
	for name, have := range list {
		var most resource.Quantity
		for _, l := range lacks {
			smaller := l.typ.VCPU <= t.VCPU && l.typ.MemoryMiB <= t.MemoryMiB
			if less, ok := l.less[name]; ok && smaller && less.Cmp(most) > 0 {
				most = less
			}
		}
		if have.Cmp(most) > 0 {
			have.Sub(most)
			list[name] = have
		}
	}
}

// shortfall is what is reckoned of cpu and memory less what there is, where that is less.
func shortfall(reckoned, least corev1.ResourceList) corev1.ResourceList {
	less := corev1.ResourceList{}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if have, ok := least[name]; ok && have.Cmp(reckoned[name]) < 0 {
			lack := reckoned[name].DeepCopy()
			lack.Sub(have)
			less[name] = lack
		}
	}
	return less
}

// reckoned is a request less what is only learned of a type: chains know what is reckoned, and would leave the type out.
func reckoned(requests corev1.ResourceList, pool *poolState, t contract.InstanceType) corev1.ResourceList {
	list := catalog.Allocatable(pool.NodePool, t)
	maps.DeleteFunc(requests, func(name corev1.ResourceName, _ resource.Quantity) bool {
		_, ok := list[name]
		return !ok
	})
	return requests
}
