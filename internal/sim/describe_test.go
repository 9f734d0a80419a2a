package sim_test

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/sim/script"
)

func filterBy(name string, values ...string) types.Filter {
	return types.Filter{Name: aws.String(name), Values: values}
}

func TestDescribeInstances(t *testing.T) {
	w := newWorld(t, sim.Options{Unthrottled: true})
	_, err := w.ec2.CreateFleet(w.ctx, fleet(7, spot, "token-of-fleet", in("c5.large", sim.SubnetB)))
	require.NoError(t, err)
	for range 5 {
		_, err := w.ec2.RunInstances(w.ctx, run(1, sim.SubnetA, ""))
		require.NoError(t, err)
	}
	require.Len(t, w.described(&ec2.DescribeInstancesInput{}), 12)
	require.Len(t, w.described(&ec2.DescribeInstancesInput{MaxResults: aws.Int32(5)}), 12, "pages lose nothing")
	for _, c := range []struct {
		filters []types.Filter
		want    int
	}{
		{[]types.Filter{filterBy("tag:floe.dev/owner", "floe")}, 7},
		{[]types.Filter{filterBy("tag:floe.dev/owner", "fl?e", "x")}, 7},
		{[]types.Filter{filterBy("tag-key", "floe.dev/*")}, 7},
		{[]types.Filter{filterBy("tag:floe.dev/owner", "FLOE")}, 0},
		{[]types.Filter{filterBy("client-token", "token-of-fleet")}, 7},
		{[]types.Filter{filterBy("instance-lifecycle", "spot")}, 7},
		{[]types.Filter{filterBy("instance-state-name", "pending", "running")}, 12},
		{[]types.Filter{filterBy("instance-state-name", "running")}, 0},
		{[]types.Filter{filterBy("availability-zone-id", "euw1-az1")}, 5},
		{[]types.Filter{filterBy("availability-zone", "eu-west-1?"), filterBy("instance-type", "m5.*")}, 5},
	} {
		require.Len(t, w.described(&ec2.DescribeInstancesInput{Filters: c.filters}), c.want, c.filters)
		require.Len(t, w.described(&ec2.DescribeInstancesInput{Filters: c.filters, MaxResults: aws.Int32(5)}), c.want, "in pages too")
	}
	_, err = w.ec2.DescribeInstances(w.ctx, &ec2.DescribeInstancesInput{Filters: []types.Filter{filterBy("color", "red")}})
	require.Equal(t, "InvalidParameterValue", code(err))
	_, err = w.ec2.DescribeInstances(w.ctx, &ec2.DescribeInstancesInput{MaxResults: aws.Int32(4)})
	require.Equal(t, "InvalidParameterValue", code(err))
	_, err = w.ec2.DescribeInstances(w.ctx, &ec2.DescribeInstancesInput{NextToken: aws.String("made up")})
	require.Equal(t, "InvalidNextToken", code(err))
	_, err = w.ec2.DescribeInstances(w.ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{"i-0123456789abcdef0"}})
	require.Equal(t, "InvalidInstanceID.NotFound", code(err))
	_, err = w.ec2.DescribeInstances(w.ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{"i-1"}})
	require.Equal(t, "InvalidInstanceID.Malformed", code(err))
}

