package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"floe.dev/floe/api/contract"
)

// dry is the simulated AWS with no spot capacity at all.
const dry = instant + `
script: |
  at 0s * spot *: 0
`

// dryFamilies are a chain's spot steps, and drySizes what of them a launch asks for, one after the other: a chain asks for
// nothing twice, and what a round has learned must not spare the next its hops.
var (
	dryFamilies = []string{"m5", "r5", "m5a", "r5a", "c5a", "m6i", "c6i", "r6i", "m6a", "c6a", "r6a"}
	drySizes    = []string{"large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"}
)

// longPool is a pool whose chain has a spot step for each family before on-demand.
func longPool() string {
	var b strings.Builder
	b.WriteString(strings.Split(burstPool, "  requirements:")[0])
	const family = "{key: floe.dev/instance-family, operator: In, values: [%s]}"
	fmt.Fprintf(&b, "  requirements: ["+family+"]\n  fallback:\n", strings.Join(dryFamilies, ", "))
	for _, f := range dryFamilies {
		fmt.Fprintf(&b, "    - {capacityType: spot, requirements: ["+family+"]}\n", f)
	}
	b.WriteString("    - {capacityType: on-demand}\n")
	return b.String()
}

// measureHops: a chain of twelve steps of which the last alone has capacity; from one answer to the next call.
func measureHops(ctx context.Context, t *table) error {
	steps := len(dryFamilies)
	h, err := build(ctx, dry, unlimited, longPool())
	if err != nil {
		return err
	}
	defer h.close()
	var gaps []time.Duration
	for i := range t.rounds(len(drySizes)) {
		types := make([]string, steps)
		for k, family := range dryFamilies {
			types[k] = family + "." + drySizes[i]
		}
		id := fmt.Sprintf("scaleup/%s/bench/%d", h.Cluster, i)
		run, err := h.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: contract.TaskQueue},
			contract.WorkflowScaleUp, contract.ScaleUpInput{Cluster: h.Cluster, Pool: "general", Count: 1, InstanceTypes: types})
		if err != nil {
			return err
		}
		var v contract.ScaleUpView
		if err := run.Get(ctx, &v); err != nil {
			return err
		}
		if len(v.Hops) != steps+1 {
			return fmt.Errorf("%s took %d hops, not %d: %s", id, len(v.Hops), steps+1, v.Reason)
		}
		for k := 1; k < len(v.Hops); k++ {
			gaps = append(gaps, v.Hops[k].SentAt.Sub(v.Hops[k-1].SentAt.Add(v.Hops[k-1].Took)))
		}
	}
	t.row(fmt.Sprintf("from an ICE answer to the next EC2 call, p50 of %d", len(gaps)), milliseconds(quantile(gaps, 0.5)), "")
	t.row(fmt.Sprintf("from an ICE answer to the next EC2 call, p99 of %d", len(gaps)), milliseconds(quantile(gaps, 0.99)), "≤ 50 ms")
	return nil
}
