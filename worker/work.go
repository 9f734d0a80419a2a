package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
)

// work polls the queues until ctx ends. Where Temporal refuses for good what it refused for now (a namespace that is
// being created, a permission that is being granted), the SDK gives up; work then begins anew, with a growing pause.
func work(ctx context.Context, c client.Client, queues []queue, s *state, log *slog.Logger) {
	pause := time.Second
	for {
		began := time.Now()
		err := poll(ctx, c, queues, s, log)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			pause = time.Second
		}
		log.ErrorContext(ctx, "polling ended", "error", err, "retryIn", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, 30*time.Second)
	}
}

// poll serves every queue until ctx ends or one of them fails, then lets all finish what they do.
func poll(ctx context.Context, c client.Client, queues []queue, s *state, log *slog.Logger) error {
	fatal := make(chan error, len(queues))
	var (
		running []worker.Worker
		names   []string
	)
	defer func() {
		s.polling.Store(false)
		stopAll(running)
	}()
	for _, q := range queues {
		options := q.options
		options.OnFatalError = func(err error) { fatal <- fmt.Errorf("task queue %s: %w", q.name, err) }
		w := worker.New(c, q.name, options)
		q.register(w)
		if err := w.Start(); err != nil {
			return fmt.Errorf("task queue %s: %w", q.name, err)
		}
		running = append(running, w)
		names = append(names, q.name)
	}
	s.polling.Store(true)
	log.InfoContext(ctx, "worker polls", "queues", names)
	select {
	case <-ctx.Done():
		log.Info("worker stops; activities may finish")
		return nil
	case err := <-fatal:
		return err
	}
}

// stopAll stops side by side: each waits for its activities, up to the stop timeout.
func stopAll(workers []worker.Worker) {
	var wait sync.WaitGroup
	for _, w := range workers {
		wait.Go(w.Stop)
	}
	wait.Wait()
}
