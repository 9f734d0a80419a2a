package machine

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

// taintShutdown is what the cloud provider puts on the Node of a stopped machine
// (kubernetes.io/docs/reference/labels-annotations-taints).
var taintShutdown = corev1.Taint{Key: "node.cloudprovider.kubernetes.io/shutdown", Effect: corev1.TaintEffectNoSchedule}

// taintUninitialized is on a Node that waits for the cloud provider to make it whole
// (kubernetes.io/docs/reference/labels-annotations-taints).
var taintUninitialized = corev1.Taint{Key: "node.cloudprovider.kubernetes.io/uninitialized", Value: "true", Effect: corev1.TaintEffectNoSchedule}

// initialize does what the cloud provider does to a new Node: it says which machine it is and where, and opens it
// (kubernetes.io/docs/concepts/architecture/cloud-controller, "Node controller").
func (f *Fleet) initialize(ctx context.Context, m *machine) error {
	err := f.change(ctx, m, func(node *corev1.Node) {
		node.Spec.ProviderID = m.providerID()
		node.Spec.Taints = without(node.Spec.Taints, taintUninitialized)
		for key, value := range m.providerLabels() {
			node.Labels[key] = value
		}
	})
	if err != nil {
		return fmt.Errorf("initialize node: %w", err)
	}
	m.whole = true
	return nil
}

// change changes the machine's Node, if there is one and it is its own.
func (f *Fleet) change(ctx context.Context, m *machine, change func(*corev1.Node)) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		node, err := f.cfg.Kube.CoreV1().Nodes().Get(ctx, m.facts.PrivateDNS, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if node.UID != m.uid {
			return nil
		}
		change(node)
		_, err = f.cfg.Kube.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{})
		return err
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func without(taints []corev1.Taint, gone corev1.Taint) []corev1.Taint {
	return slices.DeleteFunc(slices.Clone(taints), func(t corev1.Taint) bool { return t.MatchTaint(&gone) })
}

// taintShutdown puts the cloud provider's taint on a stopped machine's Node, or takes it off.
func (f *Fleet) taintShutdown(ctx context.Context, m *machine, on bool) error {
	err := f.change(ctx, m, func(node *corev1.Node) {
		node.Spec.Taints = without(node.Spec.Taints, taintShutdown)
		if on {
			node.Spec.Taints = append(node.Spec.Taints, taintShutdown)
		}
	})
	if err != nil {
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
