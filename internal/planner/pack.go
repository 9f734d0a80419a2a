package planner

import (
	"cmp"
	"math"
	"slices"
)

const (
	// sensibleVCPUs is how large a machine is bought unless a larger one is cheaper by more than sensibleMargin: many
	// pods on one machine are many pods lost at once, and the largest types have the fewest alternatives.
	sensibleVCPUs  = 32
	sensibleMargin = 0.01
	// machineUSD is what a machine is reckoned with per hour besides its price when machines are chosen (prices told
	// never contain it): an address, a kubelet to watch, a node for every controller to look at. It decides between
	// sizes whose prices are in proportion, as those of nearly all families are, and against a swarm of tiny machines.
	machineUSD = 0.002
)

// bin is one or more machines with the same pods each.
type bin struct {
	*lot
	level int
	env   offer // offerings of its machine that all its pods can run on
	used  vec
	parts []part
	hosts tally
	times int
}

// part is n pods of an item.
type part struct {
	*item
	n int
}

func (b *bin) zones() uint64 { return b.env[b.ct] & b.lot.zones }

func (b *bin) price() float64 { return b.cheapest(b.ct, b.zones()) }

// has is how many pods of a class the bin has.
func (b *bin) has(c *class) int {
	n := 0
	for _, p := range b.parts {
		if p.class == c {
			n += p.n
		}
	}
	return n
}

// open is an empty bin of a lot.
func (l *lot) open(level int) *bin {
	return &bin{lot: l, level: level, env: l.avail, used: make(vec, len(l.room)), times: 1}
}

// reset empties a bin that was only tried, for another lot.
func (b *bin) reset(l *lot) {
	b.lot, b.env, b.parts, b.hosts = l, l.avail, b.parts[:0], b.hosts[:0]
	clear(b.used)
}

// takes is how many pods of an item the bin can take besides what it has, at most want.
func (b *bin) takes(it *item, want int) int {
	c := it.class
	if it.on(b.machine)[b.ct]&b.env[b.ct]&b.lot.zones == 0 {
		return 0
	}
	n := min(want, times(b.room, b.used, c.req))
	if n == 0 || len(c.ports) > 0 && anyConflict(c.ports, b.ports) {
		return 0
	}
	if len(c.host.bounds)+len(c.host.kinds) > 0 {
		n = b.hosts.takes(&c.host, n)
	}
	if c.host.perMachine < math.MaxInt32 {
		n = min(n, c.host.perMachine-b.has(c))
	}
	return max(n, 0)
}

func (b *bin) put(it *item, n int) {
	b.count(it, n)
	for i := range b.parts {
		if b.parts[i].item == it {
			b.parts[i].n += n
			return
		}
	}
	b.parts = append(b.parts, part{it, n})
}

// count enters n pods of an item with all but the bin's parts.
func (b *bin) count(it *item, n int) {
	c := it.class
	b.env = b.env.and(it.on(b.machine))
	b.used.add(c.req, int64(n))
	if len(c.host.bounds)+len(c.host.kinds) > 0 {
		b.hosts = b.hosts.with(&c.host, n)
	}
}

// fill puts as many pods into the bin as it takes, in the order of the queue. A pod that would make the machine dearer,
// by tying it to a zone, does not share one.
func (b *bin) fill(q *queue) {
	had := len(b.parts)
	for i := 0; i < len(q.items); i++ {
		it := q.items[i]
		if it.left == 0 {
			continue
		}
		if !fits(b.room, b.used, it.class.req) {
			i = q.next[i] - 1
			continue
		}
		zones := b.zones()
		narrower := zones & it.on(b.machine)[b.ct]
		if narrower == 0 || len(b.parts) > 0 && narrower != zones && b.cheapest(b.ct, narrower) > b.cheapest(b.ct, zones) {
			i = q.place[i] - 1
			continue
		}
		has := 0
		if had > 0 {
			has = b.hasOf(it)
		}
		n := b.takes(it, it.left-has)
		if n == 0 {
			continue
		}
		if has > 0 {
			b.put(it, n)
			continue
		}
		b.count(it, n)
		b.parts = append(b.parts, part{it, n})
	}
}

func (b *bin) hasOf(it *item) int {
	for i := range b.parts {
		if b.parts[i].item == it {
			return b.parts[i].n
		}
	}
	return 0
}

// way is how machines are chosen.
type way struct {
	// worth sets what a pod of each item is worth while these are left. Where that is only what it asks for, worth returns
	// what a unit of each resource is worth.
	worth  func([]*item) []float64
	fewest bool // as few machines as can be, whatever they cost
}

// aloneWorth is what a pod costs on the machine that is cheapest for its like alone: pods that only large or dear
// machines hold are worth more.
func aloneWorth(lots []*lot, items []*item) map[*item]float64 {
	worth := make(map[*item]float64, len(items))
	trial := lots[0].open(0)
	for _, it := range items {
		it.gather()
		worth[it] = math.Inf(1)
		for _, l := range lots { // cheapest first
			if l.usd >= worth[it]*float64(it.left) {
				break
			}
			trial.reset(l)
			if n := trial.takes(it, it.left); n > 0 {
				worth[it] = min(worth[it], l.cost(trial.zones())/float64(n))
			}
		}
	}
	return worth
}

