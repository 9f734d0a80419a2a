package workflows

import (
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	keeping "floe.dev/floe/internal/standby"
)

const (
	// goAgain is when a cold machine that lost is told to go again, where its Node workflow had not started.
	goAgain = 10 * time.Second
	// raceLasts is how long a race may go on: all of its machines were ready or had failed long before.
	raceLasts = time.Hour
)

func (k *keeper) race(claim string) *contract.StandbyRace {
	i := slices.IndexFunc(k.state.Races, func(r contract.StandbyRace) bool { return r.Claim.Key == claim })
	if i < 0 {
		return nil
	}
	return &k.state.Races[i]
}

// proven answers a machine that has proven itself: it is opened to pods if its claim has a seat left, and goes back to sleep
// if not. One of which no race is known is what its claim asked for.
func (k *keeper) proven(ctx workflow.Context, p contract.Proven, now time.Time) {
	order := contract.OpenOrder{Open: true}
	m, claim := k.find(p.Instance), p.Claim
	if m != nil && m.Claim != "" {
		claim = m.Claim // another's, which lacked one
	}
	r := k.race(claim)
	switch {
	case m != nil && m.Unclaimed:
		order = contract.OpenOrder{Reason: "its claim was given back"}
	case r != nil:
		seat, ok := keeping.Seat(r, p.Instance)
		if order.Pods = seat.Pods; !ok {
			order = contract.OpenOrder{Reason: "others were ready first"}
		}
	}
	told := k.tell(ctx, p.ReplyTo.WorkflowID, p.ReplyTo.Signal, order)
	if m = k.find(p.Instance); told && !order.Open && m != nil {
		m.Phase, m.Since, m.Claim, m.Unclaimed, m.Reason = contract.StandbyMaking, now, "", false, order.Reason
	}
}

// cold takes what became of a cold machine. One that is ready takes a seat; where none is left it goes when it is empty.
func (k *keeper) cold(ctx workflow.Context, c contract.ColdReport) {
	r := k.race(c.Claim)
	if r == nil {
		return
	}
	r.Cold = slices.DeleteFunc(r.Cold, func(id string) bool { return id == c.Instance })
	if c.Ready {
		k.seated(ctx, r, c.Instance)
	}
}

// seated gives a machine that is in service a seat, if it has none. The one that was named for it is no room any more that
// a plan may count on.
func (k *keeper) seated(ctx workflow.Context, r *contract.StandbyRace, instance string) {
	if _, ok := keeping.Seat(r, instance); !ok {
		return
	}
	if ousted := keeping.Ousted(*r, instance); ousted != "" {
		k.tell(ctx, contract.ProvisionerID(k.in.Cluster), contract.SignalGone, contract.Gone{
			Key: r.Claim.Key + "/" + ousted, Instance: ousted, Reason: instance + " was ready before it",
		})
	}
}

// settle goes on with every race: cold machines are bought when it is time, those that lost are told to go, and what is
// settled is forgotten.
func (k *keeper) settle(ctx workflow.Context) {
	now := workflow.Now(ctx)
	for i := range k.state.Races {
		if r := &k.state.Races[i]; !r.ColdAt.IsZero() && !now.Before(r.ColdAt) {
			r.ColdAt = time.Time{}
			k.buyCold(ctx, r)
		}
		if r := &k.state.Races[i]; keeping.Free(*r) == 0 {
			k.sendAway(ctx, r)
		}
	}
	k.state.Races = slices.DeleteFunc(k.state.Races, func(r contract.StandbyRace) bool {
		return keeping.Settled(k.state, r) || now.Sub(r.Begun) > raceLasts
	})
}

// buyCold opens a ScaleUp for the seats that are free still, by the steps that the claim's launch may take.
func (k *keeper) buyCold(ctx workflow.Context, r *contract.StandbyRace) {
	n, types := keeping.Free(*r), keeping.ColdTypes(r.Claim)
	if n == 0 || len(types) == 0 {
		return
	}
	k.state.Filled++
	id := contract.StandbyScaleUpID(k.in.Cluster, k.in.Pool, k.info.FirstRunID, k.state.Filled)
	child := workflow.WithChildOptions(ctx, abandoned(id, fmt.Sprintf("%d machines to race those of %s", n, r.Claim.ReplyTo.WorkflowID),
		enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		keyword(contract.AttributeCluster, k.in.Cluster), keyword(contract.AttributePool, k.in.Pool)))
	r.Launch, r.Launching = id, true
	future := workflow.ExecuteChildWorkflow(child, contract.WorkflowScaleUp, contract.ScaleUpInput{
		Cluster: k.in.Cluster, Pool: k.in.Pool, Count: n, Purpose: contract.PurposeRace, Race: r.Claim.Key,
		InstanceTypes: r.Claim.InstanceTypes, Zones: r.Claim.Zones, CapacityTypes: types, Requests: r.Claim.Requests,
	})
	if err := started(ctx, future); err != nil {
		r.Launching = false
		workflow.GetLogger(ctx).Error("no cold machines race the claim", "claim", r.Claim.Key, "error", err)
	}
}

// sendAway tells the cold machines of a race without a free seat to go, unless they are in service already.
func (k *keeper) sendAway(ctx workflow.Context, r *contract.StandbyRace) {
	for _, id := range r.Cold {
		if !slices.Contains(r.Sent, id) && k.tell(ctx, contract.NodeID(k.in.Cluster, id), contract.SignalTerminate, contract.Operation{
			Request: r.Claim.Key + "/" + id, Reason: "it raced a frozen machine, which was ready first", Unready: true,
		}) {
			r.Sent = append(r.Sent, id)
		}
	}
}

// raced takes the news of a launch of cold machines.
func (k *keeper) raced(ev contract.LaunchEvent) {
	r := k.race(ev.Race)
	if r == nil {
		return
	}
	for _, i := range ev.Instances {
		if !slices.Contains(r.Cold, i.ID) {
			r.Cold = append(r.Cold, i.ID)
		}
	}
	r.Launching = ev.Open > 0
}

// raceNext is when a race has to be looked at though nothing is heard; zero: never.
func (k *keeper) raceNext(now time.Time) (at time.Time) {
	for _, r := range k.state.Races {
		next := r.ColdAt
		if keeping.Free(r) == 0 && slices.ContainsFunc(r.Cold, func(id string) bool { return !slices.Contains(r.Sent, id) }) {
			next = now.Add(goAgain)
		}
		if !next.IsZero() && (at.IsZero() || next.Before(at)) {
			at = next
		}
	}
	return at
}

// raceWords say how a race stands.
func raceWords(r contract.StandbyRace) string {
	words := fmt.Sprintf("%d of %d machines that %s claimed are ready", len(r.Seats)-keeping.Free(r), len(r.Seats), r.Claim.ReplyTo.WorkflowID)
	if r.Launch != "" {
		words += "; cold machines race them: " + r.Launch
	}
	return words
}

// standbyTier reports whether a capacity type is one of the standby's.
func standbyTier(ct v1alpha1.CapacityType) bool {
	return ct == v1alpha1.Hibernated || ct == v1alpha1.Stopped
}
