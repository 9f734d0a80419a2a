package watch

import (
	"context"
	"sync"

	"k8s.io/client-go/util/workqueue"
)

// serve handles a queue's items, so many at a time, until ctx ends and those under way are done.
func serve(ctx context.Context, queue workqueue.TypedInterface[string], atOnce int, handle func(context.Context, string)) {
	var running sync.WaitGroup
	for range atOnce {
		running.Go(func() {
			for {
				item, shutdown := queue.Get()
				if shutdown {
					return
				}
				handle(ctx, item)
				queue.Done(item)
			}
		})
	}
	<-ctx.Done()
	queue.ShutDown()
	running.Wait()
}
