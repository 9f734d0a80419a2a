package planner

import (
	"math"
	"slices"
)

// buying is the search for the best way to buy machines of one level for items.
type buying struct {
	*plan
	level int
	lots  []*lot
	items []*item
	lumps []*item // the items, as packing sees them
	start outcome
	best  outcome
	usd   float64 // of the best, and pods that it leaves over
	left  int
}

// buy packs items into the level's machines until nothing is left that they can hold within their pools' limits. It does
// so once for each way of telling what pods are worth, and keeps the cheapest; and where it pays, once more beside
// machines of the best patterns.
func (p *plan) buy(lv *level, items []*item) {
	items = slices.DeleteFunc(slices.Clone(items), func(it *item) bool {
		return it.left == 0 || it.stuck || !slices.ContainsFunc(lv.lots, func(l *lot) bool { return l.holds(it) })
	})
	p.fillUp(lv.number, items)
	items = slices.DeleteFunc(items, func(it *item) bool { return it.left == 0 })
	if len(items) == 0 {
		return
	}
	b := &buying{plan: p, level: lv.number, items: items, lumps: lumps(items), start: p.outcome(items), usd: math.Inf(1), left: math.MaxInt}
	b.lots = undominated(useful(lv.lots, items), items)
	alone := aloneWorth(b.lots, b.lumps)
	byAlone := func(items []*item) []float64 {
		for _, it := range items {
			it.worth = alone[it]
		}
		return nil
	}
	byShare := func(items []*item) []float64 { return p.shareWorth(b.lots, items) }
	ways := []way{{worth: byAlone}, {worth: byShare}}
	b.pack(0, ways...)
	if b.left > 0 { // a limit on nodes may be what leaves pods out
		b.pack(0, way{worth: byAlone, fewest: true})
	}
	if b.patternsPay() {
		p.restore(items, b.start)
		usd := b.buyPatterns(b.best.bins[len(b.start.bins):])
		b.pack(usd, ways...)
	}
	p.restore(items, b.best)
}

// pack packs what is left of the items in each of the ways, beside what was bought for so much, and keeps the best.
func (b *buying) pack(spent float64, ways ...way) {
	before := b.outcome(b.items)
	for _, w := range ways {
		usd, left := b.plan.pack(b.level, b.lots, b.lumps, w)
		if left < b.left || left == b.left && spent+usd < b.usd {
			b.best, b.usd, b.left = b.outcome(b.items), spent+usd, left
		}
		b.restore(b.items, before)
	}
}

// useful are the lots that hold some item.
func useful(lots []*lot, items []*item) []*lot {
	var kept []*lot
	for _, l := range lots {
		if slices.ContainsFunc(items, l.holds) {
			kept = append(kept, l)
		}
	}
	return kept
}
