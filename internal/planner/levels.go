package planner

import (
	"cmp"
	"slices"

	"floe.dev/floe/api/v1alpha1"
)

// level is machines that are asked for together: pools of one weight, at one step of their chains.
type level struct {
	number int
	lots   []*lot // cheapest first
	of     map[*machine]*lot
}

// lot is a machine at a level: where the level may buy it.
type lot struct {
	*machine
	step  int
	ct    int
	zones uint64
	usd   float64 // in the cheapest of its zones
	// tier and free are of standby machines: which, and how many there are. Empty where the lot is to be bought.
	tier v1alpha1.CapacityType
	free int
}

// levels in the order in which they are asked: pools of higher weight first, the steps of their chains in order, and the
// standby machines of steps that come before all that buy before what any pool of their weight buys. All
// levels without offerings in back-off come before all with them: a machine that can be had is better than one that
// probably can't, whatever the pools' weights.
func (p *plan) levels() []level {
	var weights []int32
	steps := 0
	for _, s := range p.pools {
		weights = append(weights, s.Spec.Weight)
		steps = max(steps, len(s.Spec.Fallback))
	}
	slices.SortFunc(weights, func(a, b int32) int { return cmp.Compare(b, a) })
	weights = slices.Compact(weights)
	var levels []level
	add := func(lots []*lot) {
		if len(lots) == 0 {
			return
		}
		lv := level{number: len(levels), lots: lots, of: map[*machine]*lot{}}
		for _, l := range lots {
			lv.of[l.machine] = l
		}
		levels = append(levels, lv)
	}
	for _, stale := range []bool{false, true} {
		for _, w := range weights {
			for step := range steps {
				if !stale {
					add(p.standbyLots(w, step))
				}
			}
			for step := range steps {
				add(p.lots(w, step, stale))
			}
		}
	}
	return levels
}

func (p *plan) lots(weight int32, step int, stale bool) []*lot {
	var lots []*lot
	anyStale := false
	for _, s := range p.pools {
		if s.Spec.Weight != weight || s.Problem != "" || step >= len(s.Spec.Fallback) {
			continue
		}
		ct, ok := stepType(&s.Spec.Fallback[step])
		if !ok {
			continue
		}
		for _, m := range s.machines {
			zones := m.steps[step] & m.fresh[ct]
			if stale {
				zones = m.steps[step] & m.avail[ct]
				anyStale = anyStale || zones&^m.fresh[ct] != 0
			}
			if zones != 0 {
				lots = append(lots, &lot{machine: m, step: step, ct: ct, zones: zones, usd: m.cheapest(ct, zones)})
			}
		}
	}
	if stale && !anyStale {
		return nil
	}
	return byPrice(lots)
}

// byPrice sorts lots, the cheapest first.
func byPrice(lots []*lot) []*lot {
	slices.SortStableFunc(lots, func(a, b *lot) int { return cmp.Compare(a.usd, b.usd) })
	return lots
}

// holds reports whether a lot can hold one pod of an item, and nothing else.
func (l *lot) holds(it *item) bool {
	return it.on(l.machine)[l.ct]&l.zones != 0 && fits(l.room, nil, it.class.req) && !anyConflict(it.class.ports, l.ports)
}

// affordable is how many of the lot the pool's limits leave room for, or how many are left where they are there already.
func (l *lot) affordable() int {
	if l.tier != "" {
		return l.pool.plan.freeOf(l)
	}
	return timesWithin(l.pool.limit, l.pool.inUse, l.nominal())
}

// nominal is what one more of the lot counts against limits: standby machines count already.
func (l *lot) nominal() usage {
	if l.tier != "" {
		return usage{}
	}
	return l.machine.nominal()
}

// capacityType is how the lot is asked for.
func (l *lot) capacityType() v1alpha1.CapacityType {
	return cmp.Or(l.tier, capacityTypes[l.ct])
}

// undominated leaves out lots that another of the same pool beats for every item: as much room at most as dear, in every
// place where any item's pods could run on it. Limits look at nominal size, so pools that have them keep all; and of standby
// machines there are only so many of each.
func undominated(lots []*lot, items []*item) []*lot {
	type constraint struct {
		f *profile
		s *slot
	}
	seen := map[constraint]bool{}
	var kinds []*item
	for _, it := range items {
		k := constraint{it.class.profile, it.slot}
		if !seen[k] {
			seen[k] = true
			kinds = append(kinds, it)
		}
	}
	var kept []*lot
	for _, l := range lots { // cheapest first
		if l.tier != "" || l.pool.limited() || !slices.ContainsFunc(kept, func(k *lot) bool { return k.beats(l, kinds) }) {
			kept = append(kept, l)
		}
	}
	return kept
}

func (k *lot) beats(l *lot, kinds []*item) bool {
	if k.pool != l.pool || k.step != l.step || len(k.ports) > 0 || l.zones&^k.zones != 0 {
		return false
	}
	for i, r := range k.room {
		if r < l.room[i] {
			return false
		}
	}
	for _, it := range kinds {
		if it.on(l.machine)[l.ct]&l.zones&^it.on(k.machine)[k.ct] != 0 {
			return false
		}
	}
	var places offer
	places[l.ct] = l.zones
	worse := false
	places.each(func(ct, zone int) { worse = worse || k.price[ct][zone] > l.price[ct][zone] })
	return !worse
}
