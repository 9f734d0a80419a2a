package kube

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// Mark cordons a Node whose machine AWS takes back, or may, and says so by the taint floe.dev/reclaim. leaving says that
// its pods need room elsewhere: plans count them from then on. A Node that is leaving already is not made to stay by it.
// UID, where not empty, is the Node's; errors are the contract's.
func (c *Cluster) Mark(ctx context.Context, name, uid string, leaving bool) error {
	_, err := c.applyNode(ctx, name, managerReclaim, func(node *corev1.Node) (wanted, error) {
		if uid != "" && string(node.UID) != uid {
			return wanted{}, errNodeReplaced
		}
		return wanted{cordon: true, taints: withTaints(node.Spec.Taints, []corev1.Taint{reclaimTaint(leaving || Leaves(node))})}, nil
	})
	return err
}

// Unmark takes off a Node what Mark put on. A cordon that somebody else put on as well stays. A Node that is gone needs
// nothing taken off.
func (c *Cluster) Unmark(ctx context.Context, name, uid string) error {
	_, err := c.applyNode(ctx, name, managerReclaim, func(node *corev1.Node) (wanted, error) {
		if uid != "" && string(node.UID) != uid {
			return wanted{}, errNodeReplaced
		}
		return wanted{release: true, taints: slices.DeleteFunc(slices.Clone(node.Spec.Taints), isReclaim)}, nil
	})
	return err
}

// Unmark takes the mark of a reclaim that is refuted off a Node: see Cluster.Unmark.
func (a *Activities) Unmark(ctx context.Context, in contract.UnmarkInput) error {
	c, err := a.cluster(in.Cluster)
	if err != nil {
		return err
	}
	if in.Node == "" {
		return invalid("node: is empty; name the Node whose mark is to come off")
	}
	if err := c.Unmark(ctx, in.Node, in.UID); err != nil && !Gone(err) {
		return err
	}
	return nil
}

// Noticed reports whether a Node bears the mark of a reclaim.
func Noticed(node *corev1.Node) bool { return slices.ContainsFunc(node.Spec.Taints, isReclaim) }

// Leaves reports whether AWS takes the machine of a Node back, so that its pods need room elsewhere.
func Leaves(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return isReclaim(t) && t.Value == v1alpha1.ReclaimLeaving })
}

func isReclaim(t corev1.Taint) bool { return t.Key == v1alpha1.TaintReclaim }

func reclaimTaint(leaving bool) corev1.Taint {
	t := corev1.Taint{Key: v1alpha1.TaintReclaim, Value: v1alpha1.ReclaimNoticed, Effect: corev1.TaintEffectNoSchedule}
	if leaving {
		t.Value = v1alpha1.ReclaimLeaving
	}
	return t
}

// moving are the pods of a Node that leaves as they are going to wait for room: each is counted once, until its
// replacement is there to be counted itself. A pod that nobody makes anew needs no room. One that is going has its
// replacement waiting already, unless it is a statefulset's, which comes only when the old one has gone.
func moving(pods []*corev1.Pod) []*corev1.Pod {
	var out []*corev1.Pod
	for _, pod := range leaving(pods) {
		owner := metav1.GetControllerOfNoCopy(pod)
		if owner == nil || pod.DeletionTimestamp != nil && owner.Kind != "StatefulSet" {
			continue
		}
		waiting := pod.DeepCopy()
		waiting.Spec.NodeName, waiting.DeletionTimestamp, waiting.Status.NominatedNodeName = "", nil, ""
		waiting.Status.Conditions = nil
		out = append(out, waiting)
	}
	return out
}
