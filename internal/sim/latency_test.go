package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLatenciesAreLognormalAndRepeatable(t *testing.T) {
	rules := []Latency{{Actions: "Describe*", Median: time.Second}, {Actions: "*", Median: 100 * time.Millisecond, Sigma: 0.5}}
	a, b := newLatencies(rules, 7), newLatencies(rules, 7)
	require.Equal(t, time.Second, a.of("DescribeInstances"), "without spread all take the median")
	var drawn []time.Duration
	for range 2001 {
		d := a.of("CreateFleet")
		require.Equal(t, d, b.of("CreateFleet"), "one seed, one world")
		drawn = append(drawn, d)
	}
	slices.Sort(drawn)
	require.InEpsilon(t, 100*time.Millisecond, drawn[1000], 0.05)
	require.InEpsilon(t, 320*time.Millisecond, drawn[1980], 0.2, "one in a hundred takes 3.2 times the median")
	require.Zero(t, newLatencies(nil, 7).of("CreateFleet"))
}

func TestLatenciesAreChecked(t *testing.T) {
	for _, wrong := range []Latency{{}, {Actions: "["}, {Actions: "*", Median: -1}, {Actions: "*", Sigma: -1}, {Actions: "*", Sigma: 3}} {
		require.ErrorContains(t, checkLatencies([]Latency{wrong}), "latency[0].")
	}
	require.NoError(t, checkLatencies([]Latency{{Actions: "*", Median: time.Second, Sigma: 1}}))
}
