package planner

import (
	"cmp"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// together buys for pods that must share a machine (required affinity by hostname), and for those that they want to be
// with, before anything else: one pod at a time onto machines that grow as long as a larger one is to be had. What finds
// nobody to be with stays over, and is not bought for.
func (p *plan) together(items []*item) {
	group := companions(items)
	for progress := true; progress; {
		progress = false
		for _, it := range group {
			for it.left > 0 && p.join(it) {
				progress = true
			}
		}
	}
	for _, it := range group {
		it.stuck = it.left > 0 && len(hostAffinity(it.class)) > 0
	}
}

// companions are the items with affinity by hostname and those that it selects; the latter first.
func companions(items []*item) []*item {
	wanted := map[*counter]bool{}
	for _, it := range items {
		for _, k := range hostAffinity(it.class) {
			wanted[k] = true
		}
	}
	var group []*item
	for _, it := range items {
		if len(hostAffinity(it.class)) > 0 || slices.ContainsFunc(it.class.topology.matched, func(k *counter) bool { return wanted[k] }) {
			group = append(group, it)
		}
	}
	slices.SortStableFunc(group, func(a, b *item) int {
		return cmp.Compare(len(hostAffinity(a.class)), len(hostAffinity(b.class)))
	})
	return group
}

func hostAffinity(c *class) []*counter {
	var counters []*counter
	for _, k := range c.topology.with {
		if k.term.key == corev1.LabelHostname {
			counters = append(counters, k)
		}
	}
	return counters
}

// join puts one pod of an item on a machine that this plan bought for companions, or on a new one.
func (p *plan) join(it *item) bool {
	for i, b := range p.bins {
		if !b.attracts(it) {
			continue
		}
		if b.takes(it, 1) > 0 {
			p.enter(b, it, i)
			return true
		}
		if larger := p.grown(b, it); larger != nil {
			p.bins[i] = larger
			p.enter(larger, it, i)
			return true
		}
	}
	if !alone(it.class) {
		return false
	}
	for i := range p.asked {
		for _, l := range p.asked[i].lots { // cheapest first
			// Standby machines cannot grow.
			if l.tier == "" && l.holds(it) && l.affordable() > 0 {
				p.bins = append(p.bins, l.open(i))
				l.pool.inUse = l.pool.inUse.plus(l.nominal(), 1)
				p.enter(p.bins[len(p.bins)-1], it, len(p.bins)-1)
				return true
			}
		}
	}
	return false
}

func (p *plan) enter(b *bin, it *item, number int) {
	b.put(it, 1)
	it.left--
	for _, k := range it.class.topology.matched {
		if k.term.key == corev1.LabelHostname {
			k.put("new machine "+strconv.Itoa(number), 1)
		}
	}
}

// attracts reports whether the bin has every kind of pod that the item wants to be with.
func (b *bin) attracts(it *item) bool {
	for _, k := range hostAffinity(it.class) {
		if !slices.ContainsFunc(b.parts, func(p part) bool { return p.class.topology.self[k] }) {
			return false
		}
	}
	return true
}

// alone reports whether a pod of the class may go where nobody is: it wants nobody, or only its like and is the first.
func alone(c *class) bool {
	return !slices.ContainsFunc(hostAffinity(c), func(k *counter) bool { return k.total > 0 || !c.topology.self[k] })
}

// grown is the bin on the cheapest larger machine of its pool that takes the item too; nil where there is none.
func (p *plan) grown(b *bin, it *item) *bin {
	for _, l := range p.asked[b.level].lots {
		if l.pool != b.pool || l.step != b.step || l.typ.Name == b.typ.Name {
			continue
		}
		without := l.pool.inUse.plus(b.nominal(), -1)
		if !without.plus(l.nominal(), 1).within(l.pool.limit) && l.pool.limited() {
			continue
		}
		if larger := b.on(l); larger != nil && larger.takes(it, 1) > 0 {
			l.pool.inUse = without.plus(l.nominal(), 1)
			return larger
		}
	}
	return nil
}

// on is the bin's pods on another machine, or nil where that does not hold them.
func (b *bin) on(l *lot) *bin {
	other := l.open(b.level)
	other.times = b.times
	if !other.putAll(b.parts) {
		return nil
	}
	return other
}
