package planner

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// item is pods of one class that go to machines, all under the same constraints.
type item struct {
	class *class
	slot  *slot // where topology rules want them; nil: anywhere
	left  int
	asked int
	worth float64 // of one pod, while machines are chosen
	stuck bool    // its pods want to be with others, and those found no room
	// members are the items that it stands for, while machines are chosen; see lumps.
	members []*item
}

// on is the offerings of a machine that the item's pods can run on.
func (it *item) on(m *machine) offer {
	if it.slot != nil {
		return it.slot.offers[m.index]
	}
	return it.class.bought.on(m)
}

// samePlaces reports whether the pods of both can run on the same offerings, as far as that is known without a look.
func (it *item) samePlaces(o *item) bool {
	return it.slot == o.slot && (it.slot != nil || it.class.bought == o.class.bought)
}

// slot is one combination of domains (zone, capacity type, …) that new machines can be bought in.
type slot struct {
	number int // from 1
	name   string
	values map[string]string    // by topology key; a key that the machines don't have is missing
	unseen map[spreadScope]bool // spreads that do not look at machines there
	offers []offer              // by machine
	// machines that can be bought there, cheapest first
	machines []*machine
}

// domain is the slot's domain for a counter; ok is false where it does not count what is there.
func (s *slot) domain(k *counter) (value string, ok bool) {
	if k.spread != nil && s.unseen[*k.spread] {
		return "", false
	}
	value, ok = s.values[k.term.key]
	return value, ok
}

// usd is what a machine costs there.
func (s *slot) usd(m *machine) float64 {
	usd := math.Inf(1)
	s.offers[m.index].each(func(ct, zone int) { usd = min(usd, m.price[ct][zone]) })
	return usd
}

// option is a slot as a class sees it.
type option struct {
	*slot
	usd float64 // the cheapest machine there that holds a pod
}

// items of all classes that still have pods: one each, or one a slot where topology rules look at anything but the
// machine itself. at most caps pods go to a slot: what an earlier try found to be all that can be bought there.
func (p *plan) assign(caps map[*class]map[string]int) []*item {
	var items []*item
	var ruled []*class
	for _, c := range p.classes {
		if c.left == 0 {
			continue
		}
		if len(placeKeys(c)) == 0 {
			items = append(items, &item{class: c, left: c.left, asked: c.left})
		} else {
			ruled = append(ruled, c)
		}
	}
	slices.SortStableFunc(ruled, func(a, b *class) int {
		return cmp.Or(
			cmp.Compare(len(a.topology.with), len(b.topology.with)),
			cmp.Compare(a.topology.strictness(), b.topology.strictness()),
			cmp.Compare(b.priority, a.priority),
		)
	})
	// A class that wants to be near another waits until that has its places.
	left := map[*class]int{}
	perSlot := map[*class]map[*slot]*item{}
	for _, c := range ruled {
		left[c] = c.left
		perSlot[c] = map[*slot]*item{}
	}
	p.spreadAll(ruled, left, perSlot, caps)
	for round := 0; p.dropUpsetItems(ruled, perSlot, left) && round < settleRounds; round++ {
		p.spreadAll(ruled, left, perSlot, caps)
	}
	for _, c := range ruled {
		for _, s := range p.slotsOf(c) {
			if it := perSlot[c][s.slot]; it != nil {
				items = append(items, it)
			}
		}
	}
	return items
}

// settleRounds is how often pods that would be upset are given other places. Rules that look at each other's pods may need
// more than one: what one pod leaves is what another waits for.
const settleRounds = 8

// spreadAll gives pods of all these classes their slots.
func (p *plan) spreadAll(ruled []*class, left map[*class]int, perSlot map[*class]map[*slot]*item, caps map[*class]map[string]int) {
	for progress := true; progress; {
		progress = false
		for _, c := range ruled {
			if p.spreadOut(c, left, perSlot[c], caps[c]) {
				progress = true
			}
		}
	}
}

// spreadOut gives as many pods of a class as possible their slots, one at a time: always the slot with the fewest pods
// that count, the cheapest of those. It reports whether any pod found one.
func (p *plan) spreadOut(c *class, left map[*class]int, items map[*slot]*item, caps map[string]int) bool {
	slots := p.slotsOf(c)
	// A slot that takes no more is a domain all the same: others may buy there.
	for _, r := range c.topology.spreads {
		for _, s := range slots {
			if value, ok := s.values[r.term.key]; ok {
				r.n[value] += 0
			}
		}
	}
	any := false
	for left[c] > 0 {
		s := p.bestSlot(c, slots, items, caps)
		if s == nil {
			break
		}
		it := items[s]
		if it == nil {
			it = &item{class: c, slot: s}
			items[s] = it
		}
		it.put(1)
		left[c]--
		any = true
	}
	return any
}

// put gives the item's slot n pods more, or fewer.
func (it *item) put(n int) {
	it.left += n
	it.asked += n
	for _, k := range it.class.topology.matched {
		if value, ok := it.slot.domain(k); ok {
			k.put(value, n)
		}
	}
	for _, k := range it.class.topology.without {
		if value, ok := it.slot.domain(k); ok {
			k.owners[value] += n
		}
	}
}

func (p *plan) bestSlot(c *class, slots []option, items map[*slot]*item, caps map[string]int) *slot {
	least := leasts(c)
	var best option
	bestCount := 0
	for _, s := range slots {
		if limit, capped := caps[s.name]; capped && (limit == 0 || items[s.slot] != nil && items[s.slot].asked >= limit) {
			continue
		}
		if !c.slotAllowed(p, s.slot, least) {
			continue
		}
		count := 0
		for _, k := range c.topology.matched {
			if value, ok := s.domain(k); ok {
				count += k.n[value]
			}
		}
		for _, r := range c.topology.spreads {
			if value, ok := s.values[r.term.key]; ok && !c.topology.self[r.counter] {
				count += r.n[value]
			}
		}
		if best.slot == nil || count < bestCount || count == bestCount && s.usd < best.usd {
			best, bestCount = s, count
		}
	}
	return best.slot
}

