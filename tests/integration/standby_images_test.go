package integration

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// prefetchedImage is what the pool's pods ran with, as its ledger has it.
const prefetchedImage = "registry.example/web@sha256:1111111111111111111111111111111111111111111111111111111111111111"

// ranWith has the ledger tell that a pool's machines began with an image in every hour of the last two days.
func (w *world) ranWith(pool, image string) {
	w.t.Helper()
	var records []contract.ImageRecord
	for n := range 48 {
		at := time.Now().UTC().Add(-time.Duration(n+1) * time.Hour).Truncate(10 * time.Minute)
		records = append(records, contract.ImageRecord{
			ID: contract.ImageRecordID(w.Cluster, pool, at), At: at, Cluster: w.Cluster, Pool: pool,
			Images: []contract.ImageUse{{Image: image, Bytes: 100 << 20, Pods: 3, Nodes: 3}},
		})
	}
	_, err := w.database().Collection(contract.CollectionImages).InsertMany(w.t.Context(), records)
	require.NoError(w.t, err)
}

// mayPrefetch gives the worker what deploy/rbac/prefetch.yaml says, and waits until that holds.
func (w *world) mayPrefetch() {
	w.t.Helper()
	ctx := w.t.Context()
	text, err := os.ReadFile("../../deploy/rbac/prefetch.yaml")
	require.NoError(w.t, err)
	var role rbacv1.Role
	var binding rbacv1.RoleBinding
	first, second, _ := strings.Cut(string(text), "\n---\n")
	require.NoError(w.t, yaml.UnmarshalStrict([]byte(first), &role))
	require.NoError(w.t, yaml.UnmarshalStrict([]byte(second), &binding))
	const worker = "floe-worker" // the testbed's user
	binding.Subjects = []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: worker}}
	_, err = w.kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "floe"}}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	_, err = w.kube.RbacV1().Roles("floe").Create(ctx, &role, metav1.CreateOptions{})
	require.NoError(w.t, err)
	_, err = w.kube.RbacV1().RoleBindings("floe").Create(ctx, &binding, metav1.CreateOptions{})
	require.NoError(w.t, err)
	eventually(w.t, func() bool {
		review, err := w.kube.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: worker, ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: "floe", Verb: "create", Resource: "pods"},
		}}, metav1.CreateOptions{})
		require.NoError(w.t, err)
		return review.Status.Allowed
	}, "the worker may make pods that pull")
}

// Two pools keep a machine each, one hibernated, one stopped and without its Node. Both are frozen with the image on them
// that the pool's pods are likely to need, have it still when they wake, and serve pods.
func TestMachinesSleepWithTheirImagesAndOneWithoutItsNode(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, quickFreeze+"images: {mibPerSecond: 1000, mib: 100}\n", "at 0s * spot *: 0")
	w.mayPrefetch()
	warm, cold := standbyPool("warm", 1), standbyPool("cold", 0)
	cold.Spec.Fallback[0].CapacityType = v1alpha1.Stopped
	cold.Spec.Standby.Stopped, cold.Spec.Standby.NodeWhileFrozen = 1, v1alpha1.DeleteNode
	for _, p := range []*v1alpha1.NodePool{warm, cold} {
		p.Spec.Standby.Prefetch = &v1alpha1.Prefetch{Disk: resource.MustParse("1Gi")}
		w.ranWith(p.Name, prefetchedImage)
		w.createPool(p)
	}
	var warmed, cooled []string
	eventually(t, func() bool {
		warmed, cooled = w.frozen("warm"), w.frozen("cold")
		return len(warmed) == 1 && len(cooled) == 1
	}, "a machine of each is frozen")
	hibernated, stopped := warmed[0], cooled[0]

	asleep := w.nodeOf(hibernated)
	require.NotNil(t, asleep)
	require.Equal(t, prefetchedImage, asleep.Status.Images[0].Names[0], "the image is on the frozen machine")
	eventually(t, func() bool { return w.nodeOf(stopped) == nil }, "the Node of the stopped machine is deleted")
	require.Equal(t, []string{contract.ImageKey(prefetchedImage)}, w.standby("warm").Machines[0].Images, "renewal goes by it")
	pulling, err := w.kube.CoreV1().Pods("floe").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Empty(t, pulling.Items, "no pod is left of the pulls")
	for _, id := range []string{hibernated, stopped} {
		life, err := query[contract.NodeView](w, contract.NodeID("demo", id), contract.QueryLife)
		require.NoError(t, err)
		require.Equal(t, contract.PhaseStandby, life.Phase)
		require.Equal(t, []string{prefetchedImage}, life.Standby.Prefetched.Images, life.Standby.Prefetched.Note)
		require.Equal(t, id == stopped, life.Standby.NodeDeleted)
		require.Equal(t, id == hibernated, life.Node.Exists)
	}

	// A pod fills a machine: two pods need both, and the plan knows of the one that no Node tells of.
	w.deploy("app", 2, "1200m", "1Gi")
	eventually(t, func() bool { return w.running() == 2 }, "the pods run")
	for _, id := range []string{hibernated, stopped} {
		eventually(t, func() bool { return w.phase(contract.NodeID("demo", id)) == contract.PhaseReady }, "it is in service")
		status, out, errs := w.floe("node", "describe", id)
		require.Zero(t, status, errs)
		require.Contains(t, out, "images: 1 image prefetched, 100 MiB.")
		node := w.nodeOf(id)
		require.NotNil(t, node)
		require.Empty(t, node.Spec.Taints, "it is open to pods")
		require.NotContains(t, node.Labels, v1alpha1.LabelStandby)
		require.Equal(t, id == hibernated, node.UID == asleep.UID)
		if id == hibernated {
			require.Contains(t, out, "from memory. Prefetched and there still: 1 image.")
		} else {
			require.Contains(t, out, "It has booted.")
			require.Equal(t, "cold", node.Labels[v1alpha1.LabelPool], "it is registered anew")
		}
	}
	pods, err := w.kube.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	var on []string
	for _, p := range pods.Items {
		on = append(on, p.Spec.NodeName)
	}
	require.ElementsMatch(t, []string{w.nodeOf(hibernated).Name, w.nodeOf(stopped).Name}, on, "they run on the machines that were frozen")
}
