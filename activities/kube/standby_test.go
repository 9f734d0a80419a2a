package kube

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/images"
)

// said is a Node whose kubelet wrote its status at that time.
func said(at time.Time, is corev1.ConditionStatus, boot string) func(*corev1.Node) {
	return func(n *corev1.Node) {
		ready(n)
		n.Status.Conditions[0].Status, n.Status.Conditions[0].LastHeartbeatTime = is, metav1.NewTime(at)
		n.Status.NodeInfo.BootID = boot
	}
}

func lease(node string, at time.Time) *coordinationv1.Lease {
	renewed := metav1.NewMicroTime(at)
	return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: node, Namespace: corev1.NamespaceNodeLease}, Spec: coordinationv1.LeaseSpec{RenewTime: &renewed}}
}

func TestFreezeAndOpen(t *testing.T) {
	leaving := func(n *corev1.Node) {
		n.Labels, n.Annotations = map[string]string{"keep": "me"}, map[string]string{"other": "owner"}
		n.Spec.Taints = []corev1.Taint{{Key: "app", Effect: corev1.TaintEffectNoSchedule}, {Key: v1alpha1.TaintLeaving, Effect: corev1.TaintEffectNoSchedule}}
	}
	pulls := testPod("pulls", on("n1"))
	pulls.Labels = map[string]string{v1alpha1.LabelPrefetch: "uid-n1"}
	w := newWorld(t, testNode("n1", "i-1", leaving), testPod("daemon", on("n1"), owned("DaemonSet")), testPod("late", on("n1")), testPod("other", on("n2")), pulls)
	in := contract.FreezeInput{Cluster: "demo", Node: "n1", UID: "uid-n1", Tier: v1alpha1.Hibernated}
	result, err := w.Freeze(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, []string{"default/late"}, result.Pods, "a workload pod is left; a daemon's is none, nor one that pulls images")
	node := w.nodeNow(t, "n1")
	require.True(t, node.Spec.Unschedulable)
	require.Equal(t, []string{"app:NoSchedule", "floe.dev/standby:NoSchedule"}, taintWords(node.Spec.Taints))
	require.Equal(t, map[string]string{"keep": "me", v1alpha1.LabelStandby: "hibernated", corev1.LabelNodeExcludeBalancers: "true"}, node.Labels)

	require.Eventually(t, func() bool { n, ok := w.cluster.NodeOfInstance("i-1"); return ok && n.Spec.Unschedulable }, time.Second, time.Millisecond)
	w.client.ClearActions()
	_, err = w.Freeze(t.Context(), in)
	require.NoError(t, err)
	require.Empty(t, w.writes(), "again, it changes nothing")

	require.NoError(t, w.OpenNode(t.Context(), contract.OpenNodeInput{Cluster: "demo", Node: "n1", UID: "uid-n1"}))
	node = w.nodeNow(t, "n1")
	require.False(t, node.Spec.Unschedulable)
	require.Equal(t, []string{"app:NoSchedule"}, taintWords(node.Spec.Taints))
	require.Equal(t, map[string]string{"keep": "me"}, node.Labels)
	require.Equal(t, map[string]string{"other": "owner"}, node.Annotations, "nothing was resumed")
	resumed := contract.OpenNodeInput{Cluster: "demo", Node: "n1", UID: "uid-n1", Resumed: time.Date(2026, 3, 1, 12, 0, 0, 1, time.UTC), Purpose: contract.PurposeDemand}
	require.NoError(t, w.OpenNode(t.Context(), resumed))
	require.Equal(t, map[string]string{"other": "owner", v1alpha1.AnnotationResumed: "2026-03-01T12:00:00Z", v1alpha1.AnnotationPurpose: "demand"},
		w.nodeNow(t, "n1").Annotations)

	in.UID = "another"
	_, err = w.Freeze(t.Context(), in)
	requireType(t, err, contract.ErrNodeNotFound, true)
	requireType(t, w.OpenNode(t.Context(), contract.OpenNodeInput{Cluster: "demo", Node: "n9"}), contract.ErrNodeNotFound, true)
	in.Tier = v1alpha1.Spot
	_, err = w.Freeze(t.Context(), in)
	requireType(t, err, contract.ErrInvalidInput, false)
}

