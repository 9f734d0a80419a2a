package kube

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// managerCordon is the field manager of a cordon that no drain follows yet.
const managerCordon = "floe-cordon"

// asks asks a workflow for its view of things. The error is errNotRunning where there is no such workflow.
type asks[T any] func(ctx context.Context, workflow string) (T, error)

var errNotRunning = errors.New("it does not run")

// askBy asks by a query, with the client of the worker that runs the activity.
func askBy[T any](query string) asks[T] {
	return func(ctx context.Context, workflow string) (view T, err error) {
		value, err := activity.GetClient(ctx).QueryWorkflow(ctx, workflow, "", query)
		var missing *serviceerror.NotFound
		if errors.As(err, &missing) {
			return view, errNotRunning
		}
		if err != nil {
			return view, err
		}
		return view, value.Get(&view)
	}
}

// Cordon keeps new pods off a Node, if it is still the one with that UID; kubectl uncordon undoes it. That it is gone, or
// that another has taken its name, is success.
func (a *Activities) Cordon(ctx context.Context, in contract.CordonInput) error {
	c, err := a.cluster(in.Cluster)
	if err != nil {
		return err
	}
	if in.Node == "" {
		return invalid("node: is empty; name the Node to cordon")
	}
	metadata := map[string]any{}
	if in.UID != "" {
		metadata["uid"] = in.UID // the API server refuses a patch of another's
	}
	patch, err := json.Marshal(map[string]any{"metadata": metadata, "spec": map[string]any{"unschedulable": true}})
	if err != nil {
		return invalid("node: %v", err)
	}
	_, err = c.client.CoreV1().Nodes().Patch(ctx, in.Node, types.StrategicMergePatchType, patch, metav1.PatchOptions{FieldManager: managerCordon})
	if apierrors.IsNotFound(err) || in.UID != "" && apierrors.IsConflict(err) {
		return nil
	}
	return c.classify("patch", "nodes", err)
}

// lookForNodes is how often AwaitNodes looks at its informer.
const lookForNodes = 250 * time.Millisecond

// AwaitNodes waits until the Nodes of all instances take pods: Ready, registered, and free of Floe's taints. Where the
// time is over, or one of them is leaving, it says which do not. It beats its heart, and counts the time from when it was
// first scheduled.
func (a *Activities) AwaitNodes(ctx context.Context, in contract.AwaitNodesInput) (contract.AwaitNodesResult, error) {
	defer beat(ctx)()
	c, err := a.cluster(in.Cluster)
	if err != nil {
		return contract.AwaitNodesResult{}, err
	}
	deadline := a.now().Add(in.Within)
	if activity.IsActivity(ctx) {
		deadline = activity.GetInfo(ctx).ScheduledTime.Add(in.Within)
	}
	tick := time.NewTicker(lookForNodes)
	defer tick.Stop()
	for {
		missing := slices.DeleteFunc(slices.Clone(in.Instances), c.takesPods)
		if len(missing) == 0 || slices.ContainsFunc(missing, c.leaves) || !a.now().Before(deadline) {
			return contract.AwaitNodesResult{Missing: missing}, nil
		}
		select {
		case <-ctx.Done():
			return contract.AwaitNodesResult{}, ctx.Err()
		case <-tick.C:
		}
	}
}

// leaves reports whether an instance's Node is to go, and so is never going to take pods again.
func (c *Cluster) leaves(instance string) bool {
	node, ok := c.NodeOfInstance(instance)
	return ok && (node.DeletionTimestamp != nil || slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == v1alpha1.TaintLeaving }))
}

// takesPods reports whether an instance's Node is in service.
func (c *Cluster) takesPods(instance string) bool {
	node, ok := c.NodeOfInstance(instance)
	if !ok || !registered(node) || node.Spec.Unschedulable || condition(node, corev1.NodeReady) != corev1.ConditionTrue {
		return false
	}
	pool, _ := c.cachedPool(node.Labels[v1alpha1.LabelPool])
	return !slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool {
		return t.Key == corev1.TaintNodeNotReady || t.Key == v1alpha1.TaintLeaving || t.Key == v1alpha1.TaintStandby ||
			pool != nil && slices.ContainsFunc(pool.Spec.Template.StartupTaints, func(s corev1.Taint) bool { return s.MatchTaint(&t) })
	})
}

func sorted(items []string) []string {
	slices.Sort(items)
	return items
}
