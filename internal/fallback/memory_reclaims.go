package fallback

import (
	"math"
	"time"

	"floe.dev/floe/api/contract"
)

// reclaims is how many reclaims an hour are to be expected of a machine of the offering at now: the reclaims that are known
// by the hours that machines ran, both weighed by their age, with a prior as if PriorHours had been seen at the rate Prior.
// Zero where the offering has launched nothing and lost nothing.
//
// A reclaim takes the machine that was launched first; a machine that no reclaim takes is taken to run for Stay.
func (h *history) reclaims(r Rules, now time.Time) float64 {
	var lost, hours float64
	var running []machines // by launch
	known := false
	for _, e := range h.events {
		if e.At.After(now) {
			break
		}
		switch e.Answer {
		case contract.AnswerLaunched:
			running = append(running, machines{since: e.At, n: max(e.Count, 1)})
			known = true
		case contract.AnswerReclaimed:
			known = true
			lost += weight(now.Sub(e.At), r.HalfLife)
			for len(running) > 0 && e.At.Sub(running[0].since) > r.Stay {
				hours += running[0].hours(running[0].since.Add(r.Stay), now, r.HalfLife)
				running = running[1:]
			}
			if len(running) > 0 {
				one := machines{since: running[0].since, n: 1}
				hours += one.hours(e.At, now, r.HalfLife)
				if running[0].n--; running[0].n == 0 {
					running = running[1:]
				}
			}
		}
	}
	if !known {
		return 0
	}
	for _, m := range running {
		until := m.since.Add(r.Stay)
		if until.After(now) {
			until = now
		}
		hours += m.hours(until, now, r.HalfLife)
	}
	return (r.Prior*r.PriorHours + lost) / (r.PriorHours + hours)
}

// machines launched at one moment.
type machines struct {
	since time.Time
	n     int
}

// hours that the machines ran, each moment weighed by its age at now: the integral of weight.
func (m machines) hours(until, now time.Time, halfLife time.Duration) float64 {
	mean := halfLife.Hours() / math.Ln2
	return float64(m.n) * mean * (weight(now.Sub(until), halfLife) - weight(now.Sub(m.since), halfLife))
}

// weight of what happened an age ago.
func weight(age, halfLife time.Duration) float64 {
	return math.Exp2(-age.Hours() / halfLife.Hours())
}
