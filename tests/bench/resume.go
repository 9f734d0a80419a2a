package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	smithytime "github.com/aws/smithy-go/time"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim"
	keeping "floe.dev/floe/internal/standby"
)

// published is the simulated AWS with the times that docs/sim.md has, and names the sources of, from a start to Ready.
// What comes before that is nothing that is measured here, and is hurried: a machine may hibernate as soon as it is there.
const published = `
seed: 1
boot: {stopping: 1s, shuttingDown: 1s, deletion: 1s}
hibernation: {minUptime: 0s, quiet: 0s}
`

// hurried is the same in seconds, to see that the measure works.
const hurried = `
seed: 1
boot: {pending: 500ms, register: 1s, ready: 500ms, stopping: 0s, shuttingDown: 0s, deletion: 500ms}
hibernation: {minUptime: 0s, quiet: 0s, image: 0.02}
`

// apart is how far apart pods come, so that none waits for another, nor for the API budgets, and each EC2 call is known by
// its time.
const apart = 3 * time.Second

// tier is a way from a pending pod to a running one.
type tier struct {
	name, pool string
	// important is true where the pods take a placeholder's place.
	important bool
	// woken is true where a machine that there is already is started.
	woken bool
}

var tiers = []tier{
	{name: "cold spot", pool: "spot"},
	{name: "cold on-demand", pool: "on-demand"},
	{name: "stopped", pool: "stopped", woken: true},
	{name: "hibernated", pool: "hibernated", woken: true},
	{name: "placeholder preempted", pool: "headroom", important: true},
}

// tierPool is a pool of one machine type, with 2 vCPUs and 4 GiB, that is filled in one way first. A standby of n is kept
// where the way is one.
func tierPool(name string, steps []v1alpha1.CapacityType, n int) string {
	text := fmt.Sprintf(`
apiVersion: floe.dev/v1alpha1
kind: NodePool
metadata: {name: %s}
spec:
  launchTemplate: {id: lt-0f10e000000000001}
  subnets: [subnet-0f10e00000000000a, subnet-0f10e00000000000b, subnet-0f10e00000000000c]
  reserved: {cpu: 100m, memory: 400Mi}
  requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [c5.large]}]
  fallback:
`, name)
	for _, step := range steps {
		text += fmt.Sprintf("    - {capacityType: %s}\n", step)
	}
	if first := steps[0]; slices.Contains(keeping.Tiers, first) {
		text += fmt.Sprintf("  standby: {%s: %d, minUptime: 1s}\n", first, n)
	}
	return text
}

// measureResume: from a pending pod to a running one, by tier, and what of it is Floe's own.
func measureResume(ctx context.Context, t *table) error {
	scenario, n, gap := published, 5, apart
	if t.short {
		scenario, n, gap = hurried, 2, time.Second
	}
	h, err := build(ctx, scenario, nil,
		tierPool("hibernated", []v1alpha1.CapacityType{v1alpha1.Hibernated, v1alpha1.OnDemand}, n),
		tierPool("stopped", []v1alpha1.CapacityType{v1alpha1.Stopped, v1alpha1.OnDemand}, n),
		tierPool("headroom", []v1alpha1.CapacityType{v1alpha1.OnDemand}, 0),
		tierPool("spot", []v1alpha1.CapacityType{v1alpha1.Spot}, 0),
		tierPool("on-demand", []v1alpha1.CapacityType{v1alpha1.OnDemand}, 0),
	)
	if err != nil {
		return err
	}
	defer h.close()
	seen := h.watchWakes(ctx)
	if err := h.placeholders(ctx, n); err != nil {
		return err
	}
	// The cold ones come while the standby is made ready, the others when that is there.
	if err := h.comeApart(ctx, seen, tiers[:2], n, gap); err != nil {
		return err
	}
	for _, tier := range tiers[2:4] {
		if err := h.asleep(ctx, seen, tier.pool, n); err != nil {
			return err
		}
	}
	if err := h.comeApart(ctx, seen, tiers[2:], n, gap); err != nil {
		return err
	}
	truth, err := h.truth(ctx)
	if err != nil {
		return err
	}
	median := map[string]time.Duration{}
	for _, tier := range tiers {
		ways, err := seen.ways(tier, n, truth)
		if err != nil {
			return err
		}
		median[tier.name] = ways.rows(t, tier)
		price, err := h.price(ctx, tier, truth, seen)
		if err != nil {
			return err
		}
		t.row(tier.name+": USD an hour while it waits for a pod", price, "")
	}
	t.row("cold on-demand to hibernated, ratio of the medians", fmt.Sprintf("%.2f", median["cold on-demand"].Seconds()/median["hibernated"].Seconds()), "")
	t.row("cold on-demand to stopped, ratio of the medians", fmt.Sprintf("%.2f", median["cold on-demand"].Seconds()/median["stopped"].Seconds()), "")
	return nil
}

