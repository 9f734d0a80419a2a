package planner

import "slices"

// outcome is what buying has changed.
type outcome struct {
	left []int // of the items
	used []usage
	bins []*bin
}

func (p *plan) outcome(items []*item) (o outcome) {
	for _, it := range items {
		o.left = append(o.left, it.left)
	}
	for _, s := range p.pools {
		o.used = append(o.used, s.inUse)
	}
	o.bins = slices.Clone(p.bins)
	return o
}

// restore puts all back as it was then.
func (p *plan) restore(items []*item, o outcome) {
	for i, it := range items {
		it.left = o.left[i]
	}
	for i, s := range p.pools {
		s.inUse = o.used[i]
	}
	p.bins = o.bins
}
