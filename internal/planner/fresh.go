package planner

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// fresh nodes carry nothing but DaemonSets' pods: machines that have just come, or are to come, for pods that are still
// pending.
func (n *nodeState) fresh() bool { return n.empty && !n.Unschedulable }

// trial is a way to put pods on fresh nodes that is tried before it is taken.
type trial struct {
	plan  *plan
	order []*class // worth most first
	worth map[*class]float64
	left  map[*class]int
	free  map[*nodeState]vec
	moves []move
}

// move puts n pods of a class on a node.
type move struct {
	*class
	node *nodeState
	n    int
}

// fitFresh puts pods on fresh nodes, in the best of three ways: this plan is to find again what the one found that
// bought the nodes, namely how all those pods fit, or machines would be bought for what is left over.
func (p *plan) fitFresh(classes []*class) {
	kinds := p.freshKinds()
	if len(kinds) == 0 {
		return
	}
	var best *trial
	for _, way := range []func(*trial, [][]*nodeState){(*trial).firstFit, (*trial).asBought, (*trial).bestFit} {
		t := p.newTrial(classes)
		way(t, kinds)
		if best == nil || t.leftOver() < best.leftOver() {
			best = t
		}
	}
	for _, m := range best.moves {
		p.place(m.class, m.node, m.n)
	}
}

func (p *plan) newTrial(classes []*class) *trial {
	t := &trial{plan: p, worth: map[*class]float64{}, left: map[*class]int{}, free: map[*nodeState]vec{}}
	for _, c := range classes {
		if c.left > 0 {
			t.order = append(t.order, c)
			t.worth[c], t.left[c] = p.worthAlone(c), c.left
		}
	}
	slices.SortStableFunc(t.order, func(a, b *class) int { return cmp.Compare(t.worth[b], t.worth[a]) })
	return t
}

// worthAlone is what a pod of the class costs on the machine that is cheapest for its like alone.
func (p *plan) worthAlone(c *class) float64 {
	worth := math.Inf(1)
	for _, m := range p.machines {
		n := times(m.room, nil, c.req)
		if n == 0 {
			continue
		}
		c.profile.on(m).each(func(ct, zone int) {
			worth = min(worth, (m.price[ct][zone]+machineUSD)/float64(min(n, c.left)))
		})
	}
	if math.IsInf(worth, 1) {
		return 0 // nothing that can be bought holds it; some node may
	}
	return worth
}

// leftOver is what the pods are worth that found no room.
func (t *trial) leftOver() float64 {
	worth := 0.0
	for _, c := range t.order {
		worth += t.worth[c] * float64(t.left[c])
	}
	return worth
}

// freshKinds are fresh nodes by kind, each kind of nodes that nothing tells apart, in the order of their first.
func (p *plan) freshKinds() [][]*nodeState {
	var kinds [][]*nodeState
	index := map[string]int{}
	for _, n := range p.nodes {
		if !n.fresh() {
			continue
		}
		labels := maps.Clone(n.Labels)
		delete(labels, corev1.LabelHostname)
		key := fmt.Sprint(n.Pool, labels, n.taints, n.USDPerHour, n.free)
		if n.choice != nil {
			key = fmt.Sprint(n.flight.entry.ScaleUp, n.free)
		}
		i, known := index[key]
		if !known {
			i = len(kinds)
			index[key] = i
			kinds = append(kinds, nil)
		}
		kinds[i] = append(kinds[i], n)
	}
	return kinds
}

// freeOf a node is what is left of it in this trial.
func (t *trial) freeOf(n *nodeState) vec {
	if free, known := t.free[n]; known {
		return free
	}
	return n.free
}

// room is how many pods of a class a node has room for in this trial.
func (t *trial) room(c *class, n *nodeState) int {
	k := min(times(t.freeOf(n), nil, c.req), t.left[c])
	if k > 0 && !t.plan.runsOn(c.profile, n) {
		return 0
	}
	return k
}

