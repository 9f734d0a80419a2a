package aws

import (
	"context"
	"sync"
	"time"
)

const (
	// loadTimeout bounds the loading of an aged value, all its pages together.
	loadTimeout = time.Minute
	// loadAgain is how long a failed load is not tried again while there is an old value to serve.
	loadAgain = time.Second
)

// aged is a value of the outside that is kept. The first caller waits for it; after that nobody does: a value older
// than fresh is served as it is, while one load in the background replaces it.
type aged[T any] struct {
	fresh  time.Duration
	load   func(ctx context.Context) (T, error)
	failed func(error) // told of loads that failed in the background
	now    func() time.Time

	mu      sync.Mutex
	value   T
	at      time.Time // when value was asked for; zero: there is none
	expired bool      // value is known to be wrong, however young
	tried   time.Time // when the last load began
	loading *load     // nil: none is under way
}

type load struct {
	done chan struct{}
	err  error
}

// get returns the value and when it was asked for.
func (a *aged[T]) get(ctx context.Context) (T, time.Time, error) {
	a.mu.Lock()
	now := a.now()
	if !a.at.IsZero() {
		if (a.expired || now.Sub(a.at) > a.fresh) && a.loading == nil && now.Sub(a.tried) > loadAgain {
			a.start(ctx, now)
		}
		defer a.mu.Unlock()
		return a.value, a.at, nil
	}
	if a.loading == nil {
		a.start(ctx, now)
	}
	loading := a.loading
	a.mu.Unlock()

	var none T
	select {
	case <-loading.done:
		if loading.err != nil {
			return none, time.Time{}, loading.err
		}
	case <-ctx.Done():
		return none, time.Time{}, ctx.Err()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.value, a.at, nil
}

// expire makes the next get load anew, in the background.
func (a *aged[T]) expire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.expired = true
}

// start begins a load. The load outlives its caller, since others wait for it too. a.mu is held.
func (a *aged[T]) start(ctx context.Context, now time.Time) {
	current := &load{done: make(chan struct{})}
	a.loading, a.tried, a.expired = current, now, false
	background := !a.at.IsZero()
	go func() {
		value, err := within(context.WithoutCancel(ctx), loadTimeout, a.load)
		a.mu.Lock()
		if err == nil {
			a.value, a.at = value, now
		}
		current.err = err
		a.loading = nil
		a.mu.Unlock()
		close(current.done)
		if err != nil && background {
			a.failed(err)
		}
	}()
}
