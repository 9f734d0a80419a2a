package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ktesting "k8s.io/client-go/testing"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/images"
)

var podsResource = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

func appImage(n int) string { return fmt.Sprintf("registry.example/app-%d@sha256:%064x", n, n) }

// pulls is a kubelet that answers each pod that prefetches at once.
type pulls struct {
	mu     sync.Mutex
	status func(image string, seen int) corev1.PodStatus // seen: how many pods came before
	made   []*corev1.Pod
}

func kubelet(w *world, status func(image string, seen int) corev1.PodStatus) *pulls {
	p := &pulls{status: status}
	w.client.PrependReactor("create", "pods", func(action ktesting.Action) (bool, runtime.Object, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		pod := action.(ktesting.CreateAction).GetObject().(*corev1.Pod).DeepCopy()
		pod.UID = "uid-of-pod"
		pod.Status = p.status(pod.Spec.Containers[0].Image, len(p.made))
		p.made = append(p.made, pod)
		return true, pod, w.client.Tracker().Create(podsResource, pod, pod.Namespace)
	})
	w.prefetchLook = time.Millisecond
	return p
}

func container(state corev1.ContainerState, id string) corev1.PodStatus {
	return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "pull", ImageID: id, State: state}}}
}

func waits(reason, message string) corev1.PodStatus {
	return container(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}, "")
}

func (w *world) prefetchPods(t *testing.T) []corev1.Pod {
	t.Helper()
	list, err := w.client.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{LabelSelector: v1alpha1.LabelPrefetch})
	require.NoError(t, err)
	return list.Items
}

func TestPrefetchByEveryProof(t *testing.T) {
	terminated := func(reason string) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: reason, ExitCode: 128}}
	}
	for name, c := range map[string]struct {
		status corev1.PodStatus
		fails  string
	}{
		"image ID of a container that could not start": {container(terminated("StartError"), appImage(1)), ""},
		"started without an image ID":                  {container(terminated("ContainerCannotRun"), ""), ""},
		"waits after the pull":                         {waits("RunContainerError", "exec /floe-prefetch-runs-nothing"), ""},
		"back-off":                                     {waits("ImagePullBackOff", "not found"), "ImagePullBackOff: not found"},
		"no name of an image":                          {waits("InvalidImageName", ""), "InvalidImageName"},
		"refused by the kubelet":                       {corev1.PodStatus{Phase: corev1.PodFailed, Reason: "OutOfpods", Message: "58 of 58"}, "OutOfpods: 58 of 58"},
		"failed without a word":                        {corev1.PodStatus{Phase: corev1.PodFailed}, "its pod failed"},
		"a long story":                                 {waits("ImagePullBackOff", strings.Repeat("x", 1000)), "ImagePullBackOff: " + strings.Repeat("x", 300) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, testNode("n1", "i-1"))
			kubelet(w, func(string, int) corev1.PodStatus { return c.status })
			result, err := w.Prefetch(t.Context(), contract.PrefetchInput{Cluster: "demo", Node: "n1", UID: "uid-n1", Images: []string{appImage(1)}})
			require.NoError(t, err)
			if c.fails == "" {
				require.Equal(t, []string{appImage(1)}, result.Images)
				require.Empty(t, result.Failed)
			} else {
				require.Equal(t, []contract.PrefetchFailure{{Image: appImage(1), Reason: c.fails}}, result.Failed)
				require.Empty(t, result.Images)
			}
			require.Empty(t, w.prefetchPods(t), "no pod is left")
		})
	}
}

// What the Node lists needs no pod, and the list alone is proof.
func TestPrefetchByTheNodesList(t *testing.T) {
	w := newWorld(t, testNode("n1", "i-1", func(n *corev1.Node) {
		n.Status.Images = []corev1.ContainerImage{{Names: []string{"registry.example/app-1:v1", appImage(1)}, SizeBytes: 7 << 20}}
	}))
	p := kubelet(w, func(image string, _ int) corev1.PodStatus {
		// A reactor holds the client's lock: only the tracker may be asked.
		obj, err := w.client.Tracker().Get(nodesResource, "", "n1")
		require.NoError(t, err)
		node := obj.(*corev1.Node).DeepCopy()
		node.Status.Images = append(node.Status.Images, corev1.ContainerImage{Names: []string{image}, SizeBytes: 1 << 20})
		require.NoError(t, w.client.Tracker().Update(nodesResource, node, ""))
		return corev1.PodStatus{Phase: corev1.PodRunning} // KWOK says no more than that
	})
	result, err := w.Prefetch(t.Context(), contract.PrefetchInput{Cluster: "demo", Node: "n1", Images: []string{appImage(1), appImage(2), appImage(2)}})
	require.NoError(t, err)
	require.Equal(t, []string{appImage(1), appImage(2)}, result.Images)
	require.EqualValues(t, 8<<20, result.Bytes)
	require.Len(t, p.made, 1)
}

var nodesResource = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}