func (t *trial) move(c *class, n *nodeState, k int) {
	free, known := t.free[n]
	if !known {
		free = slices.Clone(n.free)
		t.free[n] = free
	}
	free.add(c.req, -int64(k))
	t.left[c] -= k
	t.moves = append(t.moves, move{c, n, k})
}

// firstFit puts the pods that are worth most on the first nodes that take them.
func (t *trial) firstFit(kinds [][]*nodeState) {
	nodes := slices.Concat(kinds...)
	for _, c := range t.order {
		t.fit(c, nodes)
	}
}

// bestFit puts the pods that are worth most on the nodes with the least room that take them.
func (t *trial) bestFit(kinds [][]*nodeState) {
	nodes := slices.Concat(kinds...)
	all := make(vec, len(t.plan.dims.names))
	for _, n := range nodes {
		all.add(n.free, 1)
	}
	room := make(map[*nodeState]float64, len(nodes))
	for _, n := range nodes {
		room[n] = portion(t.freeOf(n), all)
	}
	for _, c := range t.order {
		slices.SortStableFunc(nodes, func(a, b *nodeState) int { return cmp.Compare(room[a], room[b]) })
		for _, n := range t.fit(c, nodes) {
			room[n] = portion(t.freeOf(n), all)
		}
	}
}

// fit puts pods of a class on the first nodes that take them, and tells which these were.
func (t *trial) fit(c *class, nodes []*nodeState) (took []*nodeState) {
	for _, n := range nodes {
		if t.left[c] == 0 {
			break
		}
		if k := t.room(c, n); k > 0 {
			t.move(c, n, k)
			took = append(took, n)
		}
	}
	return took
}

// portion is how much of all an amount is, summed over resources.
func portion(v, all vec) float64 {
	s := 0.0
	for i, n := range all {
		if n > 0 {
			s += float64(v[i]) / float64(n)
		}
	}
	return s
}

// asBought fills nodes in the way in which machines are bought (pack): the pods that are worth most lead, and of all
// nodes that hold them the one comes first that costs least for what it then holds. What is left goes first-fit.
func (t *trial) asBought(kinds [][]*nodeState) {
	open := slices.Clone(kinds)
	for i := 0; i < len(t.order); {
		if t.left[t.order[i]] == 0 || !t.fillBest(open, t.order[i:]) {
			i++
		}
	}
	t.firstFit(kinds)
}

// fillBest fills the best nodes for the first of the classes, as many as the same pods are there for. It reports whether
// any node took one.
func (t *trial) fillBest(kinds [][]*nodeState, order []*class) bool {
	best := -1
	var parts []move
	bestScore := math.Inf(1)
	for i, kind := range kinds {
		if len(kind) == 0 || t.room(order[0], kind[0]) == 0 {
			continue
		}
		fill, value := t.fill(kind[0], order)
		if score := (kind[0].USDPerHour + machineUSD) / value; best < 0 || score < bestScore {
			best, parts, bestScore = i, fill, score
		}
	}
	if best < 0 {
		return false
	}
	again := len(kinds[best])
	for _, m := range parts {
		again = min(again, t.left[m.class]/m.n)
	}
	for _, n := range kinds[best][:again] {
		for _, m := range parts {
			t.move(m.class, n, m.n)
		}
	}
	kinds[best] = kinds[best][again:]
	return true
}

// fill is what an untouched node takes of the classes, in order, and what that is worth.
func (t *trial) fill(n *nodeState, order []*class) (parts []move, value float64) {
	used := make(vec, len(n.free))
	for _, c := range order {
		if k := min(times(n.free, used, c.req), t.left[c]); k > 0 && t.plan.runsOn(c.profile, n) {
			used.add(c.req, int64(k))
			parts = append(parts, move{c, n, k})
			value += t.worth[c] * float64(k)
		}
	}
	return parts, value
}
