package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/lifecycle"
	keeping "floe.dev/floe/internal/standby"
)

// meetFor is how long a machine that was asked what became of it is waited for before others are made ready.
const meetFor = 10 * time.Second

// keep looks at the pool and does what brings the standby to its target. What fails of it is tried again later, and one
// machine's trouble is no other's.
func (k *keeper) keep(ctx workflow.Context) {
	k.news = false
	k.describe(ctx, "Looking at the pool.")
	facts, err := readStandbyActivity.run(ctx, quick(contract.KubeTaskQueue(k.in.Cluster), "what pool "+k.in.Pool+" keeps"),
		contract.ReadStandbyInput{Cluster: k.in.Cluster, Pool: k.in.Pool})
	now := workflow.Now(ctx)
	if err != nil {
		k.fail(now, words(err))
		return
	}
	k.state.Facts = facts
	k.foresee(ctx, now)
	k.goal = keeping.Target(facts.Spec, k.moment(now))
	met := k.meet(ctx, now)
	moves := keeping.Keep(k.state, k.goal, now)
	for _, r := range moves.Renew {
		if m := k.find(r.Instance); m != nil {
			m.Renewing = r.Reason
		}
	}
	for _, r := range moves.Drop {
		k.drop(ctx, r.Instance, r.Reason)
	}
	switch {
	case moves.Ceiling:
		k.state.Trouble = "More would be made ready, if their disks might cost more: standby.maxDiskUSDPerMonth."
	case k.state.RetryAt.IsZero():
		k.state.Trouble = ""
	}
	if met {
		k.state.RetryAt = now.Add(meetFor) // what they are is known by then
	}
	if now.Before(k.state.RetryAt) {
		return
	}
	k.state.RetryAt = time.Time{}
	for _, tier := range keeping.Tiers {
		if n := moves.Fill[tier]; n > 0 {
			k.launch(ctx, tier, min(n, contract.MaxCount))
		}
	}
}

// meet asks machines that are the standby's by their Node's labels, and that it does not know, what became of them: it was
// started anew, or a signal was lost.
func (k *keeper) meet(ctx workflow.Context, now time.Time) (met bool) {
	for _, id := range k.state.Facts.Closed {
		if k.find(id) == nil {
			met = k.tell(ctx, contract.NodeID(k.in.Cluster, id), contract.SignalReport, struct{}{}) || met
		}
	}
	// One that was told to leave long ago, and of which nothing is heard, has left: its workflow is gone.
	k.state.Machines = slices.DeleteFunc(k.state.Machines, func(m contract.StandbyMachine) bool {
		return m.Phase == contract.StandbyLeaving && now.Sub(m.Since) > time.Hour && !slices.Contains(k.state.Facts.Closed, m.Instance.ID)
	})
	return met
}

// launch opens a ScaleUp for machines that are to be frozen.
func (k *keeper) launch(ctx workflow.Context, tier v1alpha1.CapacityType, n int) {
	k.state.Filled++
	id := contract.StandbyScaleUpID(k.in.Cluster, k.in.Pool, k.info.FirstRunID, k.state.Filled)
	child := workflow.WithChildOptions(ctx, abandoned(id, fmt.Sprintf("%d machines to be %s", n, tier),
		enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		keyword(contract.AttributeCluster, k.in.Cluster), keyword(contract.AttributePool, k.in.Pool)))
	future := workflow.ExecuteChildWorkflow(child, contract.WorkflowScaleUp, contract.ScaleUpInput{
		Cluster: k.in.Cluster, Pool: k.in.Pool, Count: n, Purpose: contract.PurposeStandby, Tier: tier,
		CapacityTypes: []v1alpha1.CapacityType{v1alpha1.OnDemand}, Requests: k.state.Facts.Spec.Requests,
	})
	if err := started(ctx, future); err != nil {
		k.fail(workflow.Now(ctx), "cannot start "+id+": "+words(err))
		return
	}
	k.launchOpened(contract.LaunchEvent{ScaleUp: id, Tier: tier, Open: n})
}

func (k *keeper) launchOpened(ev contract.LaunchEvent) {
	if ev.Race != "" {
		return // it is known
	}
	if !slices.ContainsFunc(k.state.Fills, func(f contract.StandbyFill) bool { return f.ScaleUp == ev.ScaleUp }) && ev.Open > 0 {
		k.state.Fills = append(k.state.Fills, contract.StandbyFill{ScaleUp: ev.ScaleUp, Tier: ev.Tier, Open: ev.Open})
	}
}

func (k *keeper) launchFilled(ev contract.LaunchEvent, now time.Time) {
	if ev.Race != "" {
		k.raced(ev)
		return
	}
	for _, i := range ev.Instances {
		if k.find(i.ID) == nil {
			k.state.Machines = append(k.state.Machines, contract.StandbyMachine{Instance: i, Tier: ev.Tier, Phase: contract.StandbyMaking, Since: now})
		}
	}
	for n := range k.state.Fills {
		if k.state.Fills[n].ScaleUp == ev.ScaleUp {
			k.state.Fills[n].Open = ev.Open
		}
	}
	k.state.Fills = slices.DeleteFunc(k.state.Fills, func(f contract.StandbyFill) bool { return f.Open <= 0 })
}

