package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

const (
	// maxTypes is the most types that a launch names: as many as a chain's step asks for.
	maxTypes = 60
	// maxDearer is how much dearer than the first type the others of its step may be, and fewTypes how many of them are
	// named at any price: where capacity is short, a dear machine is better than none.
	maxDearer = 2.0
	fewTypes  = 12
)

// draft is bins that one launch is to bring: of one machine, in the same places.
type draft struct {
	*bin  // the first of them
	zones []string
	types []v1alpha1.CapacityType
	bins  []*bin
	used  vec // by resource, the most of any of them
	count int
}

// addLaunches turns bins into launches.
func (p *plan) addLaunches() {
	p.result.LowerBoundUSDPerHour = p.lowerBound()
	var drafts []*draft
	byKey := map[string]*draft{}
	for _, whole := range p.bins {
		zones, types := p.places(whole)
		key := fmt.Sprintf("%d %d %v %v", whole.level, whole.index, zones, types)
		for _, b := range pieces(whole) {
			d := byKey[key]
			if d == nil || d.count+b.times > contract.MaxCount {
				d = &draft{bin: b, zones: zones, types: types, used: make(vec, len(b.used))}
				byKey[key] = d
				drafts = append(drafts, d)
			}
			d.bins = append(d.bins, b)
			d.count += b.times
			d.used.maxOf(b.used)
		}
	}
	p.drafts = drafts
	p.bound(drafts)
	slack := p.slack(drafts)
	for _, d := range drafts {
		p.result.Launches = append(p.result.Launches, p.launch(d, slack))
	}
	for i := range p.result.Launches {
		l := &p.result.Launches[i]
		p.result.USDPerHour += float64(l.Count) * l.USDPerHour
	}
}

// pieces cuts a bin so that none is more machines than one launch may bring.
func pieces(b *bin) []*bin {
	var pieces []*bin
	for left := b.times; left > 0; left -= contract.MaxCount {
		piece := *b
		piece.times = min(left, contract.MaxCount)
		pieces = append(pieces, &piece)
	}
	return pieces
}

// places are the zones and capacity types that a bin's pods tie its launch to; none means all of the pool's.
func (p *plan) places(b *bin) (zones []string, types []v1alpha1.CapacityType) {
	tied := slices.ContainsFunc(b.parts, func(p part) bool { return p.slot != nil || p.class.bought.byPlace })
	if !tied {
		return nil, nil
	}
	in := b.env[b.ct]
	if b.pool.zones&^in != 0 {
		offer{in}.each(func(_, zone int) { zones = append(zones, p.zones[zone]) })
	}
	for ct, capacityType := range capacityTypes {
		if b.avail[ct]&in&^b.env[ct] == 0 && b.anywhere(ct, in) {
			types = append(types, capacityType)
		}
	}
	if len(types) == ctCount {
		types = nil
	}
	return zones, b.withTiers(types)
}

// anywhere reports whether any machine of the pool can be bought for the bin's pods as this capacity type.
func (b *bin) anywhere(ct int, zones uint64) bool {
	return slices.ContainsFunc(b.pool.machines, func(m *machine) bool {
		o := m.avail
		if o[ct]&zones == 0 {
			return false
		}
		for _, part := range b.parts {
			o = o.and(part.on(m))
		}
		return o[ct]&zones != 0
	})
}

// alternative is a type that would serve a launch.
type alternative struct {
	*machine
	offers  offer
	usd     float64 // at the launch's level, where it has it
	atLevel bool
}

func (p *plan) launch(d *draft, slack map[*poolState]share) Launch {
	requests := slices.Clone(d.used)
	requests.add(d.daemon, 1)
	types, of := p.alternatives(d, requests, slack[d.pool])
	l := Launch{
		Pool: d.pool.Name, Count: d.count, InstanceTypes: types, Zones: d.zones, CapacityTypes: d.types,
		Requests: reckoned(p.dims.list(requests), d.pool, d.typ), Classes: map[string]int{},
	}
	var premium float64
	l.USDPerHour, premium = d.toPay(d.ct, d.bin.zones())
	pods := 0
	for _, b := range d.bins {
		for range b.times {
			var on []*corev1.Pod
			for _, part := range b.parts {
				on = append(on, part.class.take(part.n)...)
				l.Classes[part.class.public] += part.n
			}
			pods += len(on)
			l.Machines = append(l.Machines, on)
		}
	}
	l.Reason = p.launchWords(d, &l, pods, of) + premiumWords(premium) + preferenceWords(d.bins)
	return l
}

// alternatives are the names of the types that would serve, the launch's own first, and how many there were to choose
// from. All hold the fullest machine's pods, in every place that the launch allows.
func (p *plan) alternatives(d *draft, requests vec, sh share) (names []string, of int) {
	lv, own := p.buysAt(d)
	var all []alternative
	for _, m := range d.pool.machines {
		a := alternative{machine: m, offers: m.avail.and(p.narrowed(d.zones, d.types))}
		if m == d.machine || a.offers.empty() || !p.serves(d, &a, requests) {
			continue
		}
		of++
		if !sh.allows(d, m) {
			continue
		}
		if l := lv.of[m]; l != nil && a.offers[l.ct]&l.zones != 0 {
			a.usd, a.atLevel = m.cheapest(l.ct, a.offers[l.ct]&l.zones), true
		}
		all = append(all, a)
	}
	slices.SortStableFunc(all, func(a, b alternative) int {
		return cmp.Or(cmp.Compare(btoi(b.atLevel), btoi(a.atLevel)), cmp.Compare(a.usd, b.usd), strings.Compare(a.typ.Name, b.typ.Name))
	})
	var here, later []alternative
	for _, a := range all {
		if a.atLevel && (len(here) < fewTypes || a.usd <= own*maxDearer) {
			here = append(here, a)
		}
	}
	for step := range d.pool.Spec.Fallback {
		if step != d.step {
			later = append(later, forStep(d, step, all, slices.Concat(here, later))...)
		}
	}
	here = here[:min(len(here), maxTypes-1-min(len(later), maxTypes/2))]
	names = append(names, d.typ.Name)
	for _, a := range slices.Concat(here, later) {
		if len(names) < maxTypes {
			names = append(names, a.typ.Name)
		}
	}
	return names, of + 1
}