// A machine made for standby is never open to pods: the taint comes with the registration.
func TestRegisterForStandby(t *testing.T) {
	w := newWorld(t, testPool("general"), testNode("n1", "i-1", unregistered))
	result, err := w.Register(t.Context(), contract.RegisterInput{Cluster: "demo", Pool: "general", Node: "n1", Instance: testInstance, Tier: v1alpha1.Stopped})
	require.NoError(t, err)
	require.Contains(t, result.Node.Taints, "floe.dev/standby:NoSchedule")
	require.NotContains(t, result.Node.Taints, "floe.dev/unregistered=true:NoExecute")
	require.Equal(t, "stopped", w.nodeNow(t, "n1").Labels[v1alpha1.LabelStandby])
}

func TestProof(t *testing.T) {
	frozen := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	// The machine's clock is an hour behind the worker's.
	woke, started := frozen.Add(time.Second), frozen.Add(time.Hour)
	last := contract.LastWords{BootID: "b1", Lease: frozen, Status: frozen}
	for name, c := range map[string]struct {
		lease  time.Time
		node   func(*corev1.Node)
		last   contract.LastWords
		misses string
		same   bool
	}{
		"resumed from memory":              {woke, said(woke, corev1.ConditionTrue, "b1"), last, "", true},
		"booted":                           {woke, said(woke, corev1.ConditionTrue, "b2"), last, "", false},
		"a stale Ready":                    {woke, said(frozen, corev1.ConditionTrue, "b1"), last, "it has not written its node status in", true},
		"a Ready that lapsed":              {woke, said(frozen, corev1.ConditionUnknown, "b1"), last, "it has not written its node status in", true},
		"it says that it is not ready":     {woke, said(woke, corev1.ConditionFalse, "b1"), last, "its node status says Ready=False", true},
		"no lease":                         {frozen, said(woke, corev1.ConditionTrue, "b1"), last, "it has not renewed its lease in", true},
		"neither":                          {frozen, said(frozen, corev1.ConditionTrue, "b1"), last, "it has not renewed its lease and it has not written", true},
		"nothing known, said after start":  {started.Add(time.Second), said(started.Add(time.Second), corev1.ConditionTrue, "b1"), contract.LastWords{}, "", false},
		"nothing known, said before start": {woke, said(woke, corev1.ConditionTrue, "b1"), contract.LastWords{}, "it has not renewed its lease and", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, testNode("n1", "i-1", c.node))
			lists(t, w, lease("n1", frozen))
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			go renew(ctx, w, lease("n1", c.lease))
			until := started.Add(time.Minute) // what is to be proven ends the wait, however long a busy machine takes
			if c.misses != "" {
				until = started.Add(300 * time.Millisecond)
			}
			now := time.Now()
			w.now = func() time.Time { return started.Add(time.Since(now)) }
			proof, err := w.Prove(t.Context(), contract.ProveInput{
				Cluster: "demo", Node: "n1", UID: "uid-n1", Started: started, Until: until, Last: c.last,
			})
			require.NoError(t, err)
			require.Equal(t, c.same, proof.SameBoot)
			if c.misses == "" {
				require.Empty(t, proof.Missing)
				return
			}
			require.Contains(t, proof.Missing, c.misses)
		})
	}
}

// lists puts a lease into the fake API server.
func lists(t *testing.T, w *world, l *coordinationv1.Lease) {
	t.Helper()
	_, err := w.client.CoordinationV1().Leases(l.Namespace).Create(t.Context(), l, metav1.CreateOptions{})
	require.NoError(t, err)
}

