package disruption

import (
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// firstPause and mostPause are how long a node that could not leave is left alone: doubled with each try.
const (
	firstPause = 5 * time.Minute
	mostPause  = time.Hour
)

// Postpone says how long a node that could not leave for a reason is left alone: longer with each try for the same
// reason, and spread over the nodes. before is what was said of it last.
func Postpone(before contract.Postponed, reason v1alpha1.DisruptionReason, instance string, now time.Time, why string) contract.Postponed {
	p := contract.Postponed{Reason: reason, Tries: 1, Why: why}
	if before.Reason == reason {
		p.Tries += before.Tries
	}
	pause := min(mostPause, firstPause<<min(p.Tries-1, 10))
	p.Until = now.Add(pause + Spread(instance, pause/4))
	return p
}
