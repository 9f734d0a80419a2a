package fallback

import (
	"cmp"
	"slices"
	"time"

	"floe.dev/floe/api/contract"
)

// How long an offering is left alone after an ICE, and how long the memory reaches back.
const (
	// BackOffBase is the wait after the first ICE; each failed try after a wait doubles it.
	BackOffBase = 30 * time.Second
	// BackOffCap is the longest wait.
	BackOffCap = 15 * time.Minute
	// Forget is how old an event may be and still count: long enough for an offering that fails every try to stay at
	// BackOffCap. Nothing older need be read from the store.
	Forget = 2 * time.Hour
)

// Event is what was learned of an offering at one moment. Events are facts: they are recorded once and never changed.
type Event struct {
	Offering contract.Offering
	Answer   contract.Answer
	At       time.Time
}

// BackOff folds events to the offerings that are to be left alone at now, and until when.
//
// An ICE starts a wait of BackOffBase. The try after a wait is the probe: another ICE starts a wait twice as long, to
// BackOffCap; a launch forgets them all. An ICE during a wait comes from a launch that was under way already: it starts
// the wait again but does not double it, so that a burst of launches counts once. Every other answer (quota, throttled,
// refused) says nothing of the offering's capacity. Of a launch and an ICE at one moment the ICE is the later: the
// offering gave what it had.
//
// The order of events does not matter, and those after now or older than Forget count for nothing.
func BackOff(events []Event, now time.Time) map[contract.Offering]time.Time {
	sorted := slices.Clone(events)
	slices.SortFunc(sorted, func(a, b Event) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(lateness(a.Answer), lateness(b.Answer)))
	})
	memory := map[contract.Offering]wait{}
	for _, e := range sorted {
		if e.At.After(now) || now.Sub(e.At) > Forget {
			continue
		}
		switch e.Answer {
		case contract.AnswerLaunched:
			delete(memory, e.Offering)
		case contract.AnswerICE:
			memory[e.Offering] = memory[e.Offering].after(e.At)
		}
	}
	until := map[contract.Offering]time.Time{}
	for offering, w := range memory {
		if w.until.After(now) {
			until[offering] = w.until
		}
	}
	return until
}

// wait is an offering's back-off: how long it is, and when it ends.
type wait struct {
	length time.Duration
	until  time.Time
}

// after is the wait after an ICE at that time.
func (w wait) after(at time.Time) wait {
	switch {
	case w.length == 0:
		w.length = BackOffBase
	case !at.Before(w.until):
		w.length = min(2*w.length, BackOffCap)
	}
	w.until = at.Add(w.length)
	return w
}

func lateness(a contract.Answer) int {
	if a == contract.AnswerICE {
		return 1
	}
	return 0
}

// Events of a hop's outcomes: one for each, at the time of the hop's answer.
func Events(outcomes []contract.Outcome, at time.Time) []Event {
	events := make([]Event, len(outcomes))
	for i, o := range outcomes {
		events[i] = Event{Offering: o.Offering, Answer: o.Answer, At: at}
	}
	return events
}
