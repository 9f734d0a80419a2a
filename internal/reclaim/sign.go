package reclaim

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
)

// Sign is what somebody else puts on a Node to say that AWS takes its machine back, or may: a condition while it is True,
// or a taint. One of the two is set.
type Sign struct {
	// Condition is the condition's type, Taint the taint's key.
	Condition, Taint string
	// Kind of the notice.
	Kind contract.ReclaimKind
}

// Source says what the sign is: "condition SpotInterruption", "taint aws-node-termination-handler/spot-itn".
func (s Sign) Source() string {
	if s.Condition != "" {
		return "condition " + s.Condition
	}
	return "taint " + s.Taint
}

// Shown is a sign that a Node bears.
type Shown struct {
	Sign
	// Key tells this occurrence from every other: it is made of the Node's UID, the sign, and the time or the value that it
	// has on the Node. A taint with neither is one occurrence for as long as the Node lives.
	Key string
	// At is since when the Node bears it, by the Node's word; zero where it does not say.
	At time.Time
}

// Shows are those of the signs that a Node bears.
func Shows(node *corev1.Node, signs []Sign) (shown []Shown) {
	for _, sign := range signs {
		for i := range node.Status.Conditions {
			if c := &node.Status.Conditions[i]; sign.Condition != "" && string(c.Type) == sign.Condition && c.Status == corev1.ConditionTrue {
				shown = append(shown, show(node, sign, c.LastTransitionTime.Time, ""))
			}
		}
		for i := range node.Spec.Taints {
			t := &node.Spec.Taints[i]
			if sign.Taint == "" || t.Key != sign.Taint {
				continue
			}
			var added time.Time
			if t.TimeAdded != nil {
				added = t.TimeAdded.Time
			}
			shown = append(shown, show(node, sign, added, t.Value))
		}
	}
	return shown
}

func show(node *corev1.Node, sign Sign, at time.Time, value string) Shown {
	parts := []string{string(node.UID), sign.Source(), value}
	if !at.IsZero() {
		at = at.UTC()
		parts = append(parts, at.Format(time.RFC3339))
	}
	return Shown{Sign: sign, Key: strings.Join(parts, "/"), At: at}
}

// Message is the sign as a message that came at that time: a sign that has no time of its own is of now.
func (s Shown) Message(received time.Time) Message {
	m := Message{ID: s.Key, Topic: Notice, Kind: s.Kind, At: s.At}
	if m.At.IsZero() {
		m.At = received
	}
	if m.Kind == contract.ReclaimInterruption {
		m.Until = m.At.Add(Warning)
	}
	return m
}

// Stale reports whether a sign of an interruption is too old to be about a machine that lives. The others may stand for
// days.
func (s Shown) Stale(now time.Time) bool {
	return s.Kind == contract.ReclaimInterruption && Stale(s.Message(now), now)
}
