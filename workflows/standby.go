package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/ledger"
	keeping "floe.dev/floe/internal/standby"
)

// Standby keeps a pool's frozen machines at their target, and alone decides who gets which. Machines are made ready by
// ScaleUps of its own and freeze themselves; each tells it what became of it. What a claim gets is started in one call, and
// wakes in the machines' own Node workflows. It lives for as long as its pool keeps any standby, or has any left.
func Standby(ctx workflow.Context, in contract.StandbyInput) error {
	k, err := newKeeper(ctx, in)
	if err != nil {
		return err
	}
	return k.run(ctx)
}

type keeper struct {
	in    contract.StandbyInput
	state contract.StandbyState
	info  *workflow.Info
	goal  keeping.Goal
	doing string

	claimed, unclaimed, departs, reported, answered, proofs, colds, changed, filled, exhausted, opened, force workflow.ReceiveChannel

	reading workflow.Future // of the pool's launches; nil: nothing is read

	claims    []contract.Claim     // to be served
	departing []contract.Departing // to be judged
	news      bool                 // something has changed since it was looked at last
	look      timer
	forced    bool
	turns     int
}

// keepEvery is how often a standby is looked at though nothing was heard: the pool's size moves, and machines grow old.
const keepEvery = 5 * time.Minute

func newKeeper(ctx workflow.Context, in contract.StandbyInput) (*keeper, error) {
	if in.Cluster == "" || in.Pool == "" {
		return nil, temporal.NewNonRetryableApplicationError("cluster and pool are needed", contract.ErrInvalidInput, nil)
	}
	k := &keeper{in: in, info: workflow.GetInfo(ctx), news: true, look: timer{summary: "look at the standby again"}}
	if in.State != nil {
		k.state = *in.State
	}
	signal := func(name, description string) workflow.ReceiveChannel {
		return workflow.GetSignalChannelWithOptions(ctx, name, workflow.SignalChannelOptions{Description: description})
	}
	k.claimed = signal(contract.SignalClaim, "A ScaleUp asks for machines.")
	k.unclaimed = signal(contract.SignalUnclaim, "A ScaleUp gives machines back that it has no need of.")
	k.departs = signal(contract.SignalDepart, "A Node asks what becomes of its machine, which leaves the pool.")
	k.reported = signal(contract.SignalReported, "A Node tells what became of its machine.")
	k.answered = signal(contract.SignalAnswered, "A Node answers what it was asked.")
	k.proofs = signal(contract.SignalProven, "A machine that was woken has proven itself, and asks whether it is needed.")
	k.colds = signal(contract.SignalCold, "A cold machine that races a claim is ready, or has left.")
	k.changed = signal(contract.SignalPoolChanged, "The pool is new, different or gone.")
	k.opened = signal(contract.SignalLaunchOpened, "A launch for this standby has begun.")
	k.filled = signal(contract.SignalLaunchFilled, "A launch for this standby has brought machines.")
	k.exhausted = signal(contract.SignalLaunchExhausted, "A launch for this standby brings nothing more.")
	k.force = signal(contract.SignalForceContinueAsNew, "Continue as new at the next chance; the operator's lever.")
	return k, k.handlers(ctx)
}

func (k *keeper) handlers(ctx workflow.Context) error {
	err := workflow.SetQueryHandlerWithOptions(ctx, contract.QueryStandby, func() (contract.StandbyView, error) { return k.view(), nil },
		workflow.QueryHandlerOptions{Description: "The machines of the standby, what is wanted, and what is next."})
	if err != nil {
		return err
	}
	for _, o := range []struct {
		name, description string
		do                func(tier v1alpha1.CapacityType)
	}{
		{contract.UpdateFill, `Make machines ready now: {"tier": "hibernated"}`, k.fill},
		{contract.UpdateDrain, `Terminate the frozen machines, and make no others before a fill: {"tier": "stopped", "reason": "…"}`, k.drain},
	} {
		if err := workflow.SetUpdateHandlerWithOptions(ctx, o.name, func(_ workflow.Context, order contract.StandbyOrder) (contract.StandbyView, error) {
			for _, tier := range keeping.Tiers {
				if order.Tier == "" || order.Tier == tier {
					o.do(tier)
				}
			}
			k.news = true
			return k.view(), nil
		}, workflow.UpdateHandlerOptions{Description: o.description, Validator: func(order contract.StandbyOrder) error {
			if order.Tier != "" && !slices.Contains(keeping.Tiers, order.Tier) {
				return temporal.NewApplicationError(fmt.Sprintf("tier: %q; want hibernated or stopped, or leave it out for both", order.Tier), contract.ErrInvalidInput)
			}
			return nil
		}}); err != nil {
			return err
		}
	}
	return nil
}

// fill takes off what keeps a tier from being filled.
func (k *keeper) fill(tier v1alpha1.CapacityType) {
	k.state.Drained = slices.DeleteFunc(k.state.Drained, func(t v1alpha1.CapacityType) bool { return t == tier })
	k.state.RetryAt, k.state.Failures, k.state.Trouble = time.Time{}, 0, ""
}

// drain has a tier go, and not be filled.
func (k *keeper) drain(tier v1alpha1.CapacityType) {
	if !slices.Contains(k.state.Drained, tier) {
		k.state.Drained = append(k.state.Drained, tier)
	}
}

