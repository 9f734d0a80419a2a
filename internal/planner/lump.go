package planner

import (
	"encoding/binary"
	"math"
	"slices"
)

// lumps puts items together that packing cannot tell apart: they ask for the same, may go to the same places, and the
// same rules bind them on a machine. What packing costs grows with lumps. Items that are like no other stay as they are.
func lumps(items []*item) []*item {
	all := make([]*item, 0, len(items))
	like := make(map[string]*item, len(items))
	var key []byte
	for _, it := range items {
		c := it.class
		if len(c.ports) > 0 || c.host.perMachine < math.MaxInt32 {
			all = append(all, it) // its pods on a machine are counted by class
			continue
		}
		key = key[:0]
		for _, r := range c.req {
			key = binary.LittleEndian.AppendUint64(key, uint64(r))
		}
		for _, n := range c.host.kinds {
			key = binary.AppendUvarint(key, uint64(n))
		}
		for _, b := range c.host.bounds {
			key = binary.AppendUvarint(append(key, '<'), uint64(b.kind))
			key = binary.AppendUvarint(key, uint64(b.most))
		}
		place := c.bought.number
		if it.slot != nil {
			place = -it.slot.number
		}
		key = binary.AppendVarint(append(key, '@'), int64(place))
		lump := like[string(key)]
		if lump == nil {
			lump = &item{class: c, slot: it.slot}
			like[string(key)] = lump
			all = append(all, lump)
		}
		lump.members = append(lump.members, it)
	}
	for i, it := range all {
		if len(it.members) == 1 {
			all[i] = it.members[0]
		}
	}
	return all
}

// gather counts anew what is left of a lump.
func (it *item) gather() {
	if len(it.members) == 0 {
		return
	}
	it.left = 0
	for _, m := range it.members {
		it.left += m.left
	}
}

// deal gives the pods of one machine to the items that lumps are made of, for as many of n machines as come out alike.
func deal(parts []part, n int) (dealt []part, times int) {
	dealt, times = make([]part, 0, len(parts)), n
	for _, p := range parts {
		if len(p.members) == 0 {
			dealt = append(dealt, p)
			continue
		}
		if i := slices.IndexFunc(p.members, func(it *item) bool { return it.left >= p.n }); i >= 0 {
			dealt, times = append(dealt, part{p.members[i], p.n}), min(times, p.members[i].left/p.n)
			continue
		}
		times = 1
		for _, it := range p.members {
			if k := min(p.n, it.left); k > 0 {
				dealt = append(dealt, part{it, k})
				p.n -= k
			}
		}
	}
	return dealt, times
}
