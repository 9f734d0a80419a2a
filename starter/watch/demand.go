package watch

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"floe.dev/floe/activities/kube"
)

// Reasons of a demand.
const (
	reasonPods    = "pods-unschedulable"
	reasonGone    = "pods-gone"
	reasonChanged = "pool-changed"
	reasonLeft    = "pods-left" // machines came, and these pods are on none of them
)

// demand gathers what the Provisioner has to know into batches and signals them, one after the other.
type demand struct {
	cluster  string
	temporal Temporal
	timing   Timing
	metrics  *metrics
	quiet    quiet
	sent     func() // called after each signal

	wake chan struct{}

	mu      sync.Mutex
	waiting map[types.UID]*batch // pods that need room, by the batch they were first seen in
	batch   *batch               // being gathered; nil while there is nothing to tell
	process string               // tells this process's event keys from every other's
	batches int
	// moved is when a node opened to pods or, after that, a pod was bound: see left. Zero where nothing is expected to
	// move.
	moved time.Time
}

// batch is what one signal tells.
type batch struct {
	key       string
	first     time.Time // the first event
	last      time.Time // the last event
	pods      int       // pods seen for the first time
	reason    string
	watermark string
	span      trace.Span

	left  int // pods still waiting
	bound int
	// lastBound is when the last of them was bound; boundTold that the trace has it.
	lastBound time.Time
	boundTold bool
}

func newDemand(cluster string, temporal Temporal, timing Timing, m *metrics, log *slog.Logger) *demand {
	return &demand{
		cluster: cluster, temporal: temporal, timing: timing, metrics: m, quiet: quiet{log: log}, sent: func() {},
		wake: make(chan struct{}, 1), waiting: map[types.UID]*batch{}, process: rand.Text(),
	}
}

// pod takes a pod that is new or has changed.
func (d *demand) pod(pod *corev1.Pod) {
	needs := kube.NeedsRoom(pod)
	d.mu.Lock()
	defer d.mu.Unlock()
	b, known := d.waiting[pod.UID]
	switch {
	case needs && !known:
		b = d.note(reasonPods, pod.ResourceVersion)
		b.pods++
		b.left++
		d.waiting[pod.UID] = b
	case !needs && known:
		if pod.Spec.NodeName != "" {
			b.bound++
			b.lastBound = time.Now()
			if !d.moved.IsZero() {
				d.moved = b.lastBound
			}
		}
		d.leave(pod.UID, b)
	}
	d.metrics.waiting.Set(float64(len(d.waiting)))
}

// podGone takes a pod that was deleted. One that needed room changes what is to be bought.
func (d *demand) podGone(pod *corev1.Pod) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if b, known := d.waiting[pod.UID]; known {
		d.leave(pod.UID, b)
		d.note(reasonGone, pod.ResourceVersion)
		d.metrics.waiting.Set(float64(len(d.waiting)))
	}
}

// poolChanged tells that a NodePool is new, different or gone: pods that no pool could hold may have one now.
func (d *demand) poolChanged() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) > 0 {
		d.note(reasonChanged, "")
	}
}

// leave takes a pod out. When it was the last of its batch the batch's story is told to its end. d.mu is held.
func (d *demand) leave(pod types.UID, b *batch) {
	delete(d.waiting, pod)
	if b.left--; b.left == 0 {
		d.tellBound(b)
	}
}

// tellBound ends the story of a batch, once: its pods are bound, but for those that no machine can hold. d.mu is held.
func (d *demand) tellBound(b *batch) {
	if b.bound == 0 || b.boundTold {
		return
	}
	b.boundTold = true
	traceBound(b, b.lastBound)
	d.metrics.bound.Observe(b.lastBound.Sub(b.first).Seconds())
}

// settle tells the story of every batch that has bound pods: nothing moves any more, or the program ends. d.mu is held.
func (d *demand) settle() {
	for _, b := range d.waiting {
		d.tellBound(b)
	}
}

// note adds an event to the batch that is being gathered. d.mu is held.
func (d *demand) note(reason, resourceVersion string) *batch {
	now := time.Now()
	if d.batch == nil {
		d.batches++
		d.batch = &batch{
			key: fmt.Sprintf("%s-%d", d.process, d.batches), first: now, reason: reason, span: traceFirstSight(d.cluster, now),
		}
	}
	b := d.batch
	b.last = now
	if reason == reasonPods {
		b.reason = reason // the most telling of several
	}
	if order, err := resourceversion.CompareResourceVersion(resourceVersion, b.watermark); order > 0 || err != nil && b.watermark == "" {
		b.watermark = resourceVersion
	}
	select {
	case d.wake <- struct{}{}:
	default:
	}
	return b
}

// run signals one batch after the other, until ctx ends. What comes while Temporal is down is gathered into the next.
func (d *demand) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.settle()
	}()
	for {
		b, wait := d.ripe(time.Now())
		if b != nil {
			if !d.tell(ctx, b) {
				return
			}
			d.sent()
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		case <-timer.C:
		}
	}
}

// ripe takes the batch if it is to be told now, or says how long to wait for it.
func (d *demand) ripe(now time.Time) (*batch, time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	settling := d.left(now)
	b := d.batch
	if b == nil {
		return nil, settling
	}
	wait := min(settling, b.last.Add(d.timing.BatchIdle).Sub(now), b.first.Add(d.timing.BatchMax).Sub(now))
	if wait > 0 {
		return nil, wait
	}
	d.batch = nil
	return b, 0
}

// opened tells that a node began to take pods.
func (d *demand) opened() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) == 0 {
		return
	}
	d.moved = time.Now()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// left notes a demand for pods that still wait when nodes have opened and the scheduler has stopped binding: it may put
// pods otherwise than they were planned, and then the last ones fit nowhere. It returns how long to wait until that can
// be said. d.mu is held.
func (d *demand) left(now time.Time) time.Duration {
	if d.moved.IsZero() {
		return time.Hour // until something wakes us
	}
	if wait := d.moved.Add(d.timing.Settle).Sub(now); wait > 0 {
		return wait
	}
	d.moved = time.Time{}
	d.settle()
	if len(d.waiting) > 0 {
		d.note(reasonLeft, "")
	}
	return time.Hour
}
