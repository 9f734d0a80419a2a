package planner

import (
	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// learn reads off the nodes that have been ready what machines of their pool and type really give to pods: the least of
// each resource that any of them has. What is reckoned for a type is an estimate, and a machine bought for a pod that
// its like has just refused would be refused too.
func (p *plan) learn(nodes []Node) {
	p.learned = map[poolType]corev1.ResourceList{}
	for i := range nodes {
		n := &nodes[i]
		key := poolType{n.Pool, n.Labels[v1alpha1.LabelInstanceType]}
		if n.Pool == "" || key.typ == "" || !n.Settled || len(n.Allocatable) == 0 {
			continue
		}
		known := p.learned[key]
		if known == nil {
			known = corev1.ResourceList{}
			p.learned[key] = known
		}
		for name, amount := range n.Allocatable {
			if have, ok := known[name]; !ok || amount.Cmp(have) < 0 {
				known[name] = amount
			}
		}
	}
}

type poolType struct{ pool, typ string }

// allocatable is what a machine gives to pods: what is reckoned for its type, or what its like were seen to give, if
// that is less. Never more: chains leave out types that hold less than a launch's requests, by what is reckoned.
func (p *plan) allocatable(pool *poolState, t contract.InstanceType) corev1.ResourceList {
	list := catalog.Allocatable(pool.NodePool, t)
	for name, seen := range p.learned[poolType{pool.Name, t.Name}] {
		if have, ok := list[name]; ok && seen.Cmp(have) < 0 {
			list[name] = seen
		}
	}
	return list
}
