package aws

import (
	"context"
	"errors"
	"slices"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"go.temporal.io/sdk/temporal"

	"floe.dev/floe/api/contract"
)

const (
	// mostTerminated is how many instances one call ends. EC2 takes more; but one id that it refuses fails the whole
	// call.
	mostTerminated = 500
	// mostDescribed is how many values a filter takes
	// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Filter.html).
	mostDescribed = 200
)

// EC2's words for an instance that it does not know. They are not told apart by their meaning for a launch, so they are
// no troubles.
const codeInstanceNotFound = "InvalidInstanceID.NotFound"

// Terminate ends an instance and answers with its state: shutting-down, terminated, or contract.InstanceGone where EC2
// does not know it any more. It may be repeated. Calls that come together are made as one.
func (a *Activities) Terminate(ctx context.Context, in contract.InstanceInput) (contract.InstanceResult, error) {
	return a.instanceCall(ctx, in, func(acc *account) (sight, error) {
		state, err := acc.terminates.do(ctx, in.Instance)
		return sight{State: state}, err
	})
}

// Describe answers with an instance's state: EC2's word, or contract.InstanceGone. Right after the launch, while EC2
// need not show it yet, its absence is a contract.ErrUnavailable, to be retried. Calls that come together are made as
// one.
func (a *Activities) Describe(ctx context.Context, in contract.InstanceInput) (contract.InstanceResult, error) {
	return a.instanceCall(ctx, in, func(acc *account) (sight, error) { return acc.describes.do(ctx, in.Instance) })
}

// sight is what EC2 shows of an instance.
type sight = contract.InstanceResult

func (a *Activities) instanceCall(ctx context.Context, in contract.InstanceInput, call func(*account) (sight, error)) (contract.InstanceResult, error) {
	if in.Instance == "" {
		return contract.InstanceResult{}, invalid("instance: empty; give the id of an EC2 instance, i-…")
	}
	acc, err := a.account(in.Account, in.Region)
	if err != nil {
		return contract.InstanceResult{}, err
	}
	seen, err := call(acc)
	if err != nil {
		return contract.InstanceResult{}, err
	}
	if seen.State == contract.InstanceGone {
		if left := in.Launched.Add(a.lag).Sub(a.now()); left > 0 {
			return contract.InstanceResult{}, temporal.NewApplicationErrorWithOptions(
				acc.String()+": EC2 does not show "+in.Instance+" yet: it was launched "+in.Launched.UTC().Format(time.RFC3339)+", and may take "+a.lag.String(),
				contract.ErrUnavailable, temporal.ApplicationErrorOptions{
					Category: temporal.ApplicationErrorCategoryBenign, NextRetryDelay: min(left, 5*time.Second),
				})
		}
	}
	return seen, nil
}

// terminate ends many instances. One id that EC2 refuses fails a call for all, and EC2 says which only in words, so the
// ids are then halved until the bad one stands alone.
func (acc *account) terminate(ctx context.Context, ids []string) map[string]result[string] {
	out, err := ask(ctx, acc.budget, "TerminateInstances", len(ids), mutateTimeout, func(ctx context.Context) (*ec2.TerminateInstancesOutput, error) {
		return acc.ec2.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: ids})
	})
	results := make(map[string]result[string], len(ids))
	if err == nil {
		for _, change := range out.TerminatingInstances {
			if change.InstanceId != nil && change.CurrentState != nil {
				results[*change.InstanceId] = result[string]{value: string(change.CurrentState.Name)}
			}
		}
		for _, id := range ids {
			if _, ok := results[id]; !ok {
				results[id] = result[string]{value: string(types.InstanceStateNameShuttingDown)}
			}
		}
		return results
	}
	if d := diagnose(err); d.trouble == refused && len(ids) > 1 {
		for half := range slices.Chunk(ids, (len(ids)+1)/2) {
			for id, r := range acc.terminate(ctx, half) {
				results[id] = r
			}
		}
		return results
	}
	answer := result[string]{err: acc.fail(err)}
	if notFound(err) {
		answer = result[string]{value: contract.InstanceGone}
	}
	for _, id := range ids {
		results[id] = answer
	}
	return results
}

// states reads the states of many instances. It asks by filter, which leaves out what EC2 does not know, where asking
// by id would fail for all.
func (acc *account) states(ctx context.Context, ids []string) map[string]result[sight] {
	results := make(map[string]result[sight], len(ids))
	for _, id := range ids {
		results[id] = result[sight]{value: sight{State: contract.InstanceGone}}
	}
	err := acc.eachInstance(ctx, func(i types.Instance) {
		if i.InstanceId == nil || i.State == nil {
			return
		}
		seen := sight{State: string(i.State.Name)}
		if i.StateReason != nil {
			seen.Reason = awssdk.ToString(i.StateReason.Code)
		}
		results[*i.InstanceId] = result[sight]{value: seen}
	}, filter("instance-id", ids...))
	if err != nil {
		for _, id := range ids {
			results[id] = result[sight]{err: acc.fail(err)}
		}
	}
	return results
}

func notFound(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == codeInstanceNotFound
}
