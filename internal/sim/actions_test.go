package sim_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim"
)

// launchOne runs one instance of the default template and waits until it runs.
func (w *world) launchOne() string {
	w.t.Helper()
	out, err := w.ec2.RunInstances(w.ctx, run(1, sim.SubnetA, ""))
	require.NoError(w.t, err)
	w.clock.Advance(time.Minute)
	return *out.Instances[0].InstanceId
}

func TestStatusOfInstances(t *testing.T) {
	w := newWorld(t, sim.Options{})
	out, err := w.ec2.RunInstances(w.ctx, run(1, sim.SubnetA, ""))
	require.NoError(t, err)
	id := *out.Instances[0].InstanceId
	status := func(input ec2.DescribeInstanceStatusInput) []types.InstanceStatus {
		got, err := w.ec2.DescribeInstanceStatus(w.ctx, &input)
		require.NoError(t, err)
		return got.InstanceStatuses
	}
	require.Empty(t, status(ec2.DescribeInstanceStatusInput{}), "running instances alone are told of")
	pending := status(ec2.DescribeInstanceStatusInput{IncludeAllInstances: aws.Bool(true)})
	require.Equal(t, types.SummaryStatusNotApplicable, pending[0].InstanceStatus.Status)
	w.clock.Advance(10 * time.Second)
	starting := status(ec2.DescribeInstanceStatusInput{InstanceIds: []string{id}})
	require.Equal(t, types.SummaryStatusInitializing, starting[0].SystemStatus.Status)
	w.clock.Advance(2 * time.Minute)
	up := status(ec2.DescribeInstanceStatusInput{Filters: []types.Filter{filterBy("instance-status.status", "ok")}})
	require.Len(t, up, 1)
	require.Equal(t, types.StatusTypePassed, up[0].InstanceStatus.Details[0].Status)
	require.Equal(t, "eu-west-1a", *up[0].AvailabilityZone)
	_, err = w.ec2.DescribeInstanceStatus(w.ctx, &ec2.DescribeInstanceStatusInput{InstanceIds: []string{id}, MaxResults: aws.Int32(5)})
	require.Equal(t, "InvalidParameterCombination", code(err))
}

func TestReboot(t *testing.T) {
	w := newWorld(t, sim.Options{})
	id := w.launchOne()
	_, err := w.ec2.RebootInstances(w.ctx, &ec2.RebootInstancesInput{InstanceIds: []string{id}})
	require.NoError(t, err)
	require.Equal(t, 2, w.server.Truth().Instances[0].Boots)
	_, err = w.ec2.StopInstances(w.ctx, &ec2.StopInstancesInput{InstanceIds: []string{id}, Force: aws.Bool(true)})
	require.NoError(t, err)
	_, err = w.ec2.RebootInstances(w.ctx, &ec2.RebootInstancesInput{InstanceIds: []string{id}})
	require.Equal(t, "IncorrectInstanceState", code(err))
}

func TestVolumes(t *testing.T) {
	w := newWorld(t, sim.Options{})
	input := run(1, sim.SubnetA, "")
	input.BlockDeviceMappings = []types.BlockDeviceMapping{{
		DeviceName: aws.String("/dev/xvda"), Ebs: &types.EbsBlockDevice{VolumeSize: aws.Int32(50), Encrypted: aws.Bool(true)},
	}}
	input.TagSpecifications = []types.TagSpecification{{
		ResourceType: types.ResourceTypeVolume, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}},
	}}
	out, err := w.ec2.RunInstances(w.ctx, input)
	require.NoError(t, err)
	id := *out.Instances[0].InstanceId
	volumes, err := w.ec2.DescribeVolumes(w.ctx, &ec2.DescribeVolumesInput{Filters: []types.Filter{
		filterBy("attachment.instance-id", id), filterBy("encrypted", "true"), filterBy("tag:team", "a"),
	}})
	require.NoError(t, err)
	require.Len(t, volumes.Volumes, 1)
	require.EqualValues(t, 50, *volumes.Volumes[0].Size)
	require.True(t, *volumes.Volumes[0].Encrypted)
	described := w.described(&ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	require.Equal(t, *volumes.Volumes[0].VolumeId, *described[0].BlockDeviceMappings[0].Ebs.VolumeId)
	_, err = w.ec2.DescribeVolumes(w.ctx, &ec2.DescribeVolumesInput{VolumeIds: []string{"vol-00000000000000000"}})
	require.Equal(t, "InvalidVolume.NotFound", code(err))
}

