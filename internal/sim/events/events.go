// Package events is the simulated EventBridge: it makes JSON of what the cloud tells, in the shapes that AWS documents, and
// brings it to a queue, late, twice, in the wrong order, in part or not at all where a script wants it.
package events

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"floe.dev/floe/internal/sim/clock"
	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/query"
	"floe.dev/floe/internal/sim/script"
)

// Sink takes what is delivered: a queue service. It must not block, and not ask the cloud anything. Where it refuses, the
// event is lost: AWS tries neither a queue that is not there again nor one whose policy says no
// (docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html). Its errors are *query.Error.
type Sink interface {
	// Deliver puts a message into the queue of that name as EventBridge does, for the rule of that ARN.
	Deliver(queue, rule, body string) error
	// Forge puts it there as somebody else in the queue's account.
	Forge(queue, body string) error
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
	// Rule is the ARN of the rule that sends it there.
	Rule string
	Sink Sink
}

// Bus brings events to a queue.
type Bus struct {
	cfg Config

	mu       sync.Mutex
	ids      *rand.Rand
	mishaps  []script.Mishap
	held     []parcel // for the next event to go before
	patience func()   // stops what lets the held go
	refused  map[string]int
}

// parcel is an event on its way.
type parcel struct {
	text   string
	forged bool
}

// New makes a bus. Nothing is delivered before the queue exists.
func New(cfg Config) *Bus {
	return &Bus{cfg: cfg, ids: rand.New(rand.NewPCG(uint64(cfg.Seed), 2)), refused: map[string]int{}}
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
	p := parcel{body(e, b.id()), e.Forged}
	m := b.mishap(e.Kind)
	switch m.Kind {
	case script.Lost:
		b.cfg.Log.Debug("an event is lost, as the script wants it", "event", e.Kind, "instance", e.Instance)
	case script.Late:
		b.after(m.By, func() { b.put(p) })
	case script.Twice:
		b.put(p)
		b.put(p)
	case script.Malformed:
		p.text = p.text[:len(p.text)/2]
		b.put(p)
	case script.Reordered:
		b.held = append(b.held, p)
		if b.patience == nil {
			b.patience = b.after(holdMost, b.release)
		}
		return
	default:
		b.put(p)
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
	for _, p := range b.held {
		b.put(p)
	}
	b.held = nil
}

// put delivers an event, or counts why it cannot. b.mu is held.
func (b *Bus) put(p parcel) {
	var err error
	if p.forged {
		err = b.cfg.Sink.Forge(b.cfg.Queue, p.text)
	} else {
		err = b.cfg.Sink.Deliver(b.cfg.Queue, b.cfg.Rule, p.text)
	}
	if err == nil {
		return
	}
	code, level := query.AsError(err).Code, slog.LevelDebug
	if b.refused[code]++; b.refused[code] == 1 {
		level = slog.LevelWarn // once: with the second one nobody learns anything new
	}
	b.cfg.Log.Log(context.Background(), level, "events cannot be delivered, and are lost", "queue", b.cfg.Queue, "rule", b.cfg.Rule, "forged", p.forged, "error", err)
}

// Queue is the name of the queue that events go to.
func (b *Bus) Queue() string { return b.cfg.Queue }

// Refused counts the events that the queue did not take, by the code of the refusal.
func (b *Bus) Refused() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.refused)
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
