package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
)

// underWay is a hop without an answer.
type underWay struct {
	number int // of the hop, from 1
	step   contract.Step
	// answer of a launch; of a claim, that Standby has the signal, or that there is no Standby.
	answer workflow.Future
	// sent says that Standby has the claim.
	sent bool
	// until is when a claim is not waited for any more.
	until time.Time
}

// hop tries a step once: it asks EC2, or the pool's Standby, and does not wait for the answer.
func (s *scaleUp) hop(ctx workflow.Context, chain contract.Chain, step contract.Step) {
	number := len(s.view.Hops) + 1
	hop := contract.Hop{
		Number: number, Step: step.Index, CapacityType: step.CapacityType, Asked: s.missing(), Started: workflow.Now(ctx),
		Token: contract.LaunchToken(s.info.WorkflowExecution.ID, s.info.FirstRunID, number, ""),
	}
	s.view.Hops = append(s.view.Hops, hop)
	u := &underWay{number: number, step: step}
	if step.Claims() {
		u.answer, u.until = s.claim(ctx, hop, step), hop.Started.Add(contract.ClaimPatience)
	} else {
		o := launching(contract.AWSTaskQueue(chain.Account, chain.Region, contract.ClassLaunch),
			fmt.Sprintf("hop %d: %d × %s", number, hop.Asked, step.CapacityType))
		u.answer = launchActivity.start(ctx, o, contract.LaunchInput{
			Account: chain.Account, Region: chain.Region, Cluster: s.in.Cluster, Pool: s.in.Pool, Plan: s.in.Plan,
			ScaleUp: s.info.WorkflowExecution.ID, Hop: number, Token: hop.Token, Count: hop.Asked, Template: chain.Template, Step: step,
			RunInstances: s.in.Tier != "", Tier: s.in.Tier,
		})
	}
	s.under = append(s.under, u)
}

// claim asks the pool's Standby for what is missing.
func (s *scaleUp) claim(ctx workflow.Context, hop contract.Hop, step contract.Step) workflow.Future {
	var machines [][]string
	if from := len(s.view.Instances); from < len(s.in.Machines) {
		machines = s.in.Machines[from:min(len(s.in.Machines), from+hop.Asked)]
	}
	return workflow.SignalExternalWorkflow(ctx, contract.StandbyID(s.in.Cluster, s.in.Pool), "", contract.SignalClaim, contract.Claim{
		Key: hop.Token, ReplyTo: contract.ReplyTo{WorkflowID: s.info.WorkflowExecution.ID, Signal: contract.SignalClaimed},
		Tier: step.CapacityType, Count: hop.Asked, InstanceTypes: step.InstanceTypes, Zones: step.Zones,
		CapacityTypes: s.in.CapacityTypes, Requests: s.in.Requests, Machines: machines, Purpose: s.in.Purpose,
	})
}

// answered reports whether a hop under way has its answer, or a claim is there.
func (s *scaleUp) answered() bool {
	return slices.ContainsFunc(s.under, func(u *underWay) bool { return u.answer.IsReady() && !u.sent })
}

// answers takes the answers that have come, in the order of the hops.
func (s *scaleUp) answers(ctx workflow.Context, chain contract.Chain) {
	s.hearClaims(ctx)
	for _, u := range slices.Clone(s.under) {
		ready := u.answer.IsReady()
		switch waited := workflow.Now(ctx).Sub(s.view.Hops[u.number-1].Started); {
		case ready && !u.step.Claims():
			var result contract.LaunchResult
			err := u.answer.Get(ctx, &result)
			s.launched(ctx, chain, u, result, err)
		case ready && !u.sent && u.answer.Get(ctx, nil) != nil:
			s.over(ctx, u, contract.Claimed{}, "skipped: there is no workflow "+contract.StandbyID(s.in.Cluster, s.in.Pool))
		case u.step.Claims() && !workflow.Now(ctx).Before(u.until):
			s.over(ctx, u, contract.Claimed{}, fmt.Sprintf("skipped: the pool's standby has not answered in %s", waited.Round(time.Millisecond)))
		default:
			u.sent = ready
		}
	}
}

