package differential

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// renew makes pods anew, gated.
func (r *run) renew(ctx context.Context, place map[types.NamespacedName]string) error {
	for k := range place {
		pod, err := r.createGated(ctx, r.specs[k])
		if err != nil {
			return err
		}
		r.pods[k] = pod
	}
	return nil
}

// place gives gated pods to the scheduler, each nominated to its node, as Floe does. Rules bind pods to each other, so
// that one may have to wait for others: those that the scheduler refuses are given to it again as long as that helps.
func (r *run) place(ctx context.Context, place map[types.NamespacedName]string, claim string) (string, error) {
	for _, k := range r.order(place) {
		if len(r.now(r.pods[k]).Spec.SchedulingGates) > 0 {
			continue
		}
		// The scheduler has judged it already, as it may preempt.
		if err := r.delete(ctx, r.pods[k]); err != nil {
			return "", err
		}
		if err := r.renew(ctx, map[types.NamespacedName]string{k: ""}); err != nil {
			return "", err
		}
	}
	for len(place) > 0 {
		for _, k := range r.order(place) { // all of them first, so that none takes another's place
			if err := r.nominate(ctx, r.pods[k], place[k]); err != nil {
				return "", err
			}
		}
		for _, k := range r.order(place) {
			if err := r.release(ctx, r.pods[k]); err != nil {
				return "", err
			}
			if r.before != nil {
				if err := r.awaitDecided(ctx, r.pods[k]); err != nil {
					return "", err
				}
			}
		}
		left := map[types.NamespacedName]string{}
		for k, node := range place {
			if err := r.awaitDecided(ctx, r.pods[k]); err != nil {
				return "", err
			}
			if pod := r.now(r.pods[k]); pod == nil || pod.Spec.NodeName == "" {
				left[k] = node
			}
		}
		if len(left) == len(place) {
			return r.refusals(left, claim), nil
		}
		place = left
		for k := range place {
			if err := r.delete(ctx, r.pods[k]); err != nil {
				return "", err
			}
		}
		if err := r.renew(ctx, place); err != nil {
			return "", err
		}
	}
	return "", nil
}

// order of pods: see sort.
func (r *run) order(place map[types.NamespacedName]string) []types.NamespacedName {
	keys := slices.Collect(maps.Keys(place))
	r.sort(keys)
	return keys
}

// sort pods, those of higher priority first, as the scheduler takes them, then by name.
func (r *run) sort(keys []types.NamespacedName) {
	slices.SortFunc(keys, func(a, b types.NamespacedName) int {
		return cmp.Or(cmp.Compare(*r.pods[b].Spec.Priority, *r.pods[a].Spec.Priority), strings.Compare(a.String(), b.String()))
	})
}

func (r *run) refusals(left map[types.NamespacedName]string, claim string) string {
	var words []string
	for _, k := range r.order(left) {
		words = append(words, fmt.Sprintf("pod %s: %s (%s), and the scheduler says: %s", k.Name, claim, left[k], refusal(r.now(r.pods[k]))))
	}
	return strings.Join(words, "\n")
}

func (r *run) awaitDecided(ctx context.Context, pod *corev1.Pod) error {
	return await(ctx, func() string { return "the scheduler's word on pod " + pod.Name }, func() bool { return decided(r.now(pod)) })
}

// whereIs says what the plan makes of a pod.
func (r *run) whereIs(k types.NamespacedName) string {
	for i, launch := range r.plan.Launches {
		for _, pods := range launch.Machines {
			for _, pod := range pods {
				if key(pod) == k {
					return fmt.Sprintf("bought for it: launch %d, %s", i, launch.Reason)
				}
			}
		}
	}
	for _, u := range r.plan.Unplaceable {
		if u.Pod == k.String() {
			return "no place for it: " + strings.Join(u.Reasons, "; ")
		}
	}
	return "no place for it"
}
