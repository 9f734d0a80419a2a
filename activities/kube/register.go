package kube

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"go.temporal.io/sdk/temporal"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// FieldManager is the name under which Floe writes to the API server.
const FieldManager = "floe"

// AnnotationRegistered is on every Node that was registered: "guarded" where it came with floe.dev/unregistered,
// "unguarded" where it did not. Startup taints are put on only where it is absent, so that a repetition never puts one
// back that its owner has taken off.
const AnnotationRegistered = "floe.dev/registered"

const (
	guarded   = "guarded"
	unguarded = "unguarded"
)

// Register puts the pool's labels, taints and startup taints on a Node and takes floe.dev/unregistered off: all in one
// patch, so that there is no moment at which a pod could slip in. The patch names the resourceVersion it was made
// for, since taints are one list and whoever writes a list must have seen it. Doing it again changes nothing.
//
// Errors: ErrNodeNotFound (retryable: the informer or the kubelet may be behind), ErrPoolNotFound, ErrInvalidInput
// where the Node is another instance's.
func (a *Activities) Register(ctx context.Context, in contract.RegisterInput) (contract.RegisterResult, error) {
	c, err := a.cluster(in.Cluster)
	if err != nil {
		return contract.RegisterResult{}, err
	}
	if in.Node == "" {
		return contract.RegisterResult{}, invalid("node: is empty; name the Node to register")
	}
	pool, err := c.pool(ctx, in.Pool)
	if err != nil {
		return contract.RegisterResult{}, err
	}
	labels := a.labelsFor(ctx, c, pool.NodePool, in.Instance)
	c.nominate(ctx, in.Node, in.Pods)
	node, err := c.updateNode(ctx, in.Node, func(node *corev1.Node) error {
		if id, ok := contract.InstanceOfProviderID(node.Spec.ProviderID); ok && id != in.Instance.ID {
			return invalid("node: %s is instance %s's, not %s's", in.Node, id, in.Instance.ID)
		}
		register(node, pool.NodePool, labels)
		return nil
	})
	if err != nil {
		return contract.RegisterResult{}, err
	}
	return contract.RegisterResult{
		Node:          ViewNode(node),
		StartupTaints: taintWords(pool.Spec.Template.StartupTaints),
		Unguarded:     node.Annotations[AnnotationRegistered] == unguarded,
	}, nil
}

// labelsFor are the labels that the Node of an instance of the pool carries. Where the account's view cannot be had,
// the embedded facts serve: a node that boots should not wait for AWS to answer.
func (a *Activities) labelsFor(ctx context.Context, c *Cluster, pool *v1alpha1.NodePool, instance contract.Instance) map[string]string {
	var t contract.InstanceType
	var region string
	if view, err := a.cloud.View(ctx, c.accountOf(pool)); err == nil {
		t, region = view.Types[instance.InstanceType], view.Region
	}
	if t.Name == "" {
		facts := catalog.Facts()
		if i := slices.IndexFunc(facts, func(f contract.InstanceType) bool { return f.Name == instance.InstanceType }); i >= 0 {
			t = facts[i]
		}
	}
	if t.Name == "" {
		t.Name = instance.InstanceType
	}
	labels := catalog.Labels(pool, t, instance.Zone, instance.ZoneID, region, instance.CapacityType)
	// What is not known must not overwrite what the kubelet or the cloud provider knows.
	maps.DeleteFunc(labels, func(_, value string) bool { return value == "" || value == "0" })
	for key, value := range pool.Spec.Template.Labels {
		if _, taken := labels[key]; !taken {
			labels[key] = value
		}
	}
	return labels
}

// register changes a Node to what a registered Node of the pool is.
func register(node *corev1.Node, pool *v1alpha1.NodePool, labels map[string]string) {
	first := node.Annotations[AnnotationRegistered] == ""
	if first {
		state := unguarded
		if hasTaint(node.Spec.Taints, v1alpha1.TaintUnregistered) {
			state = guarded
		}
		node.Annotations = with(node.Annotations, map[string]string{AnnotationRegistered: state})
	}
	node.Labels = with(node.Labels, labels)
	node.Spec.Taints = withTaints(node.Spec.Taints, pool.Spec.Template.Taints)
	if first {
		node.Spec.Taints = withTaints(node.Spec.Taints, pool.Spec.Template.StartupTaints)
	}
	node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == v1alpha1.TaintUnregistered })
}

func with(base, more map[string]string) map[string]string {
	out := make(map[string]string, len(base)+len(more))
	maps.Copy(out, base)
	maps.Copy(out, more)
	return out
}

// withTaints adds taints; one with the same key and effect is replaced, as the API server allows only one.
func withTaints(taints, more []corev1.Taint) []corev1.Taint {
	out := slices.Clone(taints)
	for _, t := range more {
		if i := slices.IndexFunc(out, func(have corev1.Taint) bool { return have.MatchTaint(&t) }); i >= 0 {
			out[i].Value = t.Value
			continue
		}
		out = append(out, corev1.Taint{Key: t.Key, Value: t.Value, Effect: t.Effect})
	}
	return out
}

// updateNode changes a Node's labels, annotations, taints and cordon by one guarded patch, and none where nothing
// changes. It starts from the informer's Node and reads afresh only where somebody else was quicker.
func (c *Cluster) updateNode(ctx context.Context, name string, change func(*corev1.Node) error) (*corev1.Node, error) {
	var result *corev1.Node
	fresh := false
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		before, err := c.node(ctx, name, fresh)
		if err != nil {
			return err
		}
		fresh = true
		after := before.DeepCopy()
		if err := change(after); err != nil {
			return err
		}
		patch, err := nodePatch(before, after)
		if err != nil || patch == nil {
			result = after
			return err
		}
		result, err = c.client.CoreV1().Nodes().Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: FieldManager})
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

// nodePatch is the JSON merge patch between two states of a Node, of the fields that Floe writes. It is nil where they
// are the same. A merge patch replaces lists as a whole and leaves absent keys of maps alone.
func nodePatch(before, after *corev1.Node) ([]byte, error) {
	metadata := map[string]any{}
	if changed := changedKeys(before.Labels, after.Labels); len(changed) > 0 {
		metadata["labels"] = changed
	}
	if changed := changedKeys(before.Annotations, after.Annotations); len(changed) > 0 {
		metadata["annotations"] = changed
	}
	spec := map[string]any{}
	if !slices.EqualFunc(before.Spec.Taints, after.Spec.Taints, func(a, b corev1.Taint) bool { return a.ToString() == b.ToString() }) {
		spec["taints"] = after.Spec.Taints
		if after.Spec.Taints == nil {
			spec["taints"] = []corev1.Taint{}
		}
	}
	if before.Spec.Unschedulable != after.Spec.Unschedulable {
		spec["unschedulable"] = after.Spec.Unschedulable
	}
	if len(metadata) == 0 && len(spec) == 0 {
		return nil, nil
	}
	metadata["resourceVersion"] = before.ResourceVersion
	metadata["uid"] = before.UID
	return json.Marshal(map[string]any{"metadata": metadata, "spec": spec})
}

// changedKeys are the entries that are new or different. Floe takes no label or annotation away.
func changedKeys(before, after map[string]string) map[string]string {
	changed := map[string]string{}
	for key, value := range after {
		if have, ok := before[key]; !ok || have != value {
			changed[key] = value
		}
	}
	return changed
}
