package aws

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
)

// progress is what a hop's activity leaves behind in its heartbeat for the next attempt.
//
// An attempt that leaves nothing may have sent the call: its worker may have died right after. So the way to the call
// need not wait for a heartbeat: what has to be left behind is only that nothing can have come of it.
type progress struct {
	// Attempt that left it. Details outlive later attempts that left none, so those of an older one say nothing.
	Attempt int32 `json:"attempt"`
	// SentAt is when the call went out, zero before.
	SentAt time.Time `json:"sentAt,omitzero"`
	// Over is true where the call was answered, or never left: nothing was launched that the answer did not tell of.
	Over bool `json:"over,omitempty"`
}

// attempt is one attempt of a hop's activity.
type attempt struct {
	number  int32 // from 1
	last    progress
	started time.Time // of this attempt, by this worker's clock
	// scheduled is when the hop was asked for, by Temporal's clock.
	scheduled time.Time
	record    func(progress)
}

// attemptOf reads the attempt from an activity's context.
func attemptOf(ctx context.Context, now time.Time) attempt {
	info := activity.GetInfo(ctx)
	a := attempt{
		number:    info.Attempt,
		started:   now,
		scheduled: info.ScheduledTime,
		record:    func(p progress) { activity.RecordHeartbeat(ctx, p) },
	}
	if activity.HasHeartbeatDetails(ctx) {
		// Details that cannot be read are as good as none, which is the careful case.
		_ = activity.GetHeartbeatDetails(ctx, &a.last)
	}
	return a
}

// doubtful tells whether an earlier attempt may have launched something that nobody knows of, and the latest time that
// its call can have gone out.
func (a attempt) doubtful() (sentBy time.Time, doubtful bool) {
	if a.number <= 1 {
		return time.Time{}, false
	}
	if a.last.Attempt == a.number-1 {
		if a.last.Over {
			return time.Time{}, false
		}
		if !a.last.SentAt.IsZero() {
			return a.last.SentAt, true
		}
	}
	return a.started, true
}

// heartbeatEvery is how often a hop that waits tells that it is alive. The heartbeat time-out must be well above it.
const heartbeatEvery = 2 * time.Second

// beat tells progress now and then, until the returned function is called. The first beat comes after a while: the call
// that it goes with is answered before, as a rule.
func (a attempt) beat(p progress) (stop func()) {
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(heartbeatEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				a.record(p)
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-stopped
	}
}
