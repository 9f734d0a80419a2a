package kube

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"floe.dev/floe/activities/store"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/planner"
)

const (
	// catchUp is how long a plan waits for its informer to have come as far as the watcher's. It is there in
	// milliseconds, or the API server has trouble and more waiting helps nobody.
	catchUp = 2 * time.Second
	// storeGrace is how long a plan's answer waits for the plan to be written; the write itself may take a second.
	storeGrace = 50 * time.Millisecond
	// storeTimeout bounds the write.
	storeTimeout = time.Second
)

// Plan looks at all pods of the cluster that need room, at the nodes there are, and at the launches in flight, and
// decides what to buy. A pool that cannot be planned with is among the digest's problems; the others are planned. The
// whole plan goes to the store beside the answer, best effort; a dry run is not kept.
func (a *Activities) Plan(ctx context.Context, in contract.PlanInput) (contract.PlanDigest, error) {
	defer beat(ctx)()
	c, err := a.cluster(in.Cluster)
	if err != nil {
		return contract.PlanDigest{}, err
	}
	// First what may take a call to AWS, so that the look at the cluster is as young as it can be.
	pools := a.poolsToPlan(ctx, c)
	caughtUp := c.caughtUp(ctx, in.Watermark, catchUp)
	if err := ctx.Err(); err != nil {
		return contract.PlanDigest{}, err
	}
	now := a.now()
	snapshot, seen := c.snapshot(pools, in.Ledger, now)
	begin := time.Now()
	result, explanation := decide(snapshot, in.Why)
	took := time.Since(begin)

	digest := result.Digest()
	digest.Explanation = explanation
	digest.Plan, digest.At, digest.Took = in.Plan, now, took
	digest.Seen, digest.CaughtUp = seen, caughtUp
	for i := range pools {
		if view := pools[i].view; view != nil {
			digest.CatalogAge = max(digest.CatalogAge, now.Sub(view.At))
		}
	}
	fitDigest(&digest, len(result.Launches))
	if !in.DryRun && a.plans != nil {
		digest.Stored = a.keep(ctx, store.PlanRecord{
			ID: in.Cluster + "/" + in.Plan, At: now, Cluster: in.Cluster, Digest: digest, Plan: wholePlan(&snapshot, &result),
		})
	}
	return digest, nil
}

// decide makes the plan, and explains the pod that why names, if it names one.
func decide(snapshot planner.Snapshot, why string) (planner.Result, *contract.Explanation) {
	if why == "" {
		return planner.Plan(snapshot), nil
	}
	return planner.Explain(snapshot, why)
}

// beatEvery is well below the heartbeat time-out of a plan.
const beatEvery = time.Second

// beat tells Temporal that the activity is alive, until the returned function is called. Outside of an activity it does
// nothing.
func beat(ctx context.Context) (stop func()) {
	if !activity.IsActivity(ctx) {
		return func() {}
	}
	ctx, stop = context.WithCancel(ctx)
	go func() {
		tick := time.NewTicker(beatEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				activity.RecordHeartbeat(ctx)
			}
		}
	}()
	return stop
}

// keep writes the plan and reports whether that was done in time to say so.
func (a *Activities) keep(ctx context.Context, record store.PlanRecord) bool {
	done := make(chan error, 1)
	go func() {
		// The write goes on when the activity has answered.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		defer cancel()
		err := a.plans.PutPlan(ctx, record)
		if err != nil {
			a.log.Warn("the plan is not in the store", "plan", record.ID, "error", err)
		}
		done <- err
	}()
	timer := time.NewTimer(storeGrace)
	defer timer.Stop()
	select {
	case err := <-done:
		return err == nil
	case <-timer.C:
		return false
	}
}
