package aws

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
)

// beatEvery is how often an activity that waits for its turn says that it lives.
const beatEvery = 2 * time.Second

// beating beats an activity's heart until stop is called: a call may wait minutes for its API budget, and a worker that dies
// meanwhile is to be known within seconds. Outside an activity it does nothing.
func beating(ctx context.Context, every time.Duration) (stop func()) {
	if !activity.IsActivity(ctx) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var beats sync.WaitGroup
	beats.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			activity.RecordHeartbeat(ctx)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return func() {
		cancel()
		beats.Wait()
	}
}
