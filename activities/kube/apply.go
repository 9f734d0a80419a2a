package kube

import (
	"context"
	"encoding/json"
	"slices"

	"go.temporal.io/sdk/temporal"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"floe.dev/floe/api/contract"
)

// Field managers: the names under which Floe applies to the API server. Each applies all that it wants to own, so one
// must not speak for another.
const (
	managerRegister = "floe-register" // a pool's labels, taints and annotations on its Nodes
	managerDrain    = "floe-drain"    // the cordon of a Node that leaves
	managerReclaim  = "floe-reclaim"  // the cordon of a Node whose machine AWS takes back, or may
	managerNominate = "floe-nominate" // the Node that a pod was bought room on
	managerStandby  = "floe-standby"  // what closes a standby machine's Node, by merges: see change
)

// wanted is what one field manager wants of a Node. Taints are the whole list, which to the API server is one value
// (listType=atomic); whoever writes it must have seen it.
type wanted struct {
	labels, annotations map[string]string
	taints              []corev1.Taint
	cordon              bool
	// release asks for the cordon that this manager put on to come off; one that somebody else put on too stays.
	release bool
}

// met reports whether a Node has it all.
func (w wanted) met(node *corev1.Node) bool {
	return holds(node.Labels, w.labels) && holds(node.Annotations, w.annotations) &&
		slices.EqualFunc(node.Spec.Taints, w.taints, func(a, b corev1.Taint) bool { return a.ToString() == b.ToString() }) &&
		(node.Spec.Unschedulable || !w.cordon) && !(node.Spec.Unschedulable && w.release)
}

func holds(have, want map[string]string) bool {
	for key, value := range want {
		if got, ok := have[key]; !ok || got != value {
			return false
		}
	}
	return true
}

// apply is the server-side apply of it to a Node as it was seen. It names the Node's UID and resourceVersion: it is for
// that Node and no other, and nobody else's taint is lost by it; and a Node that is gone is not made anew.
func (w wanted) apply(node *corev1.Node) ([]byte, error) {
	// client-go's apply configurations leave an empty list out, where "no taints" is what has to be said.
	spec := map[string]any{"taints": append([]corev1.Taint{}, w.taints...)}
	if w.cordon {
		spec["unschedulable"] = true
	}
	metadata := map[string]any{"name": node.Name, "uid": node.UID, "resourceVersion": node.ResourceVersion}
	if len(w.labels) > 0 {
		metadata["labels"] = w.labels
	}
	if len(w.annotations) > 0 {
		metadata["annotations"] = w.annotations
	}
	return json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec})
}

// applyNode has a Node be as want says, by one server-side apply, and by none where it is so already. It starts from the
// informer's Node and reads afresh only where somebody else was quicker.
func (c *Cluster) applyNode(ctx context.Context, name, manager string, want func(*corev1.Node) (wanted, error)) (*corev1.Node, error) {
	var result *corev1.Node
	fresh := false
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		seen, err := c.node(ctx, name, fresh)
		if err != nil {
			return err
		}
		fresh = true
		w, err := want(seen)
		if err != nil {
			return err
		}
		if w.met(seen) {
			result = seen
			return nil
		}
		patch, err := w.apply(seen)
		if err != nil {
			return err
		}
		force := true // what a pool says of its Nodes, and that one leaves, is Floe's to say
		result, err = c.client.CoreV1().Nodes().Patch(ctx, name, types.ApplyPatchType, patch, metav1.PatchOptions{FieldManager: manager, Force: &force})
		return err
	})
	if apierrors.IsNotFound(err) {
		return nil, temporal.NewApplicationErrorWithCause("cluster "+c.name+" has no Node "+name, contract.ErrNodeNotFound, err)
	}
	if _, ok := err.(*temporal.ApplicationError); ok {
		return nil, err
	}
	return result, c.classify("patch", "nodes", err)
}

// node reads a Node from the informer, or from the API server where that does not know it or fresh is asked for.
func (c *Cluster) node(ctx context.Context, name string, fresh bool) (*corev1.Node, error) {
	if !fresh {
		if obj, ok, err := c.nodes.GetStore().GetByKey(name); err == nil && ok {
			return obj.(*corev1.Node), nil
		}
	}
	return c.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
}
