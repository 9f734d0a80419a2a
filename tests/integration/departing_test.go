package integration

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// A machine that was resumed from standby for pods is a fallback: when there is spot, its pods go there, and the machine
// goes back to the standby, which has come to lack one. Of the on-demand machines that are empty then, and of which the
// standby lacks one in the tier stopped, one goes there, and the other away: it never takes two for one place. Each
// machine's story and the Disruption's tell why.
func TestMachinesThatLeaveGoBackToStandby(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, quickFreeze, "at 0s * spot *: 0")
	w.disruption(time.Second)
	p := standbyPool("general", 1)
	p.Spec.Disruption = v1alpha1.Disruption{
		EmptyAfter: &metav1.Duration{Duration: time.Second}, Stabilization: &metav1.Duration{},
		ReturnAfter: &metav1.Duration{Duration: time.Hour}, Budgets: []v1alpha1.DisruptionBudget{{Nodes: "0"}},
	}
	w.createPool(p)
	var frozen []string
	eventually(t, func() bool { frozen = w.frozen("general"); return len(frozen) == 1 }, "a machine is frozen")
	resumed := frozen[0]

	w.deploy("app", 1, "1200m", "1Gi")
	eventually(t, func() bool { return w.running() == 1 && len(w.frozen("general")) == 1 }, "the pod runs, and the standby is full again")
	node := w.nodeOf(resumed)
	require.NotNil(t, node)
	require.Equal(t, "demand", node.Annotations[v1alpha1.AnnotationPurpose], "it was claimed for pods")
	require.NotEmpty(t, node.Annotations[v1alpha1.AnnotationResumed])
	eventually(t, func() bool { return slices.Equal(w.instancesOf("general"), []string{resumed}) }, "it is in service")
	status, out, errs := w.floe("why", resumed)
	require.Zero(t, status, errs)
	require.Contains(t, out, "it was resumed from standby as a fallback at")
	require.Contains(t, out, "terminated: the standby has all it is to keep: 1 of 1 hibernated and 0 of 0 stopped")

	// Now the pool keeps one more, and none can be bought for that: there is no on-demand capacity. But spot there is.
	w.script("at 0s * on-demand *: 0")
	w.script("at 0s * spot *: unlimited")
	status, _, errs = w.floe("pool", "scale-up", "general", "--count=1", "--instance-type=m5.large", "--capacity-type=spot", "--wait")
	require.Zero(t, status, errs)
	for _, n := range w.nodes("general") {
		if n.Labels[v1alpha1.LabelCapacityType] == "spot" {
			w.annotate(n.Name, v1alpha1.AnnotationDoNotDisrupt, `"true"`)
		}
	}
	w.patchPool("general", `{"spec":{"standby":{"hibernated":2}}}`)
	w.awaitLack("general")
	w.patchPool("general", `{"spec":{"disruption":{"returnAfter":"1s","budgets":[{"nodes":"0","reasons":["underused"]}]}}}`)
	life := contract.NodeID(w.Cluster, resumed)
	eventually(t, func() bool { return w.phase(life) == contract.PhaseStandby }, "it is frozen again")
	view := w.life(resumed)
	require.Equal(t, v1alpha1.Hibernated, view.Fate.Tier, view.Fate.Reason)
	require.Contains(t, view.Fate.Reason, "hibernated: the tier has 1 of 2 (the pool's number)")
	eventually(t, func() bool { return len(w.frozen("general")) == 2 && w.running() == 1 }, "the standby has it, and its pod runs on spot")
	require.NotContains(t, w.instancesOf("general"), resumed)
	eventually(t, func() bool { return departed(w.disruptionState(), node.Name, "hibernated: the tier has 1 of 2") }, "the Disruption tells of it")

	// Two that are empty at the same time, and one place in the tier stopped.
	w.patchPool("general", `{"spec":{"disruption":{"budgets":[{"nodes":"0"}]}}}`)
	w.script("at 0s * on-demand *: 2")
	status, _, errs = w.floe("pool", "scale-up", "general", "--count=2", "--instance-type=m5.large", "--capacity-type=on-demand", "--wait")
	require.Zero(t, status, errs)
	w.script("at 0s * on-demand *: 0")
	var empty []string
	eventually(t, func() bool {
		empty = nil
		for _, n := range w.nodes("general") {
			if n.Labels[v1alpha1.LabelCapacityType] == "on-demand" {
				empty = append(empty, instanceOf(t, n))
			}
		}
		return len(empty) == 2
	}, "two on-demand machines are there, and empty")
	w.patchPool("general", `{"spec":{"standby":{"stopped":1}}}`)
	w.awaitLack("general")
	w.patchPool("general", `{"spec":{"disruption":{"budgets":[{"nodes":"100%"},{"nodes":"0","reasons":["underused"]}]}}}`)
	eventually(t, func() bool {
		a, b := w.phase(contract.NodeID(w.Cluster, empty[0])), w.phase(contract.NodeID(w.Cluster, empty[1]))
		return a == contract.PhaseStandby && b == contract.PhaseTerminated || a == contract.PhaseTerminated && b == contract.PhaseStandby
	}, "one is stopped and one is gone")
	for _, id := range empty {
		if v := w.life(id); v.Phase == contract.PhaseStandby {
			require.Equal(t, v1alpha1.Stopped, v.Fate.Tier)
			require.Equal(t, contract.VerdictPlainStopped, v.Standby.Verdict)
		} else {
			require.Contains(t, v.Fate.Reason, "terminated: the standby has all it is to keep")
		}
	}
	require.Equal(t, 1, w.running(), "no pod noticed")
}

// awaitLack waits until a standby has found nothing to fill it with, and is not about to look again: what it lacks then is
// not on its way.
func (w *world) awaitLack(pool string) {
	w.t.Helper()
	eventually(w.t, func() bool {
		s := w.standby(pool)
		return s.Failures > 0 && len(s.Fills) == 0 && time.Until(s.RetryAt) > 20*time.Second
	}, "the standby lacks a machine and can buy none")
}

// departed reports whether a Disruption tells of a node that has left, and what became of its machine.
func departed(v contract.DisruptionView, node, fate string) bool {
	for _, d := range v.Departed {
		if d.Node == node && strings.HasPrefix(d.Fate, fate) {
			return true
		}
	}
	return false
}
