package sweep

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

var account = contract.AccountRegion{Account: "main", Region: "eu-west-1"}

func owned(id, state string) contract.OwnedInstance {
	return contract.OwnedInstance{
		Instance: contract.Instance{ID: id, State: state, Token: "t", Zone: "eu-west-1a", LaunchTime: now.Add(-time.Hour)},
		Pool:     "general", ScaleUp: "scaleup/demo/p-1/0",
	}
}

func pool(name, registrationTimeout string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": name}, "spec": map[string]any{
			"registrationTimeout": registrationTimeout, "standby": map[string]any{"hibernated": int64(1), "resumeTimeout": "9m"},
		},
	}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("NodePool"))
	return u
}

func kubeNode(name, instance string, ready corev1.ConditionStatus, labels map[string]string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: "u-1", Labels: labels, CreationTimestamp: metav1.NewTime(now.Add(-time.Hour))},
		Spec:       corev1.NodeSpec{ProviderID: contract.ProviderID("eu-west-1a", instance)},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}},
	}
}

var floes = map[string]string{v1alpha1.LabelPool: "general"}

func TestLookAsksTheOwnersThemselves(t *testing.T) {
	b := newBed(t)
	b.instances = []contract.OwnedInstance{
		owned("i-1", "running"), owned("i-2", "pending"), owned("i-3", "running"), owned("i-4", "terminated"),
		owned("i-5", "terminated"), owned("i-6", "shutting-down"), owned("i-7", "stopped"),
	}
	b.instances[1].ScaleUp = "scaleup/demo/p-2/0"
	b.temporal.executions = map[string]execution{
		"node/demo/i-1": {status: open}, "node/demo/i-3": {status: completed, closed: now},
		"node/demo/i-4": {status: open}, "node/demo/i-5": {status: completed}, "node/demo/i-6": {status: open}, "node/demo/i-7": {status: open},
		"scaleup/demo/p-1/0": {status: completed}, "scaleup/demo/p-2/0": {status: open},
	}
	b.temporal.visible = []string{"node/demo/i-3"} // it lags, and nobody asks it
	result, err := b.Look(t.Context(), contract.LookInput{AccountRegion: account, Cluster: "demo"})
	require.NoError(t, err)
	require.Equal(t, []string{"i-1", "i-7"}, result.Live)
	require.Equal(t, []string{"i-4"}, result.Ended)
	require.Len(t, result.Orphans, 2)
	require.Equal(t, "i-2", result.Orphans[0].ID)
	require.True(t, result.Orphans[0].Owned)
	require.True(t, result.Orphans[0].Ended.IsZero())
	require.Equal(t, "i-3", result.Orphans[1].ID)
	require.False(t, result.Orphans[1].Owned)
	require.True(t, result.Orphans[1].Completed)
	require.True(t, now.Equal(result.Orphans[1].Ended))

	b.temporal.down = errors.New("connection refused")
	_, err = b.Look(t.Context(), contract.LookInput{AccountRegion: account, Cluster: "demo"})
	requireType(t, contract.ErrUnavailable, err)
}

func TestFindGathersWhatIsKnownOfAnOrphan(t *testing.T) {
	b := newBed(t, pool("general", "7m"), kubeNode("n1", "i-1", corev1.ConditionTrue, floes))
	b.temporal.executions = map[string]execution{
		"drain/demo/i-1/1": {status: completed}, "drain/demo/i-1/2": {status: terminated},
	}
	result, err := b.Find(t.Context(), contract.FindInput{Cluster: "demo", Looks: []contract.LookResult{{
		AccountRegion: account, Orphans: []contract.Orphan{{OwnedInstance: owned("i-1", "running"), Ended: now}},
	}}})
	require.NoError(t, err)
	require.Empty(t, result.Left)
	require.Len(t, result.Repairs, 1)
	require.Equal(t, contract.RepairAdopt, result.Repairs[0].Kind)
	start := result.Repairs[0].Start
	require.Equal(t, 7*time.Minute, start.RegistrationTimeout)
	require.Equal(t, 9*time.Minute, start.Standby.ResumeTimeout)
	require.Equal(t, []string{"main", "eu-west-1"}, []string{start.Account, start.Region})
	require.Equal(t, 2, start.Adopted.Drains)
	require.Equal(t, "n1", start.Adopted.Node.Name)
	require.True(t, start.Adopted.Node.Ready)
}

