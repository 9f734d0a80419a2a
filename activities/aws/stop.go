package aws

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"go.temporal.io/sdk/activity"

	"floe.dev/floe/api/contract"
)

const (
	// mostStopped is how many instances one call stops; one that is refused fails the call for all.
	mostStopped = 100
	// codeUnsupportedHibernation is of an instance that was not launched for it, or is of a kind that can't.
	codeUnsupportedHibernation = "UnsupportedHibernationConfiguration"
	// codeUnsupportedOperation is what an instance that booted a moment ago gets, among other things
	// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshoot-instance-hibernate.html, "Can't hibernate immediately
	// after launch"; the code is not in AWS's words, users meet it).
	codeUnsupportedOperation = "UnsupportedOperation"
	// codeIncorrectState is of an instance that is pending, shutting down or terminated.
	codeIncorrectState = "IncorrectInstanceState"
)

// Stop stops an instance, or has it hibernate. That EC2 accepts a hibernation does not say that it comes off: one that
// fails is a plain shutdown, and within 30 s of a resume the call succeeds and nothing happens
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/hibernating-instances.html). It may be repeated, and beats its heart. Calls
// that come together are made as one.
func (a *Activities) Stop(ctx context.Context, in contract.StopInput) (contract.StopResult, error) {
	if in.Instance == "" {
		return contract.StopResult{}, invalid("instance: empty; give the id of an EC2 instance, i-…")
	}
	acc, err := a.account(in.Account, in.Region)
	if err != nil {
		return contract.StopResult{}, err
	}
	defer beating(ctx, beatEvery)()
	if in.Hibernate {
		return acc.hibernates.do(ctx, in.Instance)
	}
	return acc.stops.do(ctx, in.Instance)
}

// stopper is stop, with or without hibernation.
func (acc *account) stopper(hibernate bool) func(context.Context, []string) map[string]result[contract.StopResult] {
	return func(ctx context.Context, ids []string) map[string]result[contract.StopResult] {
		return acc.stop(ctx, ids, hibernate)
	}
}

// stop stops many instances. One that EC2 refuses fails a call for all, so the ids are then halved until it stands alone.
func (acc *account) stop(ctx context.Context, ids []string, hibernate bool) map[string]result[contract.StopResult] {
	out, err := ask(ctx, acc.budget, "StopInstances", len(ids), mutateTimeout, func(ctx context.Context) (*ec2.StopInstancesOutput, error) {
		return acc.ec2.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: ids, Hibernate: &hibernate})
	})
	results := make(map[string]result[contract.StopResult], len(ids))
	if err == nil {
		for _, id := range ids {
			results[id] = result[contract.StopResult]{value: contract.StopResult{Answer: contract.StopAccepted, State: string(types.InstanceStateNameStopping)}}
		}
		for _, change := range out.StoppingInstances {
			if change.InstanceId != nil && change.CurrentState != nil {
				results[*change.InstanceId] = result[contract.StopResult]{value: contract.StopResult{Answer: contract.StopAccepted, State: string(change.CurrentState.Name)}}
			}
		}
		return results
	}
	d := diagnose(err)
	switch {
	case d.trouble == refused && len(ids) > 1:
		for half := range slices.Chunk(ids, (len(ids)+1)/2) {
			for id, r := range acc.stop(ctx, half, hibernate) {
				results[id] = r
			}
		}
	case d.trouble == refused:
		results[ids[0]] = result[contract.StopResult]{value: stopRefused(d, hibernate)}
	default:
		failAll(results, ids, acc.fail(err))
	}
	return results
}

// stopRefused is the answer for an instance that EC2 does not stop.
func stopRefused(d diagnosis, hibernate bool) contract.StopResult {
	r := contract.StopResult{Answer: contract.StopRefused, Code: d.code, Message: d.message}
	switch {
	case d.code == codeUnsupportedHibernation:
		r.Answer = contract.StopUnsupported
	case d.code == codeUnsupportedOperation && hibernate, d.code == codeIncorrectState:
		r.Answer = contract.StopEarly
	case d.code == codeInstanceNotFound:
		r.State = contract.InstanceGone
	}
	return r
}

// awaitEvery is how often an awaited instance is looked at. All that are awaited look at the same moments, so that hundreds
// cost one call.
const awaitEvery = time.Second

// AwaitState waits until EC2 shows an instance in one of some states, and answers with it; an instance that is going or
// gone ends the wait always. It beats its heart. Right after the launch an absence is waited out, as in Describe.
func (a *Activities) AwaitState(ctx context.Context, in contract.AwaitStateInput) (contract.InstanceResult, error) {
	if len(in.States) == 0 {
		return contract.InstanceResult{}, invalid("states: none; give the states to wait for: running, stopped, …")
	}
	since := a.now()
	if activity.IsActivity(ctx) {
		since = activity.GetInfo(ctx).ScheduledTime
	}
	for {
		seen, err := a.Describe(ctx, in.InstanceInput)
		if err != nil {
			return seen, err
		}
		switch {
		case slices.Contains(in.States, seen.State), over(seen.State):
			return seen, nil
		case in.Leaves != "" && seen.State == in.Leaves && a.now().Sub(since) >= in.Within:
			return seen, nil
		}
		if activity.IsActivity(ctx) {
			activity.RecordHeartbeat(ctx)
		}
		select {
		case <-ctx.Done():
			return seen, ctx.Err()
		case <-time.After(time.Until(time.Now().Truncate(awaitEvery).Add(awaitEvery))):
		}
	}
}

// over reports whether an instance is going or gone.
func over(state string) bool {
	return state == string(types.InstanceStateNameShuttingDown) || state == string(types.InstanceStateNameTerminated) || state == contract.InstanceGone
}
