package planner

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWithManyItemsOnlyTheBestAreLookedAt: of a hundred lots, as long as nothing else has got better.
func TestWithManyItemsOnlyTheBestAreLookedAt(t *testing.T) {
	lead := &item{class: &class{req: vec{100}}, slot: &slot{}}
	var lots []*lot
	for i := range 100 {
		m := &machine{index: i, pool: &poolState{limit: usage{plenty, plenty, plenty}}, room: vec{1000}}
		lead.slot.offers = append(lead.slot.offers, offer{ctOnDemand: 1})
		lots = append(lots, &lot{machine: m, ct: ctOnDemand, zones: 1})
	}
	lots[7].room = vec{50}
	r := newRanking(lots, way{})
	score := func(i int) float64 { return float64(100 - i) } // the last is the best
	turn := func(items int) (looked []int) {
		r.begin(items)
		best := math.Inf(1)
		for l := r.next(lead, best); l != nil; l = r.next(lead, best) {
			l.score = score(l.index)
			best = min(best, l.score)
			looked = append(looked, l.index)
		}
		return looked
	}
	require.Len(t, turn(looks), 99, "the first time all are looked at that hold what leads")
	require.Equal(t, []int{99, 98, 97, 96}, turn(looks))
	require.Len(t, turn(looks/10), 10)
	require.Len(t, turn(10), 99, "with few items all are, every time")

	// What was best becomes worse: whatever may now be better is looked at, too.
	score = func(i int) float64 { return float64(100-i) + 10*float64(i/90) }
	require.Equal(t, []int{99, 98, 97, 96, 95, 94, 93, 92, 91, 90, 89}, turn(looks))
}
