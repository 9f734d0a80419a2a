package fleet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/testbed"
)

func TestJoin(t *testing.T) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	node := func(name, providerID, pool string, status corev1.ConditionStatus) corev1.Node {
		n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}, CreationTimestamp: metav1.NewTime(at)}}
		n.Spec.ProviderID = providerID
		if pool != "" {
			n.Labels[v1alpha1.LabelPool] = pool
		}
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status}}
		return n
	}
	got := join([]corev1.Node{
		node("ready", "aws:///z/i-1", "general", corev1.ConditionTrue),
		node("orphan", "aws:///z/i-9", "general", corev1.ConditionTrue),
		node("theirs", "aws:///z/i-8", "", corev1.ConditionTrue),
		node("not-aws", "kind://x", "general", corev1.ConditionTrue),
	}, []Node{
		{Instance: "i-2", Pool: "general", Phase: contract.PhaseLaunching, Launched: at.Add(time.Second), Workflow: "node/c/i-2"},
		{Instance: "i-1", Pool: "general", Phase: contract.PhaseReady, Launched: at, Workflow: "node/c/i-1"},
		{Instance: "i-3", Pool: "api", Launched: at.Add(time.Hour)},
	})
	require.Equal(t, []Node{
		{Instance: "i-3", Pool: "api", Launched: at.Add(time.Hour)},
		{Instance: "i-1", Name: "ready", Ready: true, Pool: "general", Phase: contract.PhaseReady, Launched: at, Workflow: "node/c/i-1"},
		{Instance: "i-9", Name: "orphan", Ready: true, Pool: "general", Launched: at, Trouble: "no Node workflow runs for it"},
		{Instance: "i-2", Pool: "general", Phase: contract.PhaseLaunching, Launched: at.Add(time.Second), Workflow: "node/c/i-2"},
	}, got)
}

func TestNamespaceWithoutSearchAttributes(t *testing.T) {
	tb := testbed.New(t, testbed.Options{Parts: testbed.Temporal, Headless: true})
	c, err := tb.DialTemporal(t.Context())
	require.NoError(t, err)
	defer c.Close()
	_, err = Launches(t.Context(), c, "demo")
	require.ErrorContains(t, err, "search attributes are not known in this namespace: has a worker run there")

	none, err := Provisioner(t.Context(), c, "demo")
	require.NoError(t, err)
	require.Nil(t, none)
}
