package kube

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// taintUninitialized is on a Node until the cloud provider has looked at it
// (kubernetes.io/docs/reference/labels-annotations-taints, node.cloudprovider.kubernetes.io/uninitialized).
const taintUninitialized = "node.cloudprovider.kubernetes.io/uninitialized"

// ViewNode is what workflows are told of a Node. Equal Nodes give equal views: taints are sorted.
func ViewNode(node *corev1.Node) contract.KubeNode {
	return contract.KubeNode{
		Name:        node.Name,
		UID:         string(node.UID),
		Exists:      true,
		Ready:       condition(node, corev1.NodeReady) == corev1.ConditionTrue,
		Taints:      taintWords(node.Spec.Taints),
		Initialized: hasAllocatable(node) && !hasTaint(node.Spec.Taints, taintUninitialized),
		BootID:      node.Status.NodeInfo.BootID,
		Standby:     v1alpha1.CapacityType(node.Labels[v1alpha1.LabelStandby]),
	}
}

// taintWords writes taints as key[=value]:effect, sorted.
func taintWords(taints []corev1.Taint) []string {
	if len(taints) == 0 {
		return nil
	}
	words := make([]string, len(taints))
	for i := range taints {
		words[i] = taints[i].ToString()
	}
	slices.Sort(words)
	return words
}

// condition is the status of a node's condition, Unknown where it has none.
func condition(node *corev1.Node, t corev1.NodeConditionType) corev1.ConditionStatus {
	for _, c := range node.Status.Conditions {
		if c.Type == t {
			return c.Status
		}
	}
	return corev1.ConditionUnknown
}

func hasAllocatable(node *corev1.Node) bool {
	return !node.Status.Allocatable.Cpu().IsZero() && !node.Status.Allocatable.Memory().IsZero()
}

func hasTaint(taints []corev1.Taint, key string) bool {
	return slices.ContainsFunc(taints, func(t corev1.Taint) bool { return t.Key == key })
}
