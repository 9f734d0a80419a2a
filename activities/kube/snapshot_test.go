package kube

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/planner"
)

// look is the snapshot of a world at now.
func (w *world) look(t *testing.T, ledger ...contract.LedgerEntry) (planner.Snapshot, []string) {
	t.Helper()
	return w.cluster.snapshot(w.poolsToPlan(t.Context(), w.cluster), ledger, time.Now())
}

func inFlight(open int, instances ...contract.Instance) contract.LedgerEntry {
	return contract.LedgerEntry{ScaleUp: "scaleup/demo/p/0", Pool: "api", Open: open, Instances: instances}
}

func TestSnapshotOfANodeOnItsWay(t *testing.T) {
	// It is there, but neither registered nor ready: it is what it is going to be.
	w := newWorld(t, testPool("api"), testNode("n1", "i-1", unregistered), testPod("system", on("n1")))
	s, seen := w.look(t, inFlight(1, testInstance, contract.Instance{ID: "i-2", InstanceType: "c5.large"}))
	require.Empty(t, seen, "it stays in the ledger: nothing on the Node says what it is")
	require.Len(t, s.Nodes, 1)
	n := s.Nodes[0]
	require.Equal(t, "api", n.Pool)
	require.Equal(t, "x", n.Labels["team"])
	require.Equal(t, "c5.xlarge", n.Labels[v1alpha1.LabelInstanceType])
	require.Equal(t, "eu-west-1a", n.Labels[v1alpha1.LabelZone])
	require.True(t, hasTaint(n.Taints, "app"))
	require.False(t, n.Settled)
	require.EqualValues(t, 4, n.Allocatable.Cpu().Value())
	require.Equal(t, 0.07, n.USDPerHour)
	require.Len(t, n.Pods, 1)

	require.Len(t, s.Ledger, 1)
	require.Equal(t, 1, s.Ledger[0].Open)
	require.Len(t, s.Ledger[0].Instances, 1, "i-1 is counted once")
	require.Equal(t, "i-2", s.Ledger[0].Instances[0].ID)

	used := s.Pools[0].Used
	require.EqualValues(t, 4, used.Cpu().Value())
	require.EqualValues(t, 8<<30, used.Memory().Value(), "limits count nominal memory")
	require.EqualValues(t, 1, ptr(used[v1alpha1.ResourceNodes]).Value())
}

func TestSnapshotOfARegisteredNode(t *testing.T) {
	w := newWorld(t, testPool("api"), testNode("n1", "i-1", ready, func(n *corev1.Node) {
		n.Labels = map[string]string{
			v1alpha1.LabelPool: "api", v1alpha1.LabelInstanceType: "c5.xlarge", v1alpha1.LabelZoneID: "euw1-aza", v1alpha1.LabelCapacityType: "spot",
		}
	}))
	s, seen := w.look(t, inFlight(0, testInstance))
	require.Equal(t, []string{"i-1"}, seen)
	require.Empty(t, s.Ledger)
	require.True(t, s.Nodes[0].Settled)
	require.Equal(t, "7Gi", s.Nodes[0].Allocatable.Memory().String(), "what the node reports counts")
	require.InDelta(t, 0.4*w.cloud.view.Types["c5.xlarge"].OnDemandUSD, 0.07, 0.01)
}

func TestSnapshotLeavesOut(t *testing.T) {
	now := metav1.Now()
	w := newWorld(t, testPool("api"),
		testNode("unknown", "i-7", unregistered),
		testNode("leaving", "i-8", func(n *corev1.Node) { n.DeletionTimestamp = &now; n.Finalizers = []string{"x"} }),
		testNode("foreign", "i-9", ready, func(n *corev1.Node) { n.Spec.ProviderID = "kind://x" }),
		testPod("waits", unschedulable), testPod("new", labeled("app", "other")), testPod("runs", on("foreign")),
		&appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "agent"}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}},
	)
	s, _ := w.look(t)
	require.Len(t, s.Nodes, 1, "nobody knows what an unregistered node of no launch is going to be")
	require.Equal(t, "foreign", s.Nodes[0].Name)
	require.Empty(t, s.Nodes[0].Pool)
	require.Len(t, s.Pods, 1)
	require.Equal(t, "waits", s.Pods[0].Name)
	require.Len(t, s.DaemonSets, 1)
	require.Len(t, s.Namespaces, 1)
	require.Empty(t, s.Pools[0].Used)
}

func TestSettled(t *testing.T) {
	pool := &planned{Pool: planner.Pool{NodePool: testPool("api", func(s *v1alpha1.NodePoolSpec) {
		s.RegistrationTimeout = &metav1.Duration{Duration: 5 * time.Minute}
	})}}
	condition := func(status corev1.ConditionStatus, reason string) func(*corev1.Node) {
		return func(n *corev1.Node) {
			n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status, Reason: reason}}
		}
	}
	startup := func(n *corev1.Node) {
		ready(n)
		n.Spec.Taints = []corev1.Taint{{Key: "cni", Effect: corev1.TaintEffectNoSchedule}}
	}
	behind := func(n *corev1.Node) {
		ready(n)
		n.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoExecute}}
	}
	for name, tc := range map[string]struct {
		change func(*corev1.Node)
		age    time.Duration
		want   bool
	}{
		"just there":                     {func(*corev1.Node) {}, 0, false},
		"kubelet is starting":            {condition(corev1.ConditionFalse, "KubeletNotReady"), time.Minute, false},
		"kubelet has not spoken yet":     {condition(corev1.ConditionUnknown, "NodeStatusNeverUpdated"), time.Minute, false},
		"kubelet has fallen silent":      {condition(corev1.ConditionUnknown, "NodeStatusUnknown"), time.Minute, true},
		"ready":                          {ready, time.Minute, true},
		"ready with a startup taint":     {startup, time.Minute, false},
		"the node controller is behind":  {behind, time.Minute, false},
		"a startup taint that stays":     {startup, 6 * time.Minute, true},
		"not ready for longer than that": {condition(corev1.ConditionFalse, "KubeletNotReady"), 6 * time.Minute, true},
	} {
		t.Run(name, func(t *testing.T) {
			node := testNode("n1", "i-1", tc.change)
			require.Equal(t, tc.want, settled(node, pool, node.CreationTimestamp.Add(tc.age)))
		})
	}
}

func TestSnapshotOfVolumes(t *testing.T) {
	count := int32(25)
	w := newWorld(t, testPool("api"), testNode("n1", "i-1", ready),
		&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data", Namespace: "default", ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "x"}}}},
		&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv"}},
		&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "gp3"}},
		&storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: "n1"}, Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{
			{Name: "ebs.csi.aws.com", NodeID: "i-1", Allocatable: &storagev1.VolumeNodeResources{Count: &count}},
			{Name: "efs.csi.aws.com", NodeID: "i-1"},
		}}},
	)
	s, _ := w.look(t)
	require.Len(t, s.Claims, 1)
	require.Empty(t, s.Claims[0].ManagedFields)
	require.Len(t, s.Volumes, 1)
	require.Len(t, s.StorageClasses, 1)
	require.Equal(t, map[string]int32{"ebs.csi.aws.com": 25}, s.Nodes[0].AttachLimits, "a driver without a number sets no limit")
}
