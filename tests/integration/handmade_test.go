// Package integration tests Floe from outside, on the real parts: Kubernetes, Temporal, the store and the simulated AWS,
// with worker and watcher as processes of their own.
package integration

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"

	"floe.dev/floe/internal/testbed"
)

// The control plane without any of Floe: what everything else here stands on.
func TestPodsRunOnAHandMadeNode(t *testing.T) {
	t.Parallel()
	tb := testbed.New(t, testbed.Options{Parts: testbed.Kubernetes})
	kube, err := kubernetes.NewForConfig(tb.Kube)
	require.NoError(t, err)

	pods := kube.CoreV1().Pods("default")
	_, err = pods.Create(t.Context(), pod("early"), metav1.CreateOptions{})
	require.NoError(t, err, "no service account is needed, in a namespace that has just been made")
	eventually(t, func() bool {
		p, err := pods.Get(t.Context(), "early", metav1.GetOptions{})
		require.NoError(t, err)
		return unschedulable(p)
	}, "the scheduler finds no node")

	handMadeNode(t, kube, "mine", map[string]string{testbed.LabelSimulated: "true"})
	eventually(t, func() bool {
		p, err := pods.Get(t.Context(), "early", metav1.GetOptions{})
		require.NoError(t, err)
		return p.Status.Phase == corev1.PodRunning && ready(p) && p.Status.PodIP != ""
	}, "the pod runs")

	handMadeNode(t, kube, "other", map[string]string{"only": "other"})
	stranger := pod("stranger")
	stranger.Spec.NodeSelector = map[string]string{"only": "other"}
	_, err = pods.Create(t.Context(), stranger, metav1.CreateOptions{})
	require.NoError(t, err)

	_, err = kube.BatchV1().Jobs("default").Create(t.Context(), &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "work"},
		Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			NodeSelector:  map[string]string{testbed.LabelSimulated: "true"},
			Containers:    pod("").Spec.Containers,
		}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	eventually(t, func() bool {
		job, err := kube.BatchV1().Jobs("default").Get(t.Context(), "work", metav1.GetOptions{})
		require.NoError(t, err)
		return job.Status.Succeeded == 1
	}, "the job is done")

	require.NoError(t, pods.Delete(t.Context(), "early", metav1.DeleteOptions{}))
	eventually(t, func() bool {
		_, err := pods.Get(t.Context(), "early", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	}, "the deleted pod goes")

	p, err := pods.Get(t.Context(), "stranger", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "other", p.Spec.NodeName)
	require.Equal(t, corev1.PodPending, p.Status.Phase, "KWOK leaves nodes alone that are not simulated")
	_, err = kube.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(t.Context(), "mine", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "KWOK keeps no lease: a frozen machine must not look alive (%v)", err)
}

// handMadeNode puts a Ready node with room for small pods into the cluster.
func handMadeNode(t *testing.T, kube kubernetes.Interface, name string, labels map[string]string) {
	t.Helper()
	room := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("8Gi"), corev1.ResourcePods: resource.MustParse("50"),
	}
	node, err := kube.CoreV1().Nodes().Create(t.Context(), &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	err = retry.RetryOnConflict(retry.DefaultBackoff, func() error { // the controllers write to it too
		if node, err = kube.CoreV1().Nodes().Get(t.Context(), name, metav1.GetOptions{}); err != nil {
			return err
		}
		node.Status = corev1.NodeStatus{
			Capacity: room, Allocatable: room,
			Conditions: []corev1.NodeCondition{{
				Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "HandMade",
				LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now(),
			}},
		}
		_, err := kube.CoreV1().Nodes().UpdateStatus(t.Context(), node, metav1.UpdateOptions{})
		return err
	})
	require.NoError(t, err)
}

func pod(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", Image: "example.com/app:1",
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}},
		}}},
	}
}

func unschedulable(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			return c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable
		}
	}
	return false
}

func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// eventually waits for a state of the outside world. The bound is far beyond what it takes: a test that reaches it has
// found something that never comes.
func eventually(t *testing.T, is func() bool, what string) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