func TestAnInstancesLife(t *testing.T) {
	w := newWorld(t, sim.Options{Boot: &sim.Boot{Pending: 5 * time.Second, Stopping: 5 * time.Second, ShuttingDown: 5 * time.Second}})
	out, err := w.ec2.RunInstances(w.ctx, run(1, sim.SubnetC, ""))
	require.NoError(t, err)
	require.Equal(t, types.InstanceStateNamePending, out.Instances[0].State.Name)
	id := aws.ToString(out.Instances[0].InstanceId)
	now := func() types.Instance {
		return w.described(&ec2.DescribeInstancesInput{InstanceIds: []string{id}})[0]
	}
	w.clock.Advance(6 * time.Second)
	i := now()
	require.Equal(t, types.InstanceStateNameRunning, i.State.Name)
	require.Equal(t, "eu-west-1c", aws.ToString(i.Placement.AvailabilityZone))
	require.Equal(t, "euw1-az3", aws.ToString(i.Placement.AvailabilityZoneId))
	require.Equal(t, "ip-10-0-32-4.eu-west-1.compute.internal", aws.ToString(i.PrivateDnsName))
	require.Equal(t, "10.0.32.4", aws.ToString(i.PrivateIpAddress))
	require.Equal(t, sim.ImageX86, aws.ToString(i.ImageId))
	require.Equal(t, types.ArchitectureValuesX8664, i.Architecture)
	require.Nil(t, i.StateReason)

	stopped, err := w.ec2.StopInstances(w.ctx, &ec2.StopInstancesInput{InstanceIds: []string{id}})
	require.NoError(t, err)
	require.Equal(t, types.InstanceStateNameRunning, stopped.StoppingInstances[0].PreviousState.Name)
	require.Equal(t, types.InstanceStateNameStopping, stopped.StoppingInstances[0].CurrentState.Name)
	w.clock.Advance(6 * time.Second)
	require.Equal(t, types.InstanceStateNameStopped, now().State.Name)
	w.script("m5.* on-demand *: 0")
	_, err = w.ec2.StartInstances(w.ctx, &ec2.StartInstancesInput{InstanceIds: []string{id}})
	require.Equal(t, ice, code(err), "capacity can be out when a machine is to be started, too")
	w.script("m5.* on-demand *: unlimited")
	_, err = w.ec2.StartInstances(w.ctx, &ec2.StartInstancesInput{InstanceIds: []string{id}})
	require.NoError(t, err)
	w.clock.Advance(6 * time.Second)
	_, err = w.ec2.CreateTags(w.ctx, &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}})
	require.NoError(t, err)
	require.Contains(t, now().Tags, types.Tag{Key: aws.String("a"), Value: aws.String("b")})
	require.Contains(t, now().Tags, types.Tag{Key: aws.String("aws:ec2launchtemplate:id"), Value: aws.String(sim.LaunchTemplateID)})

	gone, err := w.ec2.TerminateInstances(w.ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	require.NoError(t, err)
	require.Equal(t, types.InstanceStateNameShuttingDown, gone.TerminatingInstances[0].CurrentState.Name)
	w.clock.Advance(6 * time.Second)
	require.Equal(t, types.InstanceStateNameTerminated, now().State.Name)
	require.Equal(t, "Client.UserInitiatedShutdown", aws.ToString(now().StateReason.Code))
	require.Equal(t, 2, w.server.Truth().Instances[0].Boots)
}

