package aws

import (
	"context"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/sweep"
)

// Owned are all instances of an account that bear our tags for a cluster, with what the tags say, the terminated of the
// last hour included. It is one paged DescribeInstances. Their price is not known here.
func (a *Activities) Owned(ctx context.Context, accountName, region, cluster string) ([]contract.OwnedInstance, error) {
	acc, err := a.account(accountName, region)
	if err != nil {
		return nil, err
	}
	var owned []contract.OwnedInstance
	err = acc.eachInstance(ctx, func(i types.Instance) { owned = append(owned, decodeOwned(i)) },
		filter("tag:"+contract.TagOwner, contract.OwnerFloe), filter("tag:"+contract.TagCluster, cluster))
	if err != nil {
		return nil, acc.fail(err)
	}
	return owned, nil
}

func decodeOwned(i types.Instance) contract.OwnedInstance {
	tags := make(map[string]string, len(i.Tags))
	for _, tag := range i.Tags {
		tags[awssdk.ToString(tag.Key)] = awssdk.ToString(tag.Value)
	}
	return contract.OwnedInstance{
		Instance: decodeInstance(i), Pool: tags[contract.TagPool], ScaleUp: tags[contract.TagScaleUp],
		Plan: tags[contract.TagPlan], Foreign: sweep.ForeignMark(tags),
	}
}
