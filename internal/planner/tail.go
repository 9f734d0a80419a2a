package planner

import (
	"cmp"
	"slices"
)

// maxJoined bounds the machines that are looked at in pairs.
const maxJoined = 64

// trim looks at what was bought once more. A machine that a cheaper one could stand in for is exchanged, and two that
// are dearer than one that holds the pods of both become that one; where prices tie, too, as long as it is sensibly
// large: fewer machines carry fewer DaemonSets and leave less room in pieces.
func (p *plan) trim() {
	for i, b := range p.bins {
		if other := p.cheaper(b.parts, b, nil); other != nil {
			p.replace(other, b)
			p.bins[i] = other
		}
	}
	for known := (joins{}); p.joinTwo(known); {
	}
}

// joins are pairs that were looked at, with what they would become: nil for nothing.
type joins map[[2]*bin]*bin

// joinTwo joins the pair of single machines that saves most. It reports whether there was one.
func (p *plan) joinTwo(known joins) bool {
	var single []*bin
	for _, b := range p.bins {
		if b.times == 1 {
			single = append(single, b)
		}
	}
	slices.SortStableFunc(single, func(a, b *bin) int { return cmp.Compare(a.price(), b.price()) })
	single = single[:min(len(single), maxJoined)]
	var best, one, two *bin
	saved := -1.0
	for i, a := range single {
		for _, b := range single[i+1:] {
			if a.level != b.level || a.pool != b.pool || a.zones()&b.zones() == 0 {
				continue
			}
			joined, looked := known[[2]*bin{a, b}]
			if !looked || a.tier != "" || a.pool.limited() { // what limits and standby allow changes with each that is joined
				joined = p.cheaper(slices.Concat(a.parts, b.parts), a, b)
				known[[2]*bin{a, b}] = joined
			}
			if joined == nil {
				continue
			}
			if s := a.price() + b.price() - joined.price(); s > saved {
				saved, best, one, two = s, joined, a, b
			}
		}
	}
	if best == nil {
		return false
	}
	p.replace(best, one, two)
	p.bins = slices.DeleteFunc(p.bins, func(b *bin) bool { return b == one || b == two })
	p.bins = append(p.bins, best)
	return true
}

// cheaper is the cheapest machine of a's level and pool that holds the parts for less than a and b (which may be nil)
// cost, or for the same if it replaces two; nil where there is none.
func (p *plan) cheaper(parts []part, a, b *bin) *bin {
	const epsilon = 1e-9
	bound := a.price() - epsilon
	need := slices.Clone(a.used)
	if b != nil {
		bound = a.price() + b.price() + epsilon
		need.add(b.used, 1)
	}
	var best *bin
	for _, l := range p.asked[a.level].lots { // cheapest first
		if l.usd > bound {
			break
		}
		if l.pool != a.pool || !fits(l.room, nil, need) || b != nil && l.typ.VCPU > max(sensibleVCPUs, a.typ.VCPU, b.typ.VCPU) {
			continue
		}
		other := l.open(a.level)
		other.times = a.times
		if !other.putAll(parts) || other.price() > bound || best != nil && other.price() >= best.price() || !p.affords(other, a, b) {
			continue
		}
		best = other
	}
	return best
}

// putAll puts all parts into the bin. It reports whether they fit.
func (b *bin) putAll(parts []part) bool {
	for _, part := range parts {
		if b.takes(part.item, part.n) < part.n {
			return false
		}
		b.put(part.item, part.n)
	}
	return true
}

// affords reports whether the pool's limits, or its standby, allow a bin instead of others.
func (p *plan) affords(b *bin, instead ...*bin) bool {
	if b.tier != "" {
		free := b.affordable()
		for _, old := range instead {
			if old != nil && old.lot == b.lot {
				free += old.times
			}
		}
		return free >= b.times
	}
	return !b.pool.limited() || p.without(b, instead).within(b.pool.limit)
}

func (p *plan) replace(b *bin, instead ...*bin) {
	b.pool.inUse = p.without(b, instead)
}

func (p *plan) without(b *bin, instead []*bin) usage {
	u := b.pool.inUse.plus(b.nominal(), int64(b.times))
	for _, old := range instead {
		if old != nil {
			u = u.plus(old.nominal(), -int64(old.times))
		}
	}
	return u
}