// shareWorth sets what pods are worth by their resources, where those are bought in the best mix: pods that ask for what
// is scarce are worth more.
func (p *plan) shareWorth(lots []*lot, items []*item) []float64 {
	demand := make(vec, len(p.dims.names))
	for _, it := range items {
		demand.add(it.class.req, int64(it.left))
	}
	each, _ := relax(lots, demand, (*lot).risked)
	for _, it := range items {
		it.worth = 0
		for i, w := range each {
			it.worth += w * float64(it.class.req[i])
		}
	}
	return each
}

// worthAgain is in how many turns what pods are worth is found out once.
const worthAgain = 8

// pack buys machines for items. Each turn takes the item whose pods are worth most (large ones first: small ones fit
// beside them), and of all machines that hold it the one that costs least for what its pods are worth. The same machine
// is bought as often as there are pods for it, so that the cost is in items, not pods.
func (p *plan) pack(level int, lots []*lot, items []*item, w way) (usd float64, left int) {
	items = slices.Clone(items)
	for _, it := range items {
		it.gather()
	}
	trial, best := lots[0].open(level), lots[0].open(level)
	var q queue
	r := newRanking(lots, w)
	for turn := 0; len(items) > 0; turn++ {
		if turn%worthAgain == 0 {
			r.price(w.worth(items))
			slices.SortStableFunc(items, func(a, b *item) int { return cmp.Compare(b.worth, a.worth) })
			q.inOrder(items)
		}
		r.begin(len(items))
		bestScore := math.Inf(1)
		for l := r.next(items[0], bestScore); l != nil; l = r.next(items[0], bestScore) {
			trial.reset(l.lot)
			trial.fill(&q)
			l.score = w.score(trial)
			if l.score < bestScore || l.score == bestScore && l.usd < best.usd {
				bestScore = l.score
				trial, best = best, trial
			}
		}
		kinds := len(items)
		if math.IsInf(bestScore, 1) {
			left += items[0].left
			items = items[1:] // limits leave no machine that holds it
		} else {
			usd += best.price() * float64(p.commit(best, math.MaxInt))
			items = slices.DeleteFunc(items, func(it *item) bool { return it.left == 0 })
		}
		if len(items) < kinds {
			q.inOrder(items)
		}
	}
	return usd, left
}

// score is what a bin costs for what its pods are worth.
func (w way) score(b *bin) float64 {
	value := 0.0
	for _, part := range b.parts {
		value += part.worth * float64(part.n)
	}
	if w.fewest {
		return 1 / value
	}
	return b.cost(b.zones()) / value
}

// cost is what a lot is reckoned with when machines are chosen: its price, and a little on top.
func (l *lot) cost(zones uint64) float64 {
	usd := l.cheapest(l.ct, zones) + machineUSD
	if l.typ.VCPU > sensibleVCPUs {
		usd *= 1 + sensibleMargin
	}
	return usd
}

// commit buys the bin as often as its pods and its pool's limits allow, at most so often.
func (p *plan) commit(b *bin, most int) (n int) {
	n = min(most, b.affordable())
	for _, part := range b.parts {
		n = min(n, part.left/part.n)
	}
	b.pool.inUse = b.pool.inUse.plus(b.nominal(), int64(n))
	for more := n; more > 0; {
		bought := b.copy()
		bought.parts, bought.times = deal(b.parts, more)
		for _, part := range bought.parts {
			part.left -= part.n * bought.times
		}
		p.bins = append(p.bins, bought)
		more -= bought.times
	}
	for _, part := range b.parts {
		part.gather()
	}
	return n
}

// copy is a bin of its own.
func (b *bin) copy() *bin {
	c := *b
	c.used, c.parts, c.hosts = slices.Clone(b.used), slices.Clone(b.parts), slices.Clone(b.hosts)
	return &c
}

// fillUp uses the room that companions have left on their machines.
func (p *plan) fillUp(level int, items []*item) {
	var q queue
	q.inOrder(items)
	for _, b := range p.bins {
		if b.level != level {
			continue
		}
		had := len(b.parts)
		b.fill(&q)
		for _, part := range b.parts[had:] {
			part.left -= part.n
		}
	}
}

// lowerBound is what everything bought costs at least: at each level, on the machines that the level has.
func (p *plan) lowerBound() float64 {
	bound := 0.0
	for i := range p.asked {
		demand := make(vec, len(p.dims.names))
		var items []*item
		for _, b := range p.bins {
			if b.level != i {
				continue
			}
			demand.add(b.used, int64(b.times))
			for _, part := range b.parts {
				if !slices.Contains(items, part.item) {
					items = append(items, part.item)
				}
			}
		}
		if len(items) == 0 {
			continue
		}
		_, usd := relax(useful(p.asked[i].lots, items), demand, (*lot).paidLeast)
		bound += usd
	}
	return bound
}

// risked is what a lot costs with the premium for reclaims.
func (l *lot) risked() float64 { return l.usd }

// paidLeast is what a lot costs without any premium, in the cheapest of its zones.
func (l *lot) paidLeast() float64 {
	least := math.Inf(1)
	offer{l.zones}.each(func(_, zone int) { least = min(least, l.paid[l.ct][zone]) })
	return least
}

func relax(lots []*lot, demand vec, price func(*lot) float64) (worth []float64, usd float64) {
	room := make([]vec, len(lots))
	cost := make([]float64, len(lots))
	for i, l := range lots {
		room[i], cost[i] = l.room, price(l)
	}
	return relaxation(demand, room, cost)
}
