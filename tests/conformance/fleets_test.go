package conformance

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"
)

// template makes a launch template of the image, and deletes it at the check's end.
func (l *lab) template(suffix string) string {
	l.Helper()
	out, err := l.ec2.CreateLaunchTemplate(l.ctx, &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String(l.run + suffix),
		LaunchTemplateData: &types.RequestLaunchTemplateData{ImageId: aws.String(l.image), InstanceType: instanceType},
	})
	require.NoError(l, err)
	id := *out.LaunchTemplate.LaunchTemplateId
	l.Cleanup(func() {
		// Best effort: a check may have deleted it.
		_, _ = l.ec2.DeleteLaunchTemplate(l.ctx, &ec2.DeleteLaunchTemplateInput{LaunchTemplateId: aws.String(id)})
	})
	return id
}

var templates = []check{
	{"a name is used once", "AWSEC2/latest/APIReference/errors-overview.html", func(l *lab) {
		l.template("-once")
		_, err := l.ec2.CreateLaunchTemplate(l.ctx, &ec2.CreateLaunchTemplateInput{
			LaunchTemplateName: aws.String(l.run + "-once"), LaunchTemplateData: &types.RequestLaunchTemplateData{ImageId: aws.String(l.image)},
		})
		l.refused(err, "InvalidLaunchTemplateName.AlreadyExistsException")
	}},
	{"a version is laid over its source, and the first stays the default", "AWSEC2/latest/APIReference/API_CreateLaunchTemplateVersion.html", func(l *lab) {
		id := l.template("-versions")
		made, err := l.ec2.CreateLaunchTemplateVersion(l.ctx, &ec2.CreateLaunchTemplateVersionInput{
			LaunchTemplateId: aws.String(id), SourceVersion: aws.String("1"), LaunchTemplateData: &types.RequestLaunchTemplateData{InstanceType: types.InstanceTypeC5Large},
		})
		require.NoError(l, err)
		require.EqualValues(l, 2, *made.LaunchTemplateVersion.VersionNumber)
		for version, want := range map[string]types.InstanceType{"$Latest": types.InstanceTypeC5Large, "$Default": instanceType} {
			got, err := l.ec2.DescribeLaunchTemplateVersions(l.ctx, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: aws.String(id), Versions: []string{version}})
			require.NoError(l, err)
			require.Equal(l, want, got.LaunchTemplateVersions[0].LaunchTemplateData.InstanceType)
			require.Equal(l, l.image, *got.LaunchTemplateVersions[0].LaunchTemplateData.ImageId)
		}
		changed, err := l.ec2.ModifyLaunchTemplate(l.ctx, &ec2.ModifyLaunchTemplateInput{LaunchTemplateId: aws.String(id), DefaultVersion: aws.String("2")})
		require.NoError(l, err)
		require.EqualValues(l, 2, *changed.LaunchTemplate.DefaultVersionNumber)
	}},
	{"versions are deleted, but not the default", "AWSEC2/latest/APIReference/API_DeleteLaunchTemplateVersions.html", func(l *lab) {
		id := l.template("-deleted")
		_, err := l.ec2.CreateLaunchTemplateVersion(l.ctx, &ec2.CreateLaunchTemplateVersionInput{
			LaunchTemplateId: aws.String(id), SourceVersion: aws.String("1"), LaunchTemplateData: &types.RequestLaunchTemplateData{InstanceType: types.InstanceTypeC5Large},
		})
		require.NoError(l, err)
		out, err := l.ec2.DeleteLaunchTemplateVersions(l.ctx, &ec2.DeleteLaunchTemplateVersionsInput{LaunchTemplateId: aws.String(id), Versions: []string{"1", "2"}})
		require.NoError(l, err)
		require.Len(l, out.SuccessfullyDeletedLaunchTemplateVersions, 1)
		require.EqualValues(l, 2, *out.SuccessfullyDeletedLaunchTemplateVersions[0].VersionNumber)
		require.Len(l, out.UnsuccessfullyDeletedLaunchTemplateVersions, 1)
	}},
	{"a template and a version that are not there are told", "AWSEC2/latest/APIReference/errors-overview.html", func(l *lab) {
		id := l.template("-there")
		_, err := l.ec2.DescribeLaunchTemplateVersions(l.ctx, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: aws.String(id), Versions: []string{"7"}})
		l.refused(err, "InvalidLaunchTemplateId.VersionNotFound")
		_, err = l.ec2.DescribeLaunchTemplates(l.ctx, &ec2.DescribeLaunchTemplatesInput{LaunchTemplateNames: []string{l.run + "-none"}})
		l.refused(err, "InvalidLaunchTemplateName.NotFoundException")
	}},
	{"an instance comes from a template, and the request's parameters win", "AWSEC2/latest/UserGuide/launch-instances-from-launch-template.html", func(l *lab) {
		id := l.template("-used")
		out, err := l.ec2.RunInstances(l.ctx, &ec2.RunInstancesInput{
			LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateId: aws.String(id)}, MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
			InstanceType: types.InstanceTypeC5Large, SubnetId: l.subnet.SubnetId, TagSpecifications: l.tags(types.ResourceTypeInstance),
		})
		require.NoError(l, err)
		i := out.Instances[0]
		l.endWith(*i.InstanceId)
		require.Equal(l, types.InstanceTypeC5Large, i.InstanceType)
		require.Equal(l, l.image, *i.ImageId)
		running := l.comesTo(*i.InstanceId, types.InstanceStateNameRunning)
		require.Equal(l, id, value(running.Tags, "aws:ec2launchtemplate:id"))
		require.Equal(l, "1", value(running.Tags, "aws:ec2launchtemplate:version"))
	}},
}

