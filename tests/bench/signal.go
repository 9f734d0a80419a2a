package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
)

const bigPool = `
apiVersion: floe.dev/v1alpha1
kind: NodePool
metadata: {name: general}
spec:
  launchTemplate: {id: lt-0f10e000000000001}
  subnets: [subnet-0f10e00000000000a]
  reserved: {cpu: 100m, memory: 400Mi}
  requirements:
    - {key: floe.dev/instance-family, operator: In, values: [m5, c5, m6i, c6i]}
    - {key: floe.dev/instance-size, operator: In, values: [large]}
  fallback:
    - {capacityType: spot}
`

// measureSignal: one pod after another, each too large to share a node; from the watcher's sending the demand signal to
// the EC2 call's going out, the plan included.
func measureSignal(ctx context.Context, t *table) error {
	h, err := build(ctx, instant, unlimited, bigPool)
	if err != nil {
		return err
	}
	defer h.close()
	seen := h.watchPods(ctx)
	n := t.rounds(60)
	for i := range n {
		p := pod(fmt.Sprintf("p-%d", i), 1200, 512, nil)
		if _, err := h.kube.CoreV1().Pods(p.Namespace).Create(ctx, p, metav1.CreateOptions{}); err != nil {
			return err
		}
		err := poll(ctx, 10*time.Millisecond, time.Minute, func(context.Context) (bool, error) { return seen.bound() > i, nil })
		if err != nil {
			return fmt.Errorf("pod %d is not bound: %w", i, err)
		}
	}
	demands, err := h.demands(ctx)
	if err != nil {
		return err
	}
	views, err := h.chains(ctx)
	if err != nil {
		return err
	}
	var waits []time.Duration
	for _, v := range views {
		if len(v.Hops) == 0 {
			continue
		}
		// Pods come one by one, so the launch's demand is the last that was sent before its call.
		at := slices.IndexFunc(demands, func(d contract.Demand) bool { return d.Sent.After(v.Hops[0].SentAt) })
		if at < 0 {
			at = len(demands)
		}
		if at > 0 {
			waits = append(waits, v.Hops[0].SentAt.Sub(demands[at-1].Sent))
		}
	}
	if len(waits) < n*9/10 {
		return fmt.Errorf("of %d launches, only %d could be told by their demand", n, len(waits))
	}
	t.row(fmt.Sprintf("demand signal to EC2 call, plan included, p50 of %d", len(waits)), milliseconds(quantile(waits, 0.5)), "")
	t.row(fmt.Sprintf("demand signal to EC2 call, plan included, p99 of %d", len(waits)), milliseconds(quantile(waits, 0.99)), "≤ 150 ms")
	return nil
}
