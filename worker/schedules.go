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

	retentionEvery = 24 * time.Hour
	// retentionAt is when in the day (UTC) what is old goes.
	retentionAt = 3 * time.Hour
	// retentionCatchUp lets a retention be made up for after a short outage; after a longer one the next day does.
	retentionCatchUp = time.Hour
	// retentionTimeout ends one that waits for a store that is away, before the next is due.
	retentionTimeout = 23 * time.Hour
)

// keepSchedules sees to it that all of the configuration's schedules are there, and goes on until that is so. Every worker
// does so at its start; the last one's configuration holds.
func keepSchedules(ctx context.Context, c client.ScheduleClient, cfg *config.Config, log *slog.Logger) {
	for _, schedule := range schedules(cfg) {
		for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
			err := keepSchedule(ctx, c, schedule)
			if err == nil || ctx.Err() != nil {
				break
			}
			var denied *serviceerror.PermissionDenied
			if errors.As(err, &denied) {
				log.ErrorContext(ctx, "the worker may not create schedules: nothing does this one's work until an operator creates it",
					"schedule", schedule.ID, "error", err)
				break
			}
			log.WarnContext(ctx, "a schedule is not there yet", "schedule", schedule.ID, "error", err, "retryIn", pause)
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}
}

// schedules are a sweep for each cluster, and the store's retention.
func schedules(cfg *config.Config) (all []client.ScheduleOptions) {
	for _, cluster := range cfg.Clusters {
		if len(cfg.Accounts) > 0 { // else the cluster buys nothing
			all = append(all, sweepSchedule(cluster.Name, cfg.Accounts))
		}
	}
	if cfg.Store.URI != "" {
		all = append(all, retentionSchedule(cfg.Store.Retention))
	}
	return all
}

func sweepSchedule(cluster string, accounts []config.Account) client.ScheduleOptions {
	in := contract.SweepInput{Cluster: cluster}
	for _, account := range accounts {
		in.Accounts = append(in.Accounts, contract.AccountRegion{Account: account.Name, Region: account.Region})
	}
	return client.ScheduleOptions{
		ID:   contract.SweepScheduleID(cluster),
		Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: sweepEvery}}},
		Action: &client.ScheduleWorkflowAction{
			ID: contract.SweepID(cluster), Workflow: contract.WorkflowSweep, Args: []any{in}, TaskQueue: contract.TaskQueue,
			WorkflowRunTimeout: sweepTimeout,
			StaticSummary:      "compare EC2, Kubernetes and the workflows of cluster " + cluster,
			TypedSearchAttributes: temporal.NewSearchAttributes(
				temporal.NewSearchAttributeKeyKeyword(contract.AttributeCluster).ValueSet(cluster)),
		},
		Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		// The default is a year: after an outage there is one present to compare, and no past.
		CatchupWindow: sweepEvery,
		Note:          fmt.Sprintf("Created by Floe's worker. Pause it to keep Floe from repairing anything in cluster %s.", cluster),
	}
}

func retentionSchedule(keep config.Retention) client.ScheduleOptions {
	return client.ScheduleOptions{
		ID:   contract.RetentionID,
		Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: retentionEvery, Offset: retentionAt}}},
		Action: &client.ScheduleWorkflowAction{
			ID: contract.RetentionID, Workflow: contract.WorkflowRetention, Args: []any{keep.Input()}, TaskQueue: contract.TaskQueue,
			WorkflowRunTimeout: retentionTimeout,
			StaticSummary:      "delete from the store what is older than store.retention says",
		},
		Overlap:       enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow: retentionCatchUp,
		Note:          "Created by Floe's worker. Pause it to keep everything that is in the store.",
	}
}

// keepSchedule creates a schedule, or brings its action up to date and leaves the rest as it is: an operator may have
// paused it or changed its times.
func keepSchedule(ctx context.Context, c client.ScheduleClient, schedule client.ScheduleOptions) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := c.Create(ctx, schedule)
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return err
	}
	return c.GetHandle(ctx, schedule.ID).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(was client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			was.Description.Schedule.Action = schedule.Action
			return &client.ScheduleUpdate{Schedule: &was.Description.Schedule}, nil
		},
	})
}
