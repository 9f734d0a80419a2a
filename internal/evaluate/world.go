package evaluate

import (
	"cmp"
	"slices"
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// unlimited is more of an offering than anybody asks for.
const unlimited = maxCount + 1

// never is a moment that does not come.
const never = time.Duration(1<<63 - 1)

// world is the machines of one policy and what EC2 has of each offering, at one moment of virtual time.
type world struct {
	Options
	now       time.Duration
	offerings []*offering
	machines  []*machine      // that are paid for, in the order of their launch
	vacant    []time.Duration // since when each missing machine is missed, the longest first
	reclaimed []int           // offerings that lost a machine since the policy acted last, one entry a machine
	changed   bool            // machines came, went or got ready since the policy acted last
	random    *dice
	tally
}

// offering is one place where machines can be had.
type offering struct {
	contract.Offering
	usd      float64 // an hour
	capacity int     // how many EC2 has for us at this moment
	held     int
	// changes of capacity within a recording, and the recording's length; a recording begins again where it ends. No changes:
	// the capacity stays.
	changes []change
	length  time.Duration
	next    int           // of changes
	round   time.Duration // when the recording began last
}

type change struct {
	at       time.Duration
	capacity int
}

func (o *offering) spot() bool { return o.CapacityType == v1alpha1.Spot }

func (o *offering) spare() int { return max(o.capacity-o.held, 0) }

// nextChange is when the capacity changes next.
func (o *offering) nextChange() time.Duration {
	if len(o.changes) == 0 {
		return never
	}
	return o.round + o.changes[o.next].at
}

func (o *offering) step() {
	o.capacity = o.changes[o.next].capacity
	if o.next++; o.next == len(o.changes) {
		o.next, o.round = 0, o.round+o.length
	}
}

// keeps is until when the offering will have at least n: what only an oracle may ask.
func (o *offering) keeps(n int, now time.Duration) time.Duration {
	if o.capacity < n {
		return now
	}
	round, next := o.round, o.next
	for range o.changes {
		if o.changes[next].capacity < n {
			return round + o.changes[next].at
		}
		if next++; next == len(o.changes) {
			next, round = 0, round+o.length
		}
	}
	return never
}

// record lays a recording under an offering.
func (o *offering) record(t Trace) {
	o.capacity, o.length = t.Counts[0], t.Length()
	for i, n := range t.Counts {
		if i > 0 && n != t.Counts[i-1] {
			o.changes = append(o.changes, change{time.Duration(i) * t.Gap, n})
		}
	}
	if len(o.changes) > 0 && t.Counts[len(t.Counts)-1] != t.Counts[0] {
		o.changes = append(o.changes, change{t.Length(), t.Counts[0]})
	}
}

// machine is one instance.
type machine struct {
	offering int
	launched time.Duration
	ready    time.Duration // when it has booted
	serving  bool
	replaces *machine      // which it is to relieve; nil: it fills what is vacant
	gone     bool          // it is paid for no more
	leaves   time.Duration // when it goes though nobody says so; never
}

// newWorld lays the recordings out as offerings: each spot recording, and for each type and zone on-demand machines, which a
// recording may limit.
func newWorld(traces []Trace, o Options) *world {
	d := dice(o.Seed)
	w := &world{Options: o, random: &d}
	onDemand := map[contract.Offering]*offering{}
	add := func(t Trace, ct v1alpha1.CapacityType, usd float64) *offering {
		of := &offering{capacity: unlimited, usd: usd, Offering: contract.Offering{
			Region: region, ZoneID: t.Zone, InstanceType: typePrefix + t.Type, CapacityType: ct,
		}}
		w.offerings = append(w.offerings, of)
		return of
	}
	for _, t := range traces {
		if t.CapacityType == v1alpha1.Spot {
			add(t, v1alpha1.Spot, o.OnDemandUSD*(1-o.SpotDiscount)).record(t)
		}
	}
	for _, t := range traces {
		of := add(t, v1alpha1.OnDemand, o.OnDemandUSD)
		if onDemand[of.Offering] != nil {
			w.offerings = w.offerings[:len(w.offerings)-1]
			of = onDemand[of.Offering]
		}
		onDemand[of.Offering] = of
		if t.CapacityType == v1alpha1.OnDemand {
			of.record(t)
		}
	}
	for range o.Demand {
		w.vacant = append(w.vacant, 0)
	}
	return w
}

// run lets a policy work until the end.
func (w *world) run(p policy, end time.Duration) {
	wake := time.Duration(0)
	for {
		next := min(wake, w.nextEvent())
		if next > end {
			w.pass(end)
			return
		}
		w.pass(next)
		w.happen()
		wake = max(p.act(w), w.now+time.Millisecond)
		w.reclaimed, w.changed = w.reclaimed[:0], false
	}
}

func (w *world) nextEvent() time.Duration {
	next := never
	for _, o := range w.offerings {
		next = min(next, o.nextChange())
	}
	for _, m := range w.machines {
		if !m.serving && m.leaves == never {
			next = min(next, m.ready)
		}
		next = min(next, m.leaves)
	}
	return next
}

// happen is what comes about at this moment without the policy: capacity changes, machines are taken back, get ready, leave.
func (w *world) happen() {
	for i, o := range w.offerings {
		for o.nextChange() <= w.now {
			o.step()
		}
		for o.held > o.capacity {
			w.reclaim(i)
		}
	}
	for _, m := range slices.Clone(w.machines) {
		switch {
		case m.gone:
		case m.leaves <= w.now:
			w.end(m)
		case !m.serving && m.leaves == never && m.ready <= w.now:
			w.serve(m)
		}
	}
}

// reclaim takes the offering's oldest machine back.
func (w *world) reclaim(i int) {
	m := w.machines[slices.IndexFunc(w.machines, func(m *machine) bool { return m.offering == i })]
	w.interruptions++
	w.reclaimed = append(w.reclaimed, i)
	w.end(m)
}

// serve puts a machine that has booted into service.
func (w *world) serve(m *machine) {
	w.changed = true
	if old := m.replaces; old != nil && !old.gone && old.serving {
		m.serving = true
		old.serving = false // what it did, m does
		w.end(old)
		return
	}
	if len(w.vacant) == 0 {
		w.end(m)
		return
	}
	m.serving = true
	w.waits = append(w.waits, w.now-w.vacant[0])
	w.vacant = w.vacant[1:]
}

// end stops paying for a machine. Where it served, its place is vacant.
func (w *world) end(m *machine) {
	w.drain(m)
	m.gone = true
	w.offerings[m.offering].held--
	w.machines = slices.DeleteFunc(w.machines, func(o *machine) bool { return o == m })
}

// drain takes a machine out of service.
func (w *world) drain(m *machine) {
	w.changed = true
	if m.serving {
		m.serving = false
		w.vacant = append(w.vacant, w.now)
	}
}

// fleet is one launch call (CreateFleet type instant, or what an auto scaling group does) for n machines of any of the
// offerings, whose answer is there after a delay. Offerings that have the most to spare are tried first, as
// price-capacity-optimized does, equal ones in random order: EC2 chooses, and not the caller. Each gives what it has; dry are
// those that were tried and had too little, which is what EC2 tells.
func (w *world) fleet(places []int, n int, delay time.Duration) (got []*machine, dry []int) {
	order := slices.Clone(places)
	shuffled(w.random, order)
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(
			cmp.Compare(w.offerings[a].usd, w.offerings[b].usd),
			-cmp.Compare(min(w.offerings[a].spare(), n), min(w.offerings[b].spare(), n)),
		)
	})
	w.calls++
	for _, i := range order {
		o := w.offerings[i]
		for len(got) < n && o.spare() > 0 {
			m := &machine{offering: i, launched: w.now, ready: w.now + delay + w.Call + w.Boot, leaves: never}
			o.held++
			w.machines = append(w.machines, m)
			got = append(got, m)
		}
		if len(got) == n {
			break
		}
		dry = append(dry, i)
	}
	if len(got) == 0 {
		w.refused++
	}
	w.dry += len(dry)
	w.changed = w.changed || len(got) > 0
	return got, dry
}

// missing is how many machines are to be launched: what is vacant, less what boots for it.
func (w *world) missing() int {
	n := len(w.vacant)
	for _, m := range w.machines {
		if !m.serving && m.leaves == never && (m.replaces == nil || m.replaces.gone) {
			n--
		}
	}
	return max(n, 0)
}

// returnable are the on-demand machines in service that nothing replaces yet, the oldest first.
func (w *world) returnable() (list []*machine) {
	for _, m := range w.machines {
		if m.serving && !w.offerings[m.offering].spot() &&
			!slices.ContainsFunc(w.machines, func(o *machine) bool { return o.replaces == m }) {
			list = append(list, m)
		}
	}
	return list
}

// replace has machines relieve others, one each.
func replace(got, old []*machine) {
	for i, m := range got {
		m.replaces = old[i]
	}
}

// of are the places of one capacity type that a condition allows.
func (w *world) of(spot bool, allowed func(i int) bool) (places []int) {
	for i, o := range w.offerings {
		if o.spot() == spot && allowed(i) {
			places = append(places, i)
		}
	}
	return places
}
