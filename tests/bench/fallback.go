package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/evaluate"
	read "floe.dev/floe/starter/evaluate"
)

const (
	// fallbackMarkets are synthetic markets that the ways of falling back are compared on, of fallbackOfferings each.
	fallbackMarkets   = 4
	fallbackOfferings = 5
	fallbackDays      = 14
)

// measureFallback replays ways of falling back from spot in virtual time, on recordings where -traces names a folder, and
// else on markets that are SYNTHETIC: each offering is had and is dry in turns of random length, five
// hours in the mean, and has one machine or two.
func measureFallback(ctx context.Context, t *table) error {
	if t.traces != "" {
		traces, err := read.Load([]string{t.traces})
		if err != nil {
			return err
		}
		return replayFallback(t, "recorded markets", [][]evaluate.Trace{traces})
	}
	var markets [][]evaluate.Trace
	for seed := range t.rounds(fallbackMarkets) {
		if err := ctx.Err(); err != nil {
			return err
		}
		markets = append(markets, syntheticMarket(uint64(seed)))
	}
	return replayFallback(t, fmt.Sprintf("%d synthetic markets", len(markets)), markets)
}

// syntheticMarket is one market; the same seed gives the same.
func syntheticMarket(seed uint64) []evaluate.Trace {
	const gap = 5 * time.Minute
	r := rand.New(rand.NewPCG(seed, 1))
	var traces []evaluate.Trace
	for i := range fallbackOfferings {
		trace := evaluate.Trace{
			Zone: fmt.Sprintf("zone-%c", 'a'+i%3), Type: fmt.Sprintf("m%d.large", i/3), CapacityType: v1alpha1.Spot, Gap: gap,
		}
		trace.Name = trace.Zone + "_" + trace.Type
		for dry := false; len(trace.Counts) < int(fallbackDays*24*time.Hour/gap); dry = !dry {
			machines := 1 + r.IntN(2)
			if dry {
				machines = 0
			}
			for range 1 + int(r.ExpFloat64()*float64(5*time.Hour/gap)) {
				trace.Counts = append(trace.Counts, machines)
			}
		}
		traces = append(traces, trace)
	}
	return traces
}

// replayFallback prints a row for each policy, and how Floe does beside the others, over all markets: the longest of the
// times, and of all else the mean.
func replayFallback(t *table, what string, markets [][]evaluate.Trace) error {
	over := make([]evaluate.Figures, len(evaluate.Policies()))
	for _, traces := range markets {
		figures, err := evaluate.Replay(traces, evaluate.Policies(), evaluate.DefaultOptions())
		if err != nil {
			return err
		}
		for i, f := range figures {
			n := float64(len(markets))
			over[i].Policy = f.Policy
			over[i].P50 = max(over[i].P50, f.P50)
			over[i].P99 = max(over[i].P99, f.P99)
			over[i].Max = max(over[i].Max, f.Max)
			over[i].RefusedPerHour += f.RefusedPerHour / n
			over[i].Regret += f.Regret / n
			over[i].OverOracle += f.OverOracle / n
			over[i].InterruptionsPerDay += f.InterruptionsPerDay / n
		}
	}
	for _, f := range over {
		t.row(fmt.Sprintf("fallback on %s: %s", what, f.Policy),
			fmt.Sprintf("capacity after %.1f s p50, %.1f s p99, %.0f s max beyond boot; %.2f calls an hour refused; regret %.1f %%; cost %.1f %% over the oracle's; %.1f interruptions a day",
				f.P50, f.P99, f.Max, f.RefusedPerHour, 100*f.Regret, 100*f.OverOracle, f.InterruptionsPerDay), "")
	}
	if goals, ok := evaluate.Judge(over); ok {
		t.row(fmt.Sprintf("fallback on %s: floe beside others", what),
			fmt.Sprintf("p99 %.3f of cluster-autoscaler's, %.2f of Karpenter's; refused %.2f of Karpenter's; cost %.1f %% over the oracle's",
				goals.P99OverAutoscaler, goals.P99OverKarpenter, goals.RefusedOverKarpenter, 100*goals.OverOracle),
			"≤ 0.1; < 1; ≤ 0.5; ≤ 10 %")
	}
	return nil
}
