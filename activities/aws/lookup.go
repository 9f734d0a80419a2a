package aws

import (
	"context"
	"time"

	smithytime "github.com/aws/smithy-go/time"

	"floe.dev/floe/api/contract"
)

// How often a look-up asks: soon at first, since what was launched mostly shows within a second, then every two.
const (
	lookFirst = 200 * time.Millisecond
	lookMost  = 2 * time.Second
)

// lookUp finds by the launch-token tag what an earlier attempt of the hop launched, its call having gone out at sentBy
// at the latest. Finding nothing proves something only once the describe lag has passed: until then it goes on looking.
// Finding all that was asked for is an answer at once; finding some is one when the lag has passed, since the rest
// might still show. The result is Recovered where the earlier call took effect.
func (h hop) lookUp(ctx context.Context, sentBy time.Time) (contract.LaunchResult, error) {
	// While it looks it leaves no time behind: if this worker dies after the look-up, its own call may have gone out.
	stop := h.attempt.beat(progress{Attempt: h.attempt.number})
	found, err := h.look(ctx, sentBy.Add(h.lag))
	stop()
	if err != nil {
		h.attempt.record(progress{Attempt: h.attempt.number, SentAt: sentBy})
		return contract.LaunchResult{}, err
	}
	return h.found(found, sentBy), nil
}

// look asks until all is found or the time is over.
func (h hop) look(ctx context.Context, until time.Time) ([]contract.Instance, error) {
	for pause := lookFirst; ; pause = min(2*pause, lookMost) {
		asked := h.now()
		found, err := h.acc.instances(ctx, filter("tag:"+contract.TagToken, h.in.Token))
		late := !asked.Before(until)
		switch {
		case err != nil && (late || !passing(diagnose(err).trouble)):
			return nil, h.acc.fail(err)
		case err == nil && (late || len(found) >= h.in.Count):
			return found, nil
		}
		if err := smithytime.SleepWithContext(ctx, min(pause, until.Sub(asked))); err != nil {
			return nil, err
		}
	}
}

// passing troubles are worth another look.
func passing(t trouble) bool { return t == throttled || t == lost || t == unsent }

// found is the result of a look-up. An instance on its way out was launched all the same: the call took effect, and is
// not made again; but it is nobody's gain.
func (h hop) found(instances []contract.Instance, sentBy time.Time) contract.LaunchResult {
	result := contract.LaunchResult{SentAt: sentBy, Recovered: len(instances) > 0}
	t := newTally(h.in)
	for _, i := range instances {
		for _, o := range h.in.Step.Overrides {
			if o.InstanceType == i.InstanceType && o.Subnet == i.Subnet {
				i.USDPerHour, i.ZoneID = o.USDPerHour, o.ZoneID
			}
		}
		t.launched(contract.Offering{
			Region: h.in.Region, ZoneID: i.ZoneID, InstanceType: i.InstanceType, CapacityType: h.in.Step.CapacityType,
		}, 1)
		if i.Live() {
			result.Instances = append(result.Instances, i)
		}
	}
	result.Outcomes = t.outcomes()
	return result
}

// recover ends a hop whose token EC2 has seen before: what that brought is looked up. Where it brought nothing, the
// token is spent, and the hop is over with what EC2 said.
func (h hop) recover(ctx context.Context, d diagnosis, sent contract.LaunchResult) (contract.LaunchResult, error) {
	result, err := h.lookUp(ctx, sent.SentAt)
	if err != nil || result.Recovered {
		return result, err
	}
	return h.settle(d, sent)
}