// forStep are types, the cheapest first, that give another step of the chain a few to ask for.
func forStep(d *draft, step int, all, chosen []alternative) []alternative {
	ct, ok := stepType(&d.pool.Spec.Fallback[step])
	if !ok {
		return nil
	}
	at := func(a alternative) uint64 { return a.steps[step] & a.offers[ct] }
	have := 0
	for _, a := range chosen {
		if at(a) != 0 {
			have++
		}
	}
	var more []alternative
	for _, a := range all {
		if at(a) != 0 && !slices.ContainsFunc(chosen, func(c alternative) bool { return c.machine == a.machine }) {
			a.usd = a.cheapest(ct, at(a))
			more = append(more, a)
		}
	}
	slices.SortStableFunc(more, func(a, b alternative) int { return cmp.Compare(a.usd, b.usd) })
	return more[:min(len(more), max(0, fewTypes-have))]
}

// serves reports whether a type holds what any of the draft's machines has to hold, wherever the launch may buy it.
func (p *plan) serves(d *draft, a *alternative, requests vec) bool {
	if !fits(a.room, nil, d.used) {
		return false
	}
	for i, r := range requests {
		if r > 0 && a.room[i]+a.daemon[i] < r {
			return false
		}
	}
	for _, b := range d.bins {
		for _, part := range b.parts {
			if !part.on(a.machine).covers(a.offers) || anyConflict(part.class.ports, a.ports) {
				return false
			}
		}
	}
	return true
}

// share is how far a pool's launches may exceed what they are reckoned with, for each of it, before a limit is hit.
type share struct{ cpu, memory float64 }

// slack is what limits leave, in proportion: a chain may end with a larger type than the first, and even if all do, no
// limit may be passed.
func (p *plan) slack(drafts []*draft) map[*poolState]share {
	bought := map[*poolState]usage{}
	for _, d := range drafts {
		bought[d.pool] = bought[d.pool].plus(d.machine.nominal(), int64(d.count))
	}
	shares := map[*poolState]share{}
	for pool, u := range bought {
		shares[pool] = share{
			cpu:    float64(pool.limit.cpu-pool.inUse.cpu) / float64(max(u.cpu, 1)),
			memory: float64(pool.limit.memory-pool.inUse.memory) / float64(max(u.memory, 1)),
		}
	}
	return shares
}

func (s share) allows(d *draft, m *machine) bool {
	own, other := d.machine.nominal(), m.nominal()
	return float64(other.cpu-own.cpu) <= s.cpu*float64(own.cpu) && float64(other.memory-own.memory) <= s.memory*float64(own.memory)
}

func (p *plan) launchWords(d *draft, l *Launch, pods, of int) string {
	where := ""
	if len(l.Zones) > 0 {
		where = " in " + strings.Join(l.Zones, ", ")
	}
	holds := slices.Clone(d.used)
	holds.add(d.daemon, 1)
	if d.tier != "" {
		return standbyWords(d, fmt.Sprintf("%s for %s%s: %s of the pool's standby", plural(pods, "pod"), plural(l.Count, "machine"), where, d.typ.Name),
			l.USDPerHour, p.words(holds))
	}
	return fmt.Sprintf("%s for %s%s: %s at $%.4f an hour (step %d, %s) is the best of %d types that hold %s",
		plural(pods, "pod"), plural(l.Count, "machine"), where, d.typ.Name, l.USDPerHour, d.step+1,
		d.capacityType(), of, p.words(holds))
}

// premiumWords says what a machine was reckoned dearer than its price; nothing where it was not.
func premiumWords(premium float64) string {
	if premium <= 0 {
		return ""
	}
	return fmt.Sprintf("; it was reckoned $%.4f dearer, because its like are taken back", premium)
}

// words says an amount: "7.2 CPU, 24Gi memory, 14 pods".
func (p *plan) words(v vec) string {
	var words []string
	for i, n := range v {
		if n > 0 {
			words = append(words, p.amountWords(i, n))
		}
	}
	return strings.Join(words, ", ")
}

func (p *plan) amountWords(dim int, n int64) string {
	switch dim {
	case dimCPU:
		return fmt.Sprintf("%g CPU", float64(n)/1000)
	case dimMemory:
		return memoryWords(n) + " memory"
	case dimPods:
		return plural(int(n), "pod")
	}
	if driver, ok := strings.CutPrefix(string(p.dims.names[dim]), attachPrefix); ok {
		return plural(int(n), "volume") + " of " + driver
	}
	q := p.dims.quantity(dim, n)
	return q.String() + " " + string(p.dims.names[dim])
}

// memoryWords rounds to what people read; requests and rooms are told apart by more than that only where it is close.
func memoryWords(n int64) string {
	const gib = 1 << 30
	if n >= gib {
		return fmt.Sprintf("%.4gGi", float64(n)/gib)
	}
	return fmt.Sprintf("%.4gMi", float64(n)/(1<<20))
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
