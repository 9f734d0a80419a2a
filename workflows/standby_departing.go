package workflows

import (
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	keeping "floe.dev/floe/internal/standby"
)

// judge says of each machine that leaves the pool what becomes of it. One that is kept is the standby's from then on, and
// on its way to sleep: whoever asks next meets a standby that has it.
func (k *keeper) judge(ctx workflow.Context) {
	for _, d := range k.departing {
		now := workflow.Now(ctx)
		choice := keeping.Leaving(keeping.DepartureOf(d.Instance, k.state.Facts, now), keeping.RoomOf(k.state, k.goal, now))
		fate := contract.Fate{Key: d.Key, Tier: choice.Fate.Tier(), Reason: choice.Reason}
		k.forget(d.Instance.ID) // what it was before
		if fate.Tier != "" {
			k.state.Machines = append(k.state.Machines, contract.StandbyMachine{
				Instance: d.Instance, Tier: fate.Tier, Phase: contract.StandbyMaking, Since: now, Reason: "it left its pool: " + d.Reason,
			})
		}
		if !k.tell(ctx, d.ReplyTo.WorkflowID, d.ReplyTo.Signal, fate) {
			k.forget(d.Instance.ID) // no such workflow: what is left of the machine is the sweep's
		}
	}
	k.departing = nil
}