func TestPrefetchPods(t *testing.T) {
	w := newWorld(t, testNode("n1", "i-1"), testPool("general", func(s *v1alpha1.NodePoolSpec) {
		s.Standby = &v1alpha1.Standby{Prefetch: &v1alpha1.Prefetch{Disk: resource.MustParse("1Gi"), Namespace: "warm", PullSecrets: []string{"registry"}}}
	}))
	p := kubelet(w, func(image string, _ int) corev1.PodStatus { return container(corev1.ContainerState{}, image) })
	_, err := w.Prefetch(t.Context(), contract.PrefetchInput{Cluster: "demo", Pool: "general", Node: "n1", UID: "uid-n1", Images: []string{appImage(1)}, Within: time.Minute})
	require.NoError(t, err)
	require.Len(t, p.made, 1)
	pod := p.made[0]
	require.Equal(t, "warm", pod.Namespace)
	require.Equal(t, "n1", pod.Spec.NodeName, "the scheduler is not asked: the Node is tainted, and may be cordoned")
	require.Equal(t, []corev1.Toleration{{Operator: corev1.TolerationOpExists}}, pod.Spec.Tolerations)
	require.Equal(t, []corev1.LocalObjectReference{{Name: "registry"}}, pod.Spec.ImagePullSecrets)
	require.Equal(t, corev1.RestartPolicyNever, pod.Spec.RestartPolicy)
	require.Positive(t, *pod.Spec.ActiveDeadlineSeconds)
	require.False(t, *pod.Spec.AutomountServiceAccountToken)
	require.Equal(t, "n1", pod.OwnerReferences[0].Name)
	require.Equal(t, "uid-n1", pod.Labels[v1alpha1.LabelPrefetch])
	require.NotEmpty(t, pod.Spec.Containers[0].Command, "the image's own program never runs")
}

// Not all at once, and a pull that goes on for ever is given up; the others are there.
func TestPrefetchIsBounded(t *testing.T) {
	w := newWorld(t, testNode("n1", "i-1"))
	stuck := appImage(1)
	kubelet(w, func(image string, _ int) corev1.PodStatus {
		if image == stuck {
			return waits("ErrImagePull", "connection refused")
		}
		return container(corev1.ContainerState{}, image)
	})
	var names []string
	for i := range 9 {
		names = append(names, appImage(i))
	}
	most := 0
	w.client.PrependReactor("create", "pods", func(ktesting.Action) (bool, runtime.Object, error) {
		unfinished := 1
		list, err := w.client.Tracker().List(podsResource, corev1.SchemeGroupVersion.WithKind("Pod"), "floe")
		require.NoError(t, err)
		for _, pod := range list.(*corev1.PodList).Items {
			if len(pod.Status.ContainerStatuses) == 0 || pod.Status.ContainerStatuses[0].ImageID == "" {
				unfinished++
			}
		}
		most = max(most, unfinished)
		return false, nil, nil
	})
	result, err := w.Prefetch(t.Context(), contract.PrefetchInput{Cluster: "demo", Node: "n1", Images: names, Within: 300 * time.Millisecond})
	require.NoError(t, err)
	require.Len(t, result.Images, 8)
	require.Equal(t, []contract.PrefetchFailure{{Image: stuck, Reason: "ErrImagePull: connection refused"}}, result.Failed)
	require.LessOrEqual(t, most, pullsAtOnce)
	require.Empty(t, w.prefetchPods(t))
}

func TestPrefetchSeesGarbageCollection(t *testing.T) {
	listed := testNode("n1", "i-1", func(n *corev1.Node) {
		n.Status.Images = []corev1.ContainerImage{{Names: []string{appImage(1)}, SizeBytes: 1}}
	})
	q := &pull{image: appImage(1)}
	q.see(listed, nil)
	require.True(t, q.done)
	q.see(testNode("n1", "i-1"), nil)
	require.Contains(t, q.failed, "the kubelet's garbage collection took it")

	q = &pull{image: appImage(1)}
	q.see(listed, nil)
	q.see(testNode("n1", "i-1", func(n *corev1.Node) {
		for i := range listedImages {
			n.Status.Images = append(n.Status.Images, corev1.ContainerImage{Names: []string{appImage(100 + i)}, SizeBytes: 9})
		}
	}), nil)
	require.Empty(t, q.failed, "a full list tells nothing of what is not in it")
}

// Another try finds the pods of the one before, and makes none anew.
func TestPrefetchGoesOn(t *testing.T) {
	in := contract.PrefetchInput{Cluster: "demo", Node: "n1", UID: "uid-n1", Images: []string{appImage(1)}}
	before := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "floe", Name: prefetchPod(in, appImage(1)), UID: "p", Labels: map[string]string{v1alpha1.LabelPrefetch: "uid-n1"}},
		Status:     container(corev1.ContainerState{}, appImage(1)),
	}
	w := newWorld(t, testNode("n1", "i-1"), before)
	p := kubelet(w, func(string, int) corev1.PodStatus { return corev1.PodStatus{} })
	result, err := w.Prefetch(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, []string{appImage(1)}, result.Images)
	require.Empty(t, p.made)
	require.Empty(t, w.prefetchPods(t))
}

