package explain

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"floe.dev/floe/api/contract"
)

func TestStateOf(t *testing.T) {
	now := metav1.Now()
	unschedulable := corev1.PodCondition{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/3 nodes are available",
	}
	for name, tc := range map[string]struct {
		pod   corev1.Pod
		state State
		words string
	}{
		"ended":    {corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodSucceeded}}, StateEnded, "it has ended (Succeeded): it needs no room"},
		"leaving":  {corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &now}}, StateLeaving, "it is being deleted: it needs no room"},
		"bound":    {corev1.Pod{Spec: corev1.PodSpec{NodeName: "n"}, Status: corev1.PodStatus{Phase: corev1.PodRunning}}, StateBound, "it is bound to node n (Running)"},
		"gated":    {corev1.Pod{Spec: corev1.PodSpec{SchedulingGates: []corev1.PodSchedulingGate{{Name: "quota"}}}}, StateGated, "it waits for its scheduling gates to be removed: quota"},
		"unjudged": {corev1.Pod{}, StateUnjudged, "the scheduler has not looked at it yet: is one running that is named default-scheduler"},
		"nominated": {
			corev1.Pod{Status: corev1.PodStatus{NominatedNodeName: "n", Conditions: []corev1.PodCondition{unschedulable}}},
			StateNominated, "it is nominated to node n, and is bound when that is ready",
		},
		"waiting": {corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{unschedulable}}}, StateWaiting, "it needs room: no node can take it"},
	} {
		t.Run(name, func(t *testing.T) {
			state, words := stateOf(&tc.pod)
			require.Equal(t, tc.state, state)
			require.Equal(t, tc.words, words)
		})
	}
	require.Equal(t, "0/3 nodes are available", verdict(&corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{unschedulable}}}))
}

func TestFind(t *testing.T) {
	pod := func(namespace, name string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	}
	c := fake.NewClientset(pod("a", "web-0"), pod("b", "web-0"), pod("b", "db-0"))
	for name, want := range map[string]string{"a/web-0": "a", "db-0": "b"} {
		got, err := find(t.Context(), c, name)
		require.NoError(t, err)
		require.Equal(t, want, got.Namespace)
	}
	_, err := find(t.Context(), c, "web-0")
	require.ErrorIs(t, err, ErrNoPod)
	require.ErrorContains(t, err, "choose one of a/web-0, b/web-0")
	_, err = find(t.Context(), c, "a/db-0")
	require.ErrorIs(t, err, ErrNoPod)
}

func TestConcern(t *testing.T) {
	view := &contract.ProvisionerView{ProvisionerState: contract.ProvisionerState{
		Ledger:   []contract.LedgerEntry{{ScaleUp: "s1", Pool: "api"}, {ScaleUp: "s2", Pool: "api"}},
		Droughts: []contract.Drought{{Pool: "api", ScaleUp: "s0"}, {Pool: "web", ScaleUp: "s3"}, {Pool: "gpu", ScaleUp: "s4"}},
	}}
	require.Equal(t, []string{"s2", "s0"}, concern(&contract.Explanation{Node: "s2"}, view), "the launch that is to hold it, and the last of its pool")
	require.Equal(t, []string{"s3", "s4"}, concern(&contract.Explanation{
		Winner: &contract.Choice{Pool: "web"}, Next: []contract.Choice{{Pool: "gpu"}, {Pool: "other"}},
	}, view))
	require.Empty(t, concern(nil, view))
}
