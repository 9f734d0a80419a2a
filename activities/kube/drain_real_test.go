package kube_test

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/testbed"
)

// drains: what pods may be besides ordinary, each case on a node of its own, all at once. No goroutine of a drain is left,
// of those that were called off neither.
func (w *real) drains(t *testing.T) {
	t.Run("of", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T){
			"pods that stay":        w.podsThatStay,
			"a finalizer":           w.finalizer,
			"a day of grace":        w.dayOfGrace,
			"a statefulset":         w.statefulSet,
			"two budgets":           w.twoBudgets,
			"going pod and volumes": w.goingAndVolumes,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t)
			})
		}
	})
	eventually(t, func() bool { return !strings.Contains(stacks(), "activities/kube.(*drain)") }, "no goroutine is left")
}

// stacks are those of all goroutines.
func stacks() string {
	buf := make([]byte, 1<<22)
	return string(buf[:runtime.Stack(buf, true)])
}

// drainOf runs a drain as a worker does, until ctx ends at most. begun, where not nil, is closed with its first heartbeat,
// which comes when it has asked for the first pod.
func (w *real) drainOf(ctx context.Context, in contract.DrainInput, begun chan<- struct{}) (contract.DrainResult, error) {
	in.Cluster, in.Pool = "demo", "api"
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(5 * time.Minute)
	env.SetWorkerOptions(worker.Options{BackgroundActivityContext: ctx})
	if begun != nil {
		var once sync.Once
		env.SetOnActivityHeartbeatListener(func(*activity.Info, converter.EncodedValues) { once.Do(func() { close(begun) }) })
	}
	env.RegisterActivity(w.Drain)
	var result contract.DrainResult
	value, err := env.ExecuteActivity(w.Drain, in)
	if err == nil {
		err = value.Get(&result)
	}
	return result, err
}

// ended is what a drain came to.
type ended struct {
	contract.DrainResult
	error
}

// told are the words on each pod of a drain.
func told(r contract.DrainResult) map[string]string {
	words := map[string]string{}
	for _, p := range r.Pods {
		words[p.Pod] = p.What
	}
	return words
}

// put creates a pod on a node, where KWOK runs it at once.
func (w *real) put(t *testing.T, name, node string, change ...func(*corev1.Pod)) *corev1.Pod {
	t.Helper()
	p := pod(name)
	p.Spec.NodeName = node
	for _, c := range change {
		c(p)
	}
	_, err := w.admin.CoreV1().Pods("default").Create(t.Context(), p, metav1.CreateOptions{})
	require.NoError(t, err)
	eventually(t, func() bool { return w.pod(t, name).Status.Phase == corev1.PodRunning }, name+" runs")
	return w.pod(t, name)
}

// pod is a pod by its name; one without a UID where there is none.
func (w *real) pod(t *testing.T, name string) *corev1.Pod {
	t.Helper()
	p, err := w.admin.CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return &corev1.Pod{}
	}
	require.NoError(t, err)
	return p
}

func (w *real) patch(t *testing.T, name, patch string, subresources ...string) {
	t.Helper()
	_, err := w.admin.CoreV1().Pods("default").Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, subresources...)
	require.NoError(t, err)
}

func labels(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Labels = map[string]string{key: value} }
}

// silent takes a node from KWOK: nothing ends its pods any more, as with a dead kubelet.
func (w *real) silent(t *testing.T, node string) {
	t.Helper()
	_, err := w.admin.CoreV1().Nodes().Patch(t.Context(), node, types.MergePatchType,
		[]byte(`{"metadata":{"labels":{"`+testbed.LabelSimulated+`":null}}}`), metav1.PatchOptions{})
	require.NoError(t, err)
}

