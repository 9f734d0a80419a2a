package planner

const (
	// minLooks and looks bound how many lots are looked at in a turn that could do with less: at least minLooks, and so
	// many that looks items are. With few items every lot is looked at in every turn; with thousands, those that were
	// best before, as long as what they cost for what they hold is not more than what it was for the others.
	minLooks = 4
	looks    = 4096
)

// rankedLot is a lot while machines are chosen.
type rankedLot struct {
	*lot
	least float64 // score that it can have at best
	score float64 // what it costs for what its pods are worth, when it was last looked at; less where it was not yet
	turn  int     // in which it was looked at last
}

// ranking is the order in which lots are looked at. What is left to be packed gets less from turn to turn, so that what a
// lot costs for what it would hold hardly ever falls: a lot that was worse in an earlier turn than another is now need
// not be looked at.
type ranking struct {
	way    way
	lots   []*rankedLot
	turn   int // number of this turn, from 1
	looked int // lots looked at in it
	enough int // looks, in lots
}

func newRanking(lots []*lot, w way) *ranking {
	r := &ranking{way: w}
	for _, l := range lots {
		r.lots = append(r.lots, &rankedLot{lot: l})
	}
	return r
}

// price says what a unit of each resource is worth from now on, where that is all that pods are worth: it bounds what a
// lot's score can be. What lots scored before is taken to have changed as that did.
func (r *ranking) price(each []float64) {
	if each == nil || r.way.fewest {
		return
	}
	for _, l := range r.lots {
		room := 0.0
		for i, w := range each {
			room += w * float64(l.room[i])
		}
		const rounding = 1 - 1e-9
		least := rounding * l.cost(l.zones) / room
		if l.turn == 0 {
			l.score = least
		} else {
			l.score *= least / l.least
		}
		l.least = least
	}
}

// begin a turn, with so many items left.
func (r *ranking) begin(items int) {
	r.turn++
	r.looked, r.enough = 0, max(minLooks, looks/items)
}

// next is the lot to look at next in this turn, of those that hold the item that leads it; nil where no other is going
// to be better than one of score best.
func (r *ranking) next(lead *item, best float64) *rankedLot {
	for {
		var l *rankedLot
		for _, o := range r.lots {
			if o.turn < r.turn && o.least <= best && (l == nil || o.score < l.score) {
				l = o
			}
		}
		if l == nil || l.score > best && r.looked >= r.enough {
			return nil
		}
		l.turn = r.turn
		if l.holds(lead) && l.affordable() > 0 {
			r.looked++
			return l
		}
	}
}
