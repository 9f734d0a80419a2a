package aws

import (
	"context"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// Instances are all instances of a cluster in an account that EC2 still shows, the terminated of the last hour
// included. Their price is not known here. It is one paged DescribeInstances: what the watcher's loop asks.
func (a *Activities) Instances(ctx context.Context, accountName, cluster string) ([]contract.Instance, error) {
	acc, err := a.account(accountName, "")
	if err != nil {
		return nil, err
	}
	instances, err := acc.instances(ctx, filter("tag:"+contract.TagOwner, contract.OwnerFloe), filter("tag:"+contract.TagCluster, cluster))
	if err != nil {
		return nil, acc.fail(err)
	}
	return instances, nil
}

// instances describes all instances that match. The error is the SDK's.
func (acc *account) instances(ctx context.Context, filters ...types.Filter) ([]contract.Instance, error) {
	var instances []contract.Instance
	err := acc.eachInstance(ctx, func(i types.Instance) { instances = append(instances, decodeInstance(i)) }, filters...)
	return instances, err
}

// eachInstance calls each with every instance that matches. The error is the SDK's.
func (acc *account) eachInstance(ctx context.Context, each func(types.Instance), filters ...types.Filter) error {
	pages := ec2.NewDescribeInstancesPaginator(acc.ec2, &ec2.DescribeInstancesInput{
		Filters:    filters,
		MaxResults: awssdk.Int32(1000), // the most that EC2 takes
	})
	return eachPage(ctx, acc.budget, "DescribeInstances", pages.HasMorePages, pages.NextPage, func(page *ec2.DescribeInstancesOutput) {
		for _, reservation := range page.Reservations {
			for _, instance := range reservation.Instances {
				each(instance)
			}
		}
	})
}

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: &name, Values: values}
}

// decodeInstance is an instance in the contract's words.
func decodeInstance(i types.Instance) contract.Instance {
	decoded := contract.Instance{
		ID:           awssdk.ToString(i.InstanceId),
		InstanceType: string(i.InstanceType),
		Subnet:       awssdk.ToString(i.SubnetId),
		CapacityType: v1alpha1.OnDemand,
		ImageID:      awssdk.ToString(i.ImageId),
		PrivateDNS:   awssdk.ToString(i.PrivateDnsName),
		LaunchTime:   awssdk.ToTime(i.LaunchTime),
	}
	if i.HibernationOptions != nil {
		decoded.Hibernatable = awssdk.ToBool(i.HibernationOptions.Configured)
	}
	if i.InstanceLifecycle == types.InstanceLifecycleTypeSpot {
		decoded.CapacityType = v1alpha1.Spot
	}
	if i.Placement != nil {
		decoded.Zone = awssdk.ToString(i.Placement.AvailabilityZone)
		decoded.ZoneID = awssdk.ToString(i.Placement.AvailabilityZoneId)
	}
	if i.State != nil {
		decoded.State = string(i.State.Name)
	}
	for _, tag := range i.Tags {
		if awssdk.ToString(tag.Key) == contract.TagToken {
			decoded.Token = awssdk.ToString(tag.Value)
		}
	}
	return decoded
}