// Completed pods, mirror pods and those of a DaemonSet stay; a pod with local storage, and one that nobody makes anew, go.
func (w *real) podsThatStay(t *testing.T) {
	w.node(t, "n10", "i-10")
	agent := map[string]string{"app": "agent"}
	spec := pod("").Spec
	spec.NodeSelector = map[string]string{corev1.LabelHostname: "n10"}
	_, err := w.admin.CoreV1().Nodes().Patch(t.Context(), "n10", types.MergePatchType,
		[]byte(`{"metadata":{"labels":{"`+corev1.LabelHostname+`":"n10"}}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	_, err = w.admin.AppsV1().DaemonSets("default").Create(t.Context(), &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: "agent"},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: agent},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: agent}, Spec: spec},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	w.put(t, "static", "n10", func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "hash"} })
	w.put(t, "completed", "n10")
	w.patch(t, "completed", `{"status":{"phase":"Succeeded"}}`, "status")
	w.put(t, "local", "n10", func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	})
	w.put(t, "bare", "n10")
	on := func() (names []string) {
		list, err := w.admin.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=n10"})
		require.NoError(t, err)
		for _, p := range list.Items {
			if p.Status.Phase == corev1.PodPending {
				return nil
			}
			name, _, _ := strings.Cut(p.Name, "-")
			names = append(names, name)
		}
		return names
	}
	eventually(t, func() bool { return len(on()) == 5 }, "the DaemonSet's pod runs too")
	result, err := w.drainOf(t.Context(), contract.DrainInput{Node: "n10", Deadline: time.Now().Add(time.Hour)}, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"default/local": "evicted", "default/bare": "evicted"}, told(result))
	require.Equal(t, 2, result.Evicted)
	require.ElementsMatch(t, []string{"agent", "static", "completed"}, on())
}

// A finalizer that hangs is waited for until the deadline and no longer; what is left is counted, and why is told.
func (w *real) finalizer(t *testing.T) {
	w.node(t, "n11", "i-11")
	w.put(t, "kept", "n11", func(p *corev1.Pod) { p.Finalizers = []string{"example.com/hangs"} })
	result, err := w.drainOf(t.Context(), contract.DrainInput{Node: "n11", Deadline: time.Now().Add(2 * time.Second)}, nil)
	require.NoError(t, err)
	require.Equal(t, 1, result.Left)
	require.Equal(t, 1, result.Evicted+result.Deleted, "deleted where a busy machine was late")
	require.Equal(t, map[string]string{"default/kept": "does not go: finalizers keep it (example.com/hangs)"}, told(result))
	w.patch(t, "kept", `{"metadata":{"finalizers":null}}`)
}

// A pod may have its day of grace, and a drain may be called off while it waits; where AWS takes the machine, the next one
// takes from that grace, which the API server must let it, and ends before the machine does.
func (w *real) dayOfGrace(t *testing.T) {
	w.node(t, "n12", "i-12")
	w.put(t, "patient", "n12", func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = ptr(int64(86400)) })
	w.silent(t, "n12")
	ctx, callOff := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := w.drainOf(ctx, contract.DrainInput{Node: "n12", Deadline: time.Now().Add(time.Second)}, nil)
		ended <- err
	}()
	eventually(t, func() bool { return w.pod(t, "patient").DeletionTimestamp != nil }, "it is evicted")
	require.EqualValues(t, 86400, *w.pod(t, "patient").DeletionGracePeriodSeconds)
	callOff()
	require.Error(t, <-ended)

	end := time.Now().Add(30 * time.Second)
	result, err := w.drainOf(t.Context(), contract.DrainInput{Node: "n12", Reclaim: true, End: end}, nil)
	require.NoError(t, err)
	require.Equal(t, 1, result.Left)
	require.Equal(t, map[string]string{"default/patient": "deleted past the deadline"}, told(result))
	require.Less(t, *w.pod(t, "patient").DeletionGracePeriodSeconds, int64(30))
}

// A StatefulSet's pod that was made anew under its name is another pod, which no drain touches.
func (w *real) statefulSet(t *testing.T) {
	for node, instance := range map[string]string{"n13": "i-13", "n14": "i-14"} {
		w.node(t, node, instance)
	}
	for _, node := range []string{"n13", "n14"} {
		_, err := w.admin.CoreV1().Nodes().Patch(t.Context(), node, types.MergePatchType, []byte(`{"metadata":{"labels":{"for":"db"}}}`), metav1.PatchOptions{})
		require.NoError(t, err)
	}
	db := map[string]string{"app": "db"}
	spec := pod("").Spec
	spec.NodeSelector = map[string]string{"for": "db"}
	_, err := w.admin.AppsV1().StatefulSets("default").Create(t.Context(), &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "db"},
		Spec: appsv1.StatefulSetSpec{
			Replicas: ptr(int32(1)), ServiceName: "db", Selector: &metav1.LabelSelector{MatchLabels: db},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: db}, Spec: spec},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	eventually(t, func() bool { return w.pod(t, "db-0").Status.Phase == corev1.PodRunning }, "db-0 runs")
	before := w.pod(t, "db-0")
	result, err := w.drainOf(t.Context(), contract.DrainInput{Node: before.Spec.NodeName, Deadline: time.Now().Add(time.Hour)}, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"default/db-0": "evicted"}, told(result))
	require.Zero(t, result.Left)
	eventually(t, func() bool { return w.pod(t, "db-0").Status.Phase == corev1.PodRunning }, "db-0 runs again")
	after := w.pod(t, "db-0")
	require.NotEqual(t, before.UID, after.UID)
	require.NotEqual(t, before.Spec.NodeName, after.Spec.NodeName)
	require.Nil(t, after.DeletionTimestamp)
	err = w.admin.PolicyV1().Evictions("default").Evict(t.Context(), &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Name: "db-0", Namespace: "default"},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &before.UID}},
	})
	require.True(t, apierrors.IsConflict(err), "what an eviction is relied on for: it is for that pod and no other: %v", err)
	require.Equal(t, after.UID, w.pod(t, "db-0").UID)
}

// Two budgets over one pod are an error of the API server's, and are waited for like one without room: until a person
// takes one away.
func (w *real) twoBudgets(t *testing.T) {
	w.node(t, "n15", "i-15")
	w.put(t, "both", "n15", labels("app", "both"))
	none := intstr.FromInt32(0) // of a pod without a controller only that much can be said
	for _, name := range []string{"one", "two"} {
		_, err := w.admin.PolicyV1().PodDisruptionBudgets("default").Create(t.Context(), &policyv1.PodDisruptionBudget{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: &none, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "both"}}},
		}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	err := w.admin.PolicyV1().Evictions("default").Evict(t.Context(), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "both", Namespace: "default"}})
	var refusal apierrors.APIStatus
	require.ErrorAs(t, err, &refusal)
	require.EqualValues(t, http.StatusInternalServerError, refusal.Status().Code, "%v", err)
	end, begun := make(chan ended, 1), make(chan struct{})
	go func() {
		result, err := w.drainOf(t.Context(), contract.DrainInput{Node: "n15", Deadline: time.Now().Add(time.Hour)}, begun)
		end <- ended{result, err}
	}()
	select {
	case <-begun: // it was refused
	case got := <-end:
		t.Fatalf("two budgets held nothing: %+v", got)
	}
	require.Nil(t, w.pod(t, "both").DeletionTimestamp)
	require.NoError(t, w.admin.PolicyV1().PodDisruptionBudgets("default").Delete(t.Context(), "two", metav1.DeleteOptions{}))
	got := <-end
	require.NoError(t, got.error)
	require.Equal(t, 1, got.Evicted)
	require.Positive(t, got.Pods[0].Refused)
}

// A pod that somebody else has deleted is waited for, and then the volumes.
func (w *real) goingAndVolumes(t *testing.T) {
	w.node(t, "n16", "i-16")
	w.put(t, "going", "n16", func(p *corev1.Pod) { p.Finalizers = []string{"example.com/slow"} })
	require.NoError(t, w.admin.CoreV1().Pods("default").Delete(t.Context(), "going", metav1.DeleteOptions{}))
	claim := "pv-16"
	volume, err := w.admin.StorageV1().VolumeAttachments().Create(t.Context(), &storagev1.VolumeAttachment{
		ObjectMeta: metav1.ObjectMeta{Name: "va-16"},
		Spec:       storagev1.VolumeAttachmentSpec{Attacher: "ebs.csi.aws.com", NodeName: "n16", Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &claim}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	end, begun := make(chan ended, 1), make(chan struct{})
	go func() {
		result, err := w.drainOf(t.Context(), contract.DrainInput{Node: "n16", Deadline: time.Now().Add(time.Hour)}, begun)
		end <- ended{result, err}
	}()
	still := func(what string) {
		t.Helper()
		select {
		case got := <-end:
			t.Fatalf("it did not wait for %s: %+v", what, got)
		default:
		}
	}
	<-begun
	still("the pod")
	w.patch(t, "going", `{"metadata":{"finalizers":null}}`)
	eventually(t, func() bool { return w.pod(t, "going").UID == "" }, "the pod is gone")
	still("the volume")
	require.NoError(t, w.admin.StorageV1().VolumeAttachments().Delete(t.Context(), volume.Name, metav1.DeleteOptions{}))
	got := <-end
	require.NoError(t, got.error)
	require.Zero(t, got.Volumes)
	require.Zero(t, got.Left)
	require.Zero(t, got.Evicted)
	require.Contains(t, told(got.DrainResult), "default/going", "it was waited for")
}
