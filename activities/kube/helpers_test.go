package kube

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"

	"floe.dev/floe/activities/store"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// world is a cluster of the fake API server with activities on it.
type world struct {
	*Activities
	cluster *Cluster
	client  *fake.Clientset
	cloud   *fakeCloud
	plans   *fakePlans
}

// newWorld has the objects given: pods, nodes, daemonsets and NodePools.
func newWorld(t testing.TB, objects ...runtime.Object) *world {
	t.Helper()
	var typed, pools []runtime.Object
	for _, obj := range objects {
		if pool, ok := obj.(*v1alpha1.NodePool); ok {
			content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pool)
			require.NoError(t, err)
			obj = &unstructured.Unstructured{Object: content}
		}
		if u, ok := obj.(*unstructured.Unstructured); ok {
			u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("NodePool"))
			pools = append(pools, u)
			continue
		}
		typed = append(typed, obj)
	}
	w := &world{client: fake.NewClientset(typed...), cloud: &fakeCloud{view: testView()}, plans: &fakePlans{}}
	dynamic := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
		map[schema.GroupVersionResource]string{v1alpha1.NodePoolResource: "NodePoolList"}, pools...)
	var err error
	w.cluster, err = NewCluster(ClusterOptions{
		Name: "demo", Account: "main", Client: w.client, Dynamic: dynamic, Planning: true, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	w.cluster.Start(ctx)
	require.NoError(t, w.cluster.WaitReady(ctx))
	w.client.ClearActions()
	w.Activities = New([]*Cluster{w.cluster}, w.cloud, w.plans, slog.New(slog.DiscardHandler))
	w.provisioners = func(context.Context, string) (contract.ProvisionerView, error) {
		return contract.ProvisionerView{}, errNotRunning // nothing was ever bought
	}
	return w
}

// writes are the fake API server's mutating calls, as verb and resource.
func (w *world) writes() (writes []string) {
	for _, action := range w.client.Actions() {
		switch action.GetVerb() {
		case "patch", "update", "delete", "create":
			resource := action.GetResource().Resource
			if sub := action.GetSubresource(); sub != "" {
				resource += "/" + sub
			}
			writes = append(writes, action.GetVerb()+" "+resource)
		}
	}
	return writes
}

type fakeCloud struct {
	view        *catalog.View
	viewErr     error
	templateErr error
}

func (f *fakeCloud) View(context.Context, string) (*catalog.View, error) {
	if f.viewErr != nil {
		return nil, f.viewErr
	}
	return f.view, nil
}

func (f *fakeCloud) Template(context.Context, string, v1alpha1.LaunchTemplate) (contract.ResolvedTemplate, error) {
	return contract.ResolvedTemplate{ID: "lt-0123456789abcdef0", Version: "3", ImageID: "ami-1"}, f.templateErr
}

type fakePlans struct {
	plans []store.PlanRecord
	err   error
	hold  chan struct{} // where set, writes wait for it
}

func (f *fakePlans) PutPlan(_ context.Context, plan store.PlanRecord) error {
	if f.hold != nil {
		<-f.hold
	}
	if f.err == nil {
		f.plans = append(f.plans, plan)
	}
	return f.err
}

// testView has three zones, all of c5 and m5, spot at 40 % of the on-demand price.
func testView() *catalog.View {
	v := &catalog.View{
		Account: "main", Region: "eu-west-1", At: time.Now().Add(-time.Minute),
		Types: map[string]contract.InstanceType{}, Subnets: map[string]catalog.Subnet{},
		Offered: map[catalog.OfferedKey]bool{}, SpotUSD: map[catalog.OfferedKey]float64{},
	}
	for _, z := range []string{"a", "b", "c"} {
		v.Subnets["subnet-"+z] = catalog.Subnet{ID: "subnet-" + z, Zone: "eu-west-1" + z, ZoneID: "euw1-az" + z, FreeAddresses: 250}
	}
	for _, t := range catalog.Facts() {
		if family, _ := catalog.FamilyAndSize(t.Name); family != "c5" && family != "m5" {
			continue
		}
		v.Types[t.Name] = t
		for _, s := range v.Subnets {
			key := catalog.OfferedKey{InstanceType: t.Name, ZoneID: s.ZoneID}
			v.Offered[key], v.SpotUSD[key] = true, 0.4*t.OnDemandUSD
		}
	}
	return v
}

func testPool(name string, change ...func(*v1alpha1.NodePoolSpec)) *v1alpha1.NodePool {
	pool := &v1alpha1.NodePool{
		ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 1},
		Spec: v1alpha1.NodePoolSpec{
			LaunchTemplate: v1alpha1.LaunchTemplate{ID: "lt-0123456789abcdef0"},
			Subnets:        []string{"subnet-a", "subnet-b", "subnet-c"},
			Fallback:       []v1alpha1.FallbackStep{{CapacityType: v1alpha1.Spot}, {CapacityType: v1alpha1.OnDemand}},
			Template: v1alpha1.NodeTemplate{
				Labels:        map[string]string{"team": "x"},
				Taints:        []corev1.Taint{{Key: "app", Value: "db", Effect: corev1.TaintEffectNoSchedule}},
				StartupTaints: []corev1.Taint{{Key: "cni", Effect: corev1.TaintEffectNoSchedule}},
			},
		},
	}
	for _, c := range change {
		c(&pool.Spec)
	}
	return pool
}

func testNode(name, instance string, change ...func(*corev1.Node)) *corev1.Node {
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name), ResourceVersion: "10", CreationTimestamp: metav1.Now()},
		Spec:       corev1.NodeSpec{ProviderID: contract.ProviderID("eu-west-1a", instance)},
	}
	for _, c := range change {
		c(node)
	}
	return node
}

func unregistered(n *corev1.Node) {
	n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: v1alpha1.TaintUnregistered, Value: "true", Effect: corev1.TaintEffectNoExecute})
}

func ready(n *corev1.Node) {
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	n.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("7Gi"), corev1.ResourcePods: resource.MustParse("58"),
	}
}

func testPod(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name), ResourceVersion: "10"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi")},
		}}}},
	}
	for _, c := range change {
		c(pod)
	}
	return pod
}

func on(node string) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Spec.NodeName = node } }

func labeled(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Labels = map[string]string{key: value} }
}

func owned(kind string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		yes := true
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: "owner", UID: "owner", Controller: &yes}}
	}
}

func unschedulable(p *corev1.Pod) {
	p.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
	}}
}

var testInstance = contract.Instance{
	ID: "i-1", InstanceType: "c5.xlarge", Zone: "eu-west-1a", ZoneID: "euw1-aza", CapacityType: v1alpha1.Spot, USDPerHour: 0.07,
}

// requireType asserts an error of the contract and whether Temporal may retry it.
func requireType(t *testing.T, err error, want string, retryable bool) *temporal.ApplicationError {
	t.Helper()
	var app *temporal.ApplicationError
	require.True(t, errors.As(err, &app), "want an application error, have %v", err)
	require.Equal(t, want, app.Type(), app.Message())
	require.Equal(t, retryable, !app.NonRetryable(), app.Message())
	return app
}
