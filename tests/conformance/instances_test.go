package conformance

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"
)

var instances = []check{
	{"an instance begins as pending and comes to running", "AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html", func(l *lab) {
		out, err := l.ec2.RunInstances(l.ctx, l.launch())
		require.NoError(l, err)
		i := out.Instances[0]
		l.endWith(*i.InstanceId)
		require.Equal(l, types.InstanceStateNamePending, i.State.Name)
		require.EqualValues(l, 0, *i.State.Code)
		running := l.comesTo(*i.InstanceId, types.InstanceStateNameRunning)
		require.EqualValues(l, 16, *running.State.Code)
		require.Equal(l, *l.subnet.SubnetId, *running.SubnetId)
		require.Equal(l, instanceType, running.InstanceType)
		require.NotEmpty(l, *running.PrivateIpAddress)
	}},
	{"tags of the launch are there from the beginning", "AWSEC2/latest/APIReference/API_RunInstances.html", func(l *lab) {
		out, err := l.ec2.RunInstances(l.ctx, l.launch())
		require.NoError(l, err)
		l.endWith(*out.Instances[0].InstanceId)
		require.Equal(l, l.run, value(out.Instances[0].Tags, "run"))
	}},
	{"a token launches once", "AWSEC2/latest/APIReference/Run_Instance_Idempotency.html", func(l *lab) {
		input := l.launch()
		input.ClientToken = aws.String(l.run + "-token")
		first, err := l.ec2.RunInstances(l.ctx, input)
		require.NoError(l, err)
		l.endWith(*first.Instances[0].InstanceId)
		again, err := l.ec2.RunInstances(l.ctx, input)
		require.NoError(l, err)
		require.Equal(l, *first.Instances[0].InstanceId, *again.Instances[0].InstanceId)
		require.Equal(l, *first.ReservationId, *again.ReservationId)
		input.InstanceType = types.InstanceTypeC5Large
		_, err = l.ec2.RunInstances(l.ctx, input)
		l.refused(err, "IdempotentParameterMismatch")
	}},
	{"the least count is not above the most", "AWSEC2/latest/APIReference/API_RunInstances.html", func(l *lab) {
		for _, counts := range [][2]int32{{0, 1}, {2, 1}} {
			input := l.launch()
			input.MinCount, input.MaxCount = aws.Int32(counts[0]), aws.Int32(counts[1])
			_, err := l.ec2.RunInstances(l.ctx, input)
			l.refused(err, "InvalidParameterValue", "InvalidParameterCombination")
		}
	}},
	{"what does not exist cannot be launched", "AWSEC2/latest/APIReference/errors-overview.html", func(l *lab) {
		image, subnet, kind := l.launch(), l.launch(), l.launch()
		image.ImageId, subnet.SubnetId, kind.InstanceType = aws.String("ami-0123456789abcdef0"), aws.String("subnet-0123456789abcdef0"), "m5.huge"
		_, err := l.ec2.RunInstances(l.ctx, image)
		l.refused(err, "InvalidAMIID.NotFound")
		_, err = l.ec2.RunInstances(l.ctx, subnet)
		l.refused(err, "InvalidSubnetID.NotFound")
		_, err = l.ec2.RunInstances(l.ctx, kind)
		l.refused(err, "InvalidInstanceType", "InvalidParameterValue")
	}},
	{"a launch takes an address of its subnet", "AWSEC2/latest/APIReference/API_Subnet.html", func(l *lab) {
		free := func() int32 {
			out, err := l.ec2.DescribeSubnets(l.ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{*l.subnet.SubnetId}})
			require.NoError(l, err)
			return *out.Subnets[0].AvailableIpAddressCount
		}
		require.Eventually(l, func() bool { return len(l.alive()) == 0 }, l.patience, 20*time.Millisecond, "earlier checks' instances give theirs back")
		before := free()
		id := l.running()
		require.Less(l, free(), before)
		_, err := l.ec2.TerminateInstances(l.ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
		require.NoError(l, err)
		require.Eventually(l, func() bool { return free() >= before }, l.patience, 20*time.Millisecond, "and gives it back")
	}},
	{"a stopped instance keeps its private address and starts again", "AWSEC2/latest/UserGuide/how-ec2-instance-stop-start-works.html", func(l *lab) {
		id := l.running()
		before := l.comesTo(id, types.InstanceStateNameRunning)
		stop, err := l.ec2.StopInstances(l.ctx, &ec2.StopInstancesInput{InstanceIds: []string{id}})
		require.NoError(l, err)
		require.Equal(l, types.InstanceStateNameRunning, stop.StoppingInstances[0].PreviousState.Name)
		stopped := l.comesTo(id, types.InstanceStateNameStopped)
		require.Equal(l, *before.PrivateIpAddress, *stopped.PrivateIpAddress)
		require.Empty(l, aws.ToString(stopped.PublicIpAddress))
		require.Equal(l, "Client.UserInitiatedShutdown", *stopped.StateReason.Code)
		start, err := l.ec2.StartInstances(l.ctx, &ec2.StartInstancesInput{InstanceIds: []string{id}})
		require.NoError(l, err)
		require.Equal(l, types.InstanceStateNameStopped, start.StartingInstances[0].PreviousState.Name)
		started := l.comesTo(id, types.InstanceStateNameRunning)
		require.Equal(l, *before.PrivateIpAddress, *started.PrivateIpAddress)
	}},
	{"a running instance reboots and stays running", "AWSEC2/latest/APIReference/API_RebootInstances.html", func(l *lab) {
		id := l.running()
		_, err := l.ec2.RebootInstances(l.ctx, &ec2.RebootInstancesInput{InstanceIds: []string{id}})
		require.NoError(l, err)
		l.comesTo(id, types.InstanceStateNameRunning)
	}},
	{"termination can be asked for again, is told for a while, and is for ever", "AWSEC2/latest/APIReference/API_TerminateInstances.html", func(l *lab) {
		id := l.running()
		for range 2 {
			_, err := l.ec2.TerminateInstances(l.ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
			require.NoError(l, err)
		}
		gone := l.comesTo(id, types.InstanceStateNameTerminated)
		require.EqualValues(l, 48, *gone.State.Code)
		require.Empty(l, aws.ToString(gone.PrivateIpAddress))
		_, err := l.ec2.StartInstances(l.ctx, &ec2.StartInstancesInput{InstanceIds: []string{id}})
		l.refused(err, "IncorrectInstanceState")
	}},
	{"a termination with an unknown ID terminates nothing", "AWSEC2/latest/APIReference/API_TerminateInstances.html", func(l *lab) {
		id := l.running()
		_, err := l.ec2.TerminateInstances(l.ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id, "i-0123456789abcdef0"}})
		l.refused(err, "InvalidInstanceID.NotFound")
		l.comesTo(id, types.InstanceStateNameRunning)
	}},
	{"tags come and go, and can be looked up with wildcards", "AWSEC2/latest/APIReference/API_DeleteTags.html", func(l *lab) {
		id := l.running()
		tag := func(key, value string) types.Tag { return types.Tag{Key: aws.String(key), Value: aws.String(value)} }
		_, err := l.ec2.CreateTags(l.ctx, &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{tag("team", "alpha-1"), tag("left", "yes")}})
		require.NoError(l, err)
		found := func(filter types.Filter) bool {
			out, err := l.ec2.DescribeInstances(l.ctx, &ec2.DescribeInstancesInput{Filters: []types.Filter{by("tag:run", l.run), by("instance-id", id), filter}})
			require.NoError(l, err)
			return len(out.Reservations) > 0
		}
		require.Eventually(l, func() bool { return found(by("tag:team", "al*-?")) }, l.patience, 20*time.Millisecond)
		require.False(l, found(by("tag:team", "beta*")))
		_, err = l.ec2.DeleteTags(l.ctx, &ec2.DeleteTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: aws.String("team")}, tag("left", "no")}})
		require.NoError(l, err)
		require.Eventually(l, func() bool { return !found(by("tag-key", "team")) }, l.patience, 20*time.Millisecond)
		require.True(l, found(by("tag-key", "left")), "a tag with another value stays")
	}},
	{"all tags are told, by resource", "AWSEC2/latest/APIReference/API_DescribeTags.html", func(l *lab) {
		id := l.running()
		require.Eventually(l, func() bool { // descriptions may lag
			out, err := l.ec2.DescribeTags(l.ctx, &ec2.DescribeTagsInput{Filters: []types.Filter{by("resource-id", id), by("key", "run")}})
			require.NoError(l, err)
			return len(out.Tags) == 1 && *out.Tags[0].Value == l.run && out.Tags[0].ResourceType == types.ResourceTypeInstance
		}, l.patience, 20*time.Millisecond)
	}},
	{"tags of AWS's own cannot be made", "AWSEC2/latest/UserGuide/Using_Tags.html", func(l *lab) {
		id := l.running()
		_, err := l.ec2.CreateTags(l.ctx, &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: aws.String("aws:x"), Value: aws.String("y")}}})
		l.refused(err, "InvalidParameterValue")
	}},
	{"the status of running instances alone is told, unless all are asked for", "AWSEC2/latest/APIReference/API_DescribeInstanceStatus.html", func(l *lab) {
		id := l.running()
		status := func(all bool) int {
			out, err := l.ec2.DescribeInstanceStatus(l.ctx, &ec2.DescribeInstanceStatusInput{InstanceIds: []string{id}, IncludeAllInstances: aws.Bool(all)})
			require.NoError(l, err)
			return len(out.InstanceStatuses)
		}
		require.Equal(l, 1, status(false))
		_, err := l.ec2.StopInstances(l.ctx, &ec2.StopInstancesInput{InstanceIds: []string{id}})
		require.NoError(l, err)
		l.comesTo(id, types.InstanceStateNameStopped)
		require.Zero(l, status(false))
		require.Equal(l, 1, status(true))
	}},
	{"the root volume is told, with its size and encryption", "AWSEC2/latest/APIReference/API_DescribeVolumes.html", func(l *lab) {
		images, err := l.ec2.DescribeImages(l.ctx, &ec2.DescribeImagesInput{ImageIds: []string{l.image}})
		require.NoError(l, err)
		input := l.launch()
		input.BlockDeviceMappings = []types.BlockDeviceMapping{{
			DeviceName: images.Images[0].RootDeviceName, Ebs: &types.EbsBlockDevice{VolumeSize: aws.Int32(64), Encrypted: aws.Bool(true)},
		}}
		out, err := l.ec2.RunInstances(l.ctx, input)
		require.NoError(l, err)
		id := *out.Instances[0].InstanceId
		l.endWith(id)
		l.comesTo(id, types.InstanceStateNameRunning)
		volumes, err := l.ec2.DescribeVolumes(l.ctx, &ec2.DescribeVolumesInput{Filters: []types.Filter{by("attachment.instance-id", id)}})
		require.NoError(l, err)
		require.Len(l, volumes.Volumes, 1)
		require.EqualValues(l, 64, *volumes.Volumes[0].Size)
		require.True(l, *volumes.Volumes[0].Encrypted)
	}},
	{"an instance hibernates only if it was launched for it", "AWSEC2/latest/UserGuide/hibernating-instances.html", func(l *lab) {
		id := l.running()
		_, err := l.ec2.StopInstances(l.ctx, &ec2.StopInstancesInput{InstanceIds: []string{id}, Hibernate: aws.Bool(true)})
		l.refused(err, "UnsupportedHibernationConfiguration")
		l.comesTo(id, types.InstanceStateNameRunning)
	}},
	{"a machine that is to hibernate needs an encrypted root volume", "AWSEC2/latest/UserGuide/hibernating-prerequisites.html", func(l *lab) {
		input := l.launch()
		input.HibernationOptions = &types.HibernationOptionsRequest{Configured: aws.Bool(true)}
		_, err := l.ec2.RunInstances(l.ctx, input)
		l.refused(err, "UnsupportedHibernationConfiguration", "InvalidParameterValue")
	}},
}

func value(tags []types.Tag, key string) string {
	for _, t := range tags {
		if *t.Key == key {
			return *t.Value
		}
	}
	return ""
}
