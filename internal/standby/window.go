package standby

import "time"

const (
	// jump is more than clocks are ever moved at once: Samoa left out a whole day in 2011.
	jump = 26 * time.Hour
	// ahead is how far the next window is looked for.
	ahead = 24 * time.Hour
)

// window is a stretch of time that comes again and again.
type window struct {
	starts func(time.Time) bool // whether one begins in a minute, by the clock on the wall
	zone   *time.Location
	length time.Duration
}

// at reports whether now is within a window, and until when that holds at least: the window's end or, outside, the next
// one's beginning, if it is less than a day away.
//
// Starts are found by the clock on the wall and then on the time line, and not minute by minute of the latter: the hour that
// a change to summer time skips would have no start, and its night no machines.
func (w window) at(now time.Time) (within bool, change time.Time) {
	horizon := now.Add(ahead)
	shown := wall(now.In(w.zone)).Truncate(time.Minute)
	for t := shown.Add(-w.length - jump); t.Before(shown.Add(ahead + jump)); t = t.Add(time.Minute) {
		if !w.starts(t) {
			continue
		}
		start := instant(t, w.zone)
		end := start.Add(w.length)
		switch {
		case !end.After(now):
		case !start.After(now):
			return true, end
		case start.Before(horizon):
			return false, start
		default:
			return false, horizon
		}
	}
	return false, horizon
}

// wall is what a clock on the wall shows, told as UTC.
func wall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant is when a clock on the wall in the zone first shows this time or, where it never does, when it jumps over it.
func instant(shown time.Time, zone *time.Location) time.Time {
	t := time.Date(shown.Year(), shown.Month(), shown.Day(), shown.Hour(), shown.Minute(), shown.Second(), shown.Nanosecond(), zone)
	// Where a change of the clocks leaves a choice, Go says nothing of which time it is.
	from, to := t.ZoneBounds()
	switch {
	case wall(t).After(shown):
		return from
	case wall(t).Before(shown):
		return to
	case from.IsZero():
		return t
	}
	_, before := from.Add(-time.Second).In(zone).Zone()
	if earlier := shown.Add(-time.Duration(before) * time.Second).In(zone); earlier.Before(from) {
		return earlier
	}
	return t
}