func TestSpotRequests(t *testing.T) {
	w := newWorld(t, sim.Options{})
	out, err := w.ec2.CreateFleet(w.ctx, fleet(1, spot, "", in("m5.large", sim.SubnetA)))
	require.NoError(t, err)
	id := out.Instances[0].InstanceIds[0]
	status := func() types.SpotInstanceRequest {
		requests, err := w.ec2.DescribeSpotInstanceRequests(w.ctx, &ec2.DescribeSpotInstanceRequestsInput{Filters: []types.Filter{filterBy("instance-id", id)}})
		require.NoError(t, err)
		require.Len(t, requests.SpotInstanceRequests, 1)
		return requests.SpotInstanceRequests[0]
	}
	require.Equal(t, "fulfilled", aws.ToString(status().Status.Code))
	_, err = w.ec2.DescribeSpotInstanceRequests(w.ctx, &ec2.DescribeSpotInstanceRequestsInput{SpotInstanceRequestIds: []string{"sir-0"}})
	require.Equal(t, "InvalidSpotInstanceRequestID.NotFound", code(err))
	w.clock.Advance(time.Minute)
	_, err = w.ec2.StopInstances(w.ctx, &ec2.StopInstancesInput{InstanceIds: []string{id}})
	require.Equal(t, "UnsupportedOperation", code(err), "a fleet's spot instances can only be terminated")
	_, err = w.ec2.TerminateInstances(w.ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	require.NoError(t, err)
	require.Equal(t, "instance-terminated-by-user", aws.ToString(status().Status.Code))
	require.Equal(t, types.SpotInstanceStateClosed, status().State)
}

func TestTheCatalogIsDescribed(t *testing.T) {
	w := newWorld(t, sim.Options{NotOffered: []script.Where{{Type: "m7g.*", Zone: "eu-west-1c"}}})
	facts := catalog.Facts()
	got := map[string]types.InstanceTypeInfo{}
	pages := ec2.NewDescribeInstanceTypesPaginator(w.ec2, &ec2.DescribeInstanceTypesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.ctx)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.InstanceTypes), 100)
		for _, info := range page.InstanceTypes {
			got[string(info.InstanceType)] = info
		}
	}
	require.Len(t, got, len(facts))
	for _, f := range facts {
		info := got[f.Name]
		require.EqualValues(t, f.VCPU, *info.VCpuInfo.DefaultVCpus, f.Name)
		require.EqualValues(t, f.MemoryMiB, *info.MemoryInfo.SizeInMiB, f.Name)
		require.EqualValues(t, f.ENIs, *info.NetworkInfo.MaximumNetworkInterfaces, f.Name)
		require.EqualValues(t, f.IPv4PerENI, *info.NetworkInfo.Ipv4AddressesPerInterface, f.Name)
		require.Equal(t, f.Hibernation, *info.HibernationSupported, f.Name)
		require.Equal(t, f.BareMetal, *info.BareMetal, f.Name)
		want := types.ArchitectureTypeX8664
		if f.Arch == "arm64" {
			want = types.ArchitectureTypeArm64
		}
		require.Equal(t, []types.ArchitectureType{want}, info.ProcessorInfo.SupportedArchitectures, f.Name)
	}

	offered := map[string]int{}
	offerings := ec2.NewDescribeInstanceTypeOfferingsPaginator(w.ec2, &ec2.DescribeInstanceTypeOfferingsInput{LocationType: types.LocationTypeAvailabilityZoneId})
	for offerings.HasMorePages() {
		page, err := offerings.NextPage(w.ctx)
		require.NoError(t, err)
		for _, o := range page.InstanceTypeOfferings {
			offered[string(o.InstanceType)]++
			require.NotContains(t, string(o.InstanceType)+aws.ToString(o.Location), "m7g.large"+"euw1-az3")
		}
	}
	require.Equal(t, 3, offered["m5.large"])
	require.Equal(t, 2, offered["m7g.large"])
	out, err := w.ec2.CreateFleet(w.ctx, fleet(1, spot, "", override{
		InstanceType: "m7g.large", SubnetId: aws.String(sim.SubnetC), ImageId: aws.String(sim.ImageARM),
	}))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"m7g.large": "Unsupported"}, refused(out))

	hibernate, err := w.ec2.DescribeInstanceTypes(w.ctx, &ec2.DescribeInstanceTypesInput{
		InstanceTypes: []types.InstanceType{"m5.large", "m7g.metal"}, Filters: []types.Filter{filterBy("hibernation-supported", "true")},
	})
	require.NoError(t, err)
	require.Len(t, hibernate.InstanceTypes, 1)
	_, err = w.ec2.DescribeInstanceTypes(w.ctx, &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{"m5.huge"}})
	require.Equal(t, "InvalidInstanceType", code(err))

	prices, seen := ec2.NewDescribeSpotPriceHistoryPaginator(w.ec2, &ec2.DescribeSpotPriceHistoryInput{
		StartTime: aws.Time(time.Now()), ProductDescriptions: []string{"Linux/UNIX"},
	}), 0
	for prices.HasMorePages() {
		page, err := prices.NextPage(w.ctx)
		require.NoError(t, err)
		seen += len(page.SpotPriceHistory)
	}
	total := 0
	for _, n := range offered {
		total += n
	}
	require.Equal(t, total, seen, "each offering has one price")
}

func TestPlacesAreDescribed(t *testing.T) {
	w := newWorld(t, sim.Options{})
	_, err := w.ec2.RunInstances(w.ctx, run(2, sim.SubnetB, ""))
	require.NoError(t, err)
	subnets, err := w.ec2.DescribeSubnets(w.ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{sim.SubnetB, sim.SubnetA}})
	require.NoError(t, err)
	require.Len(t, subnets.Subnets, 2)
	require.EqualValues(t, 4089, *subnets.Subnets[0].AvailableIpAddressCount)
	require.Equal(t, "euw1-az2", aws.ToString(subnets.Subnets[0].AvailabilityZoneId))
	require.Equal(t, "10.0.16.0/20", aws.ToString(subnets.Subnets[0].CidrBlock))
	_, err = w.ec2.DescribeSubnets(w.ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{"subnet-00000000"}})
	require.Equal(t, "InvalidSubnetID.NotFound", code(err))
	zones, err := w.ec2.DescribeAvailabilityZones(w.ctx, &ec2.DescribeAvailabilityZonesInput{ZoneIds: []string{"euw1-az3"}})
	require.NoError(t, err)
	require.Equal(t, "eu-west-1c", aws.ToString(zones.AvailabilityZones[0].ZoneName))
	images, err := w.ec2.DescribeImages(w.ctx, &ec2.DescribeImagesInput{ImageIds: []string{sim.ImageARM}})
	require.NoError(t, err)
	require.Equal(t, types.ArchitectureValuesArm64, images.Images[0].Architecture)
	require.EqualValues(t, 20, *images.Images[0].BlockDeviceMappings[0].Ebs.VolumeSize)
}

