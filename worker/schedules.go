package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/config"
)

const (
	sweepEvery = time.Minute
	// sweepTimeout ends a sweep that hangs: while one runs, the schedule skips the next.
	sweepTimeout = 10 * time.Minute
)

// scheduleSweeps sees to it that every cluster of the configuration has its sweep's schedule, and goes on until that is
// so. Every worker does so at its start; the last one's configuration holds.
func scheduleSweeps(ctx context.Context, c client.ScheduleClient, cfg *config.Config, log *slog.Logger) {
	for _, cluster := range cfg.Clusters {
		for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
			err := scheduleSweep(ctx, c, cluster.Name, cfg.Accounts)
			if err == nil || ctx.Err() != nil {
				break
			}
			var denied *serviceerror.PermissionDenied
			if errors.As(err, &denied) {
				log.ErrorContext(ctx, "the worker may not create schedules: nothing sweeps this cluster until an operator creates the schedule",
					"cluster", cluster.Name, "schedule", contract.SweepScheduleID(cluster.Name), "error", err)
				break
			}
			log.WarnContext(ctx, "the sweep is not scheduled yet", "cluster", cluster.Name, "error", err, "retryIn", pause)
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}
}

// scheduleSweep creates a cluster's schedule, or brings its action up to date and leaves the rest as it is: an operator
// may have paused it or changed its times.
func scheduleSweep(ctx context.Context, c client.ScheduleClient, cluster string, accounts []config.Account) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	in := contract.SweepInput{Cluster: cluster}
	for _, account := range accounts {
		in.Accounts = append(in.Accounts, contract.AccountRegion{Account: account.Name, Region: account.Region})
	}
	if len(in.Accounts) == 0 {
		return nil // the cluster buys nothing
	}
	action := &client.ScheduleWorkflowAction{
		ID: contract.SweepID(cluster), Workflow: contract.WorkflowSweep, Args: []any{in}, TaskQueue: contract.TaskQueue,
		WorkflowRunTimeout: sweepTimeout,
		StaticSummary:      "compare EC2, Kubernetes and the workflows of cluster " + cluster,
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword(contract.AttributeCluster).ValueSet(cluster)),
	}
	id := contract.SweepScheduleID(cluster)
	_, err := c.Create(ctx, client.ScheduleOptions{
		ID:      id,
		Spec:    client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: sweepEvery}}},
		Action:  action,
		Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		// The default is a year: after an outage there is one present to compare, and no past.
		CatchupWindow: sweepEvery,
		Note:          fmt.Sprintf("Created by Floe's worker. Pause it to keep Floe from repairing anything in cluster %s.", cluster),
	})
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return err
	}
	return c.GetHandle(ctx, id).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(was client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			was.Description.Schedule.Action = action
			return &client.ScheduleUpdate{Schedule: &was.Description.Schedule}, nil
		},
	})
}