func TestFindBelievesTheWorkflowAndNotVisibility(t *testing.T) {
	node := func(account string, launched time.Time, knows string) execution {
		return execution{
			status: open, started: contract.NodeInput{Account: account, Instance: contract.Instance{LaunchTime: launched}},
			life: &contract.NodeView{Instance: contract.Instance{State: knows}},
		}
	}
	old := now.Add(-time.Hour)
	b := newBed(t, kubeNode("n5", "i-5", corev1.ConditionTrue, floes))
	b.temporal.executions = map[string]execution{
		"node/demo/i-1": node("main", old, "running"),                           // not shown
		"node/demo/i-2": {status: completed},                                    // visibility lags
		"node/demo/i-3": node("main", now.Add(-time.Second), "pending"),         // not shown yet
		"node/demo/i-4": node("other", old, "running"),                          // elsewhere
		"node/demo/i-5": node("main", old, "running"),                           // its kubelet lives
		"node/demo/i-6": node("main", old, "running"),                           // shown
		"node/demo/i-7": node("main", old, "running"),                           // terminated; not visible yet
		"node/demo/i-8": node("main", old, "terminated"),                        // terminated, and knows
		"node/demo/i-9": {status: open, started: node("main", old, "").started}, // nobody answers for it
	}
	for _, id := range []string{"i-1", "i-2", "i-3", "i-4", "i-5", "i-6", "i-8", "i-9"} {
		b.temporal.visible = append(b.temporal.visible, "node/demo/"+id)
	}
	result, err := b.Find(t.Context(), contract.FindInput{Cluster: "demo", Looks: []contract.LookResult{{
		AccountRegion: account, Live: []string{"i-6"}, Ended: []string{"i-7", "i-8"},
	}}})
	require.NoError(t, err)
	told := map[string]string{}
	for _, r := range result.Repairs {
		require.Equal(t, contract.RepairTell, r.Kind)
		told[r.Instance] = r.State
	}
	require.Equal(t, map[string]string{"i-1": contract.InstanceGone, "i-7": "terminated", "i-9": contract.InstanceGone}, told)
	require.Len(t, result.Left, 2)
	require.Equal(t, "node/demo/i-4", result.Left[0].Subject)
	require.Equal(t, "node/demo/i-5", result.Left[1].Subject)
}

func TestFindNodesWithoutMachines(t *testing.T) {
	karpenters := map[string]string{v1alpha1.LabelPool: "general", "karpenter.sh/nodepool": "x"}
	unregistered := kubeNode("unregistered", "i-6", corev1.ConditionUnknown, nil)
	unregistered.Spec.Taints = []corev1.Taint{{Key: v1alpha1.TaintUnregistered, Effect: corev1.TaintEffectNoExecute}}
	byHand := kubeNode("by-hand", "", corev1.ConditionUnknown, floes)
	byHand.Spec.ProviderID = "kind://docker/x/y"
	b := newBed(t,
		kubeNode("ghost", "i-1", corev1.ConditionUnknown, floes),
		kubeNode("alive", "i-2", corev1.ConditionTrue, floes),
		kubeNode("owned", "i-3", corev1.ConditionUnknown, floes),
		kubeNode("shown", "i-4", corev1.ConditionUnknown, floes),
		kubeNode("karpenters", "i-5", corev1.ConditionUnknown, karpenters),
		kubeNode("others", "i-7", corev1.ConditionUnknown, nil),
		unregistered, byHand)
	b.temporal.executions["node/demo/i-3"] = execution{status: open}
	result, err := b.Find(t.Context(), contract.FindInput{Cluster: "demo", Looks: []contract.LookResult{{AccountRegion: account, Live: []string{"i-4"}}}})
	require.NoError(t, err)
	var deleted []string
	for _, r := range result.Repairs {
		deleted = append(deleted, r.Node.Node)
	}
	require.Equal(t, []string{"ghost", "unregistered"}, deleted)
	require.Len(t, result.Left, 1)
	require.Equal(t, "alive", result.Left[0].Subject)
}

func TestRepairRecordsWhatItDid(t *testing.T) {
	b := newBed(t)
	b.temporal.executions["node/demo/i-1"] = execution{status: open}
	in := contract.RepairInput{Cluster: "demo", Sweep: "run", Earlier: []contract.EventRecord{{ID: "demo/before/adopt/i-0"}}, Repairs: []contract.Repair{
		{Kind: contract.RepairTell, Instance: "i-1", State: "terminated", Reason: "it is no more"},
		{Kind: contract.RepairTell, Instance: "i-2", State: "terminated"}, // has ended meanwhile
		{Kind: contract.RepairDeleteNode, Instance: "i-3", Node: &contract.DeleteNodeInput{Cluster: "demo", Node: "n3", UID: "u3"}},
		{Kind: contract.RepairDeleteNode, Instance: "i-4", Node: &contract.DeleteNodeInput{Cluster: "demo", Node: "locked"}},
		{Kind: contract.RepairAdopt, Instance: "i-5"}, // made by the Sweep
	}}
	result, err := b.Repair(t.Context(), in)
	require.NoError(t, err)
	require.Len(t, result.Done, 4)
	require.Len(t, result.Failed, 1)
	require.Equal(t, "i-4", result.Failed[0].Subject)
	require.Contains(t, result.Failed[0].Message, "forbidden")
	require.Equal(t, contract.Observation{Key: "sweep/run/i-1", At: now, InstanceState: "terminated"}, b.temporal.signals["node/demo/i-1"])
	require.Equal(t, []string{"n3/u3"}, b.deleted)
	require.Len(t, b.events, 5)
	require.Equal(t, "demo/before/adopt/i-0", b.events[0].ID)
	require.Equal(t, "it is no more", b.events[1].Message)
	require.Empty(t, result.Unrecorded)

	b.storeDown = errors.New("down")
	result, err = b.Repair(t.Context(), in)
	require.NoError(t, err, "the cluster is put in order without the store")
	require.Len(t, result.Unrecorded, 5)
}

func TestClusterThatIsNotServed(t *testing.T) {
	b := newBed(t)
	_, err := b.Find(t.Context(), contract.FindInput{Cluster: "other"})
	requireType(t, contract.ErrInvalidInput, err)
}

func requireType(t *testing.T, kind string, err error) {
	t.Helper()
	var application *temporal.ApplicationError
	require.ErrorAs(t, err, &application)
	require.Equal(t, kind, application.Type())
}
