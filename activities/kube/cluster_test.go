package kube

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func TestClusterSaysWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	client := fake.NewClientset()
	client.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("RBAC"))
	})
	var log bytes.Buffer
	c, err := NewCluster(ClusterOptions{Name: "demo", Client: client, Dynamic: w.cluster.dynamic, Log: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.Start(ctx)
	require.Eventually(t, func() bool { return c.troubles.last() != "" }, waitFor, tick)
	require.Eventually(t, func() bool { // once the others are there
		return strings.HasPrefix(c.Ready().Error(), "cluster demo: no pods yet: may not list and watch pods: apply deploy/rbac")
	}, waitFor, tick)
	cancel()
	require.Error(t, c.WaitReady(ctx))
}

func TestExplainWatch(t *testing.T) {
	pools := schema.GroupResource{Group: "floe.dev", Resource: "nodepools"}
	require.Contains(t, explainWatch("nodepools", apierrors.NewNotFound(pools, "")), "apply deploy/crds")
	require.Contains(t, explainWatch("pods", apierrors.NewUnauthorized("no")), "credentials of the kubeconfig")
	require.Contains(t, explainWatch("pods", apierrors.NewInternalError(errors.New("x"))), "refuses to list and watch pods")
	require.Contains(t, explainWatch("pods", errors.New("connection refused")), "cannot be reached")
}

func TestTroublesAreToldOnce(t *testing.T) {
	var tr troubles
	now := time.Unix(0, 0)
	require.True(t, tr.add("down", now))
	require.False(t, tr.add("down", now.Add(quiet-1)))
	require.True(t, tr.add("down", now.Add(quiet)))
	require.True(t, tr.add("forbidden", now.Add(quiet)))
	require.Equal(t, "forbidden", tr.last())
}

func TestSlimPodKeepsWhatIsRead(t *testing.T) {
	pod := testPod("p", unschedulable, func(p *corev1.Pod) {
		p.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}
		p.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: "{}", "kept": "yes"}
		p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "SECRET", Value: "x"}}
		p.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: 80}}
		p.Spec.NodeSelector = map[string]string{"a": "b"}
		p.Spec.Tolerations = []corev1.Toleration{{Key: "app"}}
		p.Spec.Volumes = []corev1.Volume{
			{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "c"}}},
			{Name: "conf", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{}}},
		}
	})
	whole := pod.DeepCopy()
	slim, err := slimPod(pod)
	require.NoError(t, err)
	kept := slim.(*corev1.Pod)
	require.Nil(t, kept.ManagedFields)
	require.Equal(t, map[string]string{"kept": "yes"}, kept.Annotations)
	require.Empty(t, kept.Spec.Containers[0].Env)
	require.Equal(t, whole.Spec.Containers[0].Resources, kept.Spec.Containers[0].Resources)
	require.Equal(t, whole.Spec.Containers[0].Ports, kept.Spec.Containers[0].Ports)
	require.Equal(t, whole.Spec.NodeSelector, kept.Spec.NodeSelector)
	require.Equal(t, whole.Spec.Tolerations, kept.Spec.Tolerations)
	require.Equal(t, "c", kept.Spec.Volumes[0].PersistentVolumeClaim.ClaimName)
	require.True(t, NeedsRoom(kept))
}

func TestNotifier(t *testing.T) {
	var n notifier
	n.notify("a") // nobody waits
	changed, stop := n.watch("a")
	n.notify("b")
	require.Empty(t, changed)
	n.notify("a")
	n.notify("a")
	require.Len(t, changed, 1, "merged")
	<-changed
	stop()
	n.notify("a")
	require.Empty(t, changed)
	require.Empty(t, n.waiting)
}
