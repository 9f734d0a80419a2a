package kube

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/reclaim"
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

// Drain empties a Node: it cordons and taints it (floe.dev/leaving), evicts its pods through the eviction API, which
// keeps PodDisruptionBudgets, and at the deadline deletes those that are left, each with its own grace period but at
// least a second. Pods of daemonsets, mirror pods and pods that have ended stay. It ends when no other pod is left and
// their volumes are detached, or when deleted pods have not gone long after their grace period (Left counts them).
//
// Pods of higher priority go first: theirs is the most of the time that is left, and their replacements come to the
// scheduler first.
//
// Where AWS takes the machine (Reclaim, and End where the time is known), the taint floe.dev/reclaim=leaving has plans count
// the pods before the first is evicted, and one that serves stays until there is room for it elsewhere, for half of the time
// at most; budgets are kept until the pool's reclaimMargin before the machine's end, no pod is given more grace than there is
// time for, and nothing is waited for beyond the last moment.
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
	d := &drain{cluster: c, in: in, now: a.now, tried: map[string]attempt{}}
	if activity.HasHeartbeatDetails(ctx) {
		// What cannot be read is an older Floe's: the drain starts from what it sees, only the counts are lost.
		_ = activity.GetHeartbeatDetails(ctx, &d.done)
		d.recall()
	}
	d.setTimes(activity.GetInfo(ctx).ScheduledTime)
	if err := d.cordon(ctx); err != nil {
		if Gone(err) {
			d.done.Gone = true
			return d.done, nil
		}
		return d.done, err
	}
	if err = d.run(ctx); err == nil {
		err = d.awaitDetached(ctx)
	}
	return d.done, err
}

// drain is one drain under way.
type drain struct {
	cluster  *Cluster
	in       contract.DrainInput
	now      func() time.Time
	deadline time.Time // of budgets
	end      time.Time // of the machine; zero where nobody takes it
	// holdUntil is until when pods without room elsewhere stay; zero: nobody waits for room.
	holdUntil time.Time
	done      contract.DrainResult
	tried     map[string]attempt // by pod UID
}

// setTimes works out until when budgets are kept. began is when the drain was first asked for, so that another attempt
// has no more time. What is announced for a day far off is no reason to hurry: the pool's drainTimeout holds.
func (d *drain) setTimes(began time.Time) {
	timeout, margin := DrainTimeout, reclaim.DefaultMargin
	if pool, ok := d.cluster.cachedPool(d.in.Pool); ok {
		if t := pool.Spec.Disruption.DrainTimeout; t != nil {
			timeout = t.Duration
		}
		if m := pool.Spec.Disruption.ReclaimMargin; m != nil {
			margin = m.Duration
		}
	}
	d.deadline, d.end = d.in.Deadline, d.in.End
	if d.deadline.IsZero() && (d.end.IsZero() || d.end.Sub(began) > reclaim.Warning) {
		d.deadline = began.Add(timeout)
	}
	if !d.end.IsZero() {
		d.deadline = reclaim.Earlier(d.deadline, reclaim.EvictUntil(d.end, margin))
	}
	if d.in.Reclaim {
		d.holdUntil = reclaim.HoldUntil(began, d.deadline)
	}
}

// recall takes up what an earlier attempt gave the pods that it deleted. All else shows in the cluster.
func (d *drain) recall() {
	for _, p := range d.done.Pods {
		if !p.Until.IsZero() {
			d.tried[p.UID] = attempt{deleted: true, until: p.Until}
		}
	}
}

// lastMoment is when the drain is over, whatever is left; zero where the machine stays as long as it takes.
func (d *drain) lastMoment() time.Time {
	if d.end.IsZero() {
		return time.Time{}
	}
	return d.end.Add(-reclaim.LastMoment)
}

// cordon keeps new pods away. The taint says why, to people and to whoever tolerates cordons.
func (d *drain) cordon(ctx context.Context) error {
	_, err := d.cluster.applyNode(ctx, d.in.Node, managerDrain, func(node *corev1.Node) (wanted, error) {
		if d.in.UID != "" && string(node.UID) != d.in.UID {
			return wanted{}, errNodeReplaced
		}
		taints := []corev1.Taint{{Key: v1alpha1.TaintLeaving, Effect: corev1.TaintEffectNoSchedule}}
		if d.in.Reclaim {
			taints = append(taints, reclaimTaint(true))
		}
		return wanted{cordon: true, taints: withTaints(node.Spec.Taints, taints)}, nil
	})
	return err
}

// run evicts and waits until nothing is left to evict.
func (d *drain) run(ctx context.Context) error {
	changed, stop := d.cluster.changed.watch(d.in.Node)
	defer stop()
	freed, unwatch := d.cluster.freed.watch(anyBudget)
	defer unwatch()
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
		if last := d.lastMoment(); !last.IsZero() && !d.now().Before(last) {
			d.done.Left = len(left)
			return nil
		}
		wait, err := d.push(ctx, left)
		if err != nil {
			return err
		}
		d.tellOfGoing(left)
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
		case <-freed:
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
		if d.overdue(pod, now) {
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