func TestLaunchTemplates(t *testing.T) {
	w := newWorld(t, sim.Options{})
	userData := base64.StdEncoding.EncodeToString([]byte("#!/bin/bash\nexec kubelet --node-labels=team=a"))
	made, err := w.ec2.CreateLaunchTemplate(w.ctx, &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String("mine"),
		LaunchTemplateData: &types.RequestLaunchTemplateData{
			ImageId: aws.String(sim.ImageX86), InstanceType: "m5.large", UserData: aws.String(userData),
			TagSpecifications: []types.LaunchTemplateTagSpecificationRequest{{
				ResourceType: types.ResourceTypeInstance, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}, {Key: aws.String("kept"), Value: aws.String("yes")}},
			}},
		},
	})
	require.NoError(t, err)
	id := made.LaunchTemplate.LaunchTemplateId
	_, err = w.ec2.CreateLaunchTemplate(w.ctx, &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String("mine"), LaunchTemplateData: &types.RequestLaunchTemplateData{ImageId: aws.String(sim.ImageX86)},
	})
	require.Equal(t, "InvalidLaunchTemplateName.AlreadyExistsException", code(err))
	second, err := w.ec2.CreateLaunchTemplateVersion(w.ctx, &ec2.CreateLaunchTemplateVersionInput{
		LaunchTemplateId: id, SourceVersion: aws.String("1"), LaunchTemplateData: &types.RequestLaunchTemplateData{InstanceType: "c5.large"},
	})
	require.NoError(t, err)
	require.EqualValues(t, 2, *second.LaunchTemplateVersion.VersionNumber)
	require.Equal(t, userData, aws.ToString(second.LaunchTemplateVersion.LaunchTemplateData.UserData), "the source's data is kept")

	for version, want := range map[string]types.InstanceType{"1": "m5.large", "$Default": "m5.large", "$Latest": "c5.large", "2": "c5.large"} {
		got, err := w.ec2.DescribeLaunchTemplateVersions(w.ctx, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: id, Versions: []string{version}})
		require.NoError(t, err)
		require.Len(t, got.LaunchTemplateVersions, 1)
		require.Equal(t, want, got.LaunchTemplateVersions[0].LaunchTemplateData.InstanceType)
	}
	all, err := w.ec2.DescribeLaunchTemplateVersions(w.ctx, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateName: aws.String("mine")})
	require.NoError(t, err)
	require.Len(t, all.LaunchTemplateVersions, 2)
	_, err = w.ec2.DescribeLaunchTemplateVersions(w.ctx, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: id, Versions: []string{"3"}})
	require.Equal(t, "InvalidLaunchTemplateId.VersionNotFound", code(err))
	named, err := w.ec2.DescribeLaunchTemplates(w.ctx, &ec2.DescribeLaunchTemplatesInput{LaunchTemplateNames: []string{"mine"}})
	require.NoError(t, err)
	require.EqualValues(t, 2, *named.LaunchTemplates[0].LatestVersionNumber)
	require.EqualValues(t, 1, *named.LaunchTemplates[0].DefaultVersionNumber)

	input := run(1, sim.SubnetA, "")
	input.LaunchTemplate.LaunchTemplateName = aws.String("mine")
	input.TagSpecifications = []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("b")}}}}
	_, err = w.ec2.RunInstances(w.ctx, input)
	require.NoError(t, err)
	tags := w.server.Truth().Instances[0].Tags
	require.Equal(t, "b", tags["team"], "the request's tags win")
	require.Equal(t, "yes", tags["kept"])
}
