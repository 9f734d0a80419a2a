package planner

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// The scheduler takes pods of one priority in an order that nobody can know, and looks at a pod's rules when it binds
// that pod, never again. So a plan must not lean on an order: each pod's rules are to hold beside all that are placed
// with it, as if it came last. Pods whose rules do not are upset: their places are taken back, and they are placed anew
// after all others.

// placement is one pod on a node.
type placement struct {
	*class
	node *nodeState
	pod  *corev1.Pod
}

// settleNodes takes upset pods off their nodes, and gives them others if there are any.
func (p *plan) settleNodes(order []*class) {
	for again := true; p.dropUpset() && again; again = false {
		p.fitAllRuled(order)
	}
	p.ruled = nil
}

// dropUpset takes upset pods off their nodes until none is, and reports whether any was.
func (p *plan) dropUpset() (any bool) {
	least := map[*class][]int{}
	for i := len(p.ruled) - 1; i >= 0; i-- {
		at := p.ruled[i]
		if least[at.class] == nil {
			least[at.class] = leasts(at.class)
		}
		if !at.topology.upset(least[at.class], func(k *counter) (string, bool) { return at.node.domain(k.term.key) }) {
			continue
		}
		p.takeBack(at)
		p.ruled = slices.Delete(p.ruled, i, i+1)
		clear(least)
		any, i = true, len(p.ruled) // others may be upset now
	}
	return any
}

// upset reports whether the rules of a pod do not hold in its place, where it is counted. least is leasts of its class.
func (t *topology) upset(least []int, domainOf func(*counter) (string, bool)) bool {
	for i, r := range t.spreads {
		if domain, ok := domainOf(r.counter); ok && r.n[domain]-least[i] > r.maxSkew {
			return true
		}
	}
	alone, near := true, true
	for _, k := range t.with {
		domain, ok := domainOf(k)
		switch {
		case !ok:
		case k.term.claim != "":
			if k.n[domain] < k.total {
				return true
			}
		default:
			alone = alone && t.self[k] && k.total == 1 // nobody else is there that it could want to be near
			near = near && k.n[domain] > btoi(t.self[k])
		}
	}
	return !near && !alone
}

// takeBack undoes place for one pod.
func (p *plan) takeBack(at placement) {
	c, n := at.class, at.node
	placed := len(c.pods) - c.left
	i := slices.Index(c.pods[:placed], at.pod)
	c.pods[i], c.pods[placed-1] = c.pods[placed-1], c.pods[i]
	c.left++
	to, name := p.resultOf(n)
	to[name] = slices.DeleteFunc(to[name], func(pod *corev1.Pod) bool { return pod == at.pod })
	if len(to[name]) == 0 {
		delete(to, name)
	}
	n.free.add(c.req, 1)
	for _, port := range c.ports {
		i := slices.Index(n.ports, port)
		n.ports = slices.Delete(n.ports, i, i+1)
	}
	for _, k := range c.topology.matched {
		if domain, ok := n.domain(k.term.key); ok && p.looksAt(k, n) {
			k.put(domain, -1)
		}
	}
	for _, k := range c.topology.without {
		if domain, ok := n.domain(k.term.key); ok {
			k.owners[domain]--
		}
	}
}

// dropUpsetItems takes pods back from the slots that they were given until none is upset, and reports whether any was.
func (p *plan) dropUpsetItems(ruled []*class, perSlot map[*class]map[*slot]*item, left map[*class]int) (any bool) {
	for again := true; again; {
		again = false
		for _, c := range ruled {
			if c.leads(ruled) {
				continue
			}
			for _, s := range p.slotsOf(c) {
				it := perSlot[c][s.slot]
				for it != nil && it.left > 0 && c.topology.upset(leasts(c), s.domain) {
					it.put(-1)
					left[c]++
					any, again = true, true
				}
				if it != nil && it.left == 0 {
					delete(perSlot[c], s.slot)
				}
			}
		}
	}
	return any
}

// leads reports whether the scheduler takes pods of the class before some of those that its rules count, as they are of
// lower priority.
func (c *class) leads(others []*class) bool {
	return slices.ContainsFunc(others, func(o *class) bool {
		if o.priority >= c.priority {
			return false
		}
		return slices.ContainsFunc(c.topology.spreads, func(r spreadRule) bool { return o.topology.self[r.counter] }) ||
			slices.ContainsFunc(c.topology.with, func(k *counter) bool { return o.topology.self[k] })
	})
}
