package kube_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/yaml"

	"floe.dev/floe/activities/kube"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/testbed"
)

// The activities on a real control plane, with the worker's own rights.
func TestOnARealCluster(t *testing.T) {
	tb := testbed.New(t, testbed.Options{Parts: testbed.Kubernetes})
	admin, err := kubernetes.NewForConfig(tb.Kube)
	require.NoError(t, err)
	pools, err := dynamic.NewForConfig(tb.Kube)
	require.NoError(t, err)

	client, dyn, err := kube.Connect(tb.WorkerKubeconfig)
	require.NoError(t, err)
	cluster, err := kube.NewCluster(kube.ClusterOptions{Name: "demo", Account: "main", Client: client, Dynamic: dyn, Planning: true})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	cluster.Start(ctx)
	require.NoError(t, cluster.WaitReady(ctx))
	w := &real{
		T: t, admin: admin, pools: pools,
		Activities: kube.New([]*kube.Cluster{cluster}, oneType{}, nil, slog.New(slog.DiscardHandler)),
	}
	w.applyPool()
	t.Run("plan", w.plan)
	t.Run("register", w.register)
	t.Run("drain", w.drain)
	t.Run("drains", w.drains)
	t.Run("delete", w.deleteNode)
	t.Run("prefetch", w.prefetch)
}

type real struct {
	*testing.T
	*kube.Activities
	admin kubernetes.Interface
	pools dynamic.Interface
}

// oneType is an account that knows one machine type.
type oneType struct{}

func (oneType) View(context.Context, string) (*catalog.View, error) {
	key := catalog.OfferedKey{InstanceType: "c5.xlarge", ZoneID: "euw1-az1"}
	return &catalog.View{
		Account: "main", Region: "eu-west-1", At: time.Now(),
		Types: map[string]contract.InstanceType{"c5.xlarge": {
			Name: "c5.xlarge", Arch: "amd64", VCPU: 4, MemoryMiB: 8192, ENIs: 4, IPv4PerENI: 15, OnDemandUSD: 0.17,
		}},
		Subnets: map[string]catalog.Subnet{"subnet-a": {ID: "subnet-a", Zone: "eu-west-1a", ZoneID: "euw1-az1", FreeAddresses: 10}},
		Offered: map[catalog.OfferedKey]bool{key: true}, SpotUSD: map[catalog.OfferedKey]float64{key: 0.07},
	}, nil
}

func (oneType) Template(context.Context, string, v1alpha1.LaunchTemplate) (contract.ResolvedTemplate, error) {
	return contract.ResolvedTemplate{ID: "lt-0123456789abcdef0", Version: "1", ImageID: "ami-1"}, nil
}

func (w *real) applyPool() {
	_, err := w.pools.Resource(v1alpha1.NodePoolResource).Create(w.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "NodePool", "metadata": map[string]any{"name": "api"},
		"spec": map[string]any{
			"launchTemplate": map[string]any{"id": "lt-0123456789abcdef0"}, "subnets": []any{"subnet-a"},
			"fallback": []any{map[string]any{"capacityType": "spot"}},
			"template": map[string]any{
				"labels":        map[string]any{"team": "x"},
				"startupTaints": []any{map[string]any{"key": "cni", "effect": "NoSchedule"}},
			},
		},
	}}, metav1.CreateOptions{})
	require.NoError(w, err)
}

