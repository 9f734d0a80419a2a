package kube

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

const (
	// DrainTimeout holds where the pool is gone and cannot say its own: the default of spec.disruption.drainTimeout.
	DrainTimeout = 15 * time.Minute
	// lastWait is how much longer than its grace period a deleted pod may take to go. Then the kubelet is taken for
	// dead: the machine is terminated in any case, and with its Node the pod goes.
	lastWait = 10 * time.Second
	// lookAgain bounds how long a drain waits for a pod to change before it looks and beats its heart.
	lookAgain = 5 * time.Second
)

// errNodeReplaced ends a drain whose Node has gone, or has another UID: there is nothing left to drain.
var errNodeReplaced = errors.New("the Node is gone")

// Drain empties a Node: it cordons and taints it (floe.dev/leaving), evicts its pods through the eviction API, which
// keeps PodDisruptionBudgets, and at the deadline deletes those that are left, each with its own grace period but at
// least a second. Pods of daemonsets, mirror pods and pods that have ended stay. It ends when no other pod is left, or
// when deleted pods have not gone long after their grace period (Left counts them).
//
// It beats its heart with what it has done, and may be started again at any point: deadlines count from when the
// activity was first scheduled, and a pod is evicted only while it is not going already.
//
// k8s.io/kubectl/pkg/drain does not serve here: it lists pods and daemonsets for each node, polls every pod each second,
// waits a fixed 5 s after each refusal, and evicts without a UID precondition.
func (a *Activities) Drain(ctx context.Context, in contract.DrainInput) (contract.DrainResult, error) {
	c, err := a.cluster(in.Cluster)
	if err != nil {
		return contract.DrainResult{}, err
	}
	if in.Node == "" {
		return contract.DrainResult{}, invalid("node: is empty; name the Node to drain")
	}
	d := &drain{cluster: c, in: in, now: a.now, deadline: in.Deadline, tried: map[string]attempt{}}
	if activity.HasHeartbeatDetails(ctx) {
		// What cannot be read is an older Floe's: the drain starts from what it sees, only the counts are lost.
		_ = activity.GetHeartbeatDetails(ctx, &d.done)
	}
	if d.deadline.IsZero() {
		timeout := DrainTimeout
		if pool, ok := c.cachedPool(in.Pool); ok && pool.Spec.Disruption.DrainTimeout != nil {
			timeout = pool.Spec.Disruption.DrainTimeout.Duration
		}
		d.deadline = activity.GetInfo(ctx).ScheduledTime.Add(timeout)
	}
	if err := d.cordon(ctx); err != nil {
		if errors.Is(err, errNodeReplaced) {
			d.done.Gone = true
			return d.done, nil
		}
		return d.done, err
	}
	err = d.run(ctx)
	return d.done, err
}

// drain is one drain under way.
type drain struct {
	cluster  *Cluster
	in       contract.DrainInput
	now      func() time.Time
	deadline time.Time
	done     contract.DrainResult
	tried    map[string]attempt // by pod UID
}

// cordon keeps new pods away. The taint says why, to people and to whoever tolerates cordons.
func (d *drain) cordon(ctx context.Context) error {
	_, err := d.cluster.applyNode(ctx, d.in.Node, managerDrain, func(node *corev1.Node) (wanted, error) {
		if d.in.UID != "" && string(node.UID) != d.in.UID {
			return wanted{}, errNodeReplaced
		}
		leaving := corev1.Taint{Key: v1alpha1.TaintLeaving, Effect: corev1.TaintEffectNoSchedule}
		return wanted{cordon: true, taints: withTaints(node.Spec.Taints, []corev1.Taint{leaving})}, nil
	})
	var app *temporal.ApplicationError
	if errors.As(err, &app) && app.Type() == contract.ErrNodeNotFound {
		return errNodeReplaced
	}
	return err
}

// run evicts and waits until nothing is left to evict.
func (d *drain) run(ctx context.Context) error {
	changed, stop := d.cluster.changed.watch(d.in.Node)
	defer stop()
	for {
		left := leaving(d.cluster.podsOn(d.in.Node))
		if len(left) == 0 {
			// The informer may be behind: a pod bound just before the cordon shows in the API server first.
			var err error
			if left, err = d.listed(ctx); err != nil {
				return err
			}
			if len(left) == 0 {
				d.done.Left = 0
				return nil
			}
		}
		wait, err := d.push(ctx, left)
		if err != nil {
			return err
		}
		activity.RecordHeartbeat(ctx, d.done)
		if d.done.Left = d.stuck(left); d.done.Left == len(left) {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// listed asks the API server for the Node's pods.
func (d *drain) listed(ctx context.Context) ([]*corev1.Pod, error) {
	pods, err := d.cluster.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + d.in.Node})
	if err != nil {
		return nil, d.cluster.classify("list", "pods", err)
	}
	var bound []*corev1.Pod
	for i := range pods.Items {
		if pods.Items[i].Spec.NodeName == d.in.Node {
			bound = append(bound, &pods.Items[i])
		}
	}
	return leaving(bound), nil
}

// stuck counts the pods that should have gone long ago.
func (d *drain) stuck(left []*corev1.Pod) (n int) {
	now := d.now()
	if now.Before(d.deadline) {
		return 0
	}
	for _, pod := range left {
		// deletionTimestamp is when the grace period ends, not when it began.
		if t := pod.DeletionTimestamp; t != nil && now.After(t.Add(lastWait)) {
			n++
		}
	}
	return n
}

// leaving are the pods that a drain has to see off: not those of daemonsets, which come back at once; not mirror pods,
// which the API server does not control; not those that have ended.
func leaving(pods []*corev1.Pod) []*corev1.Pod {
	var out []*corev1.Pod
	for _, pod := range pods {
		owner := metav1.GetControllerOf(pod)
		_, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if mirror || ended || owner != nil && owner.Kind == "DaemonSet" {
			continue
		}
		out = append(out, pod)
	}
	return out
}
