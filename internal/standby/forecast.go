package standby

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"floe.dev/floe/api/contract"
)

// Weeks of history that a forecast looks at. Nothing older need be read from the store.
const Weeks = 8

const (
	week = 7 * 24 * time.Hour
	// halfLife is the age, in weeks, at which what a week tells counts half.
	halfLife = 2.0
	// beside is what the hours before and after count, against the one that is asked for: bursts come a little early or
	// late, and two weeks alone are too few to tell a quantile from.
	beside = 0.5
	// calm is how many machines are added to both sides of a ratio of weeks, so that a pool that launched two machines last
	// week and four in this one is not taken for one that doubles.
	calm = 10.0
	// bend is the most that a week is scaled by.
	bend = 2.0
)

// History is how many machines a pool launched for demand in each hour, those that came from its standby included.
type History contract.LaunchHistory

// NewHistory has every hour from since until now, and in each what was launched.
func NewHistory(since, now time.Time) History {
	since = since.UTC().Truncate(time.Hour)
	return History{Since: since, Launched: make([]int, max(0, int(now.Sub(since)/time.Hour)+1))}
}

// Add counts n machines that were launched at a time. What lies outside the history is left out.
func (h History) Add(at time.Time, n int) {
	if i, ok := h.index(at); ok {
		h.Launched[i] += n
	}
}

func (h History) index(at time.Time) (int, bool) {
	i := int(math.Floor(at.Sub(h.Since).Hours()))
	return i, i >= 0 && i < len(h.Launched)
}

func (h History) span() string {
	return fmt.Sprintf("%d h", len(h.Launched))
}

// total of the hours in a span; ok is false where the history does not hold all of them.
func (h History) total(from, to time.Time) (sum int, ok bool) {
	first, ok1 := h.index(from)
	last, ok2 := h.index(to.Add(-time.Hour))
	if !ok1 || !ok2 {
		return 0, false
	}
	for _, n := range h.Launched[first : last+1] {
		sum += n
	}
	return sum, true
}

// Foretell is how many machines are enough in the given part (0 to 1) of the hours like this one; ok is false where the
// history has no week to tell from. The hour's beginning is told; only what was before it is looked at.
//
// It is a quantile of what was launched at the same hour of the week, by the zone's clock, in up to eight weeks, and in the
// hours beside it. A week counts half of the one two weeks after it, and is scaled by how much the pool has launched in the
// last seven days known against the seven days around that hour: so a pool that grows is not foretold what it was.
func (h History) Foretell(hour time.Time, zone *time.Location, part float64) (n int, ok bool) {
	until := h.Since.Add(time.Duration(len(h.Launched)) * time.Hour)
	if until.After(hour) {
		until = hour
	}
	recent, ok := h.total(until.Add(-week), until)
	if !ok {
		return 0, false
	}
	shown := wall(hour.In(zone))
	var samples []sample
	for w := 1; w <= Weeks; w++ {
		at := instant(shown.Add(-time.Duration(w)*week), zone)
		around, known := h.total(at.Add(-week/2), at.Add(week/2))
		scale := 1.0
		if known {
			scale = (float64(recent) + calm) / (float64(around) + calm)
			scale = min(bend, max(1/bend, scale))
		}
		for _, off := range []time.Duration{-time.Hour, 0, time.Hour} {
			i, known := h.index(at.Add(off))
			if !known {
				continue
			}
			weight := math.Exp2(-float64(w-1) / halfLife)
			if off != 0 {
				weight *= beside
			}
			samples = append(samples, sample{value: float64(h.Launched[i]) * scale, weight: weight})
		}
	}
	if len(samples) == 0 {
		return 0, false
	}
	return int(math.Round(quantile(samples, part))), true
}

type sample struct{ value, weight float64 }

// quantile is the smallest value that the given part of the weight does not exceed.
func quantile(samples []sample, part float64) float64 {
	slices.SortFunc(samples, func(a, b sample) int { return cmp.Compare(a.value, b.value) })
	var all, below float64
	for _, s := range samples {
		all += s.weight
	}
	for _, s := range samples {
		if below += s.weight; below >= part*all {
			return s.value
		}
	}
	return samples[len(samples)-1].value
}