func TestPrefetchIsCanceled(t *testing.T) {
	w := newWorld(t, testNode("n1", "i-1"))
	ctx, cancel := context.WithCancel(t.Context())
	kubelet(w, func(string, int) corev1.PodStatus {
		cancel()
		return corev1.PodStatus{}
	})
	_, err := w.Prefetch(ctx, contract.PrefetchInput{Cluster: "demo", Node: "n1", Images: []string{appImage(1)}})
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, w.prefetchPods(t), "its pods go all the same")
}

func TestPrefetchTroubles(t *testing.T) {
	w := newWorld(t, testNode("n1", "i-1"))
	_, err := w.Prefetch(t.Context(), contract.PrefetchInput{Cluster: "demo"})
	requireType(t, err, contract.ErrInvalidInput, false)
	for _, in := range []contract.PrefetchInput{{Node: "gone"}, {Node: "n1", UID: "another"}} {
		in.Cluster, in.Images = "demo", []string{appImage(1)}
		_, err = w.Prefetch(t.Context(), in)
		requireType(t, err, contract.ErrNodeNotFound, true)
	}
	for name, c := range map[string]struct {
		err  error
		says string
	}{
		"forbidden":    {apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "x", errors.New("no")), "apply deploy/rbac/prefetch.yaml"},
		"no namespace": {apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "floe"), "no pod can be made for it in namespace floe"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, testNode("n1", "i-1"))
			w.client.PrependReactor("create", "pods", func(ktesting.Action) (bool, runtime.Object, error) { return true, nil, c.err })
			result, err := w.Prefetch(t.Context(), contract.PrefetchInput{Cluster: "demo", Node: "n1", Images: []string{appImage(1), appImage(2)}})
			require.NoError(t, err, "the machine is frozen without them")
			require.Len(t, result.Failed, 2)
			require.Contains(t, result.Failed[0].Reason, c.says)
		})
	}
	w.client.PrependReactor("create", "pods", func(ktesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewInternalError(errors.New("etcd"))
	})
	_, err = w.Prefetch(t.Context(), contract.PrefetchInput{Cluster: "demo", Node: "n1", Images: []string{appImage(1)}})
	requireType(t, err, contract.ErrUnavailable, true)
}

// fakeLedger answers with uses, or an error.
type fakeLedger struct {
	used  []images.Use
	err   error
	reads int
}

func (f *fakeLedger) Images(_ context.Context, cluster, pool string, _ time.Time) (map[string][]images.Use, error) {
	f.reads++
	if cluster != "demo" || pool != "general" {
		return nil, errors.New("asked for another")
	}
	return map[string][]images.Use{pool: f.used}, f.err
}

func TestPrefetchChoosesByTheLedger(t *testing.T) {
	now := time.Now()
	ledger := &fakeLedger{}
	for h := range 48 {
		at := now.Add(-time.Duration(h+1) * time.Hour).Truncate(images.Window)
		ledger.used = append(ledger.used,
			images.Use{Image: appImage(1), Bytes: 600 << 20, At: at, Nodes: 5}, images.Use{Image: appImage(2), Bytes: 600 << 20, At: at, Nodes: 1})
	}
	w := newWorld(t, testNode("n1", "i-1"), testPool("general", func(s *v1alpha1.NodePoolSpec) {
		s.Standby = &v1alpha1.Standby{Prefetch: &v1alpha1.Prefetch{Disk: resource.MustParse("1Gi")}}
	}), testPool("bare"))
	kubelet(w, func(image string, _ int) corev1.PodStatus { return container(corev1.ContainerState{}, image) })
	prefetch := func(pool string) contract.PrefetchResult {
		result, err := w.Prefetch(t.Context(), contract.PrefetchInput{Cluster: "demo", Pool: pool, Node: "n1"})
		require.NoError(t, err)
		return result
	}
	require.Contains(t, prefetch("general").Note, "keeps no ledger")
	w.WithImages(ledger)
	require.Equal(t, []string{appImage(1)}, prefetch("general").Images, "there is room for one")
	require.Equal(t, []string{appImage(1)}, prefetch("general").Images)
	require.Equal(t, 1, ledger.reads, "many machines, one read")
	require.Contains(t, prefetch("bare").Note, "gives no disk")

	chosen, err := w.ChooseImages(t.Context(), contract.ChooseImagesInput{Cluster: "demo", Pool: "general"})
	require.NoError(t, err)
	require.Equal(t, []contract.ChosenImage{{Image: appImage(1), Bytes: 600 << 20}}, chosen.Images)

	w.now = func() time.Time { return now.Add(5 * time.Minute) }
	ledger.err = errors.New("the store is away")
	require.Contains(t, prefetch("general").Note, "cannot be read: the store is away")
	ledger.err, ledger.used = nil, nil
	w.now = func() time.Time { return now.Add(5*time.Minute + failureAge) }
	require.Contains(t, prefetch("general").Note, "nothing is known of the pool's images")
}
