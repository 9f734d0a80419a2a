package main

import (
	"context"
	"log/slog"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/config"
)

const (
	// divideEvery is how often a worker counts who shares an account with it. One that came in between is met by the
	// part of EC2's buckets that nobody plans with.
	divideEvery = 15 * time.Second
	// stillPolling is how long after its last poll a worker counts. A poll of an empty queue lasts a minute.
	stillPolling = 90 * time.Second
)

// divider is who keeps the accounts' API budgets in this process.
type divider interface {
	Divide(account string, processes int)
}

// pollers is the part of Temporal's client that tells who polls a queue.
type pollers interface {
	DescribeTaskQueue(ctx context.Context, queue string, kind enumspb.TaskQueueType) (*workflowservice.DescribeTaskQueueResponse, error)
}

// divideBudgets keeps every account's API budget divided among the workers that poll its queues, until ctx ends. While
// Temporal does not answer, the last count holds.
func divideBudgets(ctx context.Context, c pollers, accounts []config.Account, d divider, log *slog.Logger) {
	counted := map[string]int{}
	for {
		for _, account := range accounts {
			n, err := processes(ctx, c, account)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				log.WarnContext(ctx, "cannot count the workers that share an account's API budget", "account", account.Name, "error", err)
				continue
			}
			if n != counted[account.Name] {
				log.InfoContext(ctx, "the account's API budget is shared", "account", account.Name, "region", account.Region, "workers", n)
				counted[account.Name] = n
			}
			d.Divide(account.Name, n)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(divideEvery):
		}
	}
}

// processes are the workers that polled the account's launch queue lately. All of an account's queues are polled by the
// same ones.
func processes(ctx context.Context, c pollers, account config.Account) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	queue := contract.AWSTaskQueue(account.Name, account.Region, contract.ClassLaunch)
	described, err := c.DescribeTaskQueue(ctx, queue, enumspb.TASK_QUEUE_TYPE_ACTIVITY)
	if err != nil {
		return 0, err
	}
	identities := map[string]bool{}
	for _, p := range described.GetPollers() {
		if time.Since(p.GetLastAccessTime().AsTime()) < stillPolling {
			identities[p.GetIdentity()] = true
		}
	}
	return max(1, len(identities)), nil
}