func TestFleetsAreDescribedByID(t *testing.T) {
	w := newWorld(t, sim.Options{})
	w.script("c5.large spot eu-west-1a: 1\nm5.large spot eu-west-1a: 1")
	made, err := w.ec2.CreateFleet(w.ctx, fleet(3, spot, "token", in("m5.large", sim.SubnetA), in("c5.large", sim.SubnetA)))
	require.NoError(t, err)
	none, err := w.ec2.DescribeFleets(w.ctx, &ec2.DescribeFleetsInput{})
	require.NoError(t, err)
	require.Empty(t, none.Fleets, "an instant fleet is told of by its ID alone")
	got, err := w.ec2.DescribeFleets(w.ctx, &ec2.DescribeFleetsInput{FleetIds: []string{*made.FleetId}})
	require.NoError(t, err)
	f := got.Fleets[0]
	require.Equal(t, types.FleetActivityStatusFulfilled, f.ActivityStatus)
	require.Equal(t, types.FleetTypeInstant, f.Type)
	require.EqualValues(t, 2, *f.FulfilledCapacity)
	require.EqualValues(t, 3, *f.TargetCapacitySpecification.TotalTargetCapacity)
	require.EqualValues(t, 3, *f.TargetCapacitySpecification.SpotTargetCapacity)
	require.Equal(t, "token", *f.ClientToken)
	require.Len(t, f.Instances, 2)
	require.Equal(t, "InsufficientInstanceCapacity", *f.Errors[0].ErrorCode)
	_, err = w.ec2.DescribeFleets(w.ctx, &ec2.DescribeFleetsInput{FleetIds: []string{"fleet-none"}})
	require.Equal(t, "InvalidFleetId.NotFound", code(err))
}

func TestSpotRequestsFollowTheirInstances(t *testing.T) {
	w := newWorld(t, sim.Options{})
	_, err := w.ec2.CreateFleet(w.ctx, fleet(2, spot, "", in("m5.large", sim.SubnetA)))
	require.NoError(t, err)
	requests := func(filters ...types.Filter) []types.SpotInstanceRequest {
		got, err := w.ec2.DescribeSpotInstanceRequests(w.ctx, &ec2.DescribeSpotInstanceRequestsInput{Filters: filters})
		require.NoError(t, err)
		return got.SpotInstanceRequests
	}
	live := requests(filterBy("state", "active"))
	require.Len(t, live, 2)
	require.Equal(t, "fulfilled", *live[0].Status.Code)
	require.Equal(t, types.InstanceType("m5.large"), live[0].LaunchSpecification.InstanceType)
	require.Len(t, requests(filterBy("instance-id", *live[0].InstanceId)), 1)
	_, err = w.ec2.TerminateInstances(w.ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{*live[0].InstanceId}})
	require.NoError(t, err)
	closed := requests(filterBy("status-code", "instance-terminated-by-user"))
	require.Len(t, closed, 1)
	require.Equal(t, types.SpotInstanceStateClosed, closed[0].State)

	w.clock.Advance(time.Minute)
	w.script("reclaim m5.large spot *: 1")
	require.Len(t, requests(filterBy("status-code", "marked-for-termination"), filterBy("state", "active")), 1)
	_, err = w.ec2.DescribeSpotInstanceRequests(w.ctx, &ec2.DescribeSpotInstanceRequestsInput{SpotInstanceRequestIds: []string{"sir-none"}})
	require.Equal(t, "InvalidSpotInstanceRequestID.NotFound", code(err))
}

