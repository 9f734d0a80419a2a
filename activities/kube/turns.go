package kube

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/cache"
)

// takesTurn bounds how long a drain stands in line for a budget before it looks after its other pods.
const takesTurn = 2 * time.Second

// turns has the drains of one process evict the pods of one PodDisruptionBudget one after the other, and only as many as
// the budget has room for. An eviction writes the budget's status and then deletes the pod. Hundreds at once conflict with
// one another and with the disruption controller, which backs off longer each time and then no longer sees that pods
// have become ready; and one that is given up between the two has spent the budget for nobody
// (pkg/registry/core/pod/storage/eviction.go and pkg/controller/disruption/disruption.go of Kubernetes 1.36).
//
// It is a courtesy only: what the API server says counts.
type turns struct {
	mu sync.Mutex
	of map[string]*turn // by the budget's namespace/name
}

// turn is whose turn it is at one budget.
type turn struct {
	slot chan struct{} // full while somebody has the turn
	// spent is how many were evicted since the informer saw this version of the budget. Only who has the turn touches
	// them.
	version string
	spent   int32
}

// take waits for the turn at a budget. done gives it back.
func (t *turns) take(ctx context.Context, budget string) (at *turn, done func(), ok bool) {
	t.mu.Lock()
	if t.of == nil {
		t.of = map[string]*turn{}
	}
	at = t.of[budget]
	if at == nil {
		at = &turn{slot: make(chan struct{}, 1)}
		t.of[budget] = at
	}
	t.mu.Unlock()
	timer := time.NewTimer(takesTurn)
	defer timer.Stop()
	select {
	case at.slot <- struct{}{}:
		return at, func() { <-at.slot }, true
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil, nil, false
}

// forget drops what is kept of a budget that is gone. Who has its turn may end it.
func (t *turns) forget(budget string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, budget)
}

// room reports whether a budget lets one more pod go, as far as is known here.
func (t *turn) room(budget *policyv1.PodDisruptionBudget) bool {
	if t.version != budget.ResourceVersion {
		t.version, t.spent = budget.ResourceVersion, 0
	}
	return budget.Status.DisruptionsAllowed > t.spent
}

// watchBudgets tells drains of budgets that have room again.
func (c *Cluster) watchBudgets() error {
	tell := func(obj any) {
		if b, ok := obj.(*policyv1.PodDisruptionBudget); ok && b.Status.DisruptionsAllowed > 0 {
			c.freed.notify(anyBudget)
		}
	}
	_, err := c.budgets.AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(_, now any) { tell(now) },
		DeleteFunc: func(gone any) {
			if b, ok := Deleted[*policyv1.PodDisruptionBudget](gone); ok {
				c.turns.forget(b.Namespace + "/" + b.Name)
				c.freed.notify(anyBudget)
			}
		},
	})
	return err
}

// anyBudget is the one key of Cluster.freed: a drain looks itself whether it was one of its own.
const anyBudget = ""

// budgetOf is the one budget that holds a pod; nil where none does, or where several do, which the API server refuses
// to weigh.
func (c *Cluster) budgetOf(pod *corev1.Pod) (only *policyv1.PodDisruptionBudget) {
	for _, b := range list[*policyv1.PodDisruptionBudget](c.budgets) {
		if b.Namespace != pod.Namespace {
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err != nil || !selector.Matches(labels.Set(pod.Labels)) {
			continue
		}
		if only != nil {
			return nil
		}
		only = b
	}
	return only
}

// freed reports whether a pod that was refused may go before its time: its budget has room again.
func (d *drain) freed(pod *corev1.Pod, t attempt) bool {
	if t.refused == 0 {
		return false
	}
	budget := d.cluster.budgetOf(pod)
	return budget != nil && budget.Status.DisruptionsAllowed > 0
}

// evictInTurn evicts a pod when it is its turn at its budget. asked is false where there was no asking: others were
// first, and took what room there was.
func (d *drain) evictInTurn(ctx context.Context, pod *corev1.Pod, t attempt) (asked, held bool, err error) {
	budget := d.cluster.budgetOf(pod)
	if budget == nil {
		return true, false, d.evictPod(ctx, pod)
	}
	bounded, cancel := context.WithDeadline(ctx, d.deadline)
	defer cancel()
	at, done, ok := d.cluster.turns.take(bounded, budget.Namespace+"/"+budget.Name)
	if !ok {
		return false, true, ctx.Err()
	}
	defer done()
	// Once refused, a pod waits for room. The first time, and from time to time, the API server itself is asked: it may
	// let a pod go that is not ready, and the informer may be behind.
	if now := d.cluster.budgetOf(pod); now != nil && !at.room(now) && t.refused > 0 && d.now().Before(t.next) {
		return false, true, nil
	}
	if err = d.evictPod(ctx, pod); err == nil {
		at.spent++
	}
	return true, true, err
}
