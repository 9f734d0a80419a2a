package watch

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"floe.dev/floe/activities/kube"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/images"
)

// ImageStore keeps what pods ran with.
type ImageStore interface {
	PutImages(ctx context.Context, records []contract.ImageRecord) error
}

const (
	// recordedImages is the most images that one record has: those of the most machines.
	recordedImages = 200
	// keptWindows is how far back pods count that began before this process did, or while the store was away.
	keptWindows = 144 // a day
	// sizesKnown is the most names of images whose sizes are kept.
	sizesKnown = 20_000
	// storeTimeout bounds one write.
	storeTimeout = 10 * time.Second
)

// Sizes are the sizes of images as kubelets tell them. Make it before the Cluster, whose Nodes tell it: see
// kube.ClusterOptions.Images.
type Sizes struct {
	mu    sync.Mutex
	bytes map[string]int64 // by name
}

// Tell takes one image of a Node in, under all its names.
func (s *Sizes) Tell(names []string, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bytes) >= sizesKnown || s.bytes == nil {
		s.bytes = map[string]int64{} // Nodes tell all they have again with their next change
	}
	for _, name := range names {
		s.bytes[strings.Clone(name)] = bytes
	}
}

func (s *Sizes) of(names ...string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		if bytes := s.bytes[name]; bytes > 0 {
			return bytes
		}
	}
	return 0
}

// ledger gathers what the pods of each pool began to run with, in windows, and has each window stored once it is over: one
// insert for each pool and window, however many pods come. A restart sees the pods of the open windows again.
type ledger struct {
	cluster *kube.Cluster
	sizes   *Sizes
	store   ImageStore
	timing  Timing
	metrics *metrics
	quiet   quiet
	now     func() time.Time

	mu      sync.Mutex
	counted map[types.UID]bool
	open    map[windowKey]map[string]*use // by image
	told    time.Time                     // windows that began before this are stored
}

type windowKey struct {
	pool string
	at   time.Time
}

// use is an image in one window.
type use struct {
	pods  int
	nodes map[string]bool
	names []string // its other names, by which kubelets may list it
}

func newLedger(c *kube.Cluster, sizes *Sizes, store ImageStore, timing Timing, m *metrics, log *slog.Logger) *ledger {
	return &ledger{
		cluster: c, sizes: sizes, store: store, timing: timing, metrics: m, quiet: quiet{log: log}, now: time.Now,
		counted: map[types.UID]bool{}, open: map[windowKey]map[string]*use{},
	}
}

// pod takes a pod that is new or has changed, and counts it once it runs: then its images are known.
func (l *ledger) pod(pod *corev1.Pod) {
	if pod.Spec.NodeName == "" || pod.Status.Phase != corev1.PodRunning || pod.Status.StartTime == nil || !chosenByPool(pod) {
		return
	}
	pool, ok := l.poolOf(pod.Spec.NodeName)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counted[pod.UID] {
		return
	}
	l.counted[pod.UID] = true
	window := pod.Status.StartTime.UTC().Truncate(images.Window)
	now := l.now().UTC().Truncate(images.Window)
	switch {
	case window.Before(now.Add(-keptWindows * images.Window)):
		return // it was counted long ago
	case window.Before(l.told):
		window = now // its images took long
	}
	key := windowKey{pool, window}
	if l.open[key] == nil {
		l.open[key] = map[string]*use{}
	}
	for image, name := range imagesOf(pod) {
		u := l.open[key][image]
		if u == nil {
			u = &use{nodes: map[string]bool{}}
			l.open[key][image] = u
		}
		u.pods++
		u.nodes[pod.Spec.NodeName] = true
		if !slices.Contains(u.names, name) {
			u.names = append(u.names, name)
		}
	}
}

// podGone forgets a pod.
func (l *ledger) podGone(pod *corev1.Pod) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.counted, pod.UID)
}

func (l *ledger) poolOf(node string) (string, bool) {
	obj, ok, err := l.cluster.Nodes().GetStore().GetByKey(node)
	if err != nil || !ok {
		return "", false
	}
	pool := obj.(*corev1.Node).Labels[v1alpha1.LabelPool]
	return pool, pool != ""
}

