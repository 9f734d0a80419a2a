package machine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
)

// A kubelet's rhythm: a lease of 40 s renewed every 10, and a status every 5 minutes while nothing changes
// (kubernetes.io/docs/reference/node/node-status, "Heartbeats").
const (
	leaseSeconds   = 40
	leaseInterval  = 10 * time.Second
	statusInterval = 5 * time.Minute
)

// taintShutdown is what the cloud provider puts on the Node of a stopped machine
// (kubernetes.io/docs/reference/labels-annotations-taints).
var taintShutdown = corev1.Taint{Key: "node.cloudprovider.kubernetes.io/shutdown", Effect: corev1.TaintEffectNoSchedule}

// register makes the machine's Node; one that is there already, from an earlier boot, is taken over.
func (f *Fleet) register(ctx context.Context, m *machine) error {
	m.tried = true
	now := time.Now()
	wanted := m.node(now)
	made, err := f.cfg.Kube.CoreV1().Nodes().Create(ctx, wanted, metav1.CreateOptions{})
	switch {
	case apierrors.IsAlreadyExists(err):
		made, err = f.cfg.Kube.CoreV1().Nodes().Get(ctx, wanted.Name, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("get node: %w", err)
		}
		if made.Spec.ProviderID != wanted.Spec.ProviderID {
			return fmt.Errorf("node %s exists and is of %s, which had the same address", wanted.Name, made.Spec.ProviderID)
		}
	case err != nil:
		return fmt.Errorf("create node: %w", err)
	default:
		f.record(m, func(l *Life) { l.Registered = now })
		m.nextStatus = now.Add(statusInterval)
	}
	m.uid, m.known, m.registered = made.UID, true, true
	return nil
}

// postStatus tells how the machine is.
func (f *Fleet) postStatus(ctx context.Context, m *machine, ready bool) error {
	now := time.Now()
	status := m.status(now, ready)
	if ready != m.ready {
		for n := range status.Conditions {
			if status.Conditions[n].Type == corev1.NodeReady {
				status.Conditions[n].LastTransitionTime = metav1.NewTime(now)
			}
		}
	}
	err := f.patch(ctx, m, map[string]any{"status": statusPatch(status)}, "status")
	if apierrors.IsNotFound(err) {
		f.orphan(m)
		return nil
	}
	if err != nil {
		return fmt.Errorf("post node status: %w", err)
	}
	if m.shutdown {
		// The cloud provider sees a machine that runs again.
		if err := f.taintShutdown(ctx, m, false); err != nil {
			return err
		}
	}
	if ready && !m.ready {
		f.record(m, func(l *Life) { l.Ready = now })
	}
	m.ready = ready
	m.nextStatus = now.Add(statusInterval)
	return nil
}

// statusPatch leaves out what the patch must not touch: a zero time would reset the condition's transition.
func statusPatch(s corev1.NodeStatus) map[string]any {
	conditions := make([]map[string]any, 0, len(s.Conditions))
	for _, c := range s.Conditions {
		patch := map[string]any{
			"type": c.Type, "status": c.Status, "reason": c.Reason, "message": c.Message, "lastHeartbeatTime": c.LastHeartbeatTime,
		}
		if !c.LastTransitionTime.IsZero() {
			patch["lastTransitionTime"] = c.LastTransitionTime
		}
		conditions = append(conditions, patch)
	}
	return map[string]any{"conditions": conditions, "nodeInfo": s.NodeInfo, "addresses": s.Addresses}
}

func (f *Fleet) patch(ctx context.Context, m *machine, patch map[string]any, subresources ...string) error {
	// The UID keeps us from touching another machine's Node of the same name.
	patch["metadata"] = map[string]any{"uid": m.uid}
	data, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	_, err = f.cfg.Kube.CoreV1().Nodes().Patch(ctx, m.facts.PrivateDNS, types.StrategicMergePatchType, data, metav1.PatchOptions{}, subresources...)
	if apierrors.IsConflict(err) || apierrors.IsInvalid(err) {
		// Another UID: the Node that we made is gone.
		return apierrors.NewNotFound(corev1.Resource("nodes"), m.facts.PrivateDNS)
	}
	return err
}

// orphan notes that somebody deleted the Node under a running kubelet. It does not register again before it restarts.
func (f *Fleet) orphan(m *machine) {
	m.orphan, m.known, m.lease = true, false, nil
	f.cfg.Log.Info("a running machine's Node was deleted; its kubelet does not register it again", "instance", m.facts.ID, "node", m.facts.PrivateDNS)
}

// renewLease says that the machine lives.
func (f *Fleet) renewLease(ctx context.Context, m *machine) error {
	leases := f.cfg.Kube.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	now := time.Now()
	err := func() (err error) {
		if m.lease == nil {
			m.lease, err = leases.Get(ctx, m.facts.PrivateDNS, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				m.lease, err = leases.Create(ctx, m.newLease(now), metav1.CreateOptions{})
				return err
			}
			if err != nil {
				return err
			}
		}
		renewed := m.lease.DeepCopy()
		renewed.Spec.RenewTime = ptr.To(metav1.NewMicroTime(now))
		renewed.OwnerReferences = m.newLease(now).OwnerReferences
		m.lease, err = leases.Update(ctx, renewed, metav1.UpdateOptions{})
		return err
	}()
	if err != nil {
		m.lease = nil // whatever it was: the next try looks again
		return fmt.Errorf("renew lease: %w", err)
	}
	m.nextLease = now.Add(leaseInterval)
	return nil
}

// newLease belongs to the Node, so that it goes with it.
func (m *machine) newLease(now time.Time) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Name: m.facts.PrivateDNS, Namespace: corev1.NamespaceNodeLease,
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "v1", Kind: "Node", Name: m.facts.PrivateDNS, UID: m.uid,
			}},
		},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity:       ptr.To(m.facts.PrivateDNS),
			LeaseDurationSeconds: ptr.To(int32(leaseSeconds)),
			RenewTime:            ptr.To(metav1.NewMicroTime(now)),
		},
	}
}

// taintShutdown puts the cloud provider's taint on a stopped machine's Node, or takes it off.
func (f *Fleet) taintShutdown(ctx context.Context, m *machine, on bool) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		node, err := f.cfg.Kube.CoreV1().Nodes().Get(ctx, m.facts.PrivateDNS, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if node.UID != m.uid {
			return nil
		}
		without := slices.DeleteFunc(slices.Clone(node.Spec.Taints), func(t corev1.Taint) bool { return t.MatchTaint(&taintShutdown) })
		if on {
			without = append(without, taintShutdown)
		}
		node.Spec.Taints = without
		_, err = f.cfg.Kube.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{})
		return err
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("taint node: %w", err)
	}
	m.shutdown = on
	return nil
}

// deleteNode deletes the machine's Node, whether or not the machine knows that it has one: a registration whose answer
// was lost has made one too.
func (f *Fleet) deleteNode(ctx context.Context, m *machine) (deleted bool, err error) {
	nodes := f.cfg.Kube.CoreV1().Nodes()
	node, err := nodes.Get(ctx, m.facts.PrivateDNS, metav1.GetOptions{})
	if err == nil && node.Spec.ProviderID != m.providerID() {
		return false, nil
	}
	if err == nil {
		err = nodes.Delete(ctx, node.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(node.UID))})
	}
	switch {
	case apierrors.IsNotFound(err) || apierrors.IsConflict(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("delete node: %w", err)
	}
	return true, nil
}
