// Package events is the simulated EventBridge: it makes JSON of what the cloud tells, in the shapes that AWS documents, and
// brings it to a queue, late, twice, in the wrong order, in part or not at all where a script wants it.
package events

import (
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"floe.dev/floe/internal/sim/clock"
	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/script"
)

// Sink takes what is delivered: a queue service. It must not block, and not ask the cloud anything.
type Sink interface {
	// Put puts a message into the queue of that name. An unknown queue is an error: the event is lost, as on AWS.
	Put(queue, body string) error
}

// Config is what a Bus is made of.
type Config struct {
	Clock clock.Clock
	Log   *slog.Logger
	// Seed makes the events' identifiers repeatable.
	Seed int64
	// Speed divides the times of mishaps.
	Speed float64
	// Queue is the name of the queue that every event goes to.
	Queue string
	Sink  Sink
}

// Bus brings events to a queue.
type Bus struct {
	cfg Config

	mu       sync.Mutex
	ids      *rand.Rand
	mishaps  []script.Mishap
	held     []string // for the next event to go before
	patience func()   // stops what lets the held go
}

// New makes a bus. Nothing is delivered before the queue exists.
func New(cfg Config) *Bus {
	return &Bus{cfg: cfg, ids: rand.New(rand.NewPCG(uint64(cfg.Seed), 2))}
}

// Meet lets something happen to events to come.
func (b *Bus) Meet(m script.Mishap) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mishaps = append(b.mishaps, m)
}

// holdMost is how long an event that is to come after the next one waits for it.
const holdMost = time.Minute

// Tell delivers an event, at once where nothing happens to it. It never blocks.
func (b *Bus) Tell(e cloud.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := body(e, b.id())
	m := b.mishap(e.Kind)
	switch m.Kind {
	case script.Lost:
		b.cfg.Log.Debug("an event is lost, as the script wants it", "event", e.Kind, "instance", e.Instance)
	case script.Late:
		b.after(m.By, func() { b.put(text) })
	case script.Twice:
		b.put(text)
		b.put(text)
	case script.Malformed:
		b.put(text[:len(text)/2])
	case script.Reordered:
		b.held = append(b.held, text)
		if b.patience == nil {
			b.patience = b.after(holdMost, b.release)
		}
		return
	default:
		b.put(text)
	}
	b.release()
}

// mishap is what happens to an event of a kind, the oldest first, and counts it. b.mu is held.
func (b *Bus) mishap(kind cloud.EventKind) script.Mishap {
	for n, m := range b.mishaps {
		if m.Event != "*" && m.Event != string(kind) {
			continue
		}
		if b.mishaps[n].Count--; b.mishaps[n].Count == 0 {
			b.mishaps = append(b.mishaps[:n], b.mishaps[n+1:]...)
		}
		return m
	}
	return script.Mishap{}
}

// release delivers what was held. b.mu is held.
func (b *Bus) release() {
	if b.patience != nil {
		b.patience()
		b.patience = nil
	}
	for _, text := range b.held {
		b.put(text)
	}
	b.held = nil
}

func (b *Bus) put(text string) {
	if err := b.cfg.Sink.Put(b.cfg.Queue, text); err != nil {
		b.cfg.Log.Debug("an event could not be delivered, and is lost", "queue", b.cfg.Queue, "error", err)
	}
}

// after does f, with b.mu held, when d has passed.
func (b *Bus) after(d time.Duration, f func()) (stop func()) {
	return b.cfg.Clock.AfterFunc(time.Duration(float64(d)/b.cfg.Speed), func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		f()
	})
}

// id is random, in the form of EventBridge's. b.mu is held.
func (b *Bus) id() string {
	const digits = "0123456789abcdef"
	text := []byte("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
	for n := range text {
		if text[n] == 'x' {
			text[n] = digits[b.ids.IntN(len(digits))]
		}
	}
	return string(text)
}
