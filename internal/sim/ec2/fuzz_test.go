package ec2

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/sim/clock"
	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/query"
)

// seeds are requests as SDKs send them, and some that none would.
var seeds = []string{
	"Action=RunInstances&Version=2016-11-15&MinCount=1&MaxCount=2&SubnetId=" + cloud.SubnetA + "&LaunchTemplate.LaunchTemplateName=floe-sim&InstanceType=m5.large&ClientToken=a&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value=v",
	"Action=RunInstances&Version=2016-11-15&MinCount=1&MaxCount=1&ImageId=" + cloud.ImageX86 + "&InstanceType=m5.large&HibernationOptions.Configured=true&BlockDeviceMapping.1.DeviceName=%2Fdev%2Fxvda&BlockDeviceMapping.1.Ebs.VolumeSize=30&BlockDeviceMapping.1.Ebs.Encrypted=true&NetworkInterface.1.DeviceIndex=0&Placement.AvailabilityZone=eu-west-1a",
	"Action=CreateFleet&Version=2016-11-15&Type=instant&LaunchTemplateConfigs.1.LaunchTemplateSpecification.LaunchTemplateName=floe-sim&LaunchTemplateConfigs.1.LaunchTemplateSpecification.Version=1&LaunchTemplateConfigs.1.Overrides.1.InstanceType=m5.large&LaunchTemplateConfigs.1.Overrides.1.SubnetId=" + cloud.SubnetA + "&LaunchTemplateConfigs.1.Overrides.1.Priority=1.5&TargetCapacitySpecification.TotalTargetCapacity=2&TargetCapacitySpecification.DefaultTargetCapacityType=spot&SpotOptions.AllocationStrategy=price-capacity-optimized",
	"Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=tag:a&Filter.1.Value.1=*&MaxResults=5&NextToken=NQ==",
	"Action=DescribeInstanceStatus&Version=2016-11-15&IncludeAllInstances=true&InstanceId.1=i-00000000000000000",
	"Action=DescribeInstanceTypes&Version=2016-11-15&InstanceType.1=m5.large&Filter.1.Name=hibernation-supported&Filter.1.Value.1=true",
	"Action=DescribeInstanceTypeOfferings&Version=2016-11-15&LocationType=availability-zone-id",
	"Action=DescribeSpotPriceHistory&Version=2016-11-15&StartTime=2026-07-31T12:00:00Z&EndTime=2026-07-31T11:00:00Z",
	"Action=GetSpotPlacementScores&Version=2016-11-15&InstanceType.1=m5.large&TargetCapacity=9223372036854775807&SingleAvailabilityZone=true",
	"Action=CreateLaunchTemplate&Version=2016-11-15&LaunchTemplateName=mine&LaunchTemplateData.ImageId=x&LaunchTemplateData.UserData=@@@",
	"Action=DescribeLaunchTemplateVersions&Version=2016-11-15&LaunchTemplateName=floe-sim&LaunchTemplateVersion.1=$Latest&MinVersion=-1&ResolveAlias=true",
	"Action=DeleteLaunchTemplateVersions&Version=2016-11-15&LaunchTemplateName=floe-sim&LaunchTemplateVersion.1=1&LaunchTemplateVersion.2=99999999999999999999",
	"Action=CreateTags&Version=2016-11-15&ResourceId.1=lt-0f10e000000000001&Tag.1.Key=aws:x&Tag.1.Value=y",
	"Action=DeleteTags&Version=2016-11-15&ResourceId.1=i-&Tag.1.Key=",
	"Action=StopInstances&Version=2016-11-15&InstanceId.1=i-1&Hibernate=true&Force=true",
	"Action=DescribeFleets&Version=2016-11-15&FleetId.1=fleet-1",
	"Action=DescribeSubnets&Version=2016-11-15&DryRun=true",
	"Version=2016-11-15",
	"Action=FlyAway&Version=2016-11-15",
	"Action=DescribeSubnets&Version=2013-01-01",
}

// FuzzDo: whatever comes in, the answer is a result or a refusal with a code that is not the simulator's own fault.
func FuzzDo(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		api := New(cloud.New(cloud.Config{
			Clock: clock.NewManual(time.Date(2026, 7, 31, 12, 0, 0, 0, time.UTC)), Seed: 1, Speed: 1,
			Account: cloud.DefaultAccount, Region: cloud.DefaultRegion, Zones: cloud.DefaultZones, FleetReplay: cloud.ReplayAnew,
			Types: []contract.InstanceType{{Name: "m5.large", Arch: "amd64", VCPU: 2, MemoryMiB: 8192, ENIs: 3, IPv4PerENI: 10, OnDemandUSD: 0.1, Hibernation: true}},
		}))
		for range 2 { // the second time there is something there
			result, err := api.Do(form)
			if err == nil {
				require.NotNil(t, result)
				continue
			}
			require.NotEmpty(t, query.AsError(err).Code)
			require.NotEqual(t, "InternalError", query.AsError(err).Code)
		}
	})
}