func (k *keeper) launchExhausted(ev contract.LaunchEvent, now time.Time) {
	if ev.Race != "" {
		k.raced(ev)
		return
	}
	k.state.Fills = slices.DeleteFunc(k.state.Fills, func(f contract.StandbyFill) bool { return f.ScaleUp == ev.ScaleUp })
	k.fail(now, fmt.Sprintf("launch %s is not filled: %s", ev.ScaleUp, ev.Reason))
}

// fail puts the next launch off, longer each time.
func (k *keeper) fail(now time.Time, why string) {
	k.state.Failures++
	wait := min(time.Hour, 15*lifecycle.Backoff(k.state.Failures))
	k.state.RetryAt, k.state.Trouble = now.Add(wait), fmt.Sprintf("%s. Next try in %s.", strings.TrimSuffix(why, "."), wait)
}

// report takes what a Node says of its machine.
func (k *keeper) report(ctx workflow.Context, r contract.StandbyReport, now time.Time) {
	m := k.find(r.Instance.ID)
	switch r.State {
	case contract.ReportGone:
		k.forget(r.Instance.ID)
		return
	case contract.ReportInService:
		if m != nil && m.Unclaimed {
			m.Phase, m.Since, m.Claim, m.Took = contract.StandbyMaking, now, "", r.Took
			k.freeze(ctx, *m)
			return
		}
		if m != nil {
			if race := k.race(m.Claim); race != nil {
				k.seated(ctx, race, r.Instance.ID)
			}
		}
		k.forget(r.Instance.ID)
		return
	}
	if m == nil {
		k.state.Machines = append(k.state.Machines, contract.StandbyMachine{Instance: r.Instance})
		m = k.find(r.Instance.ID)
	}
	if m.Phase == contract.StandbyLeaving || m.Phase == contract.StandbyWaking && r.State != contract.ReportNoCapacity {
		return // it has been told otherwise meanwhile, and says so when it is there
	}
	m.Tier, m.Verdict, m.Reason, m.Took, m.Since, m.Claim, m.Unclaimed = r.Tier, r.Verdict, r.Reason, r.Took, now, "", false
	m.ByHand, m.Images, m.Stays = r.ByHand, r.Images, time.Time{}
	switch r.State {
	case contract.ReportFrozen:
		m.Phase, k.state.Failures = contract.StandbyFrozen, 0
	case contract.ReportNoCapacity:
		m.Phase, m.NotBefore = contract.StandbyFrozen, now.Add(noCapacityFor)
	case contract.ReportRefused:
		k.fail(now, fmt.Sprintf("%s was refused its freeze: %s", r.Instance.ID, r.Reason))
		k.drop(ctx, r.Instance.ID, "it cannot be frozen: "+r.Reason)
	default:
		m.Phase = contract.StandbyMaking
	}
}

// drop has a machine terminated.
func (k *keeper) drop(ctx workflow.Context, instance, reason string) {
	m := k.find(instance)
	if m == nil {
		return
	}
	m.Phase, m.Since, m.Reason = contract.StandbyLeaving, workflow.Now(ctx), reason
	if !k.tell(ctx, contract.NodeID(k.in.Cluster, instance), contract.SignalTerminate, contract.Operation{
		Request: k.dropping(instance), Reason: reason,
		ReplyTo: &contract.ReplyTo{WorkflowID: k.info.WorkflowExecution.ID, Signal: contract.SignalAnswered},
	}) {
		k.forget(instance) // no such workflow: what is left of the machine is the sweep's
	}
}

// dropping is the request by which a machine is asked to leave.
func (k *keeper) dropping(instance string) string {
	return k.info.WorkflowExecution.ID + "/" + instance + "/drop"
}

// refused takes back that a machine leaves: a person holds its Node. Another may go in its place, and it is asked again
// later.
func (k *keeper) refused(r contract.OperationResult, now time.Time) {
	for i := range k.state.Machines {
		m := &k.state.Machines[i]
		if r.Accepted || m.Phase != contract.StandbyLeaving || r.Request != k.dropping(m.Instance.ID) {
			continue
		}
		m.Phase, m.Since, m.Stays = contract.StandbyFrozen, now, now.Add(keepEvery)
		if m.Verdict == contract.VerdictRefused {
			m.Phase = contract.StandbyMaking
		}
		m.Reason = "it would go (" + m.Reason + "), but " + r.Message
		k.news = true
	}
}

// freeze puts a machine that is in service back to sleep.
func (k *keeper) freeze(ctx workflow.Context, m contract.StandbyMachine) {
	if !k.tell(ctx, contract.NodeID(k.in.Cluster, m.Instance.ID), contract.SignalHibernate, contract.Operation{
		Request: fmt.Sprintf("%s/%s/%d", k.info.WorkflowExecution.RunID, m.Instance.ID, m.Since.UnixNano()),
		Reason:  "it was woken and is not needed", Tier: m.Tier, By: k.info.WorkflowExecution.ID,
	}) {
		k.forget(m.Instance.ID)
	}
}

// tell signals a workflow and reports whether it took the signal.
func (k *keeper) tell(ctx workflow.Context, workflowID, signal string, payload any) bool {
	if err := workflow.SignalExternalWorkflow(ctx, workflowID, "", signal, payload).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Info("a signal was not taken", "workflow", workflowID, "signal", signal, "error", err)
		return false
	}
	return true
}