func TestSpotPlacementScores(t *testing.T) {
	w := newWorld(t, sim.Options{})
	input := &ec2.GetSpotPlacementScoresInput{
		InstanceTypes: []string{"m5.large", "c5.large", "r5.large"}, TargetCapacity: aws.Int32(10), SingleAvailabilityZone: aws.Bool(true),
	}
	w.script("*5.large spot eu-west-1a: 0\n*5.large spot eu-west-1b: 2")
	got, err := w.ec2.GetSpotPlacementScores(w.ctx, input)
	require.NoError(t, err)
	scores := map[string]int32{}
	for _, s := range got.SpotPlacementScores {
		scores[*s.AvailabilityZoneId] = *s.Score
	}
	require.Equal(t, map[string]int32{"euw1-az1": 1, "euw1-az2": 6, "euw1-az3": 10}, scores)
	input.SingleAvailabilityZone, input.InstanceTypes = nil, input.InstanceTypes[:2]
	got, err = w.ec2.GetSpotPlacementScores(w.ctx, input)
	require.NoError(t, err)
	require.Len(t, got.SpotPlacementScores, 1)
	require.EqualValues(t, 3, *got.SpotPlacementScores[0].Score, "fewer than three types score low")
	input.InstanceTypes = []string{"m5.huge"}
	_, err = w.ec2.GetSpotPlacementScores(w.ctx, input)
	require.Equal(t, "InvalidInstanceType", code(err))
	input.InstanceTypes, input.RegionNames = []string{"m5.large"}, []string{"us-east-1"}
	_, err = w.ec2.GetSpotPlacementScores(w.ctx, input)
	require.Equal(t, "InvalidParameterValue", code(err))
}

func TestTagsComeAndGo(t *testing.T) {
	w := newWorld(t, sim.Options{})
	id := w.launchOne()
	tag := func(key, value string) types.Tag { return types.Tag{Key: aws.String(key), Value: aws.String(value)} }
	_, err := w.ec2.CreateTags(w.ctx, &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{tag("a", "1"), tag("b", "2"), tag("c", "")}})
	require.NoError(t, err)
	_, err = w.ec2.DeleteTags(w.ctx, &ec2.DeleteTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: aws.String("a")}, tag("b", "other"), tag("c", "")}})
	require.NoError(t, err)
	left := map[string]string{}
	for _, t := range w.described(&ec2.DescribeInstancesInput{})[0].Tags {
		left[*t.Key] = *t.Value
	}
	require.NotContains(t, left, "a")
	require.Equal(t, "2", left["b"], "another value keeps the tag")
	require.NotContains(t, left, "c")
	_, err = w.ec2.DeleteTags(w.ctx, &ec2.DeleteTagsInput{Resources: []string{"i-00000000000000000"}, Tags: []types.Tag{tag("a", "")}})
	require.Equal(t, "InvalidInstanceID.NotFound", code(err))
}

func TestLaunchTemplatesChange(t *testing.T) {
	w := newWorld(t, sim.Options{})
	name := aws.String(sim.LaunchTemplateName)
	for range 2 {
		_, err := w.ec2.CreateLaunchTemplateVersion(w.ctx, &ec2.CreateLaunchTemplateVersionInput{
			LaunchTemplateName: name, SourceVersion: aws.String("1"), LaunchTemplateData: &types.RequestLaunchTemplateData{InstanceType: "c5.large"},
		})
		require.NoError(t, err)
	}
	changed, err := w.ec2.ModifyLaunchTemplate(w.ctx, &ec2.ModifyLaunchTemplateInput{LaunchTemplateName: name, DefaultVersion: aws.String("2")})
	require.NoError(t, err)
	require.EqualValues(t, 2, *changed.LaunchTemplate.DefaultVersionNumber)
	gone, err := w.ec2.DeleteLaunchTemplateVersions(w.ctx, &ec2.DeleteLaunchTemplateVersionsInput{LaunchTemplateName: name, Versions: []string{"3", "2", "9"}})
	require.NoError(t, err)
	require.EqualValues(t, 3, *gone.SuccessfullyDeletedLaunchTemplateVersions[0].VersionNumber)
	require.Len(t, gone.UnsuccessfullyDeletedLaunchTemplateVersions, 2)
	require.Equal(t, types.LaunchTemplateErrorCodeLaunchTemplateVersionDoesNotExist, gone.UnsuccessfullyDeletedLaunchTemplateVersions[1].ResponseError.Code)
	left, err := w.ec2.DescribeLaunchTemplateVersions(w.ctx, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateName: name})
	require.NoError(t, err)
	require.Len(t, left.LaunchTemplateVersions, 2)
	_, err = w.ec2.DeleteLaunchTemplate(w.ctx, &ec2.DeleteLaunchTemplateInput{LaunchTemplateName: name})
	require.NoError(t, err)
	_, err = w.ec2.RunInstances(w.ctx, run(1, sim.SubnetA, ""))
	require.Equal(t, "InvalidLaunchTemplateName.NotFoundException", code(err))
}

