package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/fallback"
	"floe.dev/floe/internal/ledger"
	"floe.dev/floe/internal/lifecycle"
)

// plan makes one plan and opens its launches. What fails leaves the demand where it is and is tried again, later each
// time; news may bring the next plan sooner.
func (p *provisioner) plan(ctx workflow.Context) {
	p.planning = true
	defer func() { p.planning = false }()
	now := workflow.Now(ctx)
	for _, lost := range ledger.Expire(&p.state, now) {
		workflow.GetLogger(ctx).Warn("launch never ended; it no longer counts", "scaleUp", lost)
	}
	demand := p.state.Demand
	if demand == nil {
		demand = &contract.Demand{}
	}
	p.state.Demand, p.state.RetryAt, p.held = nil, time.Time{}, false
	p.state.Plans++
	id := contract.PlanID(p.info.FirstRunID, p.state.Plans)
	p.describe(ctx, "Making plan `"+id+"`.")

	traced := workflow.WithValue(ctx, contract.TraceKey, demand.Trace)
	digest, err := planActivity.run(traced, planning(contract.KubeTaskQueue(p.in.Cluster), "plan "+id), contract.PlanInput{
		Cluster: p.in.Cluster, Plan: id, Watermark: demand.Watermark, Ledger: p.state.Ledger,
	})
	now = workflow.Now(ctx)
	if err != nil {
		p.keep(*demand)
		p.fail(now, words(err))
		return
	}
	p.take(now, *demand, digest)
	p.open(traced, digest, demand.Trace)
}

// take brings the state up to a plan.
func (p *provisioner) take(now time.Time, demand contract.Demand, digest contract.PlanDigest) {
	ledger.Drop(&p.state, digest.Seen...)
	p.state.LastPlan = &digest
	switch {
	case !digest.CaughtUp:
		// The worker's informer lags behind the watcher's: what was announced is not planned yet.
		p.keep(demand)
		p.fail(now, "The worker's view of the cluster lags behind the watcher's.")
	case len(digest.Problems) > 0:
		p.fail(now, strings.Join(digest.Problems, "; "))
	case digest.Pending > digest.UnplaceableCount:
		p.state.Trouble = ""
		p.wake(now.Add(recheck))
	case digest.Pending > 0:
		p.state.Trouble, p.state.Failures = "", 0
		p.wake(now.Add(recheckHopeless))
	default:
		p.state.Trouble, p.state.Failures = "", 0
	}
	if digest.CaughtUp && digest.Pending == digest.UnplaceableCount {
		p.state.Droughts = nil // nobody waits for them any more
	}
}

// open starts the ScaleUp of each launch and waits until they run.
func (p *provisioner) open(ctx workflow.Context, digest contract.PlanDigest, trace string) {
	children := make([]workflow.ChildWorkflowFuture, len(digest.Launches))
	for i, l := range digest.Launches {
		id := contract.ScaleUpID(p.in.Cluster, digest.Plan, i)
		ledger.Open(&p.state, ledger.FromPlan(id, l), workflow.Now(ctx))
		child := workflow.WithChildOptions(ctx, abandoned(id,
			fmt.Sprintf("%d machines of pool %s for %d pods", l.Count, l.Pool, l.PodCount),
			enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
			keyword(contract.AttributeCluster, p.in.Cluster), keyword(contract.AttributePool, l.Pool)))
		children[i] = workflow.ExecuteChildWorkflow(child, contract.WorkflowScaleUp, contract.ScaleUpInput{
			Cluster: p.in.Cluster, Pool: l.Pool, Count: l.Count, Purpose: contract.PurposeDemand, Plan: digest.Plan,
			InstanceTypes: l.InstanceTypes, Zones: l.Zones, CapacityTypes: l.CapacityTypes, Requests: l.Requests,
			PodCount: l.PodCount, Pods: l.Pods, Machines: l.Machines, Trace: trace,
			Drought: slices.ContainsFunc(p.state.Droughts, func(d contract.Drought) bool { return d.Pool == l.Pool }),
		})
	}
	for i := range p.state.LastPlan.Launches {
		p.state.LastPlan.Launches[i].Machines = nil // carried by the ScaleUps from here on
	}
	for i, child := range children {
		if err := started(ctx, child); err != nil {
			ledger.Exhausted(&p.state, contract.ScaleUpID(p.in.Cluster, digest.Plan, i))
			p.fail(workflow.Now(ctx), "A launch could not be started: "+words(err))
		}
	}
}

// fail notes a trouble and sets the next plan, later each time.
func (p *provisioner) fail(now time.Time, trouble string) {
	p.state.Trouble = trouble
	p.state.Failures++
	p.wake(now.Add(lifecycle.Backoff(p.state.Failures)))
}

// dry notes that a launch for demand is not filled, and sets the next plan: later each time, but no later than the first
// offering is free that the chain left out. Where all were left out nothing was tried, and a plan before that would open
// a chain that has nothing to try either.
func (p *provisioner) dry(now time.Time, ev contract.LaunchEvent) {
	p.state.Trouble = fmt.Sprintf("Launch `%s` of pool %s is not filled: %s.", ev.ScaleUp, ev.Pool, ev.Reason)
	if ev.Hops > 0 || !ev.FreeAt.IsZero() { // not where the chain could not even be opened
		ledger.Dry(&p.state, ev, now)
	}
	least := lifecycle.Backoff(1)
	if ev.Hops == 0 && ev.FreeAt.After(now) {
		p.wake(now.Add(max(least, min(ev.FreeAt.Sub(now), fallback.Patience))))
		return
	}
	p.state.Failures++
	wait := lifecycle.Backoff(p.state.Failures)
	if ev.FreeAt.After(now) {
		wait = min(wait, max(least, ev.FreeAt.Sub(now)))
	}
	p.wake(now.Add(wait))
}

// wake sets the next plan, unless an earlier one is set.
func (p *provisioner) wake(at time.Time) {
	if p.state.RetryAt.IsZero() || at.Before(p.state.RetryAt) {
		p.state.RetryAt = at
	}
}

// keep puts a demand back that could not be planned, and holds it unless there has been news meanwhile.
func (p *provisioner) keep(d contract.Demand) {
	p.held = p.state.Demand == nil
	p.state.Demand = ledger.Merge(p.state.Demand, d)
}

// planNow is the update of that name. A dry run plans beside whatever is going on; the other waits for the main loop.
func (p *provisioner) planNow(ctx workflow.Context, in contract.PlanNow) (contract.PlanDigest, error) {
	if in.DryRun {
		return planActivity.run(ctx, planning(contract.KubeTaskQueue(p.in.Cluster), "dry run"), contract.PlanInput{
			Cluster: p.in.Cluster, Plan: "dry-run", Ledger: p.state.Ledger, DryRun: true, Why: in.Why,
		})
	}
	if in.Reason == "" {
		in.Reason = contract.UpdatePlanNow
	}
	now := workflow.Now(ctx)
	p.need(contract.Demand{At: now, Sent: now, Reason: in.Reason})
	before := p.state.Plans
	if err := workflow.Await(ctx, func() bool { return p.state.Plans > before && !p.planning }); err != nil {
		return contract.PlanDigest{}, err
	}
	if p.state.LastPlan == nil || p.state.LastPlan.Plan != contract.PlanID(p.info.FirstRunID, p.state.Plans) {
		return contract.PlanDigest{}, temporal.NewApplicationError(p.state.Trouble, contract.ErrUnavailable)
	}
	return *p.state.LastPlan, nil
}