// chosenByPool reports whether a pod says anything of what the pool's pods need: those of daemonsets and static ones pull
// their images on every machine before it is ready, and those that prefetch are ours.
func chosenByPool(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOf(pod)
	_, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]
	_, prefetches := pod.Labels[v1alpha1.LabelPrefetch]
	return !mirror && !prefetches && (owner == nil || owner.Kind != "DaemonSet")
}

// imagesOf are a running pod's images as they can be pulled, each with the name that its spec has for it.
func imagesOf(pod *corev1.Pod) map[string]string {
	ids := map[string]string{} // by container
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		ids[s.Name] = s.ImageID
	}
	found := map[string]string{}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if image := pullable(ids[c.Name], c.Image); image != "" {
			found[image] = c.Image
		}
	}
	return found
}

// pullable is an image by digest, as the runtime tells it (registry.example/web@sha256:…, before it a scheme in older
// runtimes), or by the name in the pod's spec where the runtime tells the ID of its configuration only, or nothing.
func pullable(id, name string) string {
	if _, rest, ok := strings.Cut(id, "://"); ok {
		id = rest
	}
	if strings.Contains(id, "@sha256:") {
		return id
	}
	return name
}

// run counts pods and stores windows that are over, until ctx ends.
func (l *ledger) run(ctx context.Context) {
	// A pod's pool is its Node's: Nodes are there first.
	if l.cluster.WaitReady(ctx) != nil {
		return
	}
	_, err := l.cluster.Pods().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { l.pod(obj.(*corev1.Pod)) },
		UpdateFunc: func(_, obj any) { l.pod(obj.(*corev1.Pod)) },
		DeleteFunc: func(obj any) {
			if pod, ok := kube.Deleted[*corev1.Pod](obj); ok {
				l.podGone(pod)
			}
		},
	})
	if err != nil { // only where the informer has stopped
		return
	}
	ticker := time.NewTicker(l.timing.Images)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			l.tell(ctx)
		}
	}
}

// tell stores the windows that are over. What cannot be stored is kept for the next time, for a day.
func (l *ledger) tell(ctx context.Context) {
	over := l.now().UTC().Add(-l.timing.ImageGrace).Truncate(images.Window)
	records := l.over(over)
	if len(records) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := l.store.PutImages(ctx, records); err != nil {
		l.metrics.images.WithLabelValues("error").Add(float64(len(records)))
		l.quiet.warn("cannot store what pods ran with, trying again", "windows", len(records), "error", err)
		return
	}
	l.metrics.images.WithLabelValues("stored").Add(float64(len(records)))
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range records {
		delete(l.open, windowKey{r.Pool, r.At})
	}
}

// over are the records of the windows that began before a time, and from now on no pod is counted in those. Windows that are
// older than a day are dropped.
func (l *ledger) over(before time.Time) (records []contract.ImageRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = before
	for key, used := range l.open {
		switch {
		case !key.at.Before(before):
		case key.at.Before(before.Add(-keptWindows * images.Window)):
			delete(l.open, key)
		default:
			records = append(records, l.record(key, used))
		}
	}
	slices.SortFunc(records, func(a, b contract.ImageRecord) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Pool, b.Pool)) })
	return records
}

func (l *ledger) record(key windowKey, used map[string]*use) contract.ImageRecord {
	r := contract.ImageRecord{
		ID: contract.ImageRecordID(l.cluster.Name(), key.pool, key.at), At: key.at, Cluster: l.cluster.Name(), Pool: key.pool,
	}
	for image, u := range used {
		r.Images = append(r.Images, contract.ImageUse{
			Image: image, Bytes: l.sizes.of(append([]string{image}, u.names...)...), Pods: u.pods, Nodes: len(u.nodes),
		})
	}
	slices.SortFunc(r.Images, func(a, b contract.ImageUse) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(b.Pods, a.Pods), cmp.Compare(a.Image, b.Image))
	})
	r.Images = r.Images[:min(len(r.Images), recordedImages)]
	return r
}
