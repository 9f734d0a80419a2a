package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// standbyTaint keeps pods from a standby machine.
var standbyTaint = corev1.Taint{Key: v1alpha1.TaintStandby, Effect: corev1.TaintEffectNoSchedule}

// mostNamed is how many pods an answer names.
const mostNamed = 20

// Freeze makes a Node ready for the freeze of its machine: cordoned, tainted floe.dev/standby:NoSchedule, labeled with
// its tier, and out of the cloud provider's load balancers, which would go on sending to a machine that is off
// (kubernetes.io/docs/reference/labels-annotations-taints, node.kubernetes.io/exclude-from-external-load-balancers). It
// answers with the workload pods that are still there, by the API server's own word and after the cordon, so that none
// can slip in, and with what the pool wants done beside: images pulled first, the Node deleted afterwards. It may be
// repeated.
//
// Errors: ErrNodeNotFound where there is no such Node, or another has its name.
func (a *Activities) Freeze(ctx context.Context, in contract.FreezeInput) (contract.FreezeResult, error) {
	c, err := a.cluster(in.Cluster)
	if err != nil {
		return contract.FreezeResult{}, err
	}
	if in.Tier != v1alpha1.Hibernated && in.Tier != v1alpha1.Stopped {
		return contract.FreezeResult{}, invalid("tier: %q; want hibernated or stopped", in.Tier)
	}
	err = c.change(ctx, in.Node, in.UID, func(node *corev1.Node) change {
		return change{
			labels: map[string]any{v1alpha1.LabelStandby: string(in.Tier), corev1.LabelNodeExcludeBalancers: "true"},
			taints: withTaints(lessTaints(node.Spec.Taints, v1alpha1.TaintLeaving), []corev1.Taint{standbyTaint}), cordon: true,
		}
	})
	if err != nil {
		return contract.FreezeResult{}, err
	}
	d := drain{cluster: c, in: contract.DrainInput{Node: in.Node}}
	left, err := d.listed(ctx)
	if err != nil {
		return contract.FreezeResult{}, err
	}
	how := prefetchOf(c, in.Pool)
	result := contract.FreezeResult{Prefetch: how.Disk.Sign() > 0, DeleteNode: in.Tier == v1alpha1.Stopped && c.deletesNodes(in.Pool)}
	// A pod that pulls, and that nobody took away because its worker died, is no workload.
	left = slices.DeleteFunc(left, func(pod *corev1.Pod) bool { return pod.Labels[v1alpha1.LabelPrefetch] != "" })
	for _, pod := range left[:min(len(left), mostNamed)] {
		result.Pods = append(result.Pods, pod.Namespace+"/"+pod.Name)
	}
	return result, nil
}

// deletesNodes reports whether a pool wants the Nodes of frozen machines deleted. That of a hibernated one never is.
func (c *Cluster) deletesNodes(pool string) bool {
	p, ok := c.cachedPool(pool)
	return ok && p.Spec.Standby != nil && p.Spec.Standby.NodeWhileFrozen == v1alpha1.DeleteNode
}

// OpenNode opens a Node to pods: the standby's taint and label, the cordon, what a drain put on, and the word to load
// balancers go, in one write. The pods that it is meant for are nominated to it before. It may be repeated.
//
// Errors: ErrNodeNotFound, as in Freeze.
func (a *Activities) OpenNode(ctx context.Context, in contract.OpenNodeInput) error {
	c, err := a.cluster(in.Cluster)
	if err != nil {
		return err
	}
	c.nominate(ctx, in.Node, in.Pods)
	return c.change(ctx, in.Node, in.UID, func(node *corev1.Node) change {
		return change{
			labels:      map[string]any{v1alpha1.LabelStandby: nil, corev1.LabelNodeExcludeBalancers: nil},
			annotations: origin(in),
			taints:      lessTaints(node.Spec.Taints, v1alpha1.TaintStandby, v1alpha1.TaintLeaving),
		}
	})
}

