package aws

import (
	"context"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// createFleet asks for all offerings of the step at once, by a fleet of type instant, and reads the answer.
func (h hop) createFleet(ctx context.Context) (contract.LaunchResult, error) {
	var out *ec2.CreateFleetOutput
	result, err := h.send(ctx, "CreateFleet", func(ctx context.Context) (err error) {
		out, err = h.acc.ec2.CreateFleet(ctx, fleetRequest(h.in))
		return err
	})
	if err == nil {
		return h.readFleet(out, result)
	}
	d := diagnose(err)
	switch d.trouble {
	case replayed:
		return h.recover(ctx, d, result)
	case lost:
		h.attempt.record(progress{Attempt: h.attempt.number, SentAt: result.SentAt})
		return contract.LaunchResult{}, h.acc.failedLost(d)
	}
	return h.settle(d, result)
}

// fleetRequest covers every offering of the step with one call. EC2 picks among them: for spot what is cheap and deep,
// for on-demand what is cheapest.
func fleetRequest(in contract.LaunchInput) *ec2.CreateFleetInput {
	overrides := make([]types.FleetLaunchTemplateOverridesRequest, len(in.Step.Overrides))
	for i, o := range in.Step.Overrides {
		overrides[i] = types.FleetLaunchTemplateOverridesRequest{
			InstanceType: types.InstanceType(o.InstanceType),
			SubnetId:     awssdk.String(o.Subnet),
			ImageId:      awssdk.String(in.Template.ImageID),
		}
	}
	count := awssdk.Int32(int32(in.Count))
	request := &ec2.CreateFleetInput{
		Type:        types.FleetTypeInstant,
		ClientToken: awssdk.String(in.Token),
		LaunchTemplateConfigs: []types.FleetLaunchTemplateConfigRequest{{
			LaunchTemplateSpecification: &types.FleetLaunchTemplateSpecificationRequest{
				LaunchTemplateId: awssdk.String(in.Template.ID),
				Version:          awssdk.String(in.Template.Version),
			},
			Overrides: overrides,
		}},
		TargetCapacitySpecification: &types.TargetCapacitySpecificationRequest{TotalTargetCapacity: count},
		TagSpecifications: []types.TagSpecification{
			{ResourceType: types.ResourceTypeInstance, Tags: tagsOf(in)},
			{ResourceType: types.ResourceTypeFleet, Tags: tagsOf(in)},
		},
	}
	if in.Step.CapacityType == v1alpha1.Spot {
		request.TargetCapacitySpecification.DefaultTargetCapacityType = types.DefaultTargetCapacityTypeSpot
		request.SpotOptions = &types.SpotOptionsRequest{AllocationStrategy: types.SpotAllocationStrategyPriceCapacityOptimized}
	} else {
		request.TargetCapacitySpecification.DefaultTargetCapacityType = types.DefaultTargetCapacityTypeOnDemand
		request.OnDemandOptions = &types.OnDemandOptionsRequest{AllocationStrategy: types.FleetOnDemandAllocationStrategyLowestPrice}
	}
	return request
}

// readFleet reads the instances before the errors: one answer can carry both. Only an answer without any instance can
// be a failure of the hop.
func (h hop) readFleet(out *ec2.CreateFleetOutput, result contract.LaunchResult) (contract.LaunchResult, error) {
	t := newTally(h.in)
	for _, set := range out.Instances {
		o := h.overrideOf(set)
		for _, id := range set.InstanceIds {
			result.Instances = append(result.Instances, contract.Instance{
				ID:           id,
				InstanceType: o.InstanceType,
				Zone:         o.Zone,
				ZoneID:       o.ZoneID,
				Subnet:       o.Subnet,
				CapacityType: o.CapacityType,
				ImageID:      h.in.Template.ImageID,
				LaunchTime:   result.SentAt.Add(result.Took),
				USDPerHour:   o.USDPerHour,
				State:        string(types.InstanceStateNamePending),
				Token:        h.in.Token,
			})
		}
		t.launched(o.Offering, len(set.InstanceIds))
	}
	for _, e := range out.Errors {
		var o *types.FleetLaunchTemplateOverrides
		if e.LaunchTemplateAndOverrides != nil {
			o = e.LaunchTemplateAndOverrides.Overrides
		}
		t.failed(h.matching(o), awssdk.ToString(e.ErrorCode), awssdk.ToString(e.ErrorMessage))
	}
	result.Outcomes = t.outcomes()
	if len(result.Instances) == 0 {
		if d, all := t.common(); all {
			return h.settleAll(d, result)
		}
	}
	h.forgetFullSubnets(result.Outcomes)
	return result, nil
}

// overrideOf is the offering that a set of instances came of: ours where the answer names it, else what the answer
// itself says.
func (h hop) overrideOf(set types.CreateFleetInstance) contract.Override {
	said := types.FleetLaunchTemplateOverrides{
		InstanceType:       set.InstanceType,
		SubnetId:           set.SubnetId,
		AvailabilityZone:   set.AvailabilityZone,
		AvailabilityZoneId: set.AvailabilityZoneId,
	}
	if set.LaunchTemplateAndOverrides != nil && set.LaunchTemplateAndOverrides.Overrides != nil {
		o := set.LaunchTemplateAndOverrides.Overrides
		said.InstanceType = first(said.InstanceType, o.InstanceType)
		said.SubnetId = first(said.SubnetId, o.SubnetId)
		said.AvailabilityZone = first(said.AvailabilityZone, o.AvailabilityZone)
		said.AvailabilityZoneId = first(said.AvailabilityZoneId, o.AvailabilityZoneId)
	}
	if ours := h.matching(&said); len(ours) == 1 {
		return ours[0]
	}
	return contract.Override{
		Offering: contract.Offering{
			Region:       h.in.Region,
			ZoneID:       awssdk.ToString(said.AvailabilityZoneId),
			InstanceType: string(said.InstanceType),
			CapacityType: h.in.Step.CapacityType,
		},
		Zone:   awssdk.ToString(said.AvailabilityZone),
		Subnet: awssdk.ToString(said.SubnetId),
	}
}

// matching are the step's offerings that an override of the answer may mean: all that agree with what it says.
func (h hop) matching(said *types.FleetLaunchTemplateOverrides) []contract.Override {
	if said == nil {
		return h.in.Step.Overrides
	}
	var agreeing []contract.Override
	for _, o := range h.in.Step.Overrides {
		if agrees(o.InstanceType, string(said.InstanceType)) && agrees(o.Subnet, awssdk.ToString(said.SubnetId)) &&
			agrees(o.Zone, awssdk.ToString(said.AvailabilityZone)) && agrees(o.ZoneID, awssdk.ToString(said.AvailabilityZoneId)) {
			agreeing = append(agreeing, o)
		}
	}
	return agreeing
}

func agrees(ours, said string) bool { return said == "" || said == ours }

func first[T comparable](a, b T) T {
	var zero T
	if a != zero {
		return a
	}
	return b
}

// forgetFullSubnets has the subnets read again once one had no address left, so that the next view leaves it out.
func (h hop) forgetFullSubnets(outcomes []contract.Outcome) {
	for _, o := range outcomes {
		if o.Code == codeSubnetFull {
			h.acc.catalog.subnets.expire()
			return
		}
	}
}

// codeSubnetFull says that a subnet has no free address: it is refused, not ICE, since the offering has capacity in
// another subnet.
const codeSubnetFull = "InsufficientFreeAddressesInSubnet"
