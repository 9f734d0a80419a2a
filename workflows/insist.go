package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/internal/lifecycle"
)

// insist runs an activity until it succeeds or gives is true of its error. Between rounds it waits, longer each time,
// and trouble is told what is wrong and when the next try comes, so that the workflow's details can say it; "" when all
// is well again.
func insist[I, O any](ctx workflow.Context, c call[I, O], o workflow.ActivityOptions, in I, gives func(error) bool, trouble func(string)) (O, error) {
	for failures := 1; ; failures++ {
		out, err := c.run(ctx, o, in)
		if err == nil || gives(err) || ctx.Err() != nil {
			trouble("")
			return out, err
		}
		wait := lifecycle.Backoff(failures)
		trouble(fmt.Sprintf("%s. Next try in %s.", words(err), wait))
		if err := sleep(ctx, wait, "next try of "+c.name); err != nil {
			return out, err
		}
	}
}

// never gives up.
func never(error) bool { return false }

// errorType is the contract's error type of an activity's failure, "" where it has none.
func errorType(err error) string {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return app.Type()
	}
	return ""
}

// words is an error as a reader wants it: the cause, without Temporal's wrapping.
func words(err error) string {
	var timeout *temporal.TimeoutError
	if errors.As(err, &timeout) && timeout.TimeoutType().String() == "ScheduleToStart" {
		var act *temporal.ActivityError
		name := "the activity"
		if errors.As(err, &act) {
			name = act.ActivityType().GetName()
		}
		return fmt.Sprintf("No worker took %s within %s: is a worker running that serves this cluster and account", name, unserved)
	}
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return app.Message()
	}
	return err.Error()
}

func sleep(ctx workflow.Context, d time.Duration, summary string) error {
	return workflow.NewTimerWithOptions(ctx, d, workflow.TimerOptions{Summary: summary}).Get(ctx, nil)
}
