package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"

	"floe.dev/floe/activities/kube"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// fakeImages keeps records, or answers with an error.
type fakeImages struct {
	mu      sync.Mutex
	records []contract.ImageRecord
	err     error
}

func (f *fakeImages) PutImages(_ context.Context, records []contract.ImageRecord) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.records = append(f.records, records...)
	}
	return f.err
}

var windowBegan = time.Date(2026, 7, 6, 12, 10, 0, 0, time.UTC)

// library is a ledger on a fake cluster, at a time that the test sets.
type library struct {
	*ledger
	store *fakeImages
	clock time.Time
}

func newLibrary(t *testing.T, objects ...runtime.Object) *library {
	t.Helper()
	l := &library{store: &fakeImages{}, clock: windowBegan.Add(3 * time.Minute)}
	sizes := &Sizes{}
	cluster, err := kube.NewCluster(kube.ClusterOptions{
		Name: "demo", Client: fake.NewClientset(objects...), Images: sizes.Tell, Log: slog.New(slog.DiscardHandler),
		Dynamic: dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
			map[schema.GroupVersionResource]string{v1alpha1.NodePoolResource: "NodePoolList"}),
	})
	require.NoError(t, err)
	cluster.Start(t.Context())
	require.NoError(t, cluster.WaitReady(t.Context()))
	m, err := newMetrics(nil, "demo")
	require.NoError(t, err)
	l.ledger = newLedger(cluster, sizes, l.store, Timing{}.withDefaults(), m, slog.New(slog.DiscardHandler))
	l.now = func() time.Time { return l.clock }
	return l
}

// later stores the windows that are over by then.
func (l *library) later(t *testing.T, d time.Duration) []contract.ImageRecord {
	t.Helper()
	l.clock = l.clock.Add(d)
	before := len(l.store.records)
	l.tell(t.Context())
	return l.store.records[before:]
}

func running(name, node, image, id string, started time.Time, change ...func(*corev1.Pod)) *corev1.Pod {
	began := metav1.NewTime(started)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "main", Image: image}}},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, StartTime: &began,
			ContainerStatuses: []corev1.ContainerStatus{{Name: "main", ImageID: id}},
		},
	}
	for _, c := range change {
		c(pod)
	}
	return pod
}

func webDigest(release int) string {
	return fmt.Sprintf("registry.example/web@sha256:%064x", release)
}

func lists(names []string, bytes int64) func(*corev1.Node) {
	return func(n *corev1.Node) {
		n.Status.Images = append(n.Status.Images, corev1.ContainerImage{Names: names, SizeBytes: bytes})
	}
}

func TestAWindowIsStoredOnceItIsOver(t *testing.T) {
	l := newLibrary(t,
		node("n1", "i-1", lists([]string{webDigest(1), "registry.example/web:v1"}, 300)), node("n2", "i-2"),
		node("n3", "i-3", func(n *corev1.Node) { n.Labels[v1alpha1.LabelPool] = "batch" }),
		node("foreign", "i-4", func(n *corev1.Node) { n.Labels = nil }),
	)
	l.pod(running("a", "n1", "registry.example/web:v1", webDigest(1), windowBegan))
	l.pod(running("a", "n1", "registry.example/web:v1", webDigest(1), windowBegan)) // again: its status changed
	l.pod(running("b", "n1", "registry.example/web:v1", "docker-pullable://"+webDigest(1), windowBegan.Add(time.Minute)))
	l.pod(running("c", "n2", "registry.example/web:v1", webDigest(1), windowBegan.Add(2*time.Minute)))
	l.pod(running("d", "n2", "tool:7", "sha256:0a0b", windowBegan)) // a runtime that tells the configuration's ID only
	l.pod(running("e", "n3", "job:1", "", windowBegan))
	l.pod(running("f", "foreign", "web:v1", webDigest(9), windowBegan))
	l.pod(running("g", "nowhere", "web:v1", webDigest(9), windowBegan))

	require.Empty(t, l.later(t, 11*time.Minute), "images may still be on their way")
	require.Equal(t, []contract.ImageRecord{
		{ID: "demo/api/2026-07-06T12:10:00Z", At: windowBegan, Cluster: "demo", Pool: "api", Images: []contract.ImageUse{
			{Image: webDigest(1), Bytes: 300, Pods: 3, Nodes: 2}, {Image: "tool:7", Pods: 1, Nodes: 1},
		}},
		{ID: "demo/batch/2026-07-06T12:10:00Z", At: windowBegan, Cluster: "demo", Pool: "batch", Images: []contract.ImageUse{{Image: "job:1", Pods: 1, Nodes: 1}}},
	}, l.later(t, time.Minute+10*time.Second))
	require.Empty(t, l.later(t, time.Hour), "once")
}

