package aws

import (
	"context"
	"sync"
	"time"
)

// Many nodes that leave at once each end their instance by an activity of their own; EC2 takes five such calls a
// second, of hundreds of instances each. A batch closes when nothing was added for its idle time, at most after its
// first, or when it is full; and stays open beyond that while its call would have to wait for the API budget. None of
// this is on the way of a pending pod.
type window struct{ idle, most time.Duration }

var (
	// asking is for reads, which somebody may be waiting for.
	asking = window{idle: 10 * time.Millisecond, most: 100 * time.Millisecond}
	// ending is for machines that have done their work: drains that began together end within seconds of each other.
	ending = window{idle: 200 * time.Millisecond, most: time.Second}
)

// batcher gathers calls for one id each into calls for many.
type batcher[V any] struct {
	size  int
	wait  window
	due   func() time.Duration // how long a call would wait for its budget now
	flush func(ctx context.Context, ids []string) map[string]result[V]

	mu   sync.Mutex
	open *batch[V] // nil: none
}

// result is the answer for one id.
type result[V any] struct {
	value V
	err   error
}

type batch[V any] struct {
	ctx     context.Context // of the first caller, without its cancellation: it carries the trace
	ids     []string        // each once
	waiting map[string][]chan<- result[V]
	first   time.Time
	timer   *time.Timer
}

// newBatcher makes a batcher of at most size ids a call. flush must answer for every id.
func newBatcher[V any](size int, wait window, due func() time.Duration, flush func(ctx context.Context, ids []string) map[string]result[V]) *batcher[V] {
	return &batcher[V]{size: size, wait: wait, due: due, flush: flush}
}

// do has the id served with the next batch.
func (b *batcher[V]) do(ctx context.Context, id string) (V, error) {
	answer := make(chan result[V], 1)
	b.add(ctx, id, answer)
	select {
	case r := <-answer:
		return r.value, r.err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}

func (b *batcher[V]) add(ctx context.Context, id string, answer chan<- result[V]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == nil {
		current := &batch[V]{ctx: context.WithoutCancel(ctx), waiting: map[string][]chan<- result[V]{}, first: time.Now()}
		current.timer = time.AfterFunc(b.wait.idle, func() { b.close(current) })
		b.open = current
	}
	current := b.open
	if current.waiting[id] == nil {
		current.ids = append(current.ids, id)
	}
	current.waiting[id] = append(current.waiting[id], answer)
	if len(current.ids) >= b.size {
		b.open = nil
		current.timer.Stop()
		go b.serve(current)
		return
	}
	current.timer.Reset(max(min(b.wait.idle, b.wait.most-time.Since(current.first)), b.due()))
}

// close ends a batch by its timer, unless it was closed because it was full, or its call would have to wait.
func (b *batcher[V]) close(current *batch[V]) {
	b.mu.Lock()
	mine := b.open == current
	if mine {
		if due := b.due(); due > 0 {
			current.timer.Reset(due)
			mine = false
		} else {
			b.open = nil
		}
	}
	b.mu.Unlock()
	if mine {
		b.serve(current)
	}
}

func (b *batcher[V]) serve(current *batch[V]) {
	results := b.flush(current.ctx, current.ids)
	for id, waiting := range current.waiting {
		for _, answer := range waiting {
			answer <- results[id]
		}
	}
}
