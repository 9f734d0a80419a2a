package planner

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestLumps: items are one lump if nothing on a machine tells their pods apart.
func TestLumps(t *testing.T) {
	anywhere, here, there := &profile{number: 1}, &slot{number: 1}, &slot{number: 2}
	it := func(s *slot, change func(*class)) *item {
		c := &class{req: vec{100, 1, 1}, bought: anywhere, host: hostRules{perMachine: math.MaxInt32}}
		if change != nil {
			change(c)
		}
		return &item{class: c, slot: s, left: 2}
	}
	items := []*item{
		it(nil, nil), it(nil, nil),
		it(here, nil), it(here, func(c *class) { c.bought = &profile{number: 2} }),
		it(there, nil),
		it(nil, func(c *class) { c.req = vec{100, 1, 2} }),
		it(nil, func(c *class) { c.bought = &profile{number: 2} }),
		it(nil, func(c *class) { c.host.kinds = []int{3} }), it(nil, func(c *class) { c.host.kinds = []int{3} }),
		it(nil, func(c *class) { c.host.bounds = []hostBound{{3, 1}} }),
		it(nil, func(c *class) { c.host.perMachine = 1 }), it(nil, func(c *class) { c.host.perMachine = 1 }),
		it(nil, func(c *class) { c.ports = []hostPort{{}} }), it(nil, func(c *class) { c.ports = []hostPort{{}} }),
	}
	var sizes []int
	for _, l := range lumps(items) {
		l.gather()
		sizes = append(sizes, l.left)
	}
	require.ElementsMatch(t, []int{4, 4, 2, 2, 2, 4, 2, 2, 2, 2, 2}, sizes)
}

// TestDeal: what is dealt is what the machines have, from what the items have.
func TestDeal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lump := &item{}
		for range rapid.IntRange(1, 5).Draw(t, "members") {
			lump.members = append(lump.members, &item{left: rapid.IntRange(0, 9).Draw(t, "left")})
		}
		lump.gather()
		alone := &item{left: 40}
		if lump.left == 0 {
			return
		}
		each := rapid.IntRange(1, lump.left).Draw(t, "each")
		machines := lump.left / each
		for machines > 0 {
			dealt, n := deal([]part{{alone, 1}, {lump, each}}, machines)
			pods := 0
			for _, p := range dealt {
				p.left -= p.n * n
				pods += p.n
				if p.n < 1 || p.left < 0 || len(p.members) > 0 {
					t.Fatalf("dealt %d pods of %v", p.n, p.item)
				}
			}
			if n < 1 || n > machines || pods != each+1 || dealt[0] != (part{alone, 1}) {
				t.Fatalf("%d machines of %d pods are dealt as %d of %v", machines, each+1, n, dealt)
			}
			machines -= n
		}
	})
}
