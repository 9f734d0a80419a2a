package kube

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/internal/planner"
)

// NeedsRoom reports whether a pod waits for a node that does not exist: the scheduler has looked at it and found no
// place (PodScheduled is False for reason Unschedulable). Not so with a scheduling gate, nor for a daemonset's pod, which
// is meant for one node and no other. One that is nominated to a node still waits: whether its place is there is for the
// planner to see.
func NeedsRoom(pod *corev1.Pod) bool {
	if !unbound(pod) {
		return false
	}
	c := scheduled(pod)
	return c != nil && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable
}

// Unjudged reports whether the scheduler has yet to say where a pod goes. In a burst that takes a while: each pod that
// fits nowhere costs it milliseconds, and what it says of one holds for all that are alike (see planner.Alike), so that
// nobody need wait until it has said so of each. Where a pod alike is nominated to a node it makes room there by
// preemption, and may do so again: that one's verdict says nothing of others.
func Unjudged(pod *corev1.Pod) bool {
	return unbound(pod) && scheduled(pod) == nil
}

// Witness reports whether a pod that needs room says something of those that are alike.
func Witness(pod *corev1.Pod) bool { return pod.Status.NominatedNodeName == "" }

func unbound(pod *corev1.Pod) bool {
	if pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil || len(pod.Spec.SchedulingGates) > 0 {
		return false
	}
	owner := metav1.GetControllerOfNoCopy(pod)
	return owner == nil || owner.Kind != "DaemonSet"
}

func scheduled(pod *corev1.Pod) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if c := &pod.Status.Conditions[i]; c.Type == corev1.PodScheduled {
			return c
		}
	}
	return nil
}

// needing are the pods to plan for: those that need room, and the unjudged that are like one of them.
func needing(pods []*corev1.Pod) []*corev1.Pod {
	var need, unjudged []*corev1.Pod
	for _, pod := range pods {
		switch {
		case NeedsRoom(pod):
			need = append(need, pod)
		case Unjudged(pod):
			unjudged = append(unjudged, pod)
		}
	}
	if len(unjudged) == 0 || len(need) == 0 {
		return need
	}
	judged := map[uint64]bool{}
	for _, pod := range need {
		if key, ok := planner.Alike(pod); ok && Witness(pod) {
			judged[key] = true
		}
	}
	for _, pod := range unjudged {
		if key, ok := planner.Alike(pod); ok && judged[key] {
			need = append(need, pod)
		}
	}
	return need
}
