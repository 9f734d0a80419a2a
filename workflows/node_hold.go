package workflows

import (
	"cmp"
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
)

// holdVersion is the change by which a Node takes the signals hold and release. A run in whose history they came before
// goes on without them: they did nothing then.
const holdVersion = "hold-and-release"

// takesHolds reports whether this run may act on a signal hold or release. It costs a marker in the history, so it is
// asked only when one comes.
func takesHolds(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, holdVersion, workflow.DefaultVersion, 1) != workflow.DefaultVersion
}

// hold keeps voluntary leaving from beginning, and says so in words. The same hand with the same reason prolongs its
// hold; another hold takes the place of the one before.
func (n *node) hold(ctx workflow.Context, op contract.Operation) string {
	now := workflow.Now(ctx)
	h := &contract.Hold{By: op.By, Reason: op.Reason, Since: now}
	if op.For.Duration > 0 {
		h.Until = now.Add(op.For.Duration)
	}
	if before := n.state.Hold; before.Lasts(now) && before.By == h.By && before.Reason == h.Reason {
		h.Since = before.Since
	} else {
		n.endHold(now, "")
	}
	n.state.Hold = h
	n.record.want(n)
	message := h.String()
	if n.state.Operation != nil {
		message += "; the " + n.state.Operation.Kind + " under way goes on"
	}
	return message
}

// release ends the hold, and says so in words.
func (n *node) release(ctx workflow.Context, op contract.Operation) string {
	now := workflow.Now(ctx)
	h := n.state.Hold
	if h == nil {
		return "the node is not held"
	}
	n.endHold(now, fmt.Sprintf("; released by %s%s", hand(op.By), inBrackets(op.Reason)))
	n.record.want(n)
	if !h.Lasts(now) {
		return "the node is not held: its hold ended at " + h.Until.UTC().Format(time.RFC3339)
	}
	return "released; it was " + h.String()
}

// endHold takes the hold off and puts it among the notes: who held the node, from when to when, and why.
func (n *node) endHold(now time.Time, how string) {
	h := n.state.Hold
	if h == nil {
		return
	}
	end := now
	if !h.Lasts(now) {
		end, how = h.Until, ""
	}
	n.state.Hold = nil
	n.remember(fmt.Sprintf("Held by %s from %s to %s%s%s.", hand(h.By),
		h.Since.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339), inBrackets(h.Reason), how))
}

// held says in words why an operation may not begin; empty where it may.
func (n *node) held(ctx workflow.Context, op contract.Operation) string {
	if op.Force || !n.state.Hold.Lasts(workflow.Now(ctx)) {
		return ""
	}
	return fmt.Sprintf("the node is %s; release it with: floe node release %s --cluster %s, or ask with force",
		n.state.Hold, n.in.Instance.ID, n.in.Cluster)
}

func hand(by string) string { return cmp.Or(by, "an unnamed hand") }

func inBrackets(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}
