package planner

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWithManyLotsOnlyTheBestAreLookedAtEveryTurn(t *testing.T) {
	small, large := &item{class: &class{req: vec{100}}}, &item{class: &class{req: vec{900}}}
	for _, c := range []struct {
		lots, short int
	}{{manyLots, manyLots}, {manyLots + 1, shortLots}} {
		var lots []*lot
		for i := range c.lots {
			lots = append(lots, &lot{machine: &machine{index: i}})
		}
		r := newRanking(lots, way{})
		turn := func(lead *item) (n int) {
			for l := range r.turn(nil, lead) {
				l.score = float64(c.lots - l.index) // the last is the best
				n++
			}
			return n
		}
		require.Equal(t, c.lots, turn(small), "the first time")
		for range lookAgain - 1 {
			require.Equal(t, c.short, turn(small))
			require.Equal(t, c.lots-1, r.best[0].index)
		}
		require.Equal(t, c.lots, turn(small), "once in a while")
		require.Equal(t, c.short, turn(small))
		require.Equal(t, c.lots, turn(large), "other pods lead")
		require.Equal(t, c.short, turn(large))
		r.lookAtAll()
		require.Equal(t, c.lots, turn(large), "none of the best would do")
	}
}
