package kube

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/reclaim"
)

func reclaimN1(left time.Duration) contract.DrainInput {
	return contract.DrainInput{Cluster: "demo", Pool: "api", Node: "n1", UID: "uid-n1", Instance: "i-1", Reclaim: true, End: time.Now().Add(left)}
}

func graceful(seconds int64) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = &seconds }
}

// The mark by which plans count the pods is on before the first pod is evicted, and no pod is given more grace than the
// machine has time.
func TestDrainOfAMachineThatIsTakenBack(t *testing.T) {
	w := newWorld(t, testPool("api"), testNode("n1", "i-1"), testPod("patient", on("n1"), graceful(3600)), testPod("quick", on("n1"), graceful(5)))
	w.evictor(nil)
	result, err := w.drainNow(t, reclaimN1(time.Minute))
	require.NoError(t, err)
	require.Equal(t, contract.DrainResult{Evicted: 2}, counts(result))
	require.Equal(t, "patch nodes", w.writes()[0])
	require.True(t, Leaves(w.nodeNow(t, "n1")))
}

// Past the margin budgets hold nothing any more; what has not gone at the last moment is left behind.
func TestDrainEndsBeforeTheMachineDoes(t *testing.T) {
	far := metav1.NewTime(time.Now().Add(time.Hour))
	w := newWorld(t, testPool("api"), testNode("n1", "i-1"),
		testPod("held", on("n1"), graceful(3600)),
		testPod("going", on("n1"), graceful(3600), func(p *corev1.Pod) {
			p.DeletionTimestamp, p.Finalizers = &far, []string{"hangs"}
		}))
	refused := make([]error, 100)
	for i := range refused {
		refused[i] = apierrors.NewTooManyRequests("budget", 0)
	}
	w.evictor(map[string][]error{"held": refused})
	// The fake API server takes no heed of finalizers.
	w.client.PrependReactor("delete", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		return action.(clienttesting.DeleteAction).GetName() == "going", nil, nil
	})
	began := time.Now()
	result, err := w.drainNow(t, reclaimN1(reclaim.LastMoment+time.Second))
	require.NoError(t, err)
	require.Equal(t, contract.DrainResult{Deleted: 2, Left: 1}, counts(result))
	require.Less(t, time.Since(began), time.Minute)
	for _, action := range w.client.Actions() {
		if d, ok := action.(clienttesting.DeleteActionImpl); ok {
			require.EqualValues(t, 1, *d.DeleteOptions.GracePeriodSeconds)
		}
	}
}

// The API server counts a grace period that was shortened from the first deletion: by its word it is over at once. The pod is
// not given up before its time, nor by another worker that goes on with the drain.
func TestDrainWaitsForAGraceThatWasShortened(t *testing.T) {
	now := time.Now()
	long := metav1.NewTime(now.Add(-time.Hour))
	pod := testPod("p", func(p *corev1.Pod) { p.DeletionTimestamp = &long })
	d := &drain{now: func() time.Time { return now }, deadline: now.Add(-time.Second), tried: map[string]attempt{}}
	require.Equal(t, 1, d.stuck([]*corev1.Pod{pod}), "nobody has given it more")
	d.tried["uid-p"] = attempt{deleted: true, until: now.Add(13 * time.Second)}
	require.Zero(t, d.stuck([]*corev1.Pod{pod}))
	d.tell(pod, toldDeleted, 0)
	next := &drain{now: d.now, deadline: d.deadline, tried: map[string]attempt{}, done: d.done}
	next.recall()
	require.Zero(t, next.stuck([]*corev1.Pod{pod}))
	d.tried["uid-p"] = attempt{deleted: true, until: now.Add(-lastWait - time.Second)}
	require.Equal(t, 1, d.stuck([]*corev1.Pod{pod}))
}

func TestDrainTimes(t *testing.T) {
	pool := testPool("api", func(s *v1alpha1.NodePoolSpec) {
		s.Disruption.DrainTimeout = &metav1.Duration{Duration: 5 * time.Minute}
		s.Disruption.ReclaimMargin = &metav1.Duration{Duration: 20 * time.Second}
	})
	w := newWorld(t, pool)
	began := time.Now()
	for name, tc := range map[string]struct{ deadline, end, want time.Duration }{
		"the pool's":                        {0, 0, 5 * time.Minute},
		"one that was asked for":            {time.Minute, 0, time.Minute},
		"taken in two minutes":              {0, 2 * time.Minute, 100 * time.Second},
		"taken, and asked for before":       {time.Minute, 2 * time.Minute, time.Minute},
		"taken, and asked for after":        {time.Hour, 2 * time.Minute, 100 * time.Second},
		"retired next week":                 {0, 168 * time.Hour, 5 * time.Minute},
		"retired sooner than the pool's":    {0, 3 * time.Minute, 160 * time.Second},
		"a notice that comes much too late": {0, -time.Minute, -80 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			d := &drain{cluster: w.cluster, in: contract.DrainInput{Pool: "api"}}
			if tc.deadline != 0 {
				d.in.Deadline = began.Add(tc.deadline)
			}
			if tc.end != 0 {
				d.in.End = began.Add(tc.end)
			}
			d.setTimes(began)
			require.Equal(t, tc.want, d.deadline.Sub(began))
		})
	}
}

func TestPodsLeaveByPriority(t *testing.T) {
	priority := func(p int32) func(*corev1.Pod) { return func(pod *corev1.Pod) { pod.Spec.Priority = &p } }
	var names []string
	for _, p := range inOrder([]*corev1.Pod{
		testPod("none"), testPod("low", priority(-10)), testPod("high", priority(100)), testPod("slow", graceful(600)), testPod("highest", priority(1000), graceful(1)),
	}) {
		names = append(names, p.Name)
	}
	require.Equal(t, []string{"highest", "high", "slow", "none", "low"}, names)
}

// Volumes are waited for, but not beyond the machine's end.
func TestDrainWaitsForVolumes(t *testing.T) {
	volume := &storagev1.VolumeAttachment{
		ObjectMeta: metav1.ObjectMeta{Name: "va"}, Spec: storagev1.VolumeAttachmentSpec{Attacher: "ebs.csi.aws.com", NodeName: "n1"},
	}
	w := newWorld(t, testPool("api"), testNode("n1", "i-1"), volume)
	result, err := w.drainNow(t, reclaimN1(reclaim.LastMoment+300*time.Millisecond))
	require.NoError(t, err)
	require.Equal(t, 1, result.Volumes)

	time.AfterFunc(200*time.Millisecond, func() {
		_ = w.client.Tracker().Delete(storagev1.SchemeGroupVersion.WithResource("volumeattachments"), "", "va")
	})
	result, err = w.drainNow(t, drainN1(time.Hour))
	require.NoError(t, err)
	require.Zero(t, result.Volumes)
}