// launched takes EC2's definitive answer to a hop.
func (s *scaleUp) launched(ctx workflow.Context, chain contract.Chain, u *underWay, result contract.LaunchResult, err error) {
	s.under = slices.DeleteFunc(s.under, func(other *underWay) bool { return other == u })
	hop := &s.view.Hops[u.number-1]
	hop.Ended, hop.Got, hop.SentAt, hop.Took, hop.Outcomes = workflow.Now(ctx), len(result.Instances), result.SentAt, result.Took, result.Outcomes
	if err != nil {
		hop.Error = words(err)
		if s.blocked == nil {
			s.blocked = err
		}
	}
	if !result.Recorded {
		s.unrecorded = append(s.unrecorded, hop.Number)
	}
	s.path.Answered(u.step, result.Outcomes, len(result.Instances))
	s.hatch(ctx, chain, *hop, result.Instances)
}

// hearClaims takes what Standby answers to claims, in time or late. Machines that are still missing are taken, unless the
// launch has ended; the rest is given back.
func (s *scaleUp) hearClaims(ctx workflow.Context) {
	drain(s.claims, func(c contract.Claimed) {
		i := slices.IndexFunc(s.view.Hops, func(h contract.Hop) bool { return h.Token == c.Key })
		if i < 0 || !standbyTier(s.view.Hops[i].CapacityType) {
			workflow.GetLogger(ctx).Warn("an answer to no claim of this launch", "key", c.Key)
			return
		}
		machines := slices.DeleteFunc(c.Machines, func(m contract.Instance) bool { // told twice
			return slices.ContainsFunc(s.view.Instances, func(have contract.Instance) bool { return have.ID == m.ID })
		})
		taken := 0
		if s.view.Phase == contract.ScaleUpLaunching {
			taken = min(s.missing(), len(machines))
		}
		s.giveBack(ctx, c.Key, machines[taken:])
		note := fmt.Sprintf("%d of %d handed over by the pool's standby", taken, s.view.Hops[i].Asked)
		if c.Reason != "" {
			note += ": " + c.Reason
		}
		if u := s.find(i + 1); u != nil {
			c.Machines = machines[:taken]
			s.over(ctx, u, c, note)
		} else if taken > 0 {
			hop := &s.view.Hops[i]
			hop.Got += taken
			hop.Note = "late: " + note
			s.takeClaimed(ctx, *hop, machines[:taken])
		}
	})
}

// over ends a claim. Of what it brought, the machines are those that are taken.
func (s *scaleUp) over(ctx workflow.Context, u *underWay, brought contract.Claimed, note string) {
	s.under = slices.DeleteFunc(s.under, func(other *underWay) bool { return other == u })
	hop := &s.view.Hops[u.number-1]
	hop.Ended, hop.Got, hop.Note = workflow.Now(ctx), len(brought.Machines), note
	s.unrecorded = append(s.unrecorded, hop.Number)
	s.path.Answered(u.step, brought.Outcomes, len(brought.Machines))
	s.takeClaimed(ctx, *hop, brought.Machines)
}

// takeClaimed counts machines whose Node workflows run already.
func (s *scaleUp) takeClaimed(ctx workflow.Context, hop contract.Hop, machines []contract.Instance) {
	if len(machines) > 0 {
		s.view.Instances = append(s.view.Instances, machines...)
		s.tell(ctx, contract.SignalLaunchFilled, fmt.Sprintf("hop-%d-of-%d", hop.Number, len(s.view.Instances)), machines)
	}
}

// giveBack tells Standby that claimed machines are not needed.
func (s *scaleUp) giveBack(ctx workflow.Context, key string, machines []contract.Instance) {
	if len(machines) == 0 {
		return
	}
	back := contract.Unclaim{Key: key, Reason: fmt.Sprintf("launch %s has its %d machines, or has ended", s.info.WorkflowExecution.ID, s.in.Count)}
	for _, m := range machines {
		back.Instances = append(back.Instances, m.ID)
	}
	s.told = append(s.told, workflow.SignalExternalWorkflow(ctx, contract.StandbyID(s.in.Cluster, s.in.Pool), "", contract.SignalUnclaim, back))
}

func (s *scaleUp) find(number int) *underWay {
	if i := slices.IndexFunc(s.under, func(u *underWay) bool { return u.number == number }); i >= 0 {
		return s.under[i]
	}
	return nil
}

