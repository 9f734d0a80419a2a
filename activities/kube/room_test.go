package kube

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestNeedsRoom(t *testing.T) {
	now := metav1.Now()
	for name, tc := range map[string]struct {
		change func(*corev1.Pod)
		want   bool
	}{
		"unschedulable":     {unschedulable, true},
		"not looked at yet": {func(*corev1.Pod) {}, false},
		"bound":             {func(p *corev1.Pod) { unschedulable(p); p.Spec.NodeName = "n1" }, false},
		"being deleted":     {func(p *corev1.Pod) { unschedulable(p); p.DeletionTimestamp = &now }, false},
		"gated": {func(p *corev1.Pod) {
			unschedulable(p)
			p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "g"}}
		}, false},
		"gated, as the scheduler says it":  {func(p *corev1.Pod) { unschedulable(p); p.Status.Conditions[0].Reason = corev1.PodReasonSchedulingGated }, false},
		"nominated: the planner decides":   {func(p *corev1.Pod) { unschedulable(p); p.Status.NominatedNodeName = "n1" }, true},
		"a daemonset's":                    {func(p *corev1.Pod) { unschedulable(p); owned("DaemonSet")(p) }, false},
		"a replicaset's":                   {func(p *corev1.Pod) { unschedulable(p); owned("ReplicaSet")(p) }, true},
		"refused by the scheduler's error": {func(p *corev1.Pod) { unschedulable(p); p.Status.Conditions[0].Reason = "SchedulerError" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, NeedsRoom(testPod("p", tc.change)))
		})
	}
}