// plan: a pod that the scheduler has just refused is planned for, by the watermark; and the pool that was applied a
// moment ago opens a chain, with the API server's defaults.
func (w *real) plan(t *testing.T) {
	_, err := w.admin.CoreV1().Pods("default").Create(t.Context(), pod("early"), metav1.CreateOptions{})
	require.NoError(t, err)
	var watermark string
	eventually(t, func() bool {
		p, err := w.admin.CoreV1().Pods("default").Get(t.Context(), "early", metav1.GetOptions{})
		require.NoError(t, err)
		watermark = p.ResourceVersion
		return kube.NeedsRoom(p)
	}, "the scheduler finds no node")
	digest, err := w.Plan(t.Context(), contract.PlanInput{Cluster: "demo", Plan: "p-1", Watermark: watermark})
	require.NoError(t, err)
	require.True(t, digest.CaughtUp)
	require.Equal(t, 1, digest.Pending)

	chain, err := w.OpenChain(t.Context(), contract.OpenChainInput{Launch: contract.ScaleUpInput{Cluster: "demo", Pool: "api", Count: 1}})
	require.NoError(t, err)
	require.Equal(t, 15*time.Minute, chain.RegistrationTimeout)
	require.Len(t, chain.Steps[0].Overrides, 1)

	// Far ahead of everything: the plan is made all the same, and says so.
	digest, err = w.Plan(t.Context(), contract.PlanInput{Cluster: "demo", Plan: "p-2", Watermark: "9" + watermark})
	require.NoError(t, err)
	require.False(t, digest.CaughtUp)
	require.NoError(t, w.admin.CoreV1().Pods("default").Delete(t.Context(), "early", metav1.DeleteOptions{}))
}

