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
)

func TestReadNode(t *testing.T) {
	w := newWorld(t, testNode("n1", "i-1", ready))
	node, err := w.ReadNode(context.Background(), contract.ReadNodeInput{Cluster: "demo", ProviderID: "aws:///eu-west-1a/i-1"})
	require.NoError(t, err)
	require.Equal(t, contract.KubeNode{Name: "n1", UID: "uid-n1", Exists: true, Ready: true, Initialized: true}, node)

	node, err = w.ReadNode(context.Background(), contract.ReadNodeInput{Cluster: "demo", ProviderID: "aws:///eu-west-1a/i-9"})
	require.NoError(t, err)
	require.False(t, node.Exists)

	_, err = w.ReadNode(context.Background(), contract.ReadNodeInput{Cluster: "demo", ProviderID: "gce://x"})
	requireType(t, err, contract.ErrInvalidInput, false)
}

func TestViewNode(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*corev1.Node)
		want   func(*contract.KubeNode)
	}{
		"new":   {func(*corev1.Node) {}, func(*contract.KubeNode) {}},
		"ready": {ready, func(n *contract.KubeNode) { n.Ready, n.Initialized = true, true }},
		"not looked at by the cloud provider": {func(n *corev1.Node) {
			ready(n)
			n.Spec.Taints = []corev1.Taint{{Key: taintUninitialized, Value: "true", Effect: corev1.TaintEffectNoSchedule}}
		}, func(n *contract.KubeNode) {
			n.Ready, n.Taints = true, []string{"node.cloudprovider.kubernetes.io/uninitialized=true:NoSchedule"}
		}},
		"allocatable without memory": {func(n *corev1.Node) {
			ready(n)
			delete(n.Status.Allocatable, corev1.ResourceMemory)
		}, func(n *contract.KubeNode) { n.Ready = true }},
		"taints in any order": {func(n *corev1.Node) {
			n.Spec.Taints = []corev1.Taint{{Key: "b", Effect: corev1.TaintEffectNoExecute}, {Key: "a", Value: "v", Effect: corev1.TaintEffectNoSchedule}}
		}, func(n *contract.KubeNode) { n.Taints = []string{"a=v:NoSchedule", "b:NoExecute"} }},
	} {
		t.Run(name, func(t *testing.T) {
			want := contract.KubeNode{Name: "n1", UID: "uid-n1", Exists: true}
			tc.want(&want)
			require.Equal(t, want, ViewNode(testNode("n1", "i-1", tc.change)))
		})
	}
}

func TestDeleteNode(t *testing.T) {
	w := newWorld(t, testNode("n1", "i-1"))
	in := contract.DeleteNodeInput{Cluster: "demo", Node: "n1", UID: "uid-n1"}
	require.NoError(t, w.DeleteNode(context.Background(), in))
	_, err := w.client.CoreV1().Nodes().Get(context.Background(), "n1", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err))
	require.NoError(t, w.DeleteNode(context.Background(), in), "gone already")
}

func TestDeleteNodeOfAnother(t *testing.T) {
	nodes := schema.GroupResource{Resource: "nodes"}
	for name, tc := range map[string]struct {
		uid    string
		answer error
		want   string
	}{
		"another has the name": {"uid", apierrors.NewConflict(nodes, "n1", nil), ""},
		"conflict without uid": {"", apierrors.NewConflict(nodes, "n1", nil), contract.ErrUnavailable},
		"server trouble":       {"uid", apierrors.NewInternalError(context.DeadlineExceeded), contract.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.client.PrependReactor("delete", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, tc.answer })
			err := w.DeleteNode(context.Background(), contract.DeleteNodeInput{Cluster: "demo", Node: "n1", UID: tc.uid})
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			requireType(t, err, tc.want, true)
		})
	}
}
