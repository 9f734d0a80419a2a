package kube

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

var registerN1 = contract.RegisterInput{Cluster: "demo", Pool: "api", Node: "n1", Instance: testInstance}

func (w *world) nodeNow(t *testing.T, name string) *corev1.Node {
	t.Helper()
	node, err := w.client.CoreV1().Nodes().Get(context.Background(), name, metav1.GetOptions{})
	require.NoError(t, err)
	return node
}

func TestRegister(t *testing.T) {
	w := newWorld(t, testPool("api"), testNode("n1", "i-1", unregistered, func(n *corev1.Node) {
		n.Labels = map[string]string{"kept": "yes"}
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: "app", Value: "old", Effect: corev1.TaintEffectNoSchedule})
	}))
	result, err := w.Register(context.Background(), registerN1)
	require.NoError(t, err)
	require.Equal(t, []string{"patch nodes"}, w.writes(), "labels, taints and the end of floe.dev/unregistered are one write")
	require.Equal(t, []string{"cni:NoSchedule"}, result.StartupTaints)
	require.False(t, result.Unguarded)
	require.Equal(t, []string{"app=db:NoSchedule", "cni:NoSchedule"}, result.Node.Taints)

	node := w.nodeNow(t, "n1")
	for label, want := range map[string]string{
		"kept": "yes", "team": "x", v1alpha1.LabelPool: "api", v1alpha1.LabelCapacityType: "spot",
		v1alpha1.LabelInstanceType: "c5.xlarge", v1alpha1.LabelInstanceCPU: "4", v1alpha1.LabelZone: "eu-west-1a",
		corev1.LabelTopologyRegion: "eu-west-1",
	} {
		require.Equal(t, want, node.Labels[label], label)
	}
}

func TestRegisterAgainChangesNothing(t *testing.T) {
	w := newWorld(t, testPool("api"), testNode("n1", "i-1", unregistered))
	_, err := w.Register(context.Background(), registerN1)
	require.NoError(t, err)

	// The CNI takes its taint off; then the activity is retried, because its answer was lost.
	node := w.nodeNow(t, "n1")
	node.Spec.Taints = withTaints(nil, testPool("api").Spec.Template.Taints)
	_, err = w.client.CoreV1().Nodes().Update(context.Background(), node, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		seen, ok := w.cluster.NodeOfInstance("i-1")
		return ok && registered(seen) && len(seen.Spec.Taints) == 1
	}, waitFor, tick)
	w.client.ClearActions()

	result, err := w.Register(context.Background(), registerN1)
	require.NoError(t, err)
	require.Empty(t, w.writes())
	require.Equal(t, []string{"app=db:NoSchedule"}, result.Node.Taints, "the startup taint is not put back")
	require.False(t, result.Unguarded, "that it came guarded is remembered")
}

func TestRegisterUnguarded(t *testing.T) {
	w := newWorld(t, testPool("api"), testNode("n1", "i-1"))
	for range 2 {
		result, err := w.Register(context.Background(), registerN1)
		require.NoError(t, err)
		require.True(t, result.Unguarded)
	}
}

func TestRegisterWithoutAWS(t *testing.T) {
	w := newWorld(t, testPool("api"), testNode("n1", "i-1", unregistered, func(n *corev1.Node) {
		n.Labels = map[string]string{corev1.LabelTopologyRegion: "eu-west-1"}
	}))
	w.cloud.viewErr = unavailable(context.DeadlineExceeded)
	_, err := w.Register(context.Background(), registerN1)
	require.NoError(t, err)
	node := w.nodeNow(t, "n1")
	require.Equal(t, "4", node.Labels[v1alpha1.LabelInstanceCPU], "the embedded facts serve")
	require.Equal(t, "eu-west-1", node.Labels[corev1.LabelTopologyRegion], "what is not known overwrites nothing")
}

func TestRegisterConflict(t *testing.T) {
	w := newWorld(t, testPool("api"), testNode("n1", "i-1", unregistered))
	tries := 0
	w.client.PrependReactor("patch", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) {
		if tries++; tries < 3 {
			return true, nil, apierrors.NewConflict(schema.GroupResource{Resource: "nodes"}, "n1", nil)
		}
		return false, nil, nil
	})
	_, err := w.Register(context.Background(), registerN1)
	require.NoError(t, err)
	require.Equal(t, 3, tries)
	require.Equal(t, "api", w.nodeNow(t, "n1").Labels[v1alpha1.LabelPool])
}

func TestRegisterErrors(t *testing.T) {
	forbid := func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "n1", nil)
	}
	throttle := func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewTooManyRequests("later", 7)
	}
	for name, tc := range map[string]struct {
		change    func(*contract.RegisterInput)
		react     clienttesting.ReactionFunc
		want      string
		retryable bool
		words     string
	}{
		"another's node":  {func(in *contract.RegisterInput) { in.Instance.ID = "i-2" }, nil, contract.ErrInvalidInput, false, "n1 is instance i-1's, not i-2's"},
		"no node":         {func(in *contract.RegisterInput) { in.Node = "n9" }, nil, contract.ErrNodeNotFound, true, "no Node n9"},
		"no name":         {func(in *contract.RegisterInput) { in.Node = "" }, nil, contract.ErrInvalidInput, false, "node: is empty"},
		"no pool":         {func(in *contract.RegisterInput) { in.Pool = "nope" }, nil, contract.ErrPoolNotFound, false, "there are api"},
		"unknown cluster": {func(in *contract.RegisterInput) { in.Cluster = "prod" }, nil, contract.ErrInvalidInput, false, "it serves demo"},
		"forbidden":       {nil, forbid, contract.ErrAccessDenied, false, "may not patch nodes"},
		"throttled":       {nil, throttle, contract.ErrThrottled, true, "later"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, testPool("api"), testNode("n1", "i-1", unregistered))
			if tc.react != nil {
				w.client.PrependReactor("patch", "nodes", tc.react)
			}
			in := registerN1
			if tc.change != nil {
				tc.change(&in)
			}
			_, err := w.Register(context.Background(), in)
			app := requireType(t, err, tc.want, tc.retryable)
			require.Contains(t, app.Message(), tc.words)
		})
	}
}

func TestApplyIsGuarded(t *testing.T) {
	node := testNode("n1", "i-1", unregistered)
	none := wanted{labels: map[string]string{"a": "b"}}
	require.False(t, none.met(node))
	patch, err := none.apply(node)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"apiVersion": "v1", "kind": "Node",
		"metadata": {"name": "n1", "uid": "uid-n1", "resourceVersion": "10", "labels": {"a": "b"}},
		"spec": {"taints": []}
	}`, string(patch), "no taints is a word of its own")

	same := wanted{taints: node.Spec.Taints, labels: node.Labels}
	require.True(t, same.met(node))
	same.cordon = true
	require.False(t, same.met(node))
	node.Spec.Unschedulable = true
	require.True(t, same.met(node))
}
