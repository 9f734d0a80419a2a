package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/internal/testbed"
)

// rivalPool is what both may buy: on-demand only, whose price is the same in every zone and at every moment, so that
// what is paid tells of the plan alone, and neither of spot prices nor of how a fleet chooses between them.
var rivalPool = poolOf("large, xlarge, 2xlarge", "on-demand")

// settle is how long after the last binding the bill is drawn up, so that a machine which was bought for nothing is on
// it: its Node comes without a pod.
const settle = 3 * time.Second

// outcome is one burst on one of the two.
type outcome struct {
	afterFirst time.Duration // from the first pod to the first launch
	afterLast  time.Duration // from the last pod to the first launch
	bound      time.Duration // from the first pod until the last one is bound
	nodes      int
	usd        float64 // an hour, of all nodes
	peakMiB    int     // resident memory of the controllers at its peak
	serversMiB int     // and of the servers that only this one of the two needs
}

// measureRival: the same bursts on Floe and on Karpenter with its KWOK provider, in turn, each time on a fresh control
// plane of the same kind that has the machine for itself. Where Karpenter does not run there is no comparison, and the
// table says why.
func measureRival(ctx context.Context, t *table) error {
	sizes, rounds := []int{100, 500}, 3
	if t.short {
		sizes, rounds = sizes[:1], 1
	}
	k, err := newKarpenter(ctx)
	for _, n := range sizes {
		if err == nil {
			err = rivalBursts(ctx, t, k, n, rounds)
		}
	}
	var no *noRival
	if !errors.As(err, &no) || ctx.Err() != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, no) // with the end of its log
	why, _, _ := strings.Cut(no.Error(), "\n")
	t.row("bursts beside Karpenter", "no comparison: "+why, "")
	return nil
}

// rivalBursts repeats a burst of n pods on both, the first of each round being the second of the next.
func rivalBursts(ctx context.Context, t *table, k *karpenter, n, rounds int) error {
	var ours, theirs []outcome
	floe := func() error {
		o, err := floeBurst(ctx, n)
		ours = append(ours, o)
		return err
	}
	rival := func() error {
		o, err := k.burst(ctx, n)
		theirs = append(theirs, o)
		return err
	}
	for round := range rounds {
		turns := []func() error{floe, rival}
		if round%2 == 1 {
			slices.Reverse(turns)
		}
		for _, turn := range turns {
			if err := turn(); err != nil {
				return err
			}
		}
	}
	t.row(fmt.Sprintf("burst of %d pods, zero boot, beside Karpenter; median of %d (least to most)", n, rounds), "Floe | Karpenter "+k.version, "")
	for _, r := range []struct {
		what, format string
		of           func(outcome) float64
	}{
		{"first launch after the last pod", "%.2f s", func(o outcome) float64 { return o.afterLast.Seconds() }},
		{"first launch after the first pod", "%.2f s", func(o outcome) float64 { return o.afterFirst.Seconds() }},
		{"all bound after the first pod", "%.2f s", func(o outcome) float64 { return o.bound.Seconds() }},
		{"nodes bought", "%.0f", func(o outcome) float64 { return float64(o.nodes) }},
		{"price of the nodes", "%.3f USD/h", func(o outcome) float64 { return o.usd }},
		{"controllers' resident memory, peak", "%.0f MiB", func(o outcome) float64 { return float64(o.peakMiB) }},
		{"servers that only Floe needs, peak", "%.0f MiB", func(o outcome) float64 { return float64(o.serversMiB) }},
	} {
		t.row("… "+r.what, beside(ours, theirs, r.of, r.format), "")
	}
	t.row("… all bound, Karpenter's time over Floe's of the same round", spread(ratios(ours, theirs), "%.2f"), "≥ 2")
	return nil
}

// floeBurst is a burst on Floe.
func floeBurst(ctx context.Context, n int) (outcome, error) {
	h, err := build(ctx, instant, unlimited, rivalPool)
	if err != nil {
		return outcome{}, err
	}
	defer h.close()
	o, err := h.race(ctx, n, func(ctx context.Context) (time.Time, error) {
		at, _, err := h.firstLaunch(ctx)
		return at, err
	})
	o.peakMiB = peakMiB(h.worker, h.watcher)
	o.serversMiB = peakMiB(h.Process("temporal"), h.Process("ferretdb"))
	return o, err
}

// race makes n pods at once, waits until all are bound, and says what that took and what it cost. Memory is the caller's
// to add.
func (h *house) race(ctx context.Context, n int, firstLaunch func(context.Context) (time.Time, error)) (outcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seen := h.watchPods(ctx)
	first := time.Now()
	if err := h.create(ctx, n); err != nil {
		return outcome{}, err
	}
	last := time.Now()
	err := poll(ctx, 20*time.Millisecond, 2*time.Minute, func(context.Context) (bool, error) { return seen.bound() >= n, nil })
	if err != nil {
		return outcome{}, fmt.Errorf("%d of %d pods bound: %w", seen.bound(), n, err)
	}
	launch, err := firstLaunch(ctx)
	if err != nil {
		return outcome{}, err
	}
	select {
	case <-ctx.Done():
		return outcome{}, context.Cause(ctx)
	case <-time.After(settle):
	}
	nodes, err := h.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return outcome{}, err
	}
	usd, err := bill(nodes.Items)
	return outcome{
		afterFirst: launch.Sub(first), afterLast: launch.Sub(last), bound: seen.lastBound().Sub(first),
		nodes: len(nodes.Items), usd: usd,
	}, err
}

// bill is what the nodes cost an hour, in US dollars, at the on-demand prices that both were given.
func bill(nodes []corev1.Node) (usd float64, err error) {
	prices := map[string]float64{}
	for _, t := range rivalTypes() {
		prices[t.Name] = t.OnDemandUSD
	}
	for _, node := range nodes {
		name := node.Labels[corev1.LabelInstanceTypeStable]
		price, ok := prices[name]
		if !ok {
			return 0, fmt.Errorf("node %s is of type %q, which the pool does not allow", node.Name, name)
		}
		usd += price
	}
	return usd, nil
}

// peakMiB is the resident memory of processes at its peak, added up.
func peakMiB(processes ...*testbed.Process) (sum int) {
	for _, p := range processes {
		_, peak := residentMiB(p)
		sum += peak
	}
	return sum
}

// beside shows a figure of both.
func beside(ours, theirs []outcome, of func(outcome) float64, format string) string {
	return spread(figures(ours, of), format) + " | " + spread(figures(theirs, of), format)
}

func figures(outcomes []outcome, of func(outcome) float64) (values []float64) {
	for _, o := range outcomes {
		values = append(values, of(o))
	}
	return values
}

// ratios are Karpenter's time over Floe's until all pods are bound, round by round.
func ratios(ours, theirs []outcome) (values []float64) {
	for i := range min(len(ours), len(theirs)) {
		values = append(values, theirs[i].bound.Seconds()/ours[i].bound.Seconds())
	}
	return values
}

// spread is the median of values, and in parentheses the least and the most where they differ as shown.
func spread(values []float64, format string) string {
	if len(values) == 0 {
		return "none"
	}
	values = slices.Sorted(slices.Values(values))
	show := func(v float64) string { return fmt.Sprintf(format, v) }
	median := show((values[(len(values)-1)/2] + values[len(values)/2]) / 2)
	least, most := show(values[0]), show(values[len(values)-1])
	if least == most {
		return median
	}
	number := func(shown string) string { n, _, _ := strings.Cut(shown, " "); return n }
	return fmt.Sprintf("%s (%s to %s)", median, number(least), number(most))
}
