package kube

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/planner"
)

// taintShutdown is put on the Node of a machine that is off by the cloud provider's node lifecycle controller
// (k8s.io/cloud-provider/api, TaintNodeShutdown).
const taintShutdown = "node.cloudprovider.kubernetes.io/shutdown"

// waking reports whether a Node's machine was claimed from standby by a launch of the ledger, and has not proven itself
// yet: its Node is there, but closed to pods. The launch goes on counting it as room in flight for its pods.
//
// Any other closed machine of the ledger has been in service since, unseen by any plan, and was frozen then: it is nobody's
// room. It was bought by its launch, and not before it; or it was claimed, and that is longer ago than a machine takes.
func (l *launch) waking(node *corev1.Node, pool *planned, now time.Time) bool {
	return l != nil && l.purpose != contract.PurposeStandby && hasTaint(node.Spec.Taints, v1alpha1.TaintStandby) && !Leaves(node) &&
		l.instance.LaunchTime.Before(l.opened) && now.Sub(l.opened) <= pool.patience()
}

// asleep reports whether a Node's machine is a frozen one of its pool's standby. One that is being made ready is not
// cordoned yet, and one that has just been frozen says for a while that it is ready, unless the cloud provider knows better.
func asleep(node *corev1.Node) bool {
	if !hasTaint(node.Spec.Taints, v1alpha1.TaintStandby) || !node.Spec.Unschedulable {
		return false
	}
	return hasTaint(node.Spec.Taints, taintShutdown) || !slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// standbyOf is a frozen machine as the planner wants it, by its Node's labels.
func standbyOf(node *corev1.Node) planner.Standby {
	return planner.Standby{
		Tier:         v1alpha1.CapacityType(node.Labels[v1alpha1.LabelStandby]),
		InstanceType: node.Labels[v1alpha1.LabelInstanceType],
		Zone:         node.Labels[v1alpha1.LabelZone],
	}
}