// instant is an instant fleet of a template, over two types.
func (l *lab) instant(template string, count int32, capacity types.DefaultTargetCapacityType) *ec2.CreateFleetInput {
	override := func(t types.InstanceType) types.FleetLaunchTemplateOverridesRequest {
		return types.FleetLaunchTemplateOverridesRequest{InstanceType: t, SubnetId: l.subnet.SubnetId}
	}
	return &ec2.CreateFleetInput{
		Type: types.FleetTypeInstant,
		LaunchTemplateConfigs: []types.FleetLaunchTemplateConfigRequest{{
			LaunchTemplateSpecification: &types.FleetLaunchTemplateSpecificationRequest{LaunchTemplateId: aws.String(template), Version: aws.String("1")},
			Overrides:                   []types.FleetLaunchTemplateOverridesRequest{override(types.InstanceTypeM5Large), override(types.InstanceTypeC5Large)},
		}},
		TargetCapacitySpecification: &types.TargetCapacitySpecificationRequest{TotalTargetCapacity: aws.Int32(count), DefaultTargetCapacityType: capacity},
		TagSpecifications:           l.tags(types.ResourceTypeInstance),
	}
}

// launched are the IDs in a fleet's answer.
func (l *lab) launched(out *ec2.CreateFleetOutput) []string {
	var ids []string
	for _, group := range out.Instances {
		require.NotEmpty(l, group.InstanceType)
		require.NotNil(l, group.LaunchTemplateAndOverrides)
		ids = append(ids, group.InstanceIds...)
	}
	l.endWith(ids...)
	return ids
}

var fleets = []check{
	{"an instant fleet answers with its instances", "AWSEC2/latest/UserGuide/instant-fleet.html", func(l *lab) {
		out, err := l.ec2.CreateFleet(l.ctx, l.instant(l.template("-fleet"), 2, types.DefaultTargetCapacityTypeOnDemand))
		require.NoError(l, err)
		ids := l.launched(out)
		require.Len(l, ids, 2)
		require.Equal(l, types.InstanceLifecycleOnDemand, out.Instances[0].Lifecycle)
		i := l.comesTo(ids[0], types.InstanceStateNameRunning)
		require.Equal(l, l.run, value(i.Tags, "run"))
		require.Equal(l, *out.FleetId, value(i.Tags, "aws:ec2:fleet-id"))
	}},
	{"an instant fleet is described only by its ID", "AWSEC2/latest/APIReference/API_DescribeFleets.html", func(l *lab) {
		out, err := l.ec2.CreateFleet(l.ctx, l.instant(l.template("-described"), 1, types.DefaultTargetCapacityTypeOnDemand))
		require.NoError(l, err)
		l.launched(out)
		all, err := l.ec2.DescribeFleets(l.ctx, &ec2.DescribeFleetsInput{})
		require.NoError(l, err)
		for _, f := range all.Fleets {
			require.NotEqual(l, *out.FleetId, *f.FleetId)
		}
		named, err := l.ec2.DescribeFleets(l.ctx, &ec2.DescribeFleetsInput{FleetIds: []string{*out.FleetId}})
		require.NoError(l, err)
		require.Equal(l, types.FleetActivityStatusFulfilled, named.Fleets[0].ActivityStatus)
		require.EqualValues(l, 1, *named.Fleets[0].TargetCapacitySpecification.TotalTargetCapacity)
	}},
	{"spot instances have a request, which closes with them", "AWSEC2/latest/UserGuide/spot-request-status.html", func(l *lab) {
		out, err := l.ec2.CreateFleet(l.ctx, l.instant(l.template("-spot"), 1, types.DefaultTargetCapacityTypeSpot))
		require.NoError(l, err)
		ids := l.launched(out)
		require.Len(l, ids, 1)
		i := l.comesTo(ids[0], types.InstanceStateNameRunning)
		require.Equal(l, types.InstanceLifecycleTypeSpot, i.InstanceLifecycle)
		request := func() types.SpotInstanceRequest {
			out, err := l.ec2.DescribeSpotInstanceRequests(l.ctx, &ec2.DescribeSpotInstanceRequestsInput{SpotInstanceRequestIds: []string{*i.SpotInstanceRequestId}})
			require.NoError(l, err)
			return out.SpotInstanceRequests[0]
		}
		require.Equal(l, types.SpotInstanceStateActive, request().State)
		require.Equal(l, "fulfilled", *request().Status.Code)
		_, err = l.ec2.StopInstances(l.ctx, &ec2.StopInstancesInput{InstanceIds: ids})
		l.refused(err, "UnsupportedOperation")
		_, err = l.ec2.TerminateInstances(l.ctx, &ec2.TerminateInstancesInput{InstanceIds: ids})
		require.NoError(l, err)
		require.Eventually(l, func() bool { return *request().Status.Code == "instance-terminated-by-user" }, l.patience, 20*time.Millisecond)
		require.Equal(l, types.SpotInstanceStateClosed, request().State)
	}},
	{"the version of a fleet's template must be given", "AWSEC2/latest/APIReference/API_FleetLaunchTemplateSpecificationRequest.html", func(l *lab) {
		input := l.instant(l.template("-versionless"), 1, types.DefaultTargetCapacityTypeOnDemand)
		input.LaunchTemplateConfigs[0].LaunchTemplateSpecification.Version = nil
		_, err := l.ec2.CreateFleet(l.ctx, input)
		l.refused(err)
	}},
	{"without a default capacity type the parts must add up", "AWSEC2/latest/APIReference/API_TargetCapacitySpecificationRequest.html", func(l *lab) {
		input := l.instant(l.template("-sum"), 2, "")
		input.TargetCapacitySpecification.SpotTargetCapacity = aws.Int32(1)
		_, err := l.ec2.CreateFleet(l.ctx, input)
		l.refused(err)
	}},
}
