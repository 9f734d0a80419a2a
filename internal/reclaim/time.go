package reclaim

import "time"

const (
	// Warning is how long before it takes a spot machine EC2 says so
	// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html).
	Warning = 2 * time.Minute
	// ConfirmWithin is how long after a notice EC2 may lag behind it, or may not answer. What it says by then counts.
	ConfirmWithin = 30 * time.Second
	// DefaultMargin is how long before the machine goes pods are deleted that a budget still holds.
	DefaultMargin = 15 * time.Second
	// LastMoment is how long before the machine goes everything is over: it takes the kubelet and the API server that long
	// to tell.
	LastMoment = 2 * time.Second
	// MaxAge is how old a notice may be. One that is older is about a machine that has gone, or a replay.
	MaxAge = 10 * time.Minute
)

// Deadline is when a machine goes by a message that was received at that time; zero where the message does not say. A
// message from the future gives no more time than one of now.
func Deadline(m Message, received time.Time) time.Time {
	if m.Until.IsZero() {
		return time.Time{}
	}
	if ahead := m.At.Sub(received); ahead > 0 {
		return m.Until.Add(-ahead)
	}
	return m.Until
}

// Stale reports whether a notice is too old to be about a machine that lives. One of something that is still to come is
// not, however long ago it was announced.
func Stale(m Message, now time.Time) bool {
	return now.Sub(m.At) > MaxAge && (m.Until.IsZero() || now.Sub(m.Until) > MaxAge-Warning)
}

// Earlier is the earlier of two deadlines, of which zero is none: deadlines only tighten.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// EvictUntil is until when evictions may wait on budgets where the machine goes at end.
func EvictUntil(end time.Time, margin time.Duration) time.Time {
	return end.Add(-max(margin, LastMoment))
}

// HoldUntil is until when pods may stay for which there is no room elsewhere yet, where evictions wait on budgets until the
// given time: half of what there is, so that as much is left for the budgets' turns.
func HoldUntil(began, evictUntil time.Time) time.Time {
	return began.Add(evictUntil.Sub(began) / 2)
}

// Grace is what a pod of that own grace period is given where the machine goes at end: its own as long as there is time
// for it, then what is left, in whole seconds, and never less than one: none at all would take the pod out of the API
// server while its containers still run.
func Grace(own time.Duration, end, now time.Time) time.Duration {
	left := end.Add(-LastMoment).Sub(now).Truncate(time.Second)
	return max(min(own, left), time.Second)
}
