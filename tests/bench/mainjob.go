package main

import (
	"context"
	"fmt"
	"time"
)

// booting is the simulated AWS with machines that take eight seconds.
const booting = `
seed: 1
boot: {pending: 1s, register: 5s, ready: 2s, stopping: 0s, shuttingDown: 0s, deletion: 0s, jitter: 0}
`

const bootTime = 8 * time.Second

// measureMainJob: 60 pods until all are Running, less the simulated boot, under AWS's API budgets.
func measureMainJob(ctx context.Context, t *table) error {
	h, err := build(ctx, booting, nil, burstPool)
	if err != nil {
		return err
	}
	defer h.close()
	const n = 60
	seen := h.watchPods(ctx)
	first := time.Now()
	if err := h.create(ctx, n); err != nil {
		return err
	}
	err = poll(ctx, 20*time.Millisecond, 2*time.Minute, func(context.Context) (bool, error) { return seen.running() >= n, nil })
	if err != nil {
		return fmt.Errorf("%d of %d pods are Running: %w", seen.running(), n, err)
	}
	t.row(fmt.Sprintf("%d pods to Running beyond %s of simulated boot", n, bootTime), seconds(seen.lastRunning().Sub(first)-bootTime), "")
	return nil
}