// renew has a kubelet renew its lease now and then until ctx ends: the fake watch begins without what is there.
func renew(ctx context.Context, w *world, l *coordinationv1.Lease) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_, _ = w.client.CoordinationV1().Leases(l.Namespace).Update(ctx, l, metav1.UpdateOptions{})
		}
	}
}

func TestProofIsToldByTheAPIServer(t *testing.T) {
	frozen := time.Now().Add(-time.Hour).Truncate(time.Second)
	w := newWorld(t, testNode("n1", "i-1", said(frozen, corev1.ConditionUnknown, "b1")))
	lists(t, w, lease("n1", frozen))
	words, err := w.ReadLastWords(t.Context(), contract.ReadLastWordsInput{Cluster: "demo", Node: "n1", UID: "uid-n1"})
	require.NoError(t, err)
	require.Equal(t, "b1", words.BootID)
	require.True(t, words.Lease.Equal(frozen) && words.Status.Equal(frozen))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		time.Sleep(50 * time.Millisecond)
		node := testNode("n1", "i-1", said(time.Now(), corev1.ConditionTrue, "b1"))
		_, _ = w.client.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{})
		renew(ctx, w, lease("n1", time.Now()))
	}()
	proof, err := w.Prove(t.Context(), contract.ProveInput{Cluster: "demo", Node: "n1", Started: time.Now(), Until: time.Now().Add(time.Minute), Last: words})
	require.NoError(t, err)
	require.True(t, proof.Lease && proof.Status && proof.SameBoot, proof.Missing)

	_, err = w.Prove(t.Context(), contract.ProveInput{Cluster: "demo", Node: "n1", UID: "another", Until: time.Now().Add(time.Second)})
	requireType(t, err, contract.ErrNodeNotFound, true)
	_, err = w.ReadLastWords(t.Context(), contract.ReadLastWordsInput{Cluster: "demo", Node: "n9"})
	requireType(t, err, contract.ErrNodeNotFound, true)
}

// What the pool wants done beside a freeze comes with it, by what the pool says at that moment.
func TestFreezeTellsWhatThePoolWants(t *testing.T) {
	for name, c := range map[string]struct {
		standby          *v1alpha1.Standby
		tier             v1alpha1.CapacityType
		prefetch, delete bool
	}{
		"no standby":             {nil, v1alpha1.Stopped, false, false},
		"no word":                {&v1alpha1.Standby{}, v1alpha1.Stopped, false, false},
		"images":                 {&v1alpha1.Standby{Prefetch: &v1alpha1.Prefetch{Disk: resource.MustParse("1Gi")}}, v1alpha1.Hibernated, true, false},
		"no room for images":     {&v1alpha1.Standby{Prefetch: &v1alpha1.Prefetch{}}, v1alpha1.Hibernated, false, false},
		"no Node":                {&v1alpha1.Standby{NodeWhileFrozen: v1alpha1.DeleteNode}, v1alpha1.Stopped, false, true},
		"hibernated: it is kept": {&v1alpha1.Standby{NodeWhileFrozen: v1alpha1.DeleteNode}, v1alpha1.Hibernated, false, false},
		"kept":                   {&v1alpha1.Standby{NodeWhileFrozen: v1alpha1.KeepNode}, v1alpha1.Stopped, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, testNode("n1", "i-1"), testPool("api", func(s *v1alpha1.NodePoolSpec) { s.Standby = c.standby }))
			result, err := w.Freeze(t.Context(), contract.FreezeInput{Cluster: "demo", Node: "n1", Pool: "api", Tier: c.tier})
			require.NoError(t, err)
			require.Equal(t, contract.FreezeResult{Prefetch: c.prefetch, DeleteNode: c.delete}, result)
		})
	}
}

