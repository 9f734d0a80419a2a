package machine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

// A kubelet's rhythm: a lease of 40 s renewed every 10, and a status every 5 minutes while nothing changes
// (kubernetes.io/docs/reference/node/node-status, "Heartbeats").
const (
	leaseSeconds   = 40
	leaseInterval  = 10 * time.Second
	statusInterval = 5 * time.Minute
)

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
		// A kubelet takes a Node of its name over whatever machine it was of, provider ID and all
		// (k8s.io/kubernetes/pkg/kubelet/kubelet_node_status.go, tryRegisterWithAPIServer). The cloud provider then deletes
		// it, as the other machine's.
		if made.Spec.ProviderID != wanted.Spec.ProviderID {
			f.cfg.Log.Info("a machine took over the Node of another, which had the same name", "instance", m.facts.ID, "node", wanted.Name, "provider", made.Spec.ProviderID)
			m.whole = true // the cloud provider has been there
		}
		m.whole = m.whole || !m.kubelet.external
	case err != nil:
		return fmt.Errorf("create node: %w", err)
	default:
		f.record(m, func(l *Life) { l.Registered = now })
		m.nextStatus = now.Add(statusInterval)
		m.whole = !m.kubelet.external
	}
	m.uid, m.known, m.registered = made.UID, true, true
	return nil
}

// postStatus tells how the machine is.
func (f *Fleet) postStatus(ctx context.Context, m *machine, ready bool, images []corev1.ContainerImage) error {
	now := time.Now()
	status := m.status(now, ready)
	if ready != m.ready {
		for n := range status.Conditions {
			if status.Conditions[n].Type == corev1.NodeReady {
				status.Conditions[n].LastTransitionTime = metav1.NewTime(now)
			}
		}
	}
	patch := statusPatch(status)
	if f.cfg.Images != nil {
		patch["images"] = images
	}
	err := f.patch(ctx, m, map[string]any{"status": patch}, "status")
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
	m.ready, m.listed = ready, len(images)
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
	metadata, ok := patch["metadata"].(map[string]any)
	if !ok {
		metadata = map[string]any{}
	}
	metadata["uid"] = m.uid
	patch["metadata"] = metadata
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