func (k *keeper) run(ctx workflow.Context) error {
	for {
		k.hear(ctx)
		k.settle(ctx)
		now := workflow.Now(ctx)
		switch {
		case len(k.claims) > 0:
			k.serve(ctx)
			k.turns++
			continue
		case k.news:
			k.keep(ctx)
			k.turns++
			continue
		case len(k.departing) > 0:
			k.judge(ctx)
			k.turns++
			continue
		case k.idle() && !k.heard() && workflow.AllHandlersFinished(ctx):
			return nil
		case k.full() && k.reading == nil && !k.heard() && workflow.AllHandlersFinished(ctx):
			return workflow.NewContinueAsNewError(ctx, contract.WorkflowStandby, contract.StandbyInput{
				Cluster: k.in.Cluster, Pool: k.in.Pool, State: &k.state, MaxTurns: k.in.MaxTurns,
			})
		}
		k.describe(ctx, "")
		k.look.by(ctx, k.next(now))
		if err := workflow.Await(ctx, func() bool {
			return k.heard() || k.news || k.read() || k.look.fired() || (k.full() && k.reading == nil && workflow.AllHandlersFinished(ctx))
		}); err != nil {
			return err // canceled by a person
		}
		if k.look.fired() {
			k.news = true
		}
	}
}

// next is when it is to be looked at at the latest, though nothing is heard.
func (k *keeper) next(now time.Time) time.Time {
	at := now.Add(keepEvery)
	times := []time.Time{k.state.RetryAt, k.goal.Again, k.raceNext(now)}
	if l := k.state.Launches; l != nil {
		times = append(times, l.Again)
	}
	for _, t := range times {
		if t.After(now) && t.Before(at) {
			at = t
		}
	}
	return at
}

// idle reports whether the pool keeps no standby, and none is left.
func (k *keeper) idle() bool {
	spec := k.state.Facts.Spec
	keeps := spec != nil && !k.state.Facts.Gone && (spec.Hibernated > 0 || spec.Stopped > 0 || len(spec.Targets) > 0)
	return !keeps && k.state.Trouble == "" && len(k.state.Machines) == 0 && len(k.state.Fills) == 0 && len(k.state.Races) == 0 && len(k.state.Facts.Closed) == 0
}

func (k *keeper) full() bool {
	return k.forced || k.info.GetContinueAsNewSuggested() || (k.in.MaxTurns > 0 && k.turns >= k.in.MaxTurns)
}

func (k *keeper) heard() bool {
	return slices.ContainsFunc([]workflow.ReceiveChannel{
		k.claimed, k.unclaimed, k.departs, k.reported, k.answered, k.proofs, k.colds, k.changed, k.opened, k.filled, k.exhausted, k.force,
	}, func(c workflow.ReceiveChannel) bool { return c.Len() > 0 })
}

// hear drains every signal into the state. What became of machines comes first, so that a claim meets the standby as it is.
func (k *keeper) hear(ctx workflow.Context) {
	now := workflow.Now(ctx)
	take := func(c workflow.ReceiveChannel, do func(contract.LaunchEvent)) {
		drain(c, func(ev contract.LaunchEvent) {
			if ledger.FirstSight(&k.state.Seen, ev.Key) {
				do(ev)
				k.news = true
			}
		})
	}
	take(k.opened, k.launchOpened)
	take(k.filled, func(ev contract.LaunchEvent) { k.launchFilled(ev, now) })
	take(k.exhausted, func(ev contract.LaunchEvent) { k.launchExhausted(ev, now) })
	drain(k.reported, func(r contract.StandbyReport) {
		if ledger.FirstSight(&k.state.Seen, r.Key) {
			k.report(ctx, r, now)
			k.news = true
		}
	})
	drain(k.proofs, func(p contract.Proven) { k.proven(ctx, p, now) })
	drain(k.colds, func(c contract.ColdReport) { k.cold(ctx, c) })
	drain(k.answered, func(r contract.OperationResult) { k.refused(r, now) })
	drain(k.unclaimed, func(u contract.Unclaim) { k.unclaim(ctx, u) })
	k.learnLaunches(ctx, now)
	drain(k.changed, func(struct{}) { k.news = true })
	drain(k.departs, func(d contract.Departing) { k.departing = append(k.departing, d) })
	drain(k.claimed, func(c contract.Claim) { k.claims = append(k.claims, c) })
	drain(k.force, func(struct{}) { k.forced = true })
}

func (k *keeper) find(instance string) *contract.StandbyMachine {
	i := slices.IndexFunc(k.state.Machines, func(m contract.StandbyMachine) bool { return m.Instance.ID == instance })
	if i < 0 {
		return nil
	}
	return &k.state.Machines[i]
}

func (k *keeper) forget(instance string) {
	k.state.Machines = slices.DeleteFunc(k.state.Machines, func(m contract.StandbyMachine) bool { return m.Instance.ID == instance })
}

func (k *keeper) view() contract.StandbyView {
	v := contract.StandbyView{
		Cluster: k.in.Cluster, Pool: k.in.Pool, Doing: k.doing, StandbyState: k.state,
		Hibernated: k.goal.Hibernated.Count, Stopped: k.goal.Stopped.Count,
		Reasons:         append([]string{"hibernated: " + k.goal.Hibernated.Reason, "stopped: " + k.goal.Stopped.Reason}, k.goal.Problems...),
		DiskUSDPerMonth: keeping.DiskUSDPerMonth(k.state),
	}
	for _, r := range k.state.Races {
		v.Reasons = append(v.Reasons, raceWords(r))
	}
	if trouble := launchesTrouble(k.state.Launches); trouble != "" {
		v.Reasons = append(v.Reasons, trouble)
	}
	v.Seen, v.Answers, v.Launches = nil, nil, nil // of use to the workflow alone
	return v
}

func (k *keeper) describe(ctx workflow.Context, doing string) {
	k.doing = doing
	workflow.SetCurrentDetails(ctx, standbyDetails(k.view()))
}
