package aws

import (
	"context"
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// recordTimeout bounds what a hop waits for the store: the next hop, and the Node workflows, wait behind it.
const recordTimeout = time.Second

// Launch does one hop: it asks EC2 for machines on the offerings of one step, and comes back with a definitive answer,
// or with an error that says when to try again. It launches once, however often it is attempted: where an earlier
// attempt's answer was lost, what that one launched is looked up by its tag before anything is asked for again
// (see lookUp); RunInstances is asked again with the same token instead.
//
// Errors: contract.ErrThrottled, contract.ErrLostAnswer and contract.ErrUnavailable are to be retried;
// contract.ErrAccessDenied, contract.ErrPoolInvalid and contract.ErrInvalidInput are not.
func (a *Activities) Launch(ctx context.Context, in contract.LaunchInput) (contract.LaunchResult, error) {
	acc, err := a.account(in.Account, in.Region)
	if err != nil {
		return contract.LaunchResult{}, err
	}
	in.Region = acc.cfg.Region
	if err := checkLaunch(in); err != nil {
		return contract.LaunchResult{}, err
	}
	attempt := attemptOf(ctx, a.now())
	h := hop{Activities: a, acc: acc, in: in, attempt: attempt}
	result, err := h.run(ctx)
	if err != nil {
		return contract.LaunchResult{}, err
	}
	result.Recorded = a.keep(ctx, in, attempt, result)
	return result, nil
}

// hop is one hop under way.
type hop struct {
	*Activities
	acc     *account
	in      contract.LaunchInput
	attempt attempt
}

func (h hop) run(ctx context.Context) (contract.LaunchResult, error) {
	sentBy, doubtful := h.attempt.doubtful()
	if doubtful && h.in.RunInstances {
		return h.runInstances(ctx) // whatever the probes say now: it may have been asked, and the token answers for it
	}
	if doubtful {
		result, err := h.lookUp(ctx, sentBy)
		if err != nil || result.Recovered {
			return result, err
		}
	}
	h, yielded := h.claimProbes(ctx)
	if len(h.in.Step.Overrides) == 0 {
		return contract.LaunchResult{Outcomes: yielded}, nil
	}
	ask := h.createFleet
	if h.in.RunInstances {
		ask = h.runInstances
	}
	result, err := ask(ctx)
	result.Outcomes = append(result.Outcomes, yielded...)
	return result, err
}

// claimProbes leaves out of the step what other ScaleUps are finding out. A claim is made once and for all, and for all
// hops of a ScaleUp, so that every attempt of a hop asks for the same.
func (h hop) claimProbes(ctx context.Context) (left hop, yielded []contract.Outcome) {
	var probes, free []contract.Override
	for _, o := range h.in.Step.Overrides {
		if o.Probe != "" {
			probes = append(probes, o)
		}
	}
	if len(probes) == 0 {
		return h, nil
	}
	taken := h.memories[h.in.Region].claim(ctx, h.in.ScaleUp, probes)
	for _, o := range h.in.Step.Overrides {
		if !taken[o.Probe] {
			free = append(free, o)
			continue
		}
		yielded = append(yielded, contract.Outcome{
			Offering: o.Offering, Answer: contract.AnswerYielded, Message: "another launch has claimed its probe and is finding out",
		})
	}
	h.in.Step.Overrides = free
	return h, yielded
}

// checkLaunch names the first field that is wrong.
func checkLaunch(in contract.LaunchInput) error {
	ct := in.Step.CapacityType
	switch {
	case in.Count < 1:
		return invalid("count: %d; give at least 1", in.Count)
	case in.Token == "":
		return invalid("token: empty; give contract.LaunchToken of the hop")
	case in.Cluster == "" || in.Pool == "" || in.ScaleUp == "":
		return invalid("cluster, pool and scaleUp name whose the machines are: give all three; they are %q, %q and %q", in.Cluster, in.Pool, in.ScaleUp)
	case in.Template.ID == "" || in.Template.Version == "" || in.Template.ImageID == "":
		return invalid("template: id, version and imageID must be resolved; they are %q, %q and %q", in.Template.ID, in.Template.Version, in.Template.ImageID)
	case ct != v1alpha1.Spot && ct != v1alpha1.OnDemand:
		return invalid("step.capacityType: %q can't be launched; spot and on-demand can", ct)
	case len(in.Step.Overrides) == 0:
		return invalid("step.overrides: none; give the offerings to ask for")
	case in.Tier != "" && (ct != v1alpha1.OnDemand || !in.RunInstances):
		return invalid("tier: %q is of machines for standby, which RunInstances launches on-demand; the step is %q, runInstances %t", in.Tier, ct, in.RunInstances)
	case in.Tier != "" && in.Tier != v1alpha1.Hibernated && in.Tier != v1alpha1.Stopped:
		return invalid("tier: %q; want hibernated or stopped", in.Tier)
	case in.RunInstances && len(in.Step.Overrides) != 1:
		return invalid("step.overrides: %d; RunInstances asks for exactly one", len(in.Step.Overrides))
	}
	for i, o := range in.Step.Overrides {
		if o.InstanceType == "" || o.Subnet == "" {
			return invalid("step.overrides[%d]: instanceType and subnet are needed; they are %q and %q", i, o.InstanceType, o.Subnet)
		}
		if o.CapacityType != ct {
			return invalid("step.overrides[%d].capacityType: %q; one hop never mixes, and the step's is %q", i, o.CapacityType, ct)
		}
	}
	return nil
}

// keep gives the hop's outcomes to the offering memory of this process at once, and the hop to the store if that takes
// it in time.
func (a *Activities) keep(ctx context.Context, in contract.LaunchInput, attempt attempt, result contract.LaunchResult) (recorded bool) {
	record := contract.HopRecord{
		ID:      in.Token,
		At:      attempt.scheduled,
		Cluster: in.Cluster,
		Pool:    in.Pool,
		Account: in.Account,
		Plan:    in.Plan,
		ScaleUp: in.ScaleUp,
		Hop: contract.Hop{
			Number:       in.Hop,
			Step:         in.Step.Index,
			CapacityType: in.Step.CapacityType,
			Token:        in.Token,
			Asked:        in.Count,
			Got:          len(result.Instances),
			Started:      attempt.scheduled,
			Ended:        a.now(),
			SentAt:       result.SentAt,
			Took:         result.Took,
			Outcomes:     result.Outcomes,
		},
	}
	a.memories[in.Region].learn(record)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err := a.store.PutHops(ctx, []contract.HopRecord{record}); err != nil {
		a.log.WarnContext(ctx, "the store did not take a hop; its ScaleUp hands it in later", "hop", in.Token, "error", err)
		return false
	}
	return true
}