// register: while the kubelet and others write to the same Node.
func (w *real) register(t *testing.T) {
	w.node(t, "n0", "i-0", corev1.Taint{Key: v1alpha1.TaintUnregistered, Value: "true", Effect: corev1.TaintEffectNoExecute})
	nodes := w.admin.CoreV1().Nodes()
	others, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	var once sync.Once
	wrote := make(chan struct{})
	writers.Go(func() {
		for i := 0; others.Err() == nil; i++ {
			patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"beat":"%d"}}}`, i)
			if _, err := nodes.Patch(others, "n0", types.MergePatchType, patch, metav1.PatchOptions{}); err == nil {
				once.Do(func() { close(wrote) })
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	<-wrote
	in := contract.RegisterInput{Cluster: "demo", Pool: "api", Node: "n0", Instance: contract.Instance{
		ID: "i-0", InstanceType: "c5.xlarge", Zone: "eu-west-1a", ZoneID: "euw1-az1", CapacityType: v1alpha1.Spot,
	}}
	var result contract.RegisterResult
	eventually(t, func() (done bool) { // Temporal would retry it
		var err error
		result, err = w.Register(t.Context(), in)
		return err == nil
	}, "the Node is registered")
	stop()
	writers.Wait()
	require.Equal(t, []string{"cni:NoSchedule"}, result.StartupTaints)
	require.False(t, result.Unguarded)
	node, err := nodes.Get(t.Context(), "n0", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "x", node.Labels["team"])
	require.Equal(t, "api", node.Labels[v1alpha1.LabelPool])
	require.Equal(t, "c5", node.Labels[v1alpha1.LabelInstanceFamily])
	require.NotEmpty(t, node.Annotations["beat"], "nobody's work is lost")
	require.Contains(t, taints(node), "cni:NoSchedule")
	require.NotContains(t, taints(node), "floe.dev/unregistered=true:NoExecute")
	require.True(t, slices.ContainsFunc(node.ManagedFields, func(m metav1.ManagedFieldsEntry) bool {
		return m.Manager == "floe-register" && m.Operation == metav1.ManagedFieldsOperationApply
	}), "who says so can be read on the Node")
	_, err = w.admin.CoreV1().Nodes().Patch(t.Context(), "gone", types.ApplyPatchType,
		[]byte(`{"apiVersion":"v1","kind":"Node","metadata":{"name":"gone","uid":"`+string(node.UID)+`","resourceVersion":"`+node.ResourceVersion+`"},"spec":{"taints":[]}}`),
		metav1.PatchOptions{FieldManager: "floe-register"})
	require.Error(t, err, "what such an apply is relied on for: a Node that is gone is not made anew")
	_, err = nodes.Get(t.Context(), "gone", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)

	eventually(t, func() bool {
		seen, err := w.ReadNode(t.Context(), contract.ReadNodeInput{Cluster: "demo", ProviderID: "aws:///eu-west-1a/i-0"})
		require.NoError(t, err)
		return seen.Exists && seen.Initialized && seen.UID == string(node.UID)
	}, "the registered Node is seen")
}

// drain: four pods with a budget that lets one go at a time, and room for them elsewhere; and one pod that nothing
// holds.
func (w *real) drain(t *testing.T) {
	w.node(t, "n1", "i-1")
	selector := map[string]string{"app": "web"}
	web := pod("").Spec
	web.NodeSelector = map[string]string{testbed.LabelSimulated: "true"}
	_, err := w.admin.AppsV1().Deployments("default").Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr(int32(4)), Selector: &metav1.LabelSelector{MatchLabels: selector},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: selector}, Spec: web},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	atLeast := intstr.FromInt32(3)
	_, err = w.admin.PolicyV1().PodDisruptionBudgets("default").Create(t.Context(), &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: &atLeast, Selector: &metav1.LabelSelector{MatchLabels: selector}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	readyOn := func(node string) (n int) {
		list, err := w.admin.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{LabelSelector: "app=web"})
		require.NoError(t, err)
		for i := range list.Items {
			p := &list.Items[i]
			for _, c := range p.Status.Conditions {
				if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && p.DeletionTimestamp == nil && (node == "" || p.Spec.NodeName == node) {
					n++
				}
			}
		}
		return n
	}
	eventually(t, func() bool { return readyOn("n1") == 4 }, "the pods are ready on n1")
	w.node(t, "n2", "i-2")
	eventually(t, func() bool {
		budget, err := w.admin.PolicyV1().PodDisruptionBudgets("default").Get(t.Context(), "web", metav1.GetOptions{})
		require.NoError(t, err)
		return budget.Status.DisruptionsAllowed == 1
	}, "the budget lets one go")

	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(2 * time.Minute)
	env.RegisterActivity(w.Drain)
	value, err := env.ExecuteActivity(w.Drain, contract.DrainInput{
		Cluster: "demo", Pool: "api", Node: "n1", Instance: "i-1", Deadline: time.Now().Add(time.Hour),
	})
	require.NoError(t, err)
	var result contract.DrainResult
	require.NoError(t, value.Get(&result))
	require.Len(t, result.Pods, 4, "each pod's story is told")
	result.Pods = nil
	require.Equal(t, contract.DrainResult{Evicted: 4}, result)
	require.GreaterOrEqual(t, readyOn("n2"), 3, "the budget was kept: the others were ready elsewhere before the last one went")
	require.Zero(t, readyOn("n1"))
	node, err := w.admin.CoreV1().Nodes().Get(t.Context(), "n1", metav1.GetOptions{})
	require.NoError(t, err)
	require.True(t, node.Spec.Unschedulable)
	require.Contains(t, taints(node), "floe.dev/leaving:NoSchedule")
}

func (w *real) deleteNode(t *testing.T) {
	node := w.node(t, "n3", "i-3")
	in := contract.DeleteNodeInput{Cluster: "demo", Node: "n3", UID: "00000000-0000-0000-0000-000000000000"}
	require.NoError(t, w.DeleteNode(t.Context(), in))
	_, err := w.admin.CoreV1().Nodes().Get(t.Context(), "n3", metav1.GetOptions{})
	require.NoError(t, err, "it is another's: it stays")
	in.UID = string(node.UID)
	require.NoError(t, w.DeleteNode(t.Context(), in))
	require.NoError(t, w.DeleteNode(t.Context(), in), "gone already")
	eventually(t, func() bool {
		seen, err := w.ReadNode(t.Context(), contract.ReadNodeInput{Cluster: "demo", ProviderID: "aws:///eu-west-1a/i-3"})
		require.NoError(t, err)
		return !seen.Exists
	}, "the Node is gone")
}

// prefetch: without rights it says what is missing; with those of deploy/rbac/prefetch.yaml the API server takes the pods as
// they are, in a namespace that admits restricted pods only, and they are gone at the end. KWOK starts containers without
// telling of an image, so that the Node's list is the proof.
func (w *real) prefetch(t *testing.T) {
	const image = "registry.example/app@sha256:0000000000000000000000000000000000000000000000000000000000000001"
	node := w.node(t, "n4", "i-4", corev1.Taint{Key: v1alpha1.TaintStandby, Effect: corev1.TaintEffectNoSchedule})
	in := contract.PrefetchInput{Cluster: "demo", Pool: "api", Node: "n4", UID: string(node.UID), Images: []string{image}, Within: time.Minute}
	_, err := w.admin.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "floe", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	require.NoError(t, err)
	result, err := w.Prefetch(t.Context(), in)
	require.NoError(t, err)
	require.Contains(t, result.Failed[0].Reason, "deploy/rbac/prefetch.yaml")

	text, err := os.ReadFile("../../deploy/rbac/prefetch.yaml")
	require.NoError(t, err)
	var role rbacv1.Role
	var binding rbacv1.RoleBinding
	first, second, _ := strings.Cut(string(text), "\n---\n")
	require.NoError(t, yaml.UnmarshalStrict([]byte(first), &role))
	require.NoError(t, yaml.UnmarshalStrict([]byte(second), &binding))
	binding.Subjects = []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "floe-worker"}} // the testbed's
	_, err = w.admin.RbacV1().Roles("floe").Create(t.Context(), &role, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = w.admin.RbacV1().RoleBindings("floe").Create(t.Context(), &binding, metav1.CreateOptions{})
	require.NoError(t, err)

	pods := func() []corev1.Pod {
		list, err := w.admin.CoreV1().Pods("floe").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		return list.Items
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for { // the role takes the API server a moment
			if result, err = w.Prefetch(t.Context(), in); err != nil || len(result.Images) > 0 || t.Context().Err() != nil {
				return
			}
		}
	}()
	eventually(t, func() bool { return len(pods()) == 1 }, "a pod pulls")
	require.Equal(t, "n4", pods()[0].Spec.NodeName)
	require.NoError(t, retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		node, err := w.admin.CoreV1().Nodes().Get(t.Context(), "n4", metav1.GetOptions{})
		require.NoError(t, err)
		node.Status.Images = []corev1.ContainerImage{{Names: []string{image}, SizeBytes: 5}}
		_, err = w.admin.CoreV1().Nodes().UpdateStatus(t.Context(), node, metav1.UpdateOptions{})
		return err
	}))
	<-done
	require.NoError(t, err)
	require.Equal(t, []string{image}, result.Images)
	require.EqualValues(t, 5, result.Bytes)
	require.Empty(t, pods())
}

// node puts a Ready machine into the cluster, whose pods KWOK runs.
func (w *real) node(t *testing.T, name, instance string, taints ...corev1.Taint) *corev1.Node {
	t.Helper()
	nodes := w.admin.CoreV1().Nodes()
	node, err := nodes.Create(t.Context(), &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{testbed.LabelSimulated: "true"}},
		Spec:       corev1.NodeSpec{ProviderID: contract.ProviderID("eu-west-1a", instance), Taints: taints},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	room := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("8Gi"), corev1.ResourcePods: resource.MustParse("50"),
	}
	status := corev1.NodeStatus{Capacity: room, Allocatable: room, Conditions: []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "HandMade", LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now(),
	}}}
	require.NoError(t, retry.RetryOnConflict(retry.DefaultBackoff, func() error { // controllers write to a new Node too
		if node, err = nodes.Get(t.Context(), name, metav1.GetOptions{}); err != nil {
			return err
		}
		node.Status = status
		node, err = nodes.UpdateStatus(t.Context(), node, metav1.UpdateOptions{})
		return err
	}))
	return node
}

func pod(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", Image: "example.com/app:1",
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}},
		}}},
	}
}

func taints(node *corev1.Node) (words []string) {
	for i := range node.Spec.Taints {
		words = append(words, node.Spec.Taints[i].ToString())
	}
	return words
}

func ptr[T any](v T) *T { return &v }

// eventually waits for a state of the outside world; the bound is far beyond what it takes.
func eventually(t *testing.T, is func() bool, what string) {
	t.Helper()
	require.Eventually(t, is, 2*time.Minute, 20*time.Millisecond, what)
}
