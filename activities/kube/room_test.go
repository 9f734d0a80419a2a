package kube

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
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

// The scheduler's word on a pod holds for those that are alike.
func TestNeeding(t *testing.T) {
	for name, tc := range map[string]struct {
		judged, other func(*corev1.Pod)
		want          bool
	}{
		"alike":            {unschedulable, func(*corev1.Pod) {}, true},
		"nobody is judged": {func(*corev1.Pod) {}, func(*corev1.Pod) {}, false},
		"other labels":     {unschedulable, labeled("app", "other"), false},
		"asks for more": {unschedulable, func(p *corev1.Pod) {
			p.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("3")
		}, false},
		"another namespace":             {unschedulable, func(p *corev1.Pod) { p.Namespace = "other" }, false},
		"another scheduler":             {unschedulable, func(p *corev1.Pod) { p.Spec.SchedulerName = "mine" }, false},
		"volumes of its own":            {withClaim(unschedulable), withClaim(func(*corev1.Pod) {}), false},
		"gated":                         {unschedulable, func(p *corev1.Pod) { p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "g"}} }, false},
		"bound":                         {unschedulable, on("n1"), false},
		"the judged one preempts":       {func(p *corev1.Pod) { unschedulable(p); p.Status.NominatedNodeName = "n1" }, func(*corev1.Pod) {}, false},
		"the scheduler had other words": {func(p *corev1.Pod) { unschedulable(p); p.Status.Conditions[0].Reason = "SchedulerError" }, func(*corev1.Pod) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			other := testPod("other", tc.other)
			got := needing([]*corev1.Pod{other, testPod("judged", tc.judged)})
			require.Equal(t, tc.want, slices.Contains(got, other))
		})
	}
}

func withClaim(change func(*corev1.Pod)) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		change(p)
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
		}}}
	}
}
