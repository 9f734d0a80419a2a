// Package standby decides about machines that are made ready beforehand: how many are kept, which of those that leave a pool
// are worth keeping, and which of those that are kept have become too old. It is pure: the time is handed in, and every
// answer says in words why.
package standby

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"floe.dev/floe/api/v1alpha1"
)

// Moment is what a target depends on beside the pool's own words.
type Moment struct {
	Now time.Time
	// Nodes of the pool in service: neither frozen nor leaving.
	Nodes int
	// History is the pool's launches for demand. The zero value is no history: nothing is foretold.
	History History
	// Unread says that the history is not known yet: it may foretell more than anything else wants.
	Unread bool
}

// Want is how many machines of a tier are kept, and why.
type Want struct {
	Count  int    `json:"count"`
	Reason string `json:"reason"`
}

// Goal is what a pool's standby is kept at.
type Goal struct {
	Hibernated Want `json:"hibernated"`
	Stopped    Want `json:"stopped"`
	// Unsure are the tiers of which a forecast may want more, once the pool's launches are read: until then none of them goes
	// for being too many.
	Unsure []v1alpha1.CapacityType `json:"unsure,omitempty"`
	// Again is before the goal can change for the clock's sake: ask again then. Zero: it never does.
	Again time.Time `json:"again,omitzero"`
	// Problems are targets that could not be read, and keep nothing: a pool that was not validated, a time zone that this
	// machine does not know.
	Problems []string `json:"problems,omitempty"`
}

// Of is the goal of one tier.
func (g Goal) Of(tier v1alpha1.CapacityType) Want {
	if tier == v1alpha1.Hibernated {
		return g.Hibernated
	}
	return g.Stopped
}

// Target is how many machines of each tier a pool's standby is to keep now: the largest of the tier's number and its
// targets. A pool without a standby keeps none. SetDefaults was called on the pool before.
func Target(spec *v1alpha1.Standby, m Moment) Goal {
	if spec == nil {
		spec = &v1alpha1.Standby{}
	}
	g := Goal{Hibernated: number(spec.Hibernated), Stopped: number(spec.Stopped)}
	for i := range spec.Targets {
		t := &spec.Targets[i]
		want, again, err := one(t, m)
		if err != nil {
			g.Problems = append(g.Problems, fmt.Sprintf("standby.targets[%d]: %v", i, err))
			continue
		}
		if !again.IsZero() && (g.Again.IsZero() || again.Before(g.Again)) {
			g.Again = again
		}
		tier := &g.Stopped
		if t.Tier == v1alpha1.Hibernated {
			tier = &g.Hibernated
		}
		if t.Forecast != nil && m.Unread && !slices.Contains(g.Unsure, t.Tier) {
			g.Unsure = append(g.Unsure, t.Tier)
		}
		if want.Count > tier.Count || tier.Count == 0 {
			*tier = want // of several that want nothing, the last says why
		}
	}
	return g
}

func number(n int32) Want {
	return Want{Count: max(0, int(n)), Reason: "the pool's number"}
}

// one is what a single target wants, and when that may change by the clock.
func one(t *v1alpha1.StandbyTarget, m Moment) (Want, time.Time, error) {
	switch {
	case t.Schedule != nil:
		return scheduled(t.Schedule, m.Now)
	case t.Forecast != nil:
		return foretold(t.Forecast, m)
	}
	return climbed(t.Ladder, m.Nodes), time.Time{}, nil
}

// climbed is what the highest step wants that the pool has reached.
func climbed(ladder []v1alpha1.StandbyStep, nodes int) Want {
	reached := slices.DeleteFunc(slices.Clone(ladder), func(s v1alpha1.StandbyStep) bool { return int(s.Nodes) > nodes })
	if len(reached) == 0 {
		return Want{Reason: fmt.Sprintf("the pool has %d nodes, below the ladder's first step", nodes)}
	}
	step := slices.MaxFunc(reached, func(a, b v1alpha1.StandbyStep) int { return cmp.Compare(a.Nodes, b.Nodes) })
	return Want{Count: int(step.Count), Reason: fmt.Sprintf("the pool has %d nodes: the ladder's step from %d on", nodes, step.Nodes)}
}

func scheduled(s *v1alpha1.StandbySchedule, now time.Time) (Want, time.Time, error) {
	starts, err := s.Starts()
	if err != nil {
		return Want{}, time.Time{}, fmt.Errorf("schedule.start: %w", err)
	}
	zone, err := time.LoadLocation(s.TimeZone)
	if err != nil {
		return Want{}, time.Time{}, fmt.Errorf("schedule.timeZone: %w", err)
	}
	length := min(s.Duration.Duration, v1alpha1.MaxWindow)
	within, change := window{starts, zone, length}.at(now)
	words := fmt.Sprintf("the schedule %q (%s), for %s", s.Start, zone, length)
	if !within {
		return Want{Reason: "outside " + words}, change, nil
	}
	return Want{Count: int(s.Count), Reason: fmt.Sprintf("within %s, until %s", words, change.In(zone).Format("Mon 15:04"))}, change, nil
}

func foretold(f *v1alpha1.StandbyForecast, m Moment) (Want, time.Time, error) {
	zone, err := time.LoadLocation(f.TimeZone)
	if err != nil {
		return Want{}, time.Time{}, fmt.Errorf("forecast.timeZone: %w", err)
	}
	hour := m.Now.Truncate(time.Hour)
	again := hour.Add(time.Hour)
	if m.Unread {
		return Want{Reason: "the pool's launches are not read yet, and nothing is foretold without"}, again, nil
	}
	// The coming hour counts too: machines take some minutes to be made ready.
	var most int
	for _, h := range []time.Time{hour, again} {
		n, ok := m.History.Foretell(h, zone, float64(f.Percent)/100)
		if !ok {
			return Want{Reason: fmt.Sprintf("nothing is foretold yet: %s of history, and a week is needed", m.History.span())}, again, nil
		}
		most = max(most, n)
	}
	reason := fmt.Sprintf("the pool's launches foretell that %d are enough in %d of 100 hours like %s and the next",
		most, f.Percent, hour.In(zone).Format("Mon 15:04 MST"))
	if most > int(f.Max) {
		most = int(f.Max)
		reason += fmt.Sprintf("; capped at %d", most)
	}
	return Want{Count: most, Reason: reason}, again, nil
}
