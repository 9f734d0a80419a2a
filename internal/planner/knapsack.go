package planner

import (
	"cmp"
	"slices"
)

// knapsack looks for the pods that are worth most on one machine of a lot, in some zones.
type knapsack struct {
	*bin          // empty
	zones uint64  // where it is bought
	cost  float64 // there
	items []*item // that can be there, in the order of the search
	worth []float64
	// scarce is what a unit of each resource is worth there; see scarcity.
	scarce []float64
	asks   []float64 // what pods of each item ask for, by scarce
	counts []int     // of the search
	found  []int     // the best so far
	most   float64   // what that is worth
	steps  int       // left to the search
}

// knapsacks of a lot: one for each set of zones that any item is tied to there, with the items that can be in all of
// these.
func (m *patterns) knapsacks(level int, l *lot) []*knapsack {
	var all []*knapsack
	for _, it := range m.items {
		zones := it.on(l.machine)[l.ct] & l.zones
		if !l.holds(it) || slices.ContainsFunc(all, func(k *knapsack) bool { return k.zones == zones }) {
			continue
		}
		k := &knapsack{bin: l.open(level), zones: zones, cost: l.cost(zones)}
		for _, o := range m.items {
			if l.holds(o) && zones&^o.on(l.machine)[l.ct] == 0 {
				k.items = append(k.items, o)
			}
		}
		all = append(all, k)
	}
	return all
}

// best is the bin that is worth most beyond what it costs, as far as so many steps of a search find it, and how many were
// taken; nil where none is worth enough.
func (k *knapsack) best(m *patterns, steps int) (b *bin, took int) {
	k.price(m)
	k.most, k.found, k.steps = k.cost*(1+m.margin), k.found[:0], steps
	k.counts = append(k.counts[:0], make([]int, len(k.items))...)
	rest := 0.0
	for i, s := range k.scarce {
		rest += s * float64(k.room[i])
	}
	k.search(0, 0, rest)
	took = steps - max(k.steps, 0)
	if len(k.found) == 0 {
		return nil, took
	}
	b = k.open(k.level)
	for i, n := range k.found {
		if n = b.takes(k.items[i], n); n > 0 { // less where rules of several items bound it
			b.put(k.items[i], n)
		}
	}
	return b, took
}

// tiny is instead of nothing, where something is divided by it.
const tiny = 1e-12

// price finds out what resources are worth there, and orders items by what they are worth for what they ask for.
func (k *knapsack) price(m *patterns) {
	demand := make([]float64, len(k.items))
	for i, it := range k.items {
		demand[i] = m.worth[m.index[it]]
	}
	k.scarce = scarcity(demand, k.items, k.room)
	ask := func(it *item) float64 {
		asks := 0.0
		for i, s := range k.scarce {
			asks += s * float64(it.class.req[i])
		}
		return asks
	}
	ratio := func(it *item) float64 { return m.worth[m.index[it]] / max(ask(it), tiny) }
	slices.SortStableFunc(k.items, func(a, b *item) int { return cmp.Compare(ratio(b), ratio(a)) })
	k.worth, k.asks = k.worth[:0], k.asks[:0]
	for _, it := range k.items {
		k.worth, k.asks = append(k.worth, m.worth[m.index[it]]), append(k.asks, ask(it))
	}
}

// search tries all numbers of pods of the items from i on, beside what is used, most first. rest is what is left of the
// room, by scarce: whatever fits there is worth no more than that, times what the next item is worth for what it asks
// for.
func (k *knapsack) search(i int, value, rest float64) {
	const epsilon = 1e-9
	if value > k.most+epsilon {
		k.most, k.found = value, append(k.found[:0], k.counts...)
	}
	for ; i < len(k.items); i++ {
		if k.steps--; k.steps < 0 || value+rest*k.worth[i]/max(k.asks[i], tiny) <= k.most+epsilon {
			return
		}
		it := k.items[i]
		for n := min(times(k.room, k.used, it.class.req), it.left, it.class.host.perMachine); n > 0; n-- {
			k.counts[i] = n
			k.used.add(it.class.req, int64(n))
			k.search(i+1, value+float64(n)*k.worth[i], rest-float64(n)*k.asks[i])
			k.used.add(it.class.req, -int64(n))
		}
		k.counts[i] = 0
	}
}
