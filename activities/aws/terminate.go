package aws

import (
	"context"
	"errors"
	"slices"
	"time"

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
	return a.instanceCall(ctx, in, func(acc *account) (string, error) { return acc.terminates.do(ctx, in.Instance) })
}

// Describe answers with an instance's state: EC2's word, or contract.InstanceGone. Right after the launch, while EC2
// need not show it yet, its absence is a contract.ErrUnavailable, to be retried. Calls that come together are made as
// one.
func (a *Activities) Describe(ctx context.Context, in contract.InstanceInput) (contract.InstanceResult, error) {
	return a.instanceCall(ctx, in, func(acc *account) (string, error) { return acc.describes.do(ctx, in.Instance) })
}

func (a *Activities) instanceCall(ctx context.Context, in contract.InstanceInput, call func(*account) (string, error)) (contract.InstanceResult, error) {
	if in.Instance == "" {
		return contract.InstanceResult{}, invalid("instance: empty; give the id of an EC2 instance, i-…")
	}
	acc, err := a.account(in.Account, in.Region)
	if err != nil {
		return contract.InstanceResult{}, err
	}
	state, err := call(acc)
	if err != nil {
		return contract.InstanceResult{}, err
	}
	if state == contract.InstanceGone {
		if left := in.Launched.Add(a.lag).Sub(a.now()); left > 0 {
			return contract.InstanceResult{}, temporal.NewApplicationErrorWithOptions(
				acc.String()+": EC2 does not show "+in.Instance+" yet: it was launched "+in.Launched.UTC().Format(time.RFC3339)+", and may take "+a.lag.String(),
				contract.ErrUnavailable, temporal.ApplicationErrorOptions{
					Category: temporal.ApplicationErrorCategoryBenign, NextRetryDelay: min(left, 5*time.Second),
				})
		}
	}
	return contract.InstanceResult{State: state}, nil
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
func (acc *account) states(ctx context.Context, ids []string) map[string]result[string] {
	results := make(map[string]result[string], len(ids))
	for _, id := range ids {
		results[id] = result[string]{value: contract.InstanceGone}
	}
	instances, err := acc.instances(ctx, filter("instance-id", ids...))
	if err != nil {
		for _, id := range ids {
			results[id] = result[string]{err: acc.fail(err)}
		}
		return results
	}
	for _, instance := range instances {
		results[instance.ID] = result[string]{value: instance.State}
	}
	return results
}

func notFound(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == codeInstanceNotFound
}
