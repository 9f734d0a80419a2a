package v1alpha1

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // images without a time zone database know Europe/Berlin too
)

// For reports whether the budget is about a reason.
func (b DisruptionBudget) For(reason DisruptionReason) bool {
	return len(b.Reasons) == 0 || slices.Contains(b.Reasons, reason)
}

// Applies reports whether the budget applies at now: it has no schedule, or a window of it has begun and not ended.
// until is when that window ends; zero where it has no schedule. A budget that Validate refuses applies always: in
// doubt less is disrupted.
func (b DisruptionBudget) Applies(now time.Time) (applies bool, until time.Time) {
	if b.Schedule == "" || b.Duration == nil {
		return true, time.Time{}
	}
	zone, err := time.LoadLocation(b.TimeZone)
	if err != nil {
		return true, time.Time{}
	}
	schedule, err := parseCron(b.Schedule)
	if err != nil {
		return true, time.Time{}
	}
	// Minute by minute in absolute time: an hour that the clocks skip has no window, one that they repeat has two.
	window := min(b.Duration.Duration, maxWindow)
	for begin := now.Truncate(time.Minute); now.Sub(begin) < window; begin = begin.Add(-time.Minute) {
		if schedule.matches(begin.In(zone)) {
			return true, begin.Add(window)
		}
	}
	return false, time.Time{}
}

// Allows is how many of a pool's nodes the budget lets leave at the same time. A percentage is rounded up, so that a
// small pool is not frozen by it.
func (b DisruptionBudget) Allows(nodes int) int {
	n, percent, ok := b.nodes()
	switch {
	case !ok:
		return 0
	case percent:
		return int(math.Ceil(float64(nodes) * float64(n) / 100))
	}
	return n
}

func (b DisruptionBudget) nodes() (n int, percent, ok bool) {
	digits, percent := strings.CutSuffix(b.Nodes, "%")
	n, err := strconv.Atoi(digits)
	return n, percent, err == nil && n >= 0 && (!percent || n <= 100) && !strings.HasPrefix(digits, "+")
}

// cron is the five fields of a schedule, as sets of the values that match.
type cron struct {
	minute, hour, day, month, weekday uint64
	// By POSIX's rule a day matches where either of its two fields does, if both are restricted.
	anyDay, anyWeekday bool
}

var (
	months   = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
	weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
)

// parseCron reads five fields: minute, hour, day of the month, month, day of the week (0 and 7 are Sunday). Each is *, a
// number, a name, a range a-b, or a list of these, each with a step /n.
func parseCron(spec string) (c cron, err error) {
	fields := strings.Fields(strings.ToLower(spec))
	if len(fields) != 5 {
		return c, fmt.Errorf("want five fields (minute hour day month weekday), such as %q; there are %d", "0 9 * * mon-fri", len(fields))
	}
	for i, f := range []struct {
		name     string
		low, top int
		names    []string
		first    int // the value of the first name
		set      *uint64
	}{
		{"minute", 0, 59, nil, 0, &c.minute},
		{"hour", 0, 23, nil, 0, &c.hour},
		{"day", 1, 31, nil, 0, &c.day},
		{"month", 1, 12, months, 1, &c.month},
		{"weekday", 0, 7, weekdays, 0, &c.weekday},
	} {
		for part := range strings.SplitSeq(fields[i], ",") {
			set, ok := cronPart(part, f.low, f.top, f.names, f.first)
			if !ok {
				return c, fmt.Errorf("%s: %q is not understood; want *, numbers from %d to %d, ranges a-b, lists a,b and steps */n", f.name, part, f.low, f.top)
			}
			*f.set |= set
		}
	}
	if c.weekday&(1<<7) != 0 {
		c.weekday |= 1
	}
	c.anyDay, c.anyWeekday = strings.HasPrefix(fields[2], "*"), strings.HasPrefix(fields[4], "*")
	return c, nil
}

// cronPart is one part of a field's list as a set.
func cronPart(part string, low, top int, names []string, first int) (set uint64, ok bool) {
	span, step, stepped := strings.Cut(part, "/")
	by := 1
	if stepped {
		n, err := strconv.Atoi(step)
		if err != nil || n < 1 {
			return 0, false
		}
		by = n
	}
	value := func(word string) (int, bool) {
		if i := slices.Index(names, word); i >= 0 {
			return i + first, true
		}
		n, err := strconv.Atoi(word)
		return n, err == nil && n >= low && n <= top
	}
	from, to := low, top
	if span != "*" {
		begin, end, ranged := strings.Cut(span, "-")
		if from, ok = value(begin); !ok {
			return 0, false
		}
		switch {
		case ranged:
			if to, ok = value(end); !ok || to < from {
				return 0, false
			}
		case !stepped:
			to = from
		}
	}
	for v := from; v <= to; v += by {
		set |= 1 << v
	}
	return set, true
}

// matches reports whether a window begins in the minute of t, by t's own clock.
func (c cron) matches(t time.Time) bool {
	in := func(set uint64, v int) bool { return set&(1<<v) != 0 }
	day, weekday := in(c.day, t.Day()), in(c.weekday, int(t.Weekday()))
	if c.anyDay || c.anyWeekday {
		day = day && weekday
	} else {
		day = day || weekday
	}
	return day && in(c.minute, t.Minute()) && in(c.hour, t.Hour()) && in(c.month, int(t.Month()))
}
