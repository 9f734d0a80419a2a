package aws

import (
	"context"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// root is the root volume that a launch gets: as the template or the image has it, and for a machine that is to
// hibernate encrypted, and larger by all of its memory
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/hibernating-prerequisites.html). It depends on nothing that changes under a
// launch token.
func (acc *account) root(ctx context.Context, in contract.LaunchInput) (types.BlockDeviceMapping, error) {
	device, err := acc.imageRoot(ctx, in.Template.ImageID)
	if err != nil {
		return device, err
	}
	if err := acc.templateRoot(ctx, in.Template, &device); err != nil {
		return device, err
	}
	if in.Tier != v1alpha1.Hibernated {
		return device, nil
	}
	known, _, err := acc.catalog.types.get(ctx)
	if err != nil {
		return device, acc.fail(err)
	}
	t := known[in.Step.Overrides[0].InstanceType]
	if t.MemoryMiB == 0 {
		return device, invalid("step.overrides[0].instanceType: account %s does not know %q", acc.cfg.Name, in.Step.Overrides[0].InstanceType)
	}
	memory := int32((t.MemoryMiB + 1023) / 1024)
	device.Ebs.VolumeSize = awssdk.Int32(awssdk.ToInt32(device.Ebs.VolumeSize) + memory)
	device.Ebs.Encrypted = awssdk.Bool(true)
	return device, nil
}

// imageRoot is the root device of an image, with the size of its snapshot.
func (acc *account) imageRoot(ctx context.Context, image string) (types.BlockDeviceMapping, error) {
	out, err := ask(ctx, acc.budget, "DescribeImages", 0, readTimeout, func(ctx context.Context) (*ec2.DescribeImagesOutput, error) {
		return acc.ec2.DescribeImages(ctx, &ec2.DescribeImagesInput{ImageIds: []string{image}})
	})
	if err != nil {
		return types.BlockDeviceMapping{}, acc.fail(err)
	}
	if len(out.Images) == 0 || awssdk.ToString(out.Images[0].RootDeviceName) == "" {
		return types.BlockDeviceMapping{}, poolInvalid("image %s in %s has no root device that EC2 tells of: name another image in the launch template", image, acc)
	}
	name := awssdk.ToString(out.Images[0].RootDeviceName)
	device := types.BlockDeviceMapping{DeviceName: &name, Ebs: &types.EbsBlockDevice{}}
	for _, d := range out.Images[0].BlockDeviceMappings {
		if awssdk.ToString(d.DeviceName) == name && d.Ebs != nil {
			device.Ebs.VolumeSize, device.Ebs.VolumeType, device.Ebs.DeleteOnTermination = d.Ebs.VolumeSize, d.Ebs.VolumeType, awssdk.Bool(true)
		}
	}
	return device, nil
}

// templateRoot puts on what the launch template says of the root device. A request's mapping takes the place of the
// template's, so all of it is said again.
func (acc *account) templateRoot(ctx context.Context, t contract.ResolvedTemplate, device *types.BlockDeviceMapping) error {
	out, err := ask(ctx, acc.budget, "DescribeLaunchTemplateVersions", 0, readTimeout, func(ctx context.Context) (*ec2.DescribeLaunchTemplateVersionsOutput, error) {
		return acc.ec2.DescribeLaunchTemplateVersions(ctx, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: &t.ID, Versions: []string{t.Version}})
	})
	if err != nil {
		return acc.fail(err)
	}
	if len(out.LaunchTemplateVersions) == 0 || out.LaunchTemplateVersions[0].LaunchTemplateData == nil {
		return noTemplate(acc, t.ID, t.Version)
	}
	for _, d := range out.LaunchTemplateVersions[0].LaunchTemplateData.BlockDeviceMappings {
		if awssdk.ToString(d.DeviceName) != awssdk.ToString(device.DeviceName) || d.Ebs == nil {
			continue
		}
		if size := awssdk.ToInt32(d.Ebs.VolumeSize); size > awssdk.ToInt32(device.Ebs.VolumeSize) {
			device.Ebs.VolumeSize = &size
		}
		if d.Ebs.VolumeType != "" {
			device.Ebs.VolumeType = d.Ebs.VolumeType
		}
		if d.Ebs.DeleteOnTermination != nil {
			device.Ebs.DeleteOnTermination = d.Ebs.DeleteOnTermination
		}
		device.Ebs.Encrypted, device.Ebs.KmsKeyId = d.Ebs.Encrypted, d.Ebs.KmsKeyId
		device.Ebs.Iops, device.Ebs.Throughput, device.Ebs.SnapshotId = d.Ebs.Iops, d.Ebs.Throughput, d.Ebs.SnapshotId
	}
	if awssdk.ToInt32(device.Ebs.VolumeSize) <= 0 {
		return poolInvalid("image %s in %s tells no size of its root volume: set it in the launch template", t.ImageID, acc)
	}
	return nil
}
