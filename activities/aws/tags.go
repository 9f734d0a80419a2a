package aws

import (
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"floe.dev/floe/api/contract"
)

// tagsOf are the tags that a hop's instances bear from their creation: whose they are, and which hop they came of. The
// user's own tags come by the launch template, whose tags give way to those of the request
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/create-launch-template.html, "Resource tags").
func tagsOf(in contract.LaunchInput) []types.Tag {
	tags := []types.Tag{
		tag(contract.TagOwner, contract.OwnerFloe),
		tag(contract.TagCluster, in.Cluster),
		tag(contract.TagPool, in.Pool),
		tag(contract.TagScaleUp, in.ScaleUp),
		tag(contract.TagToken, in.Token),
	}
	if in.Plan != "" {
		tags = append(tags, tag(contract.TagPlan, in.Plan))
	}
	return tags
}

func tag(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }
