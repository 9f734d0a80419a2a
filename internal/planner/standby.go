package planner

import (
	"cmp"
	"fmt"
	"slices"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// Standby is a frozen machine of a pool, which a launch may claim. It is an on-demand machine once it is awake, and
// costs what one of its type and zone costs.
type Standby struct {
	// Tier is hibernated or stopped.
	Tier         v1alpha1.CapacityType
	InstanceType string
	// Zone is the zone's name.
	Zone string
}

// frozen is standby machines that nothing tells apart, of a step that comes before all that buy.
type frozen struct {
	*machine
	tier v1alpha1.CapacityType
	step int
	zone int
	free int
}

// tiers are the standby tiers that a chain asks for before it buys anything.
func tiers(steps []v1alpha1.FallbackStep) (tiers []v1alpha1.CapacityType) {
	for i := range steps {
		if _, buys := stepType(&steps[i]); buys {
			break
		}
		tiers = append(tiers, steps[i].CapacityType)
	}
	return tiers
}

// asBought are a chain's steps by what their machines are when they run: those of standby are on-demand.
func asBought(steps []v1alpha1.FallbackStep) []v1alpha1.FallbackStep {
	steps = slices.Clone(steps)
	for i := range steps {
		if _, buys := stepType(&steps[i]); !buys {
			steps[i].CapacityType = v1alpha1.OnDemand
		}
	}
	return steps
}

// addStandby sorts a pool's frozen machines by kind. Left out are those that the chain asks for later than for others, or
// that it would not claim: as they could not be bought for the pool, on demand.
func (s *poolState) addStandby() {
	for step, tier := range tiers(s.Spec.Fallback) {
		for _, one := range s.Standby {
			zone, known := slices.BinarySearch(s.plan.zones, one.Zone)
			m := s.byType[one.InstanceType]
			if one.Tier != tier || m == nil || !known || m.steps[step]&m.avail[ctOnDemand]&(1<<zone) == 0 {
				continue
			}
			i := slices.IndexFunc(s.frozen, func(f *frozen) bool { return f.machine == m && f.tier == tier && f.zone == zone })
			switch {
			case i < 0:
				s.frozen = append(s.frozen, &frozen{machine: m, tier: tier, step: step, zone: zone, free: 1})
			case s.frozen[i].step == step: // and not of an earlier step of that tier
				s.frozen[i].free++
			}
		}
	}
	slices.SortFunc(s.frozen, func(a, b *frozen) int {
		return cmp.Or(cmp.Compare(a.step, b.step), cmp.Compare(a.index, b.index), cmp.Compare(a.zone, b.zone))
	})
}

// claim takes off what a launch in flight may be claiming for its machines that are still open.
func (s *poolState) claim(p *plan, e contract.LedgerEntry) {
	open := e.Open
	if e.Purpose == contract.PurposeStandby {
		return // it makes such machines, and claims none
	}
	requests := p.dims.vec(e.Requests)
	for _, f := range s.frozen {
		if len(e.InstanceTypes) > 0 && !slices.Contains(e.InstanceTypes, f.typ.Name) ||
			len(e.Zones) > 0 && !slices.Contains(e.Zones, p.zones[f.zone]) ||
			len(e.CapacityTypes) > 0 && !slices.Contains(e.CapacityTypes, f.tier) ||
			!fits(p.dims.vec(p.allocatable(s, f.typ)), nil, requests) {
			continue
		}
		n := min(open, f.free)
		f.free -= n
		open -= n
	}
}

// standbyLots are the free standby machines of a step, of pools of one weight.
func (p *plan) standbyLots(weight int32, step int) []*lot {
	var lots []*lot
	for _, s := range p.pools {
		if s.Spec.Weight != weight || s.Problem != "" {
			continue
		}
		for _, f := range s.frozen {
			if f.step == step && f.free > 0 {
				lots = append(lots, &lot{
					machine: f.machine, step: step, ct: ctOnDemand, zones: 1 << f.zone,
					usd: f.price[ctOnDemand][f.zone], tier: f.tier, free: f.free,
				})
			}
		}
	}
	return byPrice(lots)
}

// freeOf is how many of a lot of standby machines this plan has not taken.
func (p *plan) freeOf(l *lot) int {
	free := l.free
	for _, b := range p.bins {
		if b.lot == l {
			free -= b.times
		}
	}
	return max(free, 0)
}

// withTiers lets a launch of standby machines, narrowed to capacity types, claim them.
func (b *bin) withTiers(types []v1alpha1.CapacityType) []v1alpha1.CapacityType {
	if b.tier == "" || types == nil {
		return types
	}
	return append(slices.Compact(tiers(b.pool.Spec.Fallback)), types...)
}

// bound keeps launches of standby machines within their pools' limits. The machines count already; those that are bought
// where standby gives fewer do not. Where there is no room for them, the launch is for standby alone.
func (p *plan) bound(drafts []*draft) {
	for _, d := range drafts {
		if d.tier == "" {
			continue
		}
		one := d.machine.nominal()
		if timesWithin(d.pool.limit, d.pool.inUse, one) < d.count {
			d.types = slices.Compact(tiers(d.pool.Spec.Fallback))
			continue
		}
		d.pool.inUse = d.pool.inUse.plus(one, int64(d.count))
	}
}

// standbyWords says why a launch claims standby machines, and what becomes of it where there are fewer by then.
func standbyWords(d *draft, what string, usd float64, holds string) string {
	otherwise := "where standby gives fewer the rest is bought"
	if onlyStandby(d.types) {
		otherwise = "the pool's limits leave no room to buy any instead"
	}
	return fmt.Sprintf("%s is there already (step %d, %s) and holds %s, at $%.4f an hour once awake; %s", what, d.step+1, d.tier, holds, usd, otherwise)
}

// onlyStandby reports whether a launch that is narrowed to these capacity types buys nothing.
func onlyStandby(types []v1alpha1.CapacityType) bool {
	return len(types) > 0 && !slices.ContainsFunc(types, func(ct v1alpha1.CapacityType) bool { return slices.Contains(capacityTypes[:], ct) })
}

// runsAs is the capacity type of a machine that runs.
func runsAs(ct v1alpha1.CapacityType) v1alpha1.CapacityType {
	if ct == v1alpha1.Hibernated || ct == v1alpha1.Stopped {
		return v1alpha1.OnDemand
	}
	return ct
}

// buysAt is the level at which a draft's launch buys, and what its own type costs there: for standby machines the first
// of those that follow.
func (p *plan) buysAt(d *draft) (*level, float64) {
	if d.tier == "" {
		return &p.asked[d.level], d.price()
	}
	for i := range p.asked {
		lv := &p.asked[i]
		if !slices.ContainsFunc(lv.lots, func(l *lot) bool { return l.pool == d.pool && l.tier == "" }) {
			continue
		}
		if l := lv.of[d.machine]; l != nil {
			return lv, l.usd
		}
		return lv, d.price()
	}
	return &p.asked[d.level], d.price()
}
