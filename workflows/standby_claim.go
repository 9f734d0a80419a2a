package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	keeping "floe.dev/floe/internal/standby"
)

const (
	// noCapacityFor is how long a machine that EC2 could not start is left alone.
	noCapacityFor = 2 * time.Minute
	// claimRounds is how often other machines are tried for a claim in place of those that EC2 could not start.
	claimRounds = 3
	// mostAnswers is how many answers to claims are kept.
	mostAnswers = 50
	// wakeVersion is since when a claim is answered before its machines' Nodes are asked to wake them.
	wakeVersion = "standby-answer-first"
)

// serving is a claim that is being served.
type serving struct {
	contract.Claim
	machines []contract.Instance  // started, and its own from now on
	picked   []string             // in this round
	waking   []contract.WakeOrder // whose Nodes are asked once the claim is answered
	asks     bool                 // its machines ask before they open: others may be ready first
	reason   string
	outcomes []contract.Outcome // what EC2 could not start
}

// serve answers every claim there is: machines are chosen for all of them, the fastest first, and started in one call, which
// is what the API budget for starts asks for; where the pool says so, more than were asked for, of which the fastest are
// kept. In place of those that EC2 cannot start others are tried. A claim is answered
// as soon as its machines are on their way, with what there is.
func (k *keeper) serve(ctx workflow.Context) {
	var open []*serving
	for _, c := range k.claims {
		if i := slices.IndexFunc(k.state.Answers, func(a contract.Claimed) bool { return a.Key == c.Key }); i >= 0 {
			k.tell(ctx, c.ReplyTo.WorkflowID, c.ReplyTo.Signal, k.state.Answers[i])
			continue
		}
		if !slices.ContainsFunc(open, func(s *serving) bool { return s.Key == c.Key }) {
			open = append(open, &serving{Claim: c})
		}
	}
	k.claims = nil
	for round := range claimRounds {
		ids := k.pick(ctx, open)
		if round == 0 {
			ids = append(ids, k.pickMore(ctx, open)...)
		}
		if len(ids) == 0 || !k.start(ctx, open, ids) {
			break
		}
	}
	for _, s := range open {
		k.borrow(ctx, s)
		k.answer(ctx, s)
	}
	k.wake(ctx, open)
	k.news = true
}

// pick chooses machines for what the claims still lack.
func (k *keeper) pick(ctx workflow.Context, open []*serving) (ids []string) {
	now := workflow.Now(ctx)
	for _, s := range open {
		lacks := s.Claim
		if lacks.Count -= len(s.machines); lacks.Count <= 0 {
			continue
		}
		s.picked = keeping.Pick(k.state, lacks, now)
		if len(s.picked) < lacks.Count && s.reason == "" {
			s.reason = fmt.Sprintf("the pool's standby has %d %s machines that would do", len(s.machines)+len(s.picked), s.Tier)
		}
		k.take(s, s.picked, now)
		ids = append(ids, s.picked...)
	}
	return ids
}

// pickMore chooses the machines that are woken beyond what the claims ask for, of those that no claim lacks.
func (k *keeper) pickMore(ctx workflow.Context, open []*serving) (ids []string) {
	now, spec := workflow.Now(ctx), k.state.Facts.Spec
	for _, s := range open {
		s.asks = keeping.Races(spec, s.Count)
		spare := s.Claim
		if spare.Count = keeping.Extra(spec, s.Count); spare.Count == 0 {
			continue
		}
		more := keeping.Pick(k.state, spare, now)
		k.take(s, more, now)
		s.picked, ids = append(s.picked, more...), append(ids, more...)
	}
	return ids
}

// borrow gives a claim that lacks machines those that are woken beyond what other claims asked for.
func (k *keeper) borrow(ctx workflow.Context, s *serving) {
	lacks := s.Claim
	if lacks.Count -= len(s.machines); lacks.Count <= 0 {
		return
	}
	ids := keeping.Spares(k.state, lacks)
	k.take(s, ids, workflow.Now(ctx))
	for _, id := range ids {
		s.machines = append(s.machines, k.find(id).Instance)
		s.asks = true // as it does
	}
}

