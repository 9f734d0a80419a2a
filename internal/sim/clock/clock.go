// Package clock is the simulator's time: the machine's own, or one that tests move by hand.
package clock

import (
	"sync"
	"time"
)

// Clock tells the time and calls back.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f once, in a goroutine of its own or of whoever moves the clock, when d has passed. stop prevents
	// a call that has not begun.
	AfterFunc(d time.Duration, f func()) (stop func())
}

// Real is the machine's clock.
type Real struct{}

// Now is time.Now.
func (Real) Now() time.Time { return time.Now() }

// AfterFunc is time.AfterFunc.
func (Real) AfterFunc(d time.Duration, f func()) (stop func()) {
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}

// Manual is a clock that stands still until Advance moves it.
type Manual struct {
	mu     sync.Mutex
	now    time.Time
	serial int
	timers map[int]manualTimer
}

type manualTimer struct {
	at time.Time
	f  func()
}

// NewManual is a clock that stands at now.
func NewManual(now time.Time) *Manual { return &Manual{now: now, timers: map[int]manualTimer{}} }

// Now is where the clock stands.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// AfterFunc calls f from the Advance that reaches its time; where d is not positive, from the next Advance.
func (m *Manual) AfterFunc(d time.Duration, f func()) (stop func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.serial++
	id := m.serial
	m.timers[id] = manualTimer{at: m.now.Add(d), f: f}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.timers, id)
	}
}

// Advance moves the clock by d and calls what comes due on the way, in order of time; what those calls set up in turn is
// called too, if it comes due before the end.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	end := m.now.Add(d)
	m.mu.Unlock()
	for {
		f := m.next(end)
		if f == nil {
			return
		}
		f()
	}
}

// next takes the earliest timer due by end and moves the clock to it; without one it moves the clock to end.
func (m *Manual) next(end time.Time) func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	first := 0
	for id, t := range m.timers {
		if t.at.After(end) {
			continue
		}
		if f, ok := m.timers[first]; !ok || t.at.Before(f.at) || (t.at.Equal(f.at) && id < first) {
			first = id
		}
	}
	t, ok := m.timers[first]
	if !ok {
		m.now = end
		return nil
	}
	delete(m.timers, first)
	if t.at.After(m.now) {
		m.now = t.at
	}
	return t.f
}
