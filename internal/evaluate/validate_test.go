package evaluate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each recording is held out once, and never tuned on where it is.
func TestCrossValidate(t *testing.T) {
	traces := recorded(t, "testdata/market")
	o := DefaultOptions()
	o.Rounds, o.For = 1, 12*time.Hour
	folds, err := CrossValidate(traces, 2, o)
	require.NoError(t, err)
	var names, held []string
	for _, trace := range traces {
		names = append(names, trace.Name)
	}
	for _, f := range folds {
		held = append(held, f.HeldOut...)
		require.Len(t, f.Figures, len(Policies()))
		require.GreaterOrEqual(t, f.Tuned.WaitMax, f.Tuned.Wait)
		require.Equal(t, Floe, f.Shipped.Policy)
	}
	require.ElementsMatch(t, names, held)

	for _, k := range []int{-1, 1, len(traces) + 1} {
		_, err := CrossValidate(traces, k, o)
		require.ErrorContains(t, err, "it is to be from 2 to the number of spot recordings, of which there are 4")
	}
}

func TestBetter(t *testing.T) {
	f := func(refused, usd float64) Figures { return Figures{RefusedPerHour: refused, USDPerHour: usd} }
	require.True(t, better(f(1, 0.5), f(1, 0.6), 2), "the cheaper of those within the goal")
	require.True(t, better(f(2, 0.9), f(3, 0.5), 2), "one within the goal before one beyond")
	require.False(t, better(f(3, 0.5), f(2, 0.9), 2))
	require.True(t, better(f(4, 0.9), f(5, 0.5), 2), "of those beyond the one that is refused less")
}

// Longer waits are refused less, and return later.
func TestCurve(t *testing.T) {
	o := DefaultOptions()
	o.Rounds = 1
	points, err := Curve(recorded(t, "testdata/market"), o)
	require.NoError(t, err)
	require.Len(t, points, 7)
	first, last := points[0], points[len(points)-1]
	require.Greater(t, first.RefusedPerHour, 2*last.RefusedPerHour)
	require.Less(t, first.USDPerHour, last.USDPerHour)
	require.Equal(t, Waits{30, 60}, first.Waits)
}

func TestJudge(t *testing.T) {
	_, ok := Judge([]Figures{{Policy: Floe}})
	require.False(t, ok, "there is nobody to compare with")
	figures := []Figures{
		{Policy: Floe, P99: 2, RefusedPerHour: 1, OverOracle: 0.05},
		{Policy: Karpenter, P99: 12, RefusedPerHour: 3},
		{Policy: ClusterAutoscaler, P99: 100},
		{Policy: FixedReturn},
		{Policy: Oracle},
	}
	g, ok := Judge(figures)
	require.True(t, ok)
	require.Empty(t, g.Missed)
	require.InDelta(t, 0.02, g.P99OverAutoscaler, 1e-9)
	require.InDelta(t, 1.0/3, g.RefusedOverKarpenter, 1e-9)

	figures[0] = Figures{Policy: Floe, P99: 12, RefusedPerHour: 2, OverOracle: 0.2}
	g, _ = Judge(figures)
	require.Len(t, g.Missed, 4)
}