// take marks machines as a claim's.
func (k *keeper) take(s *serving, ids []string, now time.Time) {
	for _, id := range ids {
		m := k.find(id)
		m.Phase, m.Since, m.Claim = contract.StandbyWaking, now, s.Key
	}
}

// start starts what was picked. It reports whether another round may help.
func (k *keeper) start(ctx workflow.Context, open []*serving, ids []string) (again bool) {
	k.describe(ctx, fmt.Sprintf("Starting %d machines.", len(ids)))
	facts := k.state.Facts
	o := limited(contract.AWSTaskQueue(facts.Account, facts.Region, contract.ClassStart), fmt.Sprintf("start %d machines", len(ids)))
	at := workflow.Now(ctx)
	out, err := startActivity.run(ctx, o, contract.StartInput{Account: facts.Account, Region: facts.Region, Cluster: k.in.Cluster, Instances: ids})
	answers := map[string]contract.StartAnswer{}
	for _, a := range out.Answers {
		answers[a.Instance] = a
	}
	for _, answer := range out.Answers {
		k.avoid(answer, at)
	}
	first := workflow.GetVersion(ctx, wakeVersion, workflow.DefaultVersion, 1) != workflow.DefaultVersion
	for _, s := range open {
		for _, id := range s.picked {
			m, answer := k.find(id), answers[id]
			if err == nil && answer.Answer == contract.AnswerStarted {
				w, instance := k.waking(s, id, at), m.Instance
				switch {
				case first:
					s.waking = append(s.waking, w)
				case !k.tell(ctx, contract.NodeID(k.in.Cluster, id), contract.SignalResume, w.Resume):
					k.forget(id) // no such workflow: what is left of the machine is the sweep's
					continue
				}
				s.machines = append(s.machines, instance)
				continue
			}
			if outcome, taught := answer.Outcome(); taught && !slices.Contains(s.outcomes, outcome) {
				s.outcomes = append(s.outcomes, outcome)
			}
			m.Phase, m.Since, m.Claim, m.NotBefore = contract.StandbyFrozen, at, "", at.Add(noCapacityFor)
			s.reason = fmt.Sprintf("EC2 does not start some: %s", answer.Message)
			if err != nil {
				s.reason = "EC2 cannot be asked: " + words(err)
			} else {
				again = true
			}
		}
		s.picked = nil
	}
	return again
}

// avoid leaves all machines alone for a while that need what EC2 has just not had: one of them is enough to ask.
func (k *keeper) avoid(answer contract.StartAnswer, now time.Time) {
	blamed := k.find(answer.Instance)
	if answer.Answer != contract.AnswerICE || blamed == nil {
		return
	}
	for i := range k.state.Machines {
		m := &k.state.Machines[i]
		if m.Phase == contract.StandbyFrozen && m.Instance.InstanceType == blamed.Instance.InstanceType && m.Instance.Zone == blamed.Instance.Zone {
			m.NotBefore = now.Add(noCapacityFor)
		}
	}
}

// waking is what a started machine's Node is asked to do: to prove it and to open it.
func (k *keeper) waking(s *serving, instance string, at time.Time) contract.WakeOrder {
	op := contract.Operation{
		Request: s.Key + "/" + instance, Reason: "claimed by " + s.ReplyTo.WorkflowID, Started: at, Purpose: s.Purpose,
	}
	if n := len(s.machines); n < len(s.Machines) {
		op.Pods = s.Machines[n]
	}
	if s.asks {
		op.Ask = &contract.Asking{Standby: k.info.WorkflowExecution.ID, Claim: s.Key}
	}
	if spec := k.state.Facts.Spec; spec != nil && spec.ResumeTimeout != nil {
		op.Within = spec.ResumeTimeout.Duration
	}
	return contract.WakeOrder{Instance: instance, Resume: op}
}

