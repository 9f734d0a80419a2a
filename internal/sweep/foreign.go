package sweep

import (
	"maps"
	"slices"
	"strings"
)

// foreign are the tags (on instances) and labels (on Nodes) by which other tools own a machine. A name that ends with a
// slash stands for all under it. Sources: karpenter.sh/docs/concepts/nodepools (well-known labels),
// docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-tagging.html (aws:autoscaling:groupName),
// docs.aws.amazon.com/eks/latest/userguide/eks-using-tags.html (eks:nodegroup-name), and the Cluster API provider for AWS
// (its package api/v1beta2, NameAWSProviderPrefix).
var foreign = []string{
	"karpenter.sh/",
	"aws:autoscaling:groupName",
	"eks:nodegroup-name",
	"eks.amazonaws.com/nodegroup",
	"sigs.k8s.io/cluster-api-provider-aws/",
}

// ForeignMark is the tag or label by which another tool owns a machine; empty where none does.
func ForeignMark(marks map[string]string) string {
	for _, key := range slices.Sorted(maps.Keys(marks)) {
		if slices.ContainsFunc(foreign, func(mark string) bool {
			return key == mark || strings.HasSuffix(mark, "/") && strings.HasPrefix(key, mark)
		}) {
			return key
		}
	}
	return ""
}