func TestPodsThatSayNothingOfAPool(t *testing.T) {
	yes := true
	for name, change := range map[string]func(*corev1.Pod){
		"daemonset": func(p *corev1.Pod) {
			p.OwnerReferences = []metav1.OwnerReference{{Kind: "DaemonSet", Controller: &yes}}
		},
		"static":     func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} },
		"prefetch":   func(p *corev1.Pod) { p.Labels = map[string]string{v1alpha1.LabelPrefetch: "uid-n1"} },
		"unbound":    func(p *corev1.Pod) { p.Spec.NodeName = "" },
		"pulling":    func(p *corev1.Pod) { p.Status.Phase = corev1.PodPending },
		"long ago":   func(p *corev1.Pod) { *p.Status.StartTime = metav1.NewTime(windowBegan.Add(-25 * time.Hour)) },
		"no started": func(p *corev1.Pod) { p.Status.StartTime = nil },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLibrary(t, node("n1", "i-1"))
			l.pod(running("a", "n1", "web:1", webDigest(1), windowBegan, change))
			require.Empty(t, l.later(t, time.Hour))
		})
	}
}

// A pod whose images took longer than a window waits is counted in the window in which it runs, and its window is not told
// twice.
func TestImagesThatTakeLong(t *testing.T) {
	l := newLibrary(t, node("n1", "i-1"))
	l.pod(running("a", "n1", "web:1", webDigest(1), windowBegan))
	require.Len(t, l.later(t, 20*time.Minute), 1)
	l.pod(running("b", "n1", "web:1", webDigest(1), windowBegan))
	records := l.later(t, 20*time.Minute)
	require.Len(t, records, 1)
	require.Equal(t, windowBegan.Add(20*time.Minute), records[0].At)
}

// After a restart the pods of the last day are told in their own windows again: what is stored already stays as it is.
func TestAnotherWatcherTellsTheSameWindow(t *testing.T) {
	l := newLibrary(t, node("n1", "i-1"))
	l.clock = windowBegan.Add(5 * time.Hour)
	l.pod(running("a", "n1", "web:1", webDigest(1), windowBegan))
	records := l.later(t, 0)
	require.Len(t, records, 1)
	require.Equal(t, "demo/api/2026-07-06T12:10:00Z", records[0].ID)
}

func TestWindowsOutliveAStoreThatIsAwayForADay(t *testing.T) {
	l := newLibrary(t, node("n1", "i-1"))
	l.store.err = errors.New("away")
	l.pod(running("a", "n1", "web:1", webDigest(1), windowBegan))
	require.Empty(t, l.later(t, time.Hour))
	l.clock = l.clock.Add(5 * time.Hour)
	l.pod(running("b", "n1", "web:1", webDigest(1), l.clock))
	require.Empty(t, l.later(t, time.Hour))
	l.store.err = nil
	require.Len(t, l.later(t, 10*time.Hour), 2)

	l.store.err = errors.New("away")
	l.pod(running("c", "n1", "web:1", webDigest(1), l.clock))
	require.Empty(t, l.later(t, time.Hour))
	l.store.err = nil
	require.Empty(t, l.later(t, 25*time.Hour), "older than a day")
	require.Empty(t, l.open)
}

func TestARecordIsBounded(t *testing.T) {
	l := newLibrary(t, node("n1", "i-1"), node("n2", "i-2"))
	for i := range recordedImages + 50 {
		l.pod(running(fmt.Sprint("a", i), "n1", "web:1", webDigest(i), windowBegan))
	}
	l.pod(running("b", "n2", "web:1", webDigest(recordedImages+49), windowBegan))
	records := l.later(t, time.Hour)
	require.Len(t, records[0].Images, recordedImages)
	require.Equal(t, webDigest(recordedImages+49), records[0].Images[0].Image, "that of the most machines stays")
}

func TestSizesAreBounded(t *testing.T) {
	var s Sizes
	for i := range sizesKnown + 10 {
		s.Tell([]string{webDigest(i)}, 1)
	}
	require.Len(t, s.bytes, 10)
	require.EqualValues(t, 1, s.of("unknown", webDigest(sizesKnown+1)))
}

// The whole way: the pod's image ID and the Node's list of images come through the informers.
func TestTheWatcherKeepsImages(t *testing.T) {
	store := &fakeImages{}
	w := &world{client: fake.NewClientset(node("n1", "i-1", lists([]string{webDigest(1)}, 300)))}
	sizes := &Sizes{}
	began := time.Now().Add(-time.Hour)
	require.NoError(t, w.client.Tracker().Add(running("a", "n1", "web:1", webDigest(1), began)))
	cluster, err := kube.NewCluster(kube.ClusterOptions{
		Name: "demo", Client: w.client, Images: sizes.Tell, Log: slog.New(slog.DiscardHandler),
		Dynamic: dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
			map[schema.GroupVersionResource]string{v1alpha1.NodePoolResource: "NodePoolList"}),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	timing := quick
	timing.Images = time.Millisecond
	go func() {
		done <- Run(ctx, Options{Cluster: cluster, Temporal: &fakeTemporal{}, Log: slog.New(slog.DiscardHandler), Timing: timing, Images: store, Sizes: sizes})
	}()
	require.Eventually(t, func() bool {
		store.mu.Lock()
		defer store.mu.Unlock()
		return len(store.records) == 1
	}, waitFor, tick)
	cancel()
	require.NoError(t, <-done)
	require.Equal(t, []contract.ImageUse{{Image: webDigest(1), Bytes: 300, Pods: 1, Nodes: 1}}, store.records[0].Images)
}
