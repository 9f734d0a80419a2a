package main

import (
	"context"
	"fmt"
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apitypes "k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// waking is the simulated AWS with the published way from a start to running, and a memory of which a tenth is read back:
// 4 GiB at gp3's 125 MiB/s are 33 s, and what is measured would vanish in them. The first boot is hurried.
const waking = `
seed: 1
boot: {register: 2s, ready: 1s, stopping: 1s, shuttingDown: 1s, deletion: 1s}
hibernation: {minUptime: 0s, quiet: 0s, image: 0.1}
`

// inOneCall is how many instances Floe starts in one call (activities/aws, mostStarted).
const inOneCall = 100

// measureResumes: so many pods at once, for each of which there is a hibernated machine, under AWS's API budgets.
func measureResumes(n int) func(context.Context, *table) error {
	return func(ctx context.Context, t *table) error { return resumes(ctx, t, n) }
}

func resumes(ctx context.Context, t *table, n int) error {
	if t.short {
		n = 5
	}
	h, err := build(ctx, waking, nil, tierPool("hibernated", []v1alpha1.CapacityType{v1alpha1.Hibernated, v1alpha1.OnDemand}, n))
	if err != nil {
		return err
	}
	defer h.close()
	seen := h.watchWakes(ctx)
	if err := h.asleep(ctx, seen, "hibernated", n); err != nil {
		return err
	}
	// What is woken is not made ready anew while it is measured: a ceiling on the disks' price.
	objects, err := dynamic.NewForConfig(h.Kube)
	if err != nil {
		return err
	}
	if _, err := objects.Resource(v1alpha1.NodePoolResource).Patch(ctx, "hibernated", apitypes.MergePatchType,
		[]byte(`{"spec":{"standby":{"maxDiskUSDPerMonth":"0.01"}}}`), metav1.PatchOptions{}); err != nil {
		return err
	}
	if err := poll(ctx, 100*time.Millisecond, time.Minute, func(ctx context.Context) (bool, error) {
		value, err := h.temporal.QueryWorkflow(ctx, contract.StandbyID(h.Cluster, "hibernated"), "", contract.QueryStandby)
		var view contract.StandbyView
		if err != nil || value.Get(&view) != nil {
			return false, err
		}
		return view.Facts.Spec != nil && view.Facts.Spec.MaxDiskUSDPerMonth != nil, nil
	}); err != nil {
		return fmt.Errorf("the standby knows its ceiling: %w", err)
	}

	load := h.sample(ctx)
	tier := tiers[3]
	began := time.Now()
	for k := range n {
		seen.creates(podOf(tier, k).Name)
	}
	if err := h.createPods(ctx, n, func(i int) *corev1.Pod { return podOf(tier, i) }); err != nil {
		return err
	}
	for k := range n {
		name := podOf(tier, k).Name
		if err := poll(ctx, 50*time.Millisecond, 10*time.Minute, func(context.Context) (bool, error) { return seen.ran(name), nil }); err != nil {
			return fmt.Errorf("pod %s does not run: %w", name, err)
		}
	}
	used := load.end()
	truth, err := h.truth(ctx)
	if err != nil {
		return err
	}
	first, last, calls := time.Time{}, time.Time{}, 0
	for _, c := range truth.Calls {
		if c.Action == "StartInstances" && c.Code == "" {
			calls, last = calls+1, c.At
			if first.IsZero() {
				first = c.At
			}
		}
	}
	got := seen.woke(tier, n, first)
	what := fmt.Sprintf("%d resumes at once: ", n)
	t.row(what+"from the first pod to all Running", seconds(got.running.Sub(began)), "")
	t.row(what+"from the first pod to the first StartInstances, to the last, and the calls", fmt.Sprintf("%s, %s, %d", seconds(first.Sub(began)), seconds(last.Sub(began)), calls),
		fmt.Sprintf("least by the buckets: 0.00 s, %s, %d", seconds(leastToStart(n)), (n+inOneCall-1)/inOneCall))
	t.row(what+"one call for each would take, by the buckets", seconds(bucket(n, 5, 2)), "")
	t.row(what+"from its start, a machine's wake, median and most", seconds(quantile(got.wakes, .5))+", "+seconds(quantile(got.wakes, 1)), "")
	t.row(what+"from the last machine's proof to all in service, and to all Running", seconds(got.opened.Sub(got.alive))+", "+seconds(got.running.Sub(got.alive)), "")
	t.row(what+"a machine's proof to its Node's being open, median and most", seconds(quantile(got.opens, .5))+", "+seconds(quantile(got.opens, 1)), "≤ 0.5 s alone")
	refused := 0
	for _, count := range truth.Counts {
		refused += count.Refused["RequestLimitExceeded"]
	}
	t.row(what+"calls refused with RequestLimitExceeded", fmt.Sprint(refused), "0")
	t.row(what+"machines that the pods run on, and machines there are", fmt.Sprintf("%d, %d", got.machines, len(truth.Instances)), fmt.Sprintf("%d, %d", n, n))
	h.rows(t, what[:len(what)-2], used)
	return nil
}

// leastToStart is how long EC2's buckets need for so many starts, of as many in a call as Floe makes.
func leastToStart(n int) time.Duration {
	return max(bucket((n+inOneCall-1)/inOneCall, 5, 2), bucket(n, 1000, 2))
}

// bucket is how long a full token bucket needs to give n
// (docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html: StartInstances 5 requests and 2 a second, 1,000
// resources and 2 a second).
func bucket(n, size, refill int) time.Duration {
	return time.Duration(math.Max(0, float64(n-size)) / float64(refill) * float64(time.Second))
}

// arrived is when the last of many came where, and how long each took.
type arrived struct {
	alive, opened, running time.Time
	wakes, opens           []time.Duration
	machines               int
}

// woke tells how the pods of a tier came to run after a call.
func (s *wakes) woke(tier tier, n int, call time.Time) (a arrived) {
	s.mu.Lock()
	defer s.mu.Unlock()
	on := map[string]bool{}
	for k := range n {
		pod := s.pods[podOf(tier, k).Name]
		on[pod.node] = true
		a.running = later(a.running, pod.running)
	}
	a.machines = len(on)
	for name := range on {
		node := s.nodes[name]
		alive := later(firstAfter(node.leases, call), firstAfter(node.statuses, call))
		opened := firstAfter(node.opened, call)
		a.alive, a.opened = later(a.alive, alive), later(a.opened, opened)
		a.wakes, a.opens = append(a.wakes, alive.Sub(call)), append(a.opens, max(0, opened.Sub(alive)))
	}
	return a
}
