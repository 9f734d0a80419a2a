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
	"floe.dev/floe/internal/planner"
)

// Reasons of a demand.
const (
	reasonPods    = "pods-unschedulable"
	reasonGone    = "pods-gone"
	reasonChanged = "pool-changed"
	reasonLeft    = "pods-left"   // machines came, and these pods are on none of them
	reasonLeaves  = "node-leaves" // AWS takes a machine back: its pods need room
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

	mu       sync.Mutex
	waiting  map[types.UID]waiter // pods that need room
	unjudged map[types.UID]kind   // pods that the scheduler has yet to look at
	judged   map[uint64]int       // how many waiting pods of a kind say that there is no room for any
	batch    *batch               // being gathered; nil while there is nothing to tell
	process  string               // tells this process's event keys from every other's
	batches  int
	// moved is when a node opened to pods or, after that, a pod was bound: see left. Zero where nothing is expected to
	// move.
	moved time.Time
	// openedAt is when a node opened to pods the last time.
	openedAt time.Time
}

// kind is what pods that are alike share: see planner.Alike.
type kind struct {
	key  uint64
	some bool // false: like no other
}

// waiter is a pod that needs room.
type waiter struct {
	batch   *batch // that it was first seen in
	kind    kind
	witness bool      // it is counted in judged
	verdict time.Time // when the scheduler said so the last time; zero: never yet
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
		wake: make(chan struct{}, 1), process: rand.Text(),
		waiting: map[types.UID]waiter{}, unjudged: map[types.UID]kind{}, judged: map[uint64]int{},
	}
}

// pod takes a pod that is new or has changed.
func (d *demand) pod(pod *corev1.Pod) {
	needs, unjudged := kube.NeedsRoom(pod), kube.Unjudged(pod)
	d.mu.Lock()
	defer d.mu.Unlock()
	w, waits := d.waiting[pod.UID]
	switch {
	case needs:
		k := w.kind
		if !waits {
			k = d.kindOf(pod)
			d.join(pod.UID, k, pod.ResourceVersion)
		}
		d.hear(pod, k)
	case unjudged && !waits:
		d.arrive(pod)
	case !unjudged && waits:
		if pod.Spec.NodeName != "" {
			w.batch.bound++
			w.batch.lastBound = time.Now()
			if !d.moved.IsZero() {
				d.moved = w.batch.lastBound
			}
		}
		d.leave(pod.UID, w)
	case !unjudged:
		delete(d.unjudged, pod.UID)
	}
	d.metrics.waiting.Set(float64(len(d.waiting)))
}

// arrive takes a pod that the scheduler has yet to look at. Where it has found no room for one that is alike, there is
// none for this one; otherwise it is remembered until such a verdict or its own comes. d.mu is held.
func (d *demand) arrive(pod *corev1.Pod) {
	if _, known := d.unjudged[pod.UID]; known {
		return
	}
	k := d.kindOf(pod)
	if k.some && d.judged[k.key] > 0 {
		d.join(pod.UID, k, pod.ResourceVersion)
		return
	}
	d.unjudged[pod.UID] = k
	if d.batch != nil {
		d.batch.last = time.Now() // the burst goes on
	}
}

// hear takes the scheduler's word that there is no room for a pod, and with it for all that are alike. d.mu is held.
func (d *demand) hear(pod *corev1.Pod, k kind) {
	w := d.waiting[pod.UID]
	defer func() { d.waiting[pod.UID] = w }()
	w.verdict = time.Now()
	if w.witness || !k.some || !kube.Witness(pod) {
		return
	}
	w.witness = true
	if d.judged[k.key]++; d.judged[k.key] > 1 {
		return
	}
	for uid, other := range d.unjudged {
		if other == k {
			d.join(uid, k, "")
		}
	}
}

// join has a pod wait, in the batch that is being gathered. d.mu is held.
func (d *demand) join(pod types.UID, k kind, resourceVersion string) {
	b := d.note(reasonPods, resourceVersion)
	b.pods++
	b.left++
	d.waiting[pod] = waiter{batch: b, kind: k}
	delete(d.unjudged, pod)
}

// kindOf is a pod's kind. d.mu is held.
func (d *demand) kindOf(pod *corev1.Pod) kind {
	if k, known := d.unjudged[pod.UID]; known {
		return k
	}
	key, ok := planner.Alike(pod)
	return kind{key: key, some: ok}
}

// podGone takes a pod that was deleted. One that needed room changes what is to be bought.
func (d *demand) podGone(pod *corev1.Pod) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.unjudged, pod.UID)
	if w, waits := d.waiting[pod.UID]; waits {
		d.leave(pod.UID, w)
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
func (d *demand) leave(pod types.UID, w waiter) {
	delete(d.waiting, pod)
	if w.witness {
		if d.judged[w.kind.key]--; d.judged[w.kind.key] == 0 {
			delete(d.judged, w.kind.key)
		}
	}
	if w.batch.left--; w.batch.left == 0 {
		d.tellBound(w.batch)
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
	for _, w := range d.waiting {
		d.tellBound(w.batch)
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

// leaves notes that the pods of a node need room although they are still there. Many that leave together are one demand.
func (d *demand) leaves() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.note(reasonLeaves, "")
}

// opened tells that a node began to take pods.
func (d *demand) opened() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) == 0 {
		return
	}
	d.moved = time.Now()
	d.openedAt = d.moved
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
	settle := d.timing.Settle
	if d.refused() {
		settle = min(settle, d.timing.BatchIdle)
	}
	if wait := d.moved.Add(settle).Sub(now); wait > 0 {
		return wait
	}
	d.moved = time.Time{}
	d.settle()
	if len(d.waiting) > 0 {
		d.note(reasonLeft, "")
	}
	return time.Hour
}

// refused reports whether the scheduler has looked at every pod that waits since the last node opened, and found no room
// again: what is bound meanwhile makes none. d.mu is held.
func (d *demand) refused() bool {
	for _, w := range d.waiting {
		if !w.verdict.After(d.openedAt) {
			return false
		}
	}
	return len(d.waiting) > 0
}
