package planner

import (
	"cmp"
	"math"
	"slices"
)

const (
	// maxPatternItems, minPatternMachines and minPatternGap bound where patterns are looked for: for so many items at
	// most, where packing has bought so many machines for each at least (or what patterns save is lost again in what is
	// left over) at a price so far above its lower bound at least.
	maxPatternItems    = 150
	minPatternMachines = 2
	minPatternGap      = 0.01
	// mostGain and leastGain are what a new pattern must be better than all that there are, as parts of its cost: first
	// much, then little. What is then left to gain is not more than leastGain, but for what the bounds below cut off.
	mostGain, leastGain = 0.1, 0.003
	// maxPatterns, maxSearch and maxSearchOne bound the work: patterns taken, and steps of all searches and of one. All of
	// it is about a tenth of a second.
	maxPatterns  = 1000
	maxSearch    = 8_000_000
	maxSearchOne = 10_000
)

// patterns is a linear program: which machines, each filled in one way (its pattern), hold all pods at the least price if
// fractions of machines could be bought. It comes much closer to what can be had than one that cuts pods at will.
// It is solved by the simplex method with an inverse of the basis; patterns are found when they are wanted
// (Gilmore and Gomory, "A Linear Programming Approach to the Cutting-Stock Problem", Operations Research 9, 1961).
type patterns struct {
	items  []*item
	index  map[*item]int // of items and their members
	basis  []*bin        // nil: pods of one item more than there are, at no cost
	often  []float64     // machines of each pattern of the basis
	inv    [][]float64   // inverse of the basis, a row for each pattern
	worth  []float64     // of a pod of each item: the dual
	column []float64     // of the basis and the pattern that enters
	margin float64       // what a pattern must be better, as a part of its cost
	left   int           // patterns that may still be taken
}

// newPatterns begins with machines that hold pods of one item only, the cheapest for each.
func newPatterns(level int, lots []*lot, items []*item) *patterns {
	m := &patterns{
		items: items, index: map[*item]int{}, left: maxPatterns,
		often: make([]float64, len(items)), worth: make([]float64, len(items)), column: make([]float64, len(items)),
	}
	trial := lots[0].open(level)
	for i, it := range items {
		m.index[it] = i
		for _, o := range it.members {
			m.index[o] = i
		}
		var best *bin
		each := math.Inf(1)
		for _, l := range lots {
			trial.reset(l)
			if n := trial.takes(it, it.left); n > 0 {
				trial.put(it, n)
				if usd := trial.cost(trial.zones()) / float64(n); usd < each {
					best, each = trial.copy(), usd
				}
			}
		}
		n := float64(best.parts[0].n)
		m.basis = append(m.basis, best)
		m.inv = append(m.inv, make([]float64, len(items)))
		m.inv[i][i], m.often[i], m.worth[i] = 1/n, float64(it.left)/n, each
	}
	return m
}

// gain is what a bin's pods are worth more than it costs.
func (m *patterns) gain(b *bin) float64 {
	gain := -b.cost(b.zones())
	for _, part := range b.parts {
		gain += m.worth[m.index[part.item]] * float64(part.n)
	}
	return gain
}

// try takes a pattern into the basis if it is better than what is there. It reports whether it was.
func (m *patterns) try(b *bin) bool {
	gain := m.gain(b)
	if gain <= m.margin*b.cost(b.zones()) || m.left == 0 {
		return false
	}
	m.left--
	clear(m.column)
	for _, part := range b.parts {
		for i, row := range m.inv {
			m.column[i] += row[m.index[part.item]] * float64(part.n)
		}
	}
	m.enter(b, gain)
	m.enterSurplus()
	return true
}

// enterSurplus lets machines have room for more pods of an item than there are, as long as that is worth less than
// nothing.
func (m *patterns) enterSurplus() {
	const epsilon = 1e-9
	for ; m.left > 0; m.left-- {
		least := 0
		for i, w := range m.worth {
			if w < m.worth[least] {
				least = i
			}
		}
		if m.worth[least] >= -epsilon {
			return
		}
		for i, row := range m.inv {
			m.column[i] = -row[least]
		}
		m.enter(nil, -m.worth[least])
	}
}

// enter puts a pattern, whose column is known, in the place of that of the basis which it makes superfluous first.
func (m *patterns) enter(b *bin, gain float64) {
	const epsilon = 1e-9
	out, often := -1, math.Inf(1)
	for i, c := range m.column {
		if c > epsilon && m.often[i]/c < often {
			out, often = i, m.often[i]/c
		}
	}
	if out < 0 {
		return // cannot be: nothing that holds pods is without cost
	}
	row := m.inv[out]
	for j := range row {
		row[j] /= m.column[out]
	}
	for i, c := range m.column {
		if i == out || c == 0 {
			continue
		}
		for j, v := range row {
			m.inv[i][j] -= c * v
		}
		m.often[i] = max(0, m.often[i]-c*often)
	}
	for j, v := range row {
		m.worth[j] -= gain * v
	}
	m.basis[out], m.often[out] = b, often
}

// solve looks for better patterns until there are none: first for those that gain much, then for the others.
func (m *patterns) solve(level int, lots []*lot) {
	var sacks []*knapsack
	for _, l := range lots {
		sacks = append(sacks, m.knapsacks(level, l)...)
	}
	steps := maxSearch
	for m.margin = mostGain; m.margin >= leastGain; m.margin /= 2 {
		for i, without := 0, 0; without < len(sacks) && steps > 0 && m.left > 0; i++ {
			b, took := sacks[i%len(sacks)].best(m, min(steps, maxSearchOne))
			steps -= took
			if b != nil && m.try(b) {
				without = 0
			} else {
				without++
			}
		}
	}
}

// patternsPay reports whether patterns may be better than what packing has found by enough.
func (b *buying) patternsPay() bool {
	machines := 0
	for _, bought := range b.best.bins[len(b.start.bins):] {
		machines += bought.times
	}
	if b.left > 0 || len(b.lumps) > maxPatternItems || machines < minPatternMachines*len(b.lumps) {
		return false
	}
	demand := make(vec, len(b.dims.names))
	for i, it := range b.items {
		demand.add(it.class.req, int64(b.start.left[i]))
	}
	_, bound := relax(b.lots, demand, (*lot).risked)
	return b.usd > bound*(1+minPatternGap)
}

// buyPatterns buys whole machines of the best patterns, as many as there are pods for: what is then left of the items is
// to be packed. bought is what packing alone has bought for them, to begin with.
func (b *buying) buyPatterns(bought []*bin) (usd float64) {
	for _, it := range b.lumps {
		it.gather()
	}
	m := newPatterns(b.level, b.lots, b.lumps)
	for _, other := range bought {
		m.try(other)
	}
	m.solve(b.level, b.lots)
	order := make([]int, 0, len(m.basis))
	for i, one := range m.basis {
		if one != nil {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(m.often[b], m.often[a]) })
	for _, i := range order {
		const rounding = 1e-6
		for n := int(m.often[i] + rounding); n > 0; {
			one := m.basis[i].less()
			if len(one.parts) == 0 || one.affordable() == 0 {
				break
			}
			done := b.commit(one, n)
			usd += one.price() * float64(done)
			n -= done
		}
	}
	return usd
}

// less is the bin without pods that there are no more of.
func (b *bin) less() *bin {
	other := b.lot.open(b.level)
	for _, part := range b.parts {
		part.gather()
		if n := min(part.n, part.left); n > 0 {
			other.put(part.item, n)
		}
	}
	return other
}
