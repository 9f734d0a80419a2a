package fallback

import (
	"cmp"
	"slices"

	"floe.dev/floe/api/contract"
)

// Rank orders offerings by what they cost with their risk (see catalog.View.RiskedUSD), spreads those of one cost over
// the zones, and keeps at most MaxOverrides of them. Where some must go, each zone keeps its share of the cheapest:
// capacity runs out zone by zone, so that sixty offerings of one zone would be worth little more than one.
//
// The answer depends on the offerings and their cost alone, not on their order. The prices in them stay what they are.
func Rank(overrides []contract.Override, cost func(contract.Override) float64) []contract.Override {
	sorted := make([]ranked, len(overrides))
	for i, o := range overrides {
		sorted[i] = ranked{o, cost(o)}
	}
	slices.SortFunc(sorted, func(a, b ranked) int {
		return cmp.Or(
			cmp.Compare(a.cost, b.cost),
			cmp.Compare(a.InstanceType, b.InstanceType),
			cmp.Compare(a.ZoneID, b.ZoneID),
			cmp.Compare(a.CapacityType, b.CapacityType),
			cmp.Compare(a.Subnet, b.Subnet),
		)
	})
	sorted = spread(capped(sorted))
	best := make([]contract.Override, len(sorted))
	for i, r := range sorted {
		best[i] = r.Override
	}
	return best
}

// ranked is an offering and what it costs with its risk.
type ranked struct {
	contract.Override
	cost float64
}

// capped keeps MaxOverrides of what is sorted by cost: an equal share of each zone, filled up with the cheapest.
func capped(sorted []ranked) []ranked {
	if len(sorted) <= MaxOverrides {
		return sorted
	}
	zones := map[string]int{}
	for _, o := range sorted {
		zones[o.ZoneID] = 0
	}
	share := MaxOverrides / len(zones)
	keep := make([]bool, len(sorted))
	left := MaxOverrides
	for i, o := range sorted {
		if zones[o.ZoneID] < share {
			zones[o.ZoneID]++
			keep[i] = true
			left--
		}
	}
	for i := range sorted {
		if !keep[i] && left > 0 {
			keep[i] = true
			left--
		}
	}
	kept := make([]ranked, 0, MaxOverrides)
	for i, o := range sorted {
		if keep[i] {
			kept = append(kept, o)
		}
	}
	return kept
}

// spread orders each run of one cost so that the zones take turns: always the zone that has come up least so far.
func spread(sorted []ranked) []ranked {
	seen := map[string]int{}
	for start := 0; start < len(sorted); {
		end := start + 1
		for end < len(sorted) && sorted[end].cost == sorted[start].cost {
			end++
		}
		for i := start; i < end; i++ {
			least := i
			for j := i + 1; j < end; j++ {
				if seen[sorted[j].ZoneID] < seen[sorted[least].ZoneID] {
					least = j
				}
			}
			o := sorted[least]
			copy(sorted[i+1:least+1], sorted[i:least])
			sorted[i] = o
			seen[o.ZoneID]++
		}
		start = end
	}
	return sorted
}
