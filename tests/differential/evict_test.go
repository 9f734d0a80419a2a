package differential

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// nothingFits gives the scheduler the pods that no existing node has room for, says the plan. What was evicted may leave
// more room than was needed, which no plan knows of: then a pod must have fitted before, too.
func (r *run) nothingFits(ctx context.Context, rest []types.NamespacedName, evicted bool) (words string, fitted []string, err error) {
	for _, k := range rest {
		if pod := r.now(r.pods[k]); len(pod.Spec.SchedulingGates) > 0 {
			if err := r.release(ctx, pod); err != nil {
				return "", nil, err
			}
		}
	}
	var all []string
	for _, k := range rest {
		if err := r.awaitDecided(ctx, r.pods[k]); err != nil {
			return "", nil, err
		}
		pod := r.now(r.pods[k])
		if pod == nil || pod.Spec.NodeName == "" || r.before != nil && evicted && !slices.Contains(r.before.fitted, pod.Name) {
			continue
		}
		fitted = append(fitted, pod.Name)
		all = append(all, fmt.Sprintf("pod %s fits on %s, which exists; the plan has %s", pod.Name, pod.Spec.NodeName, r.whereIs(k)))
	}
	return strings.Join(all, "\n"), fitted, nil
}

// preempted takes away what the scheduler evicts for the pods that it nominated: there must be room for them then.
func (r *run) preempted(ctx context.Context, nominated map[types.NamespacedName]string) (string, error) {
	left := maps.Clone(nominated)
	err := r.evict(ctx, func() bool {
		maps.DeleteFunc(left, func(k types.NamespacedName, _ string) bool { return r.now(r.pods[k]).Spec.NodeName != "" })
		return len(left) == 0
	})
	if err != nil || len(left) == 0 {
		return "", err
	}
	return r.place(ctx, left, "nothing is bought for it as it preempts")
}

// evict takes away what the scheduler evicts until done, for two seconds at most: not every eviction wakes the pod that it
// is for, and the scheduler itself looks again after five minutes. It evicts beside its work, so what it evicts may be
// marked only a while after it has nominated.
func (r *run) evict(ctx context.Context, done func() bool) error {
	for range 200 {
		if done() {
			return nil
		}
		for _, pod := range r.all() {
			if pod.DeletionTimestamp != nil {
				if err := r.delete(ctx, pod); err != nil {
					return err
				}
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}
