package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// drain takes everything out of a signal channel without waiting. A payload that does not decode is logged by the SDK
// and left out: a malformed signal by hand must not stop a workflow.
func drain[T any](c workflow.ReceiveChannel, take func(T)) {
	for {
		var v T
		if !c.ReceiveAsync(&v) {
			return
		}
		take(v)
	}
}

// timer is one timer that is used again and again: started only when the wanted time changes.
type timer struct {
	summary string
	due     time.Time
	future  workflow.Future
	cancel  workflow.CancelFunc
}

// at sets the time; the zero time means none.
func (t *timer) at(ctx workflow.Context, due time.Time) {
	if due.Equal(t.due) && (due.IsZero() || !t.future.IsReady()) {
		return
	}
	if t.future != nil && !t.future.IsReady() {
		t.cancel()
	}
	t.due, t.future = due, nil
	if due.IsZero() {
		return
	}
	var c workflow.Context
	c, t.cancel = workflow.WithCancel(ctx)
	t.future = workflow.NewTimerWithOptions(c, max(0, due.Sub(workflow.Now(ctx))), workflow.TimerOptions{Summary: t.summary})
}

// by makes sure that the timer fires at a time or before; the zero time means that it need not. One that is under way and
// fires sooner is left alone: to look once too often costs less than another timer.
func (t *timer) by(ctx workflow.Context, due time.Time) {
	if t.fired() {
		t.due, t.future = time.Time{}, nil
	}
	if due.IsZero() || (t.future != nil && !due.Before(t.due)) {
		return
	}
	t.at(ctx, due)
}

// fired reports whether the time has come.
func (t *timer) fired() bool { return t.future != nil && t.future.IsReady() }
