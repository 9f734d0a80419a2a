package aws

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// runInstances asks for the step's one offering by RunInstances. Its token makes a repeated call answer with the
// instances of the first, so after a lost answer it is simply made again.
func (h hop) runInstances(ctx context.Context) (contract.LaunchResult, error) {
	request := runRequest(h.in)
	rootGiB := 0
	if h.in.Tier != "" {
		root, err := h.acc.root(ctx, h.in)
		if err != nil {
			return contract.LaunchResult{}, err
		}
		rootGiB = int(awssdk.ToInt32(root.Ebs.VolumeSize))
		if h.in.Tier == v1alpha1.Hibernated {
			request.BlockDeviceMappings = []types.BlockDeviceMapping{root}
			request.HibernationOptions = &types.HibernationOptionsRequest{Configured: awssdk.Bool(true)}
		}
	}
	var out *ec2.RunInstancesOutput
	result, err := h.send(ctx, "RunInstances", func(ctx context.Context) (err error) {
		out, err = h.acc.ec2.RunInstances(ctx, request)
		return err
	})
	if err == nil {
		return h.readRun(out, result, rootGiB), nil
	}
	d := diagnose(err)
	switch d.trouble {
	case replayed:
		return h.recover(ctx, d, result)
	case lost:
		return contract.LaunchResult{}, h.acc.failedLost(d)
	}
	return h.settle(d, result)
}

func runRequest(in contract.LaunchInput) *ec2.RunInstancesInput {
	o := in.Step.Overrides[0]
	request := &ec2.RunInstancesInput{
		// Some are better than none: the chain goes on for the rest.
		MinCount:    awssdk.Int32(1),
		MaxCount:    awssdk.Int32(int32(in.Count)),
		ClientToken: awssdk.String(zonalToken(in.Token, o)),
		LaunchTemplate: &types.LaunchTemplateSpecification{
			LaunchTemplateId: awssdk.String(in.Template.ID),
			Version:          awssdk.String(in.Template.Version),
		},
		InstanceType:      types.InstanceType(o.InstanceType),
		SubnetId:          awssdk.String(o.Subnet),
		ImageId:           awssdk.String(in.Template.ImageID),
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: tagsOf(in)}},
	}
	if in.Step.CapacityType == v1alpha1.Spot {
		request.InstanceMarketOptions = &types.InstanceMarketOptionsRequest{
			MarketType: types.MarketTypeSpot,
			SpotOptions: &types.SpotMarketOptions{
				SpotInstanceType:             types.SpotInstanceTypeOneTime,
				InstanceInterruptionBehavior: types.InstanceInterruptionBehaviorTerminate,
			},
		}
	}
	return request
}

// zonalToken is the client token of a hop in one offering. RunInstances' tokens are zonal once a subnet is given: the
// same token in another zone would be another launch
// (docs.aws.amazon.com/AWSEC2/latest/APIReference/Run_Instance_Idempotency.html).
func zonalToken(token string, o contract.Override) string {
	sum := sha256.Sum256([]byte(token + "\x00" + o.Zone + "\x00" + o.InstanceType))
	return hex.EncodeToString(sum[:])
}

func (h hop) readRun(out *ec2.RunInstancesOutput, result contract.LaunchResult, rootGiB int) contract.LaunchResult {
	o := h.in.Step.Overrides[0]
	for _, i := range out.Instances {
		instance := decodeInstance(i)
		instance.Zone, instance.ZoneID = first(instance.Zone, o.Zone), first(instance.ZoneID, o.ZoneID)
		instance.USDPerHour, instance.Token = o.USDPerHour, h.in.Token
		instance.RootGiB = rootGiB
		result.Instances = append(result.Instances, instance)
	}
	t := newTally(h.in)
	t.launched(o.Offering, len(result.Instances))
	result.Outcomes = t.outcomes()
	return result
}
