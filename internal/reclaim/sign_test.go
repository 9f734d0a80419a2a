package reclaim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
)

func TestShows(t *testing.T) {
	at := metav1.NewTime(told)
	condition := func(status corev1.ConditionStatus) corev1.NodeCondition {
		return corev1.NodeCondition{Type: "SpotInterruption", Status: status, LastTransitionTime: at, LastHeartbeatTime: metav1.NewTime(told.Add(time.Hour))}
	}
	taint := func(value string, added *metav1.Time) corev1.Taint {
		return corev1.Taint{Key: "nth/spot", Value: value, Effect: corev1.TaintEffectNoSchedule, TimeAdded: added}
	}
	byCondition := Sign{Condition: "SpotInterruption", Kind: contract.ReclaimInterruption}
	byTaint := Sign{Taint: "nth/spot", Kind: contract.ReclaimInterruption}
	for name, tc := range map[string]struct {
		conditions []corev1.NodeCondition
		taints     []corev1.Taint
		signs      []Sign
		want       []Shown
	}{
		"nothing is looked for": {[]corev1.NodeCondition{condition(corev1.ConditionTrue)}, []corev1.Taint{taint("", nil)}, nil, nil},
		"nothing is there":      {nil, nil, []Sign{byCondition, byTaint}, nil},
		"another taint":         {nil, []corev1.Taint{{Key: "nth/other"}}, []Sign{byTaint}, nil},
		"a condition":           {[]corev1.NodeCondition{condition(corev1.ConditionTrue)}, nil, []Sign{byCondition}, []Shown{{byCondition, "u/condition SpotInterruption//2026-01-02T03:04:05Z", told}}},
		"one that is False":     {[]corev1.NodeCondition{condition(corev1.ConditionFalse)}, nil, []Sign{byCondition}, nil},
		"one that is Unknown":   {[]corev1.NodeCondition{condition(corev1.ConditionUnknown)}, nil, []Sign{byCondition}, nil},
		"a taint with a value":  {nil, []corev1.Taint{taint("event-7", nil)}, []Sign{byTaint}, []Shown{{byTaint, "u/taint nth/spot/event-7", time.Time{}}}},
		"a taint with a time":   {nil, []corev1.Taint{taint("", &at)}, []Sign{byTaint}, []Shown{{byTaint, "u/taint nth/spot//2026-01-02T03:04:05Z", told}}},
		"a taint with nothing":  {nil, []corev1.Taint{taint("", nil)}, []Sign{byTaint}, []Shown{{byTaint, "u/taint nth/spot/", time.Time{}}}},
		"both": {
			[]corev1.NodeCondition{condition(corev1.ConditionTrue)},
			[]corev1.Taint{taint("", nil)},
			[]Sign{byTaint, byCondition},
			[]Shown{{byTaint, "u/taint nth/spot/", time.Time{}}, {byCondition, "u/condition SpotInterruption//2026-01-02T03:04:05Z", told}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{UID: "u"}, Spec: corev1.NodeSpec{Taints: tc.taints}, Status: corev1.NodeStatus{Conditions: tc.conditions}}
			require.Equal(t, tc.want, Shows(node, tc.signs))
		})
	}
}

func TestSignIsToldLikeAMessage(t *testing.T) {
	now := told.Add(time.Minute)
	of := func(kind contract.ReclaimKind, at time.Time) Shown {
		return Shown{Sign: Sign{Kind: kind}, Key: "k", At: at}
	}
	require.Equal(t, Message{ID: "k", Topic: Notice, Kind: contract.ReclaimInterruption, At: told, Until: told.Add(Warning)},
		of(contract.ReclaimInterruption, told).Message(now))
	require.Equal(t, now.Add(Warning), Deadline(of(contract.ReclaimInterruption, time.Time{}).Message(now), now), "the two minutes begin when it is seen")
	require.Equal(t, now.Add(Warning), Deadline(of(contract.ReclaimInterruption, now.Add(time.Hour)).Message(now), now), "a clock that is ahead gives no more time")
	require.Zero(t, Deadline(of(contract.ReclaimScheduled, told).Message(now), now), "EC2 says when")

	old := told.Add(24 * time.Hour)
	require.True(t, of(contract.ReclaimInterruption, told).Stale(old))
	require.False(t, of(contract.ReclaimInterruption, told).Stale(now))
	require.False(t, of(contract.ReclaimInterruption, time.Time{}).Stale(old))
	require.False(t, of(contract.ReclaimScheduled, told).Stale(old))
	require.False(t, of(contract.ReclaimRebalance, told).Stale(old))
}