// podOf asks for most of a machine of a pool.
func podOf(tier tier, k int) *corev1.Pod {
	p := pod(fmt.Sprintf("%s-%d", tier.pool, k), 1200, 1024, map[string]string{v1alpha1.LabelPool: tier.pool})
	if tier.important {
		p.Spec.PriorityClassName = "important"
	}
	return p
}

// placeholders fill n machines of the pool headroom with pods that give way to any other: at priority -10, the lowest that
// cluster-autoscaler does not ignore (its flag expendable-pods-priority-cutoff).
func (h *house) placeholders(ctx context.Context, n int) error {
	never := corev1.PreemptNever
	for _, class := range []schedulingv1.PriorityClass{
		{ObjectMeta: metav1.ObjectMeta{Name: "placeholder"}, Value: -10, PreemptionPolicy: &never},
		{ObjectMeta: metav1.ObjectMeta{Name: "important"}, Value: 1000},
	} {
		if _, err := h.kube.SchedulingV1().PriorityClasses().Create(ctx, &class, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return h.createPods(ctx, n, func(i int) *corev1.Pod {
		p := pod(fmt.Sprintf("placeholder-%d", i), 1200, 1024, map[string]string{v1alpha1.LabelPool: "headroom"})
		p.Spec.PriorityClassName = "placeholder"
		p.Spec.TerminationGracePeriodSeconds = new(int64)
		return p
	})
}

// comeApart creates n pods of each tier, one after another, and waits until all run.
func (h *house) comeApart(ctx context.Context, seen *wakes, of []tier, n int, gap time.Duration) error {
	for _, tier := range of {
		for k := range n {
			p := podOf(tier, k)
			seen.creates(p.Name)
			if _, err := h.kube.CoreV1().Pods(p.Namespace).Create(ctx, p, metav1.CreateOptions{}); err != nil {
				return err
			}
			if err := smithytime.SleepWithContext(ctx, gap); err != nil {
				return err
			}
		}
	}
	for _, tier := range of {
		for k := range n {
			name := podOf(tier, k).Name
			if err := poll(ctx, 50*time.Millisecond, 5*time.Minute, func(context.Context) (bool, error) { return seen.ran(name), nil }); err != nil {
				return fmt.Errorf("pod %s does not run: %w", name, err)
			}
		}
	}
	return nil
}

// asleep waits until n machines of a pool's standby are frozen, and their Nodes say so.
func (h *house) asleep(ctx context.Context, seen *wakes, pool string, n int) error {
	var view contract.StandbyView
	err := poll(ctx, 200*time.Millisecond, 6*time.Minute, func(ctx context.Context) (bool, error) {
		value, err := h.temporal.QueryWorkflow(ctx, contract.StandbyID(h.Cluster, pool), "", contract.QueryStandby)
		if err != nil || value.Get(&view) != nil {
			return false, ctx.Err() // it is not there yet
		}
		frozen := 0
		for _, m := range view.Machines {
			if m.Phase == contract.StandbyFrozen && seen.isOff(m.Instance.ID) {
				frozen++
			}
		}
		return frozen >= n, nil
	})
	if err != nil {
		return fmt.Errorf("the standby of pool %s: %d machines, trouble %q: %w", pool, len(view.Machines), view.Trouble, err)
	}
	return nil
}

// price is what a machine costs while it waits: a running one by the catalog, a frozen one its disk alone.
func (h *house) price(ctx context.Context, tier tier, truth sim.Truth, seen *wakes) (string, error) {
	if !tier.woken && !tier.important {
		return fmt.Sprintf("0; %.4f in use", seen.instance(podOf(tier, 0).Name, truth).USDPerHour), nil
	}
	if tier.important {
		return fmt.Sprintf("%.4f", seen.instance(podOf(tier, 0).Name, truth).USDPerHour), nil
	}
	value, err := h.temporal.QueryWorkflow(ctx, contract.NodeID(h.Cluster, seen.instance(podOf(tier, 0).Name, truth).ID), "", contract.QueryLife)
	if err != nil {
		return "", err
	}
	var life contract.NodeView
	if err := value.Get(&life); err != nil {
		return "", err
	}
	gib := life.Instance.RootGiB
	return fmt.Sprintf("%.4f (%d GiB of disk); %.4f in use", float64(gib)*keeping.USDPerGiBMonth/hoursPerMonth, gib, life.Instance.USDPerHour), nil
}

// hoursPerMonth is AWS's own month (aws.amazon.com/ebs/pricing: 730 hours).
const hoursPerMonth = 730