// slotAllowed reports whether the rules that look at more than the machine let one pod more go to a slot.
func (c *class) slotAllowed(p *plan, s *slot, least []int) bool {
	t := &c.topology
	for i := range t.spreads {
		r := &t.spreads[i]
		if r.term.key == corev1.LabelHostname {
			continue
		}
		value, ok := s.values[r.term.key]
		if !ok || !r.allows(r.n[value], t.self[r.counter], least[i]) {
			return false
		}
	}
	for _, k := range t.without {
		if value, ok := s.values[k.term.key]; ok && k.n[value] > 0 {
			return false
		}
	}
	for _, k := range t.matched {
		if value, ok := s.values[k.term.key]; ok && k.owners[value] > 0 {
			return false
		}
	}
	near := topology{self: t.self}
	for _, k := range t.with {
		if k.term.key != corev1.LabelHostname {
			near.with = append(near.with, k)
		}
	}
	return p.attracted(&near, func(k *counter) (string, bool) {
		value, ok := s.values[k.term.key]
		return value, ok
	})
}

// placeKeys are the topology keys of a class's rules, and of others' rules that count its pods, except the machine's
// own: sorted.
func placeKeys(c *class) []string {
	keys := map[string]bool{}
	add := func(k *counter) {
		if k.term.key != corev1.LabelHostname {
			keys[k.term.key] = true
		}
	}
	for _, r := range c.topology.spreads {
		add(r.counter)
	}
	for _, k := range slices.Concat(c.topology.with, c.topology.without, c.topology.matched) {
		add(k)
	}
	return slices.Sorted(maps.Keys(keys))
}

// slotsOf are the places that pods of a class can be bought machines in, by name.
func (p *plan) slotsOf(c *class) []option {
	if c.slots != nil {
		return c.slots
	}
	c.slots = []option{}
	for _, s := range p.allSlots(c.bought, placeKeys(c), c.partlySeenBy()) {
		i := slices.IndexFunc(s.machines, func(m *machine) bool {
			return fits(m.room, nil, c.req) && !anyConflict(c.ports, m.ports)
		})
		if i >= 0 {
			c.slots = append(c.slots, option{slot: s, usd: s.usd(s.machines[i])})
		}
	}
	return c.slots
}

// partlySeenBy is which nodes others' spreads look at that count the class's pods, but may do so on some of the nodes only
// that these can run on.
func (c *class) partlySeenBy() (scopes []spreadScope) {
	for _, k := range c.topology.matched {
		own := slices.ContainsFunc(c.topology.spreads, func(r spreadRule) bool { return r.counter == k })
		if own || k.spread == nil || k.term.key == corev1.LabelHostname || slices.Contains(scopes, *k.spread) {
			continue
		}
		if f := k.spread; f.selects != nil && f.selects != c.profile || f.tolerates != nil && f.tolerates != c.profile {
			scopes = append(scopes, *f)
		}
	}
	return scopes
}

// sees reports whether a spread looks at a machine once it is a node there.
func (f *spreadScope) sees(m *machine, ct, zone int) bool {
	return (f.selects == nil || f.selects.matches(unnamed, m.labelsOf(ct, zone))) &&
		(f.tolerates == nil || f.tolerates.untolerated(m.pool) == nil)
}

// allSlots of a profile by topology keys: its offerings, sorted out by the values of these labels and by which of the
// scopes have them.
func (p *plan) allSlots(f *profile, keys []string, scopes []spreadScope) []*slot {
	id := strconv.Itoa(f.number) + " " + strings.Join(keys, " ")
	for _, s := range scopes {
		id += fmt.Sprintf(" %d/%d", s.selects.id(), s.tolerates.id())
	}
	if known, ok := p.slots[id]; ok {
		return known
	}
	byName := map[string]*slot{}
	var name []byte
	for _, m := range p.machines {
		f.on(m).each(func(ct, zone int) {
			labels := m.labelsOf(ct, zone)
			name = name[:0]
			for _, key := range keys {
				name = append(append(name, labels[key]...), ';')
			}
			var unseen map[spreadScope]bool
			for i, s := range scopes {
				if !s.sees(m, ct, zone) {
					if unseen == nil {
						unseen = map[spreadScope]bool{}
					}
					unseen[s] = true
					name = append(strconv.AppendInt(name, int64(i), 10), ';')
				}
			}
			s := byName[string(name)]
			if s == nil {
				p.numbered++
				s = &slot{number: p.numbered, name: string(name), values: map[string]string{}, unseen: unseen, offers: make([]offer, len(p.machines))}
				for _, key := range keys {
					if value, ok := labels[key]; ok {
						s.values[key] = value
					}
				}
				byName[s.name] = s
			}
			s.offers[m.index][ct] |= 1 << zone
		})
	}
	slots := make([]*slot, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		s := byName[name]
		for _, m := range p.machines {
			if !s.offers[m.index].empty() && m.pool.Problem == "" {
				s.machines = append(s.machines, m)
			}
		}
		slices.SortStableFunc(s.machines, func(a, b *machine) int { return cmp.Compare(s.usd(a), s.usd(b)) })
		slots = append(slots, s)
	}
	p.slots[id] = slots
	return slots
}