// A machine whose Node was deleted is not taken for registered by what the informer has of the old one.
func TestRegisterAnew(t *testing.T) {
	w := newWorld(t, testPool("general"), testNode("n1", "i-1", unregistered))
	in := contract.RegisterInput{Cluster: "demo", Pool: "general", Node: "n1", Instance: testInstance, Tier: v1alpha1.Stopped, NotUID: "uid-n1"}
	_, err := w.Register(t.Context(), in)
	requireType(t, err, contract.ErrNodeNotFound, true)
	require.Empty(t, w.writes())
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.Equal(t, temporal.ApplicationErrorCategoryBenign, app.Category(), "a machine that boots still is no trouble")
	in.NotUID = "uid-old"
	result, err := w.Register(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, "uid-n1", result.Node.UID)
}

// listing is what a Node lists.
func listing(names ...string) func(*corev1.Node) {
	return func(n *corev1.Node) {
		for _, name := range names {
			n.Status.Images = append(n.Status.Images, corev1.ContainerImage{Names: []string{"other:" + name, name}})
		}
	}
}

func TestProofOfImages(t *testing.T) {
	var full []string
	for n := range listedImages {
		full = append(full, appImage(n))
	}
	full[0] = "a"
	woke := time.Now()
	for name, c := range map[string]struct {
		listed []string
		there  int
		lost   []string
	}{
		"all are there":             {[]string{"a", "b", "c"}, 2, nil},
		"one is gone":               {[]string{"a", "c"}, 1, []string{"b"}},
		"a kubelet that lists none": {nil, 0, nil},
		"the list is full":          {full, 1, nil},
		"the list has room for one": {full[:49], 1, []string{"b"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, testNode("n1", "i-1", said(woke, corev1.ConditionTrue, "b1"), listing(c.listed...)))
			lists(t, w, lease("n1", woke))
			go renew(t.Context(), w, lease("n1", woke))
			proof, err := w.Prove(t.Context(), contract.ProveInput{
				Cluster: "demo", Node: "n1", Started: woke, Until: woke.Add(time.Minute),
				Last: contract.LastWords{Lease: woke.Add(-time.Hour), Status: woke.Add(-time.Hour), Images: []string{"a", "b"}},
			})
			require.NoError(t, err)
			require.Empty(t, proof.Missing, "whatever became of its images")
			require.Equal(t, c.there, proof.Images)
			require.Equal(t, c.lost, proof.Lost)
		})
	}
	w := newWorld(t, testNode("n1", "i-1", listing("a", "c")))
	words, err := w.ReadLastWords(t.Context(), contract.ReadLastWordsInput{Cluster: "demo", Node: "n1", Images: []string{"a", "b"}})
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, words.Images)
}

func TestStandbyFactsTellTodaysImages(t *testing.T) {
	w := newWorld(t, testPool("general", func(s *v1alpha1.NodePoolSpec) {
		s.Standby = &v1alpha1.Standby{Prefetch: &v1alpha1.Prefetch{Disk: resource.MustParse("1Gi")}}
	}))
	now := time.Now()
	w.now = func() time.Time { return now }
	ledger := &fakeLedger{err: errors.New("the store is away")}
	w.WithImages(ledger)
	read := func() []contract.ChosenImage {
		facts, err := w.ReadStandby(t.Context(), contract.ReadStandbyInput{Cluster: "demo", Pool: "general"})
		require.NoError(t, err, "the rest goes on")
		return facts.Images
	}
	require.Empty(t, read())
	require.Empty(t, read())
	require.Equal(t, 1, ledger.reads, "a store that is away is not asked at every look")
	ledger.err = nil
	for h := range 48 {
		ledger.used = append(ledger.used, images.Use{Image: appImage(1), Bytes: 5, At: now.Add(-time.Duration(h+1) * time.Hour).Truncate(images.Window), Nodes: 5})
	}
	now = now.Add(failureAge)
	require.Equal(t, []contract.ChosenImage{{Image: appImage(1), Bytes: 5}}, read())
}
