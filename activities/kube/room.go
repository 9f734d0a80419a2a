package kube

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NeedsRoom reports whether a pod waits for a node that does not exist: the scheduler has looked at it and found no
// place (PodScheduled is False for reason Unschedulable). Not so with a scheduling gate, nor for a daemonset's pod, which
// is meant for one node and no other. One that is nominated to a node still waits: whether its place is there is for the
// planner to see.
func NeedsRoom(pod *corev1.Pod) bool {
	if pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil || len(pod.Spec.SchedulingGates) > 0 {
		return false
	}
	if owner := metav1.GetControllerOf(pod); owner != nil && owner.Kind == "DaemonSet" {
		return false
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			return c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable
		}
	}
	return false
}
