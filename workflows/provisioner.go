package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/ledger"
	"floe.dev/floe/internal/lifecycle"
)

// Provisioner turns a cluster's demand into launches: one plan at a time, with the launches in flight held against it.
// It lives for ever. Waiting and probing are its business alone: what a chain could not fill comes back to it, and it
// plans again, later each time.
func Provisioner(ctx workflow.Context, in contract.ProvisionerInput) error {
	p, err := newProvisioner(ctx, in)
	if err != nil {
		return err
	}
	return p.run(ctx)
}

type provisioner struct {
	in    contract.ProvisionerInput
	state contract.ProvisionerState
	info  *workflow.Info
	doing string

	demand, opened, filled, exhausted, gone, force workflow.ReceiveChannel

	forced   bool
	turns    int
	planning bool
	// held keeps a demand that could not be planned from being planned again before the back-off is over or there is
	// news.
	held  bool
	retry timer
}

const (
	// recheck is how long pods that should fit on what is there or on its way may stay unbound before they are looked
	// at again, though nothing was heard of them.
	recheck = time.Minute
	// recheckHopeless is the same where nothing but pods that no pool can hold is left: a change of theirs or of a pool
	// is news, and news brings a plan at once.
	recheckHopeless = 3 * time.Minute
)

func newProvisioner(ctx workflow.Context, in contract.ProvisionerInput) (*provisioner, error) {
	if in.Cluster == "" {
		return nil, temporal.NewNonRetryableApplicationError("cluster: missing; name the cluster", contract.ErrInvalidInput, nil)
	}
	p := &provisioner{in: in, info: workflow.GetInfo(ctx), retry: timer{summary: "plan again"}}
	if in.State != nil {
		p.state = *in.State
	}
	signal := func(name, description string) workflow.ReceiveChannel {
		return workflow.GetSignalChannelWithOptions(ctx, name, workflow.SignalChannelOptions{Description: description})
	}
	p.demand = signal(contract.SignalDemand, `Pods need room, or what a plan depends on has changed: {"key": "…", "pods": 3}`)
	p.opened = signal(contract.SignalLaunchOpened, "A ScaleUp not started by a plan has opened a launch.")
	p.filled = signal(contract.SignalLaunchFilled, "A ScaleUp has launched machines.")
	p.exhausted = signal(contract.SignalLaunchExhausted, "A ScaleUp brings nothing more.")
	p.gone = signal(contract.SignalGone, "An instance has left.")
	p.force = signal(contract.SignalForceContinueAsNew, "Continue as new at the next chance; the operator's lever.")
	return p, p.handlers(ctx)
}

func (p *provisioner) handlers(ctx workflow.Context) error {
	err := workflow.SetQueryHandlerWithOptions(ctx, contract.QueryState, func() (contract.ProvisionerView, error) { return p.view(), nil },
		workflow.QueryHandlerOptions{Description: "The launches in flight, the last plan, and what is next."})
	if err != nil {
		return err
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, contract.UpdatePlanNow, p.planNow, workflow.UpdateHandlerOptions{
		Description: `Plan at once and answer with the plan; {"dryRun": true} buys nothing.`,
	})
}

func (p *provisioner) run(ctx workflow.Context) error {
	for {
		p.hear(ctx)
		now := workflow.Now(ctx)
		switch {
		case p.due(now):
			p.plan(ctx)
			p.turns++
			continue
		case p.full() && workflow.AllHandlersFinished(ctx):
			return workflow.NewContinueAsNewError(ctx, contract.WorkflowProvisioner, contract.ProvisionerInput{
				Cluster: p.in.Cluster, State: &p.state, MaxTurns: p.in.MaxTurns,
			})
		}
		p.describe(ctx, p.idle())
		p.retry.at(ctx, p.state.RetryAt)
		err := workflow.Await(ctx, func() bool {
			return p.heard() || p.retry.fired() || p.wanted() || (p.full() && workflow.AllHandlersFinished(ctx))
		})
		if err != nil {
			return err // canceled by a person
		}
	}
}

// full is the continue-as-new gate, but for handlers under way and signals not drained.
func (p *provisioner) full() bool {
	return p.forced || p.info.GetContinueAsNewSuggested() || (p.in.MaxTurns > 0 && p.turns >= p.in.MaxTurns)
}

// due reports whether it is time for a plan.
func (p *provisioner) due(now time.Time) bool {
	if p.planning {
		return false
	}
	return p.wanted() || (!p.state.RetryAt.IsZero() && !now.Before(p.state.RetryAt))
}

func (p *provisioner) wanted() bool { return p.state.Demand != nil && !p.held }

// need adds a demand: there is news.
func (p *provisioner) need(d contract.Demand) {
	p.state.Demand, p.held = ledger.Merge(p.state.Demand, d), false
}

// heard reports whether a signal waits to be drained.
func (p *provisioner) heard() bool {
	for _, c := range []workflow.ReceiveChannel{p.demand, p.opened, p.filled, p.exhausted, p.gone, p.force} {
		if c.Len() > 0 {
			return true
		}
	}
	return false
}

// hear drains every signal into the state. Launches before demand, so that a plan knows what is on its way.
func (p *provisioner) hear(ctx workflow.Context) {
	now := workflow.Now(ctx)
	drain(p.opened, func(ev contract.LaunchEvent) {
		if ledger.FirstSight(&p.state.Seen, ev.Key) {
			ledger.Open(&p.state, ledger.FromEvent(ev), now)
		}
	})
	drain(p.filled, func(ev contract.LaunchEvent) {
		if ledger.FirstSight(&p.state.Seen, ev.Key) {
			ledger.Filled(&p.state, ev, now)
			if ev.Open == 0 {
				p.state.Failures = 0
				ledger.Rained(&p.state, ev.Pool)
			}
			if len(p.state.Droughts) > 0 && len(ev.Instances) > 0 {
				// Somebody has found capacity: who found none may find some too.
				p.wake(now.Add(lifecycle.Backoff(1)))
			}
		}
	})
	drain(p.exhausted, func(ev contract.LaunchEvent) {
		if ledger.FirstSight(&p.state.Seen, ev.Key) {
			ledger.Exhausted(&p.state, ev.ScaleUp)
			if ev.Purpose == contract.PurposeDemand {
				p.dry(now, ev)
			}
		}
	})
	drain(p.gone, func(ev contract.Gone) {
		if ledger.FirstSight(&p.state.Seen, ev.Key) && ledger.Drop(&p.state, ev.Instance) {
			// Its pods were promised this machine: plan for them anew.
			p.need(contract.Demand{At: now, Sent: now, Reason: "machine-gone"})
		}
	})
	drain(p.demand, func(d contract.Demand) {
		if ledger.FirstSight(&p.state.Seen, d.Key) {
			p.need(d)
		}
	})
	drain(p.force, func(struct{}) { p.forced = true })
}

func (p *provisioner) view() contract.ProvisionerView {
	return contract.ProvisionerView{Cluster: p.in.Cluster, Doing: p.doing, ProvisionerState: p.state}
}

func (p *provisioner) describe(ctx workflow.Context, doing string) {
	p.doing = doing
	workflow.SetCurrentDetails(ctx, provisionerDetails(p.view()))
}

func (p *provisioner) idle() string {
	if p.state.RetryAt.IsZero() {
		return "Waiting for demand."
	}
	return "Waiting for demand; planning again at " + p.state.RetryAt.UTC().Format(time.RFC3339) + " at the latest."
}
