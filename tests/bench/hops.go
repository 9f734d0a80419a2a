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

// dryTypes are asked for one after the other: what a round has learned of one must not spare the next its hops.
var dryTypes = []string{
	"m5.large", "m5.xlarge", "m5.2xlarge", "m5.4xlarge", "c5.large", "c5.xlarge", "c5.2xlarge", "c5.4xlarge", "r5.large", "r5.xlarge",
}

// longPool is a pool whose chain has n spot steps before on-demand.
func longPool(n int) string {
	var b strings.Builder
	b.WriteString(strings.Split(burstPool, "  requirements:")[0])
	b.WriteString("  requirements: [{key: floe.dev/instance-family, operator: In, values: [m5, c5, r5]}]\n  fallback:\n")
	for range n {
		b.WriteString("    - {capacityType: spot}\n")
	}
	b.WriteString("    - {capacityType: on-demand}\n")
	return b.String()
}

// measureHops: a chain of twelve steps of which the last alone has capacity; from one answer to the next call.
func measureHops(ctx context.Context, t *table) error {
	const steps = 11
	h, err := build(ctx, dry, unlimited, longPool(steps))
	if err != nil {
		return err
	}
	defer h.close()
	var gaps []time.Duration
	for i := range t.rounds(len(dryTypes)) {
		id := fmt.Sprintf("scaleup/%s/bench/%d", h.Cluster, i)
		run, err := h.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: contract.TaskQueue},
			contract.WorkflowScaleUp, contract.ScaleUpInput{Cluster: h.Cluster, Pool: "general", Count: 1, InstanceTypes: dryTypes[i : i+1]})
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
