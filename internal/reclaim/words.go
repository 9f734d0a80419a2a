package reclaim

import (
	"fmt"
	"time"

	"floe.dev/floe/api/contract"
)

// Reason says in words why a machine leaves, or may: "EC2 takes the spot machine back at 2026-01-02T15:04:05Z".
func Reason(r contract.Reclaim) string {
	at := ""
	if !r.Deadline.IsZero() {
		at = " at " + r.Deadline.UTC().Format(time.RFC3339)
	}
	switch r.Kind {
	case contract.ReclaimInterruption:
		return "EC2 takes the spot machine back" + at
	case contract.ReclaimScheduled:
		return "AWS has scheduled the machine's end" + at
	}
	return "EC2 recommends to leave the spot machine"
}

// Verdict says in words what came of a notice.
func Verdict(s contract.ReclaimState) string {
	what := fmt.Sprintf("A notice (%s) that %s, received %s", s.Source, Reason(s.Reclaim), s.Received.UTC().Format(time.RFC3339))
	switch s.Verdict {
	case contract.ReclaimConfirmed:
		return what + ", is confirmed: " + s.Why + "."
	case contract.ReclaimUnanswered:
		return what + ", counts, though EC2 could not be asked: " + s.Why + "."
	case contract.ReclaimRefuted:
		return what + ", is refuted: " + s.Why + ". No pod was moved, and the cordon comes off."
	}
	return what + "; EC2 is being asked."
}
