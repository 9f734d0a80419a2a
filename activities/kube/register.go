package kube

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"go.temporal.io/sdk/temporal"
	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/disruption"
)

// AnnotationRegistered is on every Node that was registered: "guarded" where it came with floe.dev/unregistered,
// "unguarded" where it did not. Startup taints are put on only where it is absent, so that a repetition never puts one
// back that its owner has taken off.
const AnnotationRegistered = "floe.dev/registered"

const (
	guarded   = "guarded"
	unguarded = "unguarded"
)

// Register puts the pool's labels, taints and startup taints on a Node and takes floe.dev/unregistered off: all in one
// apply, so that there is no moment at which a pod could slip in. Doing it again changes nothing.
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
	node, err := c.applyNode(ctx, in.Node, managerRegister, func(node *corev1.Node) (wanted, error) {
		if id, ok := contract.InstanceOfProviderID(node.Spec.ProviderID); ok && id != in.Instance.ID {
			return wanted{}, invalid("node: %s is instance %s's, not %s's", in.Node, id, in.Instance.ID)
		}
		if in.NotUID != "" && string(node.UID) == in.NotUID {
			return wanted{}, c.noNode(in.Node) // the informer's word is behind
		}
		return registration(node, pool.NodePool, labels, in), nil
	})
	if in.NotUID != "" && Gone(err) {
		// It boots still: asked again and again, and no trouble.
		return contract.RegisterResult{}, temporal.NewApplicationErrorWithOptions(words(err), contract.ErrNodeNotFound,
			temporal.ApplicationErrorOptions{Category: temporal.ApplicationErrorCategoryBenign})
	}
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

// registration is what a registered Node of the pool has. One that is made for standby stays closed to pods.
func registration(node *corev1.Node, pool *v1alpha1.NodePool, labels map[string]string, in contract.RegisterInput) wanted {
	state := node.Annotations[AnnotationRegistered]
	taints := withTaints(node.Spec.Taints, pool.Spec.Template.Taints)
	if state == "" {
		taints = withTaints(taints, pool.Spec.Template.StartupTaints)
		state = unguarded
		if hasTaint(node.Spec.Taints, v1alpha1.TaintUnregistered) {
			state = guarded
		}
	}
	if in.Tier != "" {
		labels = with(labels, map[string]string{v1alpha1.LabelStandby: string(in.Tier), corev1.LabelNodeExcludeBalancers: "true"})
		taints = withTaints(taints, []corev1.Taint{standbyTaint})
	}
	return wanted{
		labels: labels, annotations: provenance(node, pool, in, state),
		taints: slices.DeleteFunc(taints, func(t corev1.Taint) bool { return t.Key == v1alpha1.TaintUnregistered }),
	}
}

// provenance is what a Node tells of where it comes from. A Node that is registered again, by a workflow that adopted it
// and knows less, keeps what it told before: an annotation that is left out of an apply is taken off.
func provenance(node *corev1.Node, pool *v1alpha1.NodePool, in contract.RegisterInput, state string) map[string]string {
	told := map[string]string{AnnotationRegistered: state, v1alpha1.AnnotationTemplateHash: disruption.TemplateHash(pool)}
	for key, value := range map[string]string{
		v1alpha1.AnnotationPurpose:        string(in.Purpose),
		v1alpha1.AnnotationLaunchTemplate: disruption.FormatTemplate(in.Template),
	} {
		if value = cmp.Or(value, node.Annotations[key]); value != "" {
			told[key] = value
		}
	}
	return told
}

// with are the entries of both; more wins.
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
