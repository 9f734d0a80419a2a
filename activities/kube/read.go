package kube

import (
	"context"

	"floe.dev/floe/api/contract"
)

// ReadNode is what the cluster shows of an instance's Node; Exists is false where it has none. It reads the informer,
// which may be some milliseconds behind.
func (a *Activities) ReadNode(_ context.Context, in contract.ReadNodeInput) (contract.KubeNode, error) {
	c, err := a.cluster(in.Cluster)
	if err != nil {
		return contract.KubeNode{}, err
	}
	instance, ok := contract.InstanceOfProviderID(in.ProviderID)
	if !ok {
		return contract.KubeNode{}, invalid("providerID: %q is not of the form aws:///eu-west-1a/i-0123456789abcdef0", in.ProviderID)
	}
	node, ok := c.NodeOfInstance(instance)
	if !ok {
		return contract.KubeNode{}, nil
	}
	return ViewNode(node), nil
}