func TestAccountAttributes(t *testing.T) {
	w := newWorld(t, sim.Options{})
	all, err := w.ec2.DescribeAccountAttributes(w.ctx, nil)
	require.NoError(t, err)
	require.Len(t, all.AccountAttributes, 6)
	one, err := w.ec2.DescribeAccountAttributes(w.ctx, &ec2.DescribeAccountAttributesInput{AttributeNames: []types.AccountAttributeName{"supported-platforms"}})
	require.NoError(t, err)
	require.Equal(t, "VPC", *one.AccountAttributes[0].AttributeValues[0].AttributeValue)
	_, err = w.ec2.DescribeAccountAttributes(w.ctx, &ec2.DescribeAccountAttributesInput{AttributeNames: []types.AccountAttributeName{"color"}})
	require.Equal(t, "InvalidParameterValue", code(err))
}

func TestTagsAreDescribed(t *testing.T) {
	w := newWorld(t, sim.Options{})
	out, err := w.ec2.RunInstances(w.ctx, run(1, sim.SubnetA, ""))
	require.NoError(t, err)
	id := *out.Instances[0].InstanceId
	volumes, err := w.ec2.DescribeVolumes(w.ctx, &ec2.DescribeVolumesInput{Filters: []types.Filter{filterBy("attachment.instance-id", id)}})
	require.NoError(t, err)
	volume := *volumes.Volumes[0].VolumeId
	_, err = w.ec2.CreateTags(w.ctx, &ec2.CreateTagsInput{
		Resources: []string{id, volume, sim.LaunchTemplateID},
		Tags:      []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}, {Key: aws.String("stage"), Value: aws.String("test")}},
	})
	require.NoError(t, err)
	_, err = w.ec2.DeleteTags(w.ctx, &ec2.DeleteTagsInput{Resources: []string{volume}, Tags: []types.Tag{{Key: aws.String("stage")}}})
	require.NoError(t, err)
	told := func(filters ...types.Filter) []string {
		tags, err := w.ec2.DescribeTags(w.ctx, &ec2.DescribeTagsInput{Filters: filters})
		require.NoError(t, err)
		var list []string
		for _, tag := range tags.Tags {
			list = append(list, string(tag.ResourceType)+" "+*tag.Key+"="+*tag.Value)
		}
		return list
	}
	require.ElementsMatch(t, []string{
		"instance stage=test", "instance team=a", "instance aws:ec2launchtemplate:id=" + sim.LaunchTemplateID, "instance aws:ec2launchtemplate:version=1",
	}, told(filterBy("resource-id", id)))
	require.ElementsMatch(t, []string{"instance team=a", "launch-template team=a", "volume team=a"}, told(filterBy("tag:team", "a")))
	require.ElementsMatch(t, []string{"instance stage=test", "launch-template stage=test"}, told(filterBy("key", "stage"), filterBy("value", "t*")))
	require.ElementsMatch(t, []string{"volume team=a"}, told(filterBy("resource-type", "volume")))

	for unknown, want := range map[string]string{
		"vol-00000000000000000": "InvalidVolume.NotFound", "lt-00000000000000000": "InvalidLaunchTemplateId.NotFound", "x": "InvalidID",
	} {
		_, err = w.ec2.CreateTags(w.ctx, &ec2.CreateTagsInput{Resources: []string{id, unknown}, Tags: []types.Tag{{Key: aws.String("no"), Value: aws.String("")}}})
		require.Equal(t, want, code(err))
		require.Empty(t, told(filterBy("key", "no")), "all resources, or none")
	}
}
