package planner

import (
	"cmp"
	"iter"
	"math"
	"slices"
)

const (
	// With more than manyLots not all are looked at in every turn: only the shortLots that were best when all were looked
	// at, which is when other pods lead and else every lookAgain turns. What a machine costs for what it holds changes
	// little from turn to turn.
	manyLots  = 128
	shortLots = 64
	lookAgain = 32
)

// rankedLot is a lot while machines are chosen.
type rankedLot struct {
	*lot
	least float64 // score that it can have at best
	score float64 // what it costs for what its pods are worth, when it was last looked at; infinite where it was not
}

// ranking is the order in which lots are looked at.
type ranking struct {
	way   way
	all   []*rankedLot
	best  []*rankedLot // of all, when all were looked at
	short bool         // this turn looks at the best only
	lead  *item        // of the last turn
	age   int          // turns since all were looked at
}

func newRanking(lots []*lot, w way) *ranking {
	r := &ranking{way: w, age: lookAgain}
	for _, l := range lots {
		r.all = append(r.all, &rankedLot{lot: l})
	}
	return r
}

// lookAtAll makes the next turn look at all lots.
func (r *ranking) lookAtAll() { r.age = lookAgain }

// turn is the lots to look at in a turn that an item leads, in order. each is what a unit of each resource is worth,
// where that is all that pods are worth: it bounds what a lot's score can be, and the best that can be come first.
func (r *ranking) turn(each []float64, lead *item) iter.Seq[*rankedLot] {
	if !r.short && r.lead != nil {
		r.best = slices.Clone(r.all)
		slices.SortStableFunc(r.best, func(a, b *rankedLot) int { return cmp.Compare(a.score, b.score) })
		r.best = r.best[:min(len(r.best), shortLots)]
	}
	same := r.lead != nil && slices.Equal(r.lead.class.req, lead.class.req)
	r.short = len(r.all) > manyLots && same && r.age < lookAgain
	r.lead = lead
	lots := r.all
	if r.short {
		lots = r.best
		r.age++
	} else {
		r.age = 1
	}
	for _, l := range lots {
		l.score, l.least = math.Inf(1), 0
		if each == nil || r.way.fewest {
			continue
		}
		room := 0.0
		for i, w := range each {
			room += w * float64(l.room[i])
		}
		const rounding = 1 - 1e-9
		l.least = rounding * l.cost(l.zones) / room
	}
	if each != nil {
		slices.SortStableFunc(lots, func(a, b *rankedLot) int { return cmp.Compare(a.least, b.least) })
	}
	return slices.Values(lots)
}