// origin is what a Node tells of where its machine comes from after a resume.
func origin(in contract.OpenNodeInput) map[string]any {
	told := map[string]any{}
	if !in.Resumed.IsZero() {
		told[v1alpha1.AnnotationResumed] = in.Resumed.UTC().Format(time.RFC3339)
	}
	if in.Purpose != "" {
		told[v1alpha1.AnnotationPurpose] = string(in.Purpose)
	}
	return told
}

// ReadLastWords reads what the Node of a machine that is off said last, from the API server: the informer may be behind.
//
// Errors: ErrNodeNotFound, as in Freeze.
func (a *Activities) ReadLastWords(ctx context.Context, in contract.ReadLastWordsInput) (contract.LastWords, error) {
	c, err := a.cluster(in.Cluster)
	if err != nil {
		return contract.LastWords{}, err
	}
	node, err := c.node(ctx, in.Node, true)
	if apierrors.IsNotFound(err) || err == nil && in.UID != "" && string(node.UID) != in.UID {
		return contract.LastWords{}, c.noNode(in.Node)
	}
	if err != nil {
		return contract.LastWords{}, c.classify("get", "nodes", err)
	}
	lease, err := c.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, in.Node, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return contract.LastWords{}, c.classify("get", "leases.coordination.k8s.io", err)
	}
	words := contract.LastWords{BootID: node.Status.NodeInfo.BootID, Status: heartbeat(node)}
	for _, image := range in.Images {
		if listed(node, image) >= 0 {
			words.Images = append(words.Images, image)
		}
	}
	if err == nil {
		words.Lease = renewed(lease)
	}
	return words, nil
}

// change is what is to be different of a Node: labels and annotations (nil takes one off), the whole list of taints, and
// the cordon.
type change struct {
	labels, annotations map[string]any
	taints              []corev1.Taint
	cordon              bool
}

// has reports whether labels or annotations are as wanted.
func has(have map[string]string, want map[string]any) bool {
	for key, value := range want {
		found, on := have[key]
		if on != (value != nil) || on && found != value {
			return false
		}
	}
	return true
}

func (w change) met(node *corev1.Node) bool {
	return has(node.Labels, w.labels) && has(node.Annotations, w.annotations) &&
		node.Spec.Unschedulable == w.cordon && slices.EqualFunc(node.Spec.Taints, w.taints, func(a, b corev1.Taint) bool { return a.ToString() == b.ToString() })
}

// change has a Node be so, by one merge patch, and by none where it is so already. A merge and no server-side apply:
// labels and taints that other managers of Floe's put on are to go, which only their owner's apply could take off.
func (c *Cluster) change(ctx context.Context, name, uid string, want func(*corev1.Node) change) error {
	fresh := false
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		node, err := c.node(ctx, name, fresh)
		if err != nil {
			return err
		}
		fresh = true
		if uid != "" && string(node.UID) != uid {
			return c.noNode(name)
		}
		w := want(node)
		if w.met(node) {
			return nil
		}
		metadata := map[string]any{"uid": node.UID, "resourceVersion": node.ResourceVersion, "labels": w.labels}
		if len(w.annotations) > 0 { // a null would take all of them off
			metadata["annotations"] = w.annotations
		}
		patch, err := json.Marshal(map[string]any{
			"metadata": metadata, "spec": map[string]any{"taints": append([]corev1.Taint{}, w.taints...), "unschedulable": w.cordon},
		})
		if err != nil {
			return err
		}
		_, err = c.client.CoreV1().Nodes().Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: managerStandby})
		return err
	})
	switch {
	case apierrors.IsNotFound(err):
		return c.noNode(name)
	case temporal.IsApplicationError(err):
		return err
	}
	return c.classify("patch", "nodes", err)
}

func (c *Cluster) noNode(name string) error {
	return temporal.NewApplicationError("cluster "+c.name+" has no Node "+cmp.Or(name, `""`), contract.ErrNodeNotFound)
}

// lessTaints are the taints less those of some keys.
func lessTaints(taints []corev1.Taint, keys ...string) []corev1.Taint {
	return slices.DeleteFunc(slices.Clone(taints), func(t corev1.Taint) bool { return slices.Contains(keys, t.Key) })
}
