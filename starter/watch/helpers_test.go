package watch

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"

	"floe.dev/floe/activities/kube"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

const (
	waitFor = 20 * time.Second
	tick    = 2 * time.Millisecond
)

// fakeTemporal takes signals, or answers with an error.
type fakeTemporal struct {
	mu      sync.Mutex
	demands []contract.Demand
	starts  []client.StartWorkflowOptions
	seen    map[string][]contract.Observation // by workflow id
	tries   int

	reclaims []toldReclaim
	answer   func(workflowID string) error // nil: every signal is taken
}

// toldReclaim is a notice and the workflow that took it.
type toldReclaim struct {
	workflow string
	contract.Reclaim
}

func (f *fakeTemporal) allReclaims() []toldReclaim {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.reclaims)
}

func (f *fakeTemporal) try(id string) error {
	f.tries++
	if f.answer != nil {
		return f.answer(id)
	}
	return nil
}

func (f *fakeTemporal) SignalWithStartWorkflow(_ context.Context, id, signal string, arg any, o client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.try(id); err != nil {
		return nil, err
	}
	if signal == contract.SignalDemand && workflow == contract.WorkflowProvisioner && len(args) == 1 {
		f.demands = append(f.demands, arg.(contract.Demand))
		f.starts = append(f.starts, o)
	}
	return nil, nil
}

func (f *fakeTemporal) SignalWorkflow(_ context.Context, id, _, _ string, arg any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.try(id); err != nil {
		return err
	}
	switch arg := arg.(type) {
	case contract.Observation:
		if f.seen == nil {
			f.seen = map[string][]contract.Observation{}
		}
		f.seen[id] = append(f.seen[id], arg)
	case contract.Reclaim:
		f.reclaims = append(f.reclaims, toldReclaim{id, arg})
	}
	return nil
}

func (f *fakeTemporal) set(answer func(string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func (f *fakeTemporal) tried() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tries
}

func (f *fakeTemporal) allDemands() []contract.Demand {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.demands)
}

func (f *fakeTemporal) of(instance string) []contract.Observation {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.seen[contract.NodeID("demo", instance)])
}

// fakeEC2 shows what it was told to.
type fakeEC2 struct {
	mu    sync.Mutex
	shown []contract.Instance
	err   error
	polls int
}

func (f *fakeEC2) Instances(_ context.Context, account, cluster string) ([]contract.Instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.polls++
	if account != "main" || cluster != "demo" {
		return nil, context.DeadlineExceeded
	}
	return slices.Clone(f.shown), f.err
}

func (f *fakeEC2) show(err error, shown ...contract.Instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shown, f.err = shown, err
}

func (f *fakeEC2) polled() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.polls
}

// ec2Shows waits until the watcher has taken in what EC2 shows from now on: it does so before it looks again.
func (w *world) ec2Shows(t *testing.T, shown ...contract.Instance) {
	t.Helper()
	w.ec2.show(nil, shown...)
	n := w.ec2.polled()
	require.Eventually(t, func() bool { return w.ec2.polled() >= n+2 }, waitFor, tick)
}

// world is a watcher that runs on a fake API server.
type world struct {
	temporal *fakeTemporal
	ec2      *fakeEC2
	client   *fake.Clientset
	dynamic  *dynamicfake.FakeDynamicClient
	registry *prometheus.Registry
	cluster  *kube.Cluster
	queue    *fakeQueue
	events   *fakeEvents
}

var quick = Timing{
	BatchIdle: 30 * time.Millisecond, BatchMax: 300 * time.Millisecond, Coalesce: 5 * time.Millisecond, Unheard: time.Minute, Ending: time.Minute,
	EC2Fast: 5 * time.Millisecond, EC2Slow: 20 * time.Millisecond, Expect: time.Second, DescribeLag: 50 * time.Millisecond,
}

func newWorld(t *testing.T, timing Timing, objects ...runtime.Object) *world {
	t.Helper()
	w := &world{
		temporal: &fakeTemporal{}, ec2: &fakeEC2{}, client: fake.NewClientset(objects...), registry: prometheus.NewRegistry(),
		queue: &fakeQueue{owners: map[string]string{}}, events: &fakeEvents{},
		dynamic: dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
			map[schema.GroupVersionResource]string{v1alpha1.NodePoolResource: "NodePoolList"}),
	}
	w.run(t, timing)
	return w
}

// run starts the watcher and waits until it has seen what there is.
func (w *world) run(t *testing.T, timing Timing) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	cluster, err := kube.NewCluster(kube.ClusterOptions{Name: "demo", Client: w.client, Dynamic: w.dynamic, Log: log})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Options{
			Cluster: cluster, Temporal: w.temporal, EC2: w.ec2, Accounts: []string{"main"}, Queues: []Queue{w.queue}, Signs: testSigns, Events: w.events, Metrics: w.registry, Log: log, Timing: timing,
		})
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	require.NoError(t, cluster.WaitReady(ctx))
	w.cluster = cluster
}

var (
	podsGVR  = corev1.SchemeGroupVersion.WithResource("pods")
	nodesGVR = corev1.SchemeGroupVersion.WithResource("nodes")
)

func (w *world) put(t *testing.T, objects ...runtime.Object) {
	t.Helper()
	for _, obj := range objects {
		gvr, namespace := nodesGVR, ""
		if _, ok := obj.(*corev1.Pod); ok {
			gvr, namespace = podsGVR, "default"
		}
		if w.client.Tracker().Update(gvr, obj, namespace) != nil {
			require.NoError(t, w.client.Tracker().Create(gvr, obj, namespace))
		}
	}
}

func pending(name, resourceVersion string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), ResourceVersion: resourceVersion},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
		}}},
	}
}

func bound(pod *corev1.Pod) *corev1.Pod {
	pod.Spec.NodeName = "n1"
	pod.Status.Conditions = nil
	return pod
}

func node(name, instance string, change ...func(*corev1.Node)) *corev1.Node {
	n := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{v1alpha1.LabelPool: "api"}},
		Spec:       corev1.NodeSpec{ProviderID: contract.ProviderID("eu-west-1a", instance)},
	}
	for _, c := range change {
		c(n)
	}
	return n
}

func ready(n *corev1.Node) {
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
}

func nodePool(name string, generation int64) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": name}, "spec": map[string]any{}}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("NodePool"))
	u.SetGeneration(generation)
	return u
}