// wake asks the Nodes of all machines that were started. It comes after the answers, for which ScaleUps wait: hundreds of
// Nodes take a while to hear of it. A machine that has no such workflow is the sweep's, and no room that a plan may count on.
func (k *keeper) wake(ctx workflow.Context, open []*serving) {
	var all []contract.WakeOrder
	for _, s := range open {
		all = append(all, s.waking...)
	}
	var asked []workflow.Future
	for some := range slices.Chunk(all, mostTold) {
		o := telling(fmt.Sprintf("wake %d Nodes", len(some)))
		asked = append(asked, wakeNodesActivity.start(ctx, o, contract.WakeNodesInput{Cluster: k.in.Cluster, Machines: some}))
	}
	for _, future := range asked {
		var told contract.WakeNodesResult
		if err := future.Get(ctx, &told); err != nil {
			// It is retried without end: a person cancels the Standby, which another takes over from by what Nodes report.
			workflow.GetLogger(ctx).Error("Nodes may not have heard that their machines are awake", "error", err)
			return
		}
		for _, id := range told.Missing {
			k.forget(id)
			k.tell(ctx, contract.ProvisionerID(k.in.Cluster), contract.SignalGone, contract.Gone{
				Key: k.info.WorkflowExecution.RunID + "/missing/" + id, Instance: id, Reason: "no workflow of its Node runs",
			})
		}
	}
}

// answer tells a ScaleUp what it gets. One that has ended gets nothing: its machines go back to sleep.
func (k *keeper) answer(ctx workflow.Context, s *serving) {
	named := s.machines[:min(len(s.machines), s.Count)]
	claimed := contract.Claimed{Key: s.Key, Machines: named, Outcomes: s.outcomes}
	if len(s.machines) < s.Count {
		claimed.Reason = s.reason
	}
	if !k.tell(ctx, s.ReplyTo.WorkflowID, s.ReplyTo.Signal, claimed) {
		for _, i := range s.machines {
			k.giveBack(ctx, i.ID, s.Key)
		}
		return
	}
	if s.asks && len(named) > 0 {
		k.state.Races = append(k.state.Races, keeping.Begin(k.state.Facts.Spec, s.Claim, named, workflow.Now(ctx)))
	}
	k.state.Answers = append(k.state.Answers, claimed)
	k.state.Answers = k.state.Answers[max(0, len(k.state.Answers)-mostAnswers):]
}

// unclaim takes machines back.
func (k *keeper) unclaim(ctx workflow.Context, u contract.Unclaim) {
	for _, id := range u.Instances {
		k.giveBack(ctx, id, u.Key)
	}
	k.news = true
}

// giveBack takes one machine back: it is frozen again once it is awake, since EC2 ignores what it is asked before.
func (k *keeper) giveBack(ctx workflow.Context, instance, claim string) {
	switch m := k.find(instance); {
	case m != nil && m.Claim == claim:
		m.Unclaimed = true
		if r := k.race(claim); r != nil { // nobody else is to be opened for it
			r.Seats = slices.DeleteFunc(r.Seats, func(s contract.RaceSeat) bool { return s.Named == instance && s.Taken == "" })
		}
	case m == nil && slices.ContainsFunc(k.state.Answers, func(a contract.Claimed) bool { return a.Key == claim }):
		// It is in service already.
		for _, a := range k.state.Answers {
			for _, i := range a.Machines {
				if a.Key == claim && i.ID == instance {
					again := contract.StandbyMachine{Instance: i, Phase: contract.StandbyMaking, Since: workflow.Now(ctx)}
					k.state.Machines = append(k.state.Machines, again)
					k.freeze(ctx, again)
				}
			}
		}
	}
}