// hatch starts the Node workflow of each new instance and tells the Provisioner. What came beyond the count gets a Node
// too, which gives it back.
func (s *scaleUp) hatch(ctx workflow.Context, chain contract.Chain, hop contract.Hop, instances []contract.Instance) {
	var kept []contract.Instance
	var nodes []contract.NodeInput
	purpose := s.in.Purpose
	if s.in.Race != "" {
		purpose = contract.PurposeDemand // one that wins is the claim's, whose pods it serves
	}
	for _, instance := range instances {
		surplus, pods := "", []string(nil)
		if s.missing() == 0 {
			surplus = fmt.Sprintf("hop %d brought more than the %d machines asked for", hop.Number, s.in.Count)
		} else {
			if i := len(s.view.Instances); i < len(s.in.Machines) {
				pods = s.in.Machines[i]
			}
			s.view.Instances = append(s.view.Instances, instance)
			kept = append(kept, instance)
		}
		nodes = append(nodes, contract.NodeInput{
			Cluster: s.in.Cluster, Pool: s.in.Pool, Account: chain.Account, Region: chain.Region, Instance: instance,
			ScaleUp: s.info.WorkflowExecution.ID, Plan: s.in.Plan, Purpose: purpose, Template: chain.Template,
			RegistrationTimeout: chain.RegistrationTimeout, Pods: pods, Surplus: surplus, RecordAfter: recordAfter, LeaveWithin: leaveWithin, Trace: s.in.Trace,
			Tier: s.in.Tier, Standby: chain.Standby, Race: s.in.Race,
		})
	}
	s.start(ctx, nodes)
	if len(kept) > 0 {
		s.tell(ctx, contract.SignalLaunchFilled, fmt.Sprintf("hop-%d", hop.Number), kept)
	}
}

func (s *scaleUp) recordOf(hop contract.Hop) contract.HopRecord {
	return contract.HopRecord{
		ID: hop.Token, At: hop.Started, Cluster: s.in.Cluster, Pool: s.in.Pool, Account: s.view.Chain.Account,
		Plan: s.in.Plan, ScaleUp: s.info.WorkflowExecution.ID, Hop: hop,
	}
}

// ripe reports whether another hop may begin now: none is under way, or those that are have had their time, or a person
// does not want to wait.
func (s *scaleUp) ripe(chain contract.Chain, now time.Time) bool {
	if s.view.Hold.Lasts(now) {
		return false
	}
	return len(s.under) == 0 || s.steering.now || (chain.HedgeAfter > 0 && !now.Before(s.hedge(chain)))
}

// hedge is when the youngest hop has been under way for as long as the pool allows.
func (s *scaleUp) hedge(chain contract.Chain) time.Time {
	youngest := s.under[len(s.under)-1]
	return s.view.Hops[youngest.number-1].Started.Add(chain.HedgeAfter)
}

// next is when the walk has to be looked at again, though nothing was heard; zero: never.
func (s *scaleUp) next(chain contract.Chain, more bool, now time.Time) (at time.Time) {
	sooner := func(t time.Time) {
		if t.After(now) && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	for _, u := range s.under {
		sooner(u.until)
	}
	if more && s.view.Hold.Lasts(now) {
		sooner(s.view.Hold.Until)
	} else if more && chain.HedgeAfter > 0 && len(s.under) > 0 {
		sooner(s.hedge(chain))
	}
	return at
}

// waiting says in words what is waited for.
func (s *scaleUp) waiting(more bool, now time.Time) string {
	var b strings.Builder
	for _, u := range s.under {
		hop := &s.view.Hops[u.number-1]
		if u.step.Claims() {
			sayf(&b, "Hop %d: asking the pool's standby for %d × %s. ", hop.Number, hop.Asked, hop.CapacityType)
		} else {
			sayf(&b, "Hop %d: asking for %d × %s among %d offerings. ", hop.Number, hop.Asked, hop.CapacityType, len(u.step.Overrides))
		}
	}
	switch {
	case more && s.view.Hold.Lasts(now):
		sayf(&b, "No new hop begins: the launch is %s. ", s.view.Hold)
	case s.missing() == 0:
		b.WriteString("All machines are here; what is still brought is given back. ")
	}
	return strings.TrimSuffix(b.String(), " ")
}
