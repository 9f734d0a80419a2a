package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// instant is the simulated AWS with no boot time and no budgets.
const instant = `
seed: 1
buckets: false
boot: {pending: 0s, register: 0s, ready: 0s, stopping: 0s, shuttingDown: 0s, deletion: 0s, jitter: 0}
`

// poolOf is a pool of general machines of some sizes in three zones, with a chain of capacity types.
func poolOf(sizes, steps string) string {
	var chain strings.Builder
	for step := range strings.FieldsSeq(steps) {
		fmt.Fprintf(&chain, "\n    - {capacityType: %s}", step)
	}
	return fmt.Sprintf(`
apiVersion: floe.dev/v1alpha1
kind: NodePool
metadata: {name: general}
spec:
  launchTemplate: {id: lt-0f10e000000000001}
  subnets: [subnet-0f10e00000000000a, subnet-0f10e00000000000b, subnet-0f10e00000000000c]
  reserved: {cpu: 100m, memory: 400Mi}
  requirements:
    - {key: floe.dev/instance-family, operator: In, values: [m5, c5, r5, m6i, c6i, r6i]}
    - {key: floe.dev/instance-size, operator: In, values: [%s]}
  fallback:%s
`, sizes, chain.String())
}

var burstPool = poolOf("large, xlarge, 2xlarge", "spot on-demand")

func requests(milli, mib int) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(int64(milli), resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(int64(mib)<<20, resource.BinarySI),
	}
}

// measureBursts: pods created at once with zero boot time, until the first launch and until all are bound.
func measureBursts(ctx context.Context, t *table) error {
	for _, n := range []int{10, 100} {
		if err := burst(ctx, t, n); err != nil {
			return err
		}
	}
	return nil
}

func burst(ctx context.Context, t *table, n int) error {
	h, err := build(ctx, instant, unlimited, burstPool)
	if err != nil {
		return err
	}
	defer h.close()
	seen := h.watchPods(ctx)
	first := time.Now()
	if err := h.create(ctx, n); err != nil {
		return err
	}
	last := time.Now()
	err = poll(ctx, 20*time.Millisecond, 2*time.Minute, func(context.Context) (bool, error) { return seen.bound() >= n, nil })
	if err != nil {
		return fmt.Errorf("%d of %d pods bound: %w", seen.bound(), n, err)
	}
	launch, nodes, err := h.firstLaunch(ctx)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("burst of %d pods, zero boot", n)
	t.row(what+": first launch after the last pod", milliseconds(launch.Sub(last)), "≤ 300 ms")
	t.row(what+": first launch after the first pod", milliseconds(launch.Sub(first)), "≤ 1300 ms")
	t.row(what+fmt.Sprintf(": all bound on %d nodes after the first pod", nodes), seconds(seen.lastBound().Sub(first)), "")
	demands, err := h.demands(ctx)
	if err != nil || len(demands) == 0 {
		return fmt.Errorf("no demand was signaled: %w", err)
	}
	asked, there, err := h.planTime(ctx)
	if err != nil {
		return err
	}
	t.row(what+": of which first pod to first sight, to signal, to plan asked, to plan made, to launch", strings.Join([]string{
		milliseconds(demands[0].At.Sub(first)), milliseconds(demands[0].Sent.Sub(demands[0].At)), milliseconds(asked.Sub(demands[0].Sent)),
		milliseconds(there.Sub(asked)), milliseconds(launch.Sub(there)),
	}, ", "), "")
	if n >= 100 {
		now, peak := residentMiB(h.worker)
		t.row(what+": worker resident memory, now and peak", fmt.Sprintf("%d, %d MiB", now, peak), "≤ 200 MiB")
		now, peak = residentMiB(h.watcher)
		t.row(what+": watcher resident memory, now and peak", fmt.Sprintf("%d, %d MiB", now, peak), "")
		if err := h.events(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// create makes n pods of four sizes.
func (h *house) create(ctx context.Context, n int) error {
	return h.createPods(ctx, n, func(i int) *corev1.Pod { return pod(fmt.Sprintf("p-%d", i), 250*(1+i%4), 512*(1+i%3), nil) })
}

// createPods makes n pods, many at a time.
func (h *house) createPods(ctx context.Context, n int, pod func(i int) *corev1.Pod) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(20)
	for i := range n {
		g.Go(func() error {
			p := pod(i)
			_, err := h.kube.CoreV1().Pods(p.Namespace).Create(ctx, p, metav1.CreateOptions{})
			return err
		})
	}
	return g.Wait()
}

// podTimes is when each pod was seen bound and seen Running.
type podTimes struct {
	mu            sync.Mutex
	boundAt, runs map[string]time.Time
}

func (h *house) watchPods(ctx context.Context) *podTimes {
	seen := &podTimes{boundAt: map[string]time.Time{}, runs: map[string]time.Time{}}
	factory := informers.NewSharedInformerFactory(h.kube, 0)
	look := func(obj any) {
		p, ok := obj.(*corev1.Pod)
		if !ok {
			return
		}
		seen.mu.Lock()
		defer seen.mu.Unlock()
		now := time.Now()
		if _, known := seen.boundAt[p.Name]; !known && p.Spec.NodeName != "" {
			seen.boundAt[p.Name] = now
		}
		if _, known := seen.runs[p.Name]; !known && p.Status.Phase == corev1.PodRunning {
			seen.runs[p.Name] = now
		}
	}
	_, _ = factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: look, UpdateFunc: func(_, obj any) { look(obj) },
	})
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	return seen
}

func (s *podTimes) bound() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.boundAt)
}

func (s *podTimes) running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.runs)
}

func (s *podTimes) lastBound() time.Time { return s.last(s.boundAt) }

func (s *podTimes) lastRunning() time.Time { return s.last(s.runs) }

func (s *podTimes) last(times map[string]time.Time) (last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range times {
		if at.After(last) {
			last = at
		}
	}
	return last
}
