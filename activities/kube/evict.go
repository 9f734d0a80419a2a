package kube

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	schedulinghelper "k8s.io/component-helpers/scheduling/corev1"

	"floe.dev/floe/internal/reclaim"
)

const (
	// evictionsAtOnce by one drain. The API server works each off in milliseconds.
	evictionsAtOnce = 8
	// A refused eviction is tried again after firstRetry, then after twice as long each time up to mostRetry. Where one
	// budget holds the pod, it is tried as soon as that has room, and in any case after mostRetry.
	firstRetry = 500 * time.Millisecond
	mostRetry  = 5 * time.Second
	// evictTimeout bounds one call: client-go itself waits, inside a call, as long as a Retry-After header says, up to
	// ten times. The API server tries for ten seconds to write the budget, and a call that ends between that and the
	// pod's deletion has spent the budget for two minutes; so it is no shorter.
	evictTimeout = 12 * time.Second
	// tellEvery is how often the heart beats while calls take long.
	tellEvery = 2 * time.Second
)

// attempt is what was tried with one pod.
type attempt struct {
	refused int       // evictions refused in a row
	next    time.Time // when to try again
	deleted bool      // past the deadline
	until   time.Time // when the grace period is over that it was deleted with
	gone    bool      // the API server does not know it any more; the informer is behind
}

// push evicts the pods that are not going yet and whose turn it is, or deletes them once the deadline has passed. wait
// is how long there is nothing more to do.
func (d *drain) push(ctx context.Context, pods []*corev1.Pod) (wait time.Duration, err error) {
	now := d.now()
	late := !now.Before(d.deadline)
	var mu sync.Mutex // over d.tried and d.done
	var group errgroup.Group
	group.SetLimit(evictionsAtOnce)
	for _, pod := range inOrder(pods) {
		mu.Lock()
		t := d.tried[string(pod.UID)]
		mu.Unlock()
		if t.gone || t.deleted || !late && now.Before(t.next) && !d.freed(pod, t) || pod.DeletionTimestamp != nil && !(late && d.tooLong(pod)) {
			continue
		}
		if !late && d.holds(pod, now) {
			mu.Lock()
			d.held(pod)
			mu.Unlock()
			continue
		}
		group.Go(func() error {
			before := t.refused
			t, evicted, err := d.see(ctx, pod, t, late)
			mu.Lock()
			defer mu.Unlock()
			d.tried[string(pod.UID)] = t
			switch {
			case evicted && late:
				d.done.Deleted++
				d.tell(pod, toldDeleted, before)
			case evicted:
				d.done.Evicted++
				d.tell(pod, toldEvicted, before)
			case t.refused > before:
				d.tell(pod, toldWaits, t.refused)
			}
			// A node has hundreds of pods at most, but an API server in trouble may take seconds for each.
			activity.RecordHeartbeat(ctx, d.done)
			return err
		})
	}
	stop := d.beating(ctx, &mu)
	err = group.Wait()
	stop()
	if err != nil {
		return 0, err
	}
	return d.nextLook(pods, d.now()), nil
}

// beating has the heart beat until stop is called. mu is over d.done.
func (d *drain) beating(ctx context.Context, mu *sync.Mutex) (stop func()) {
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(tellEvery)
		defer ticker.Stop()
		for {
			select {
			case <-over:
				return
			case <-ticker.C:
				mu.Lock()
				activity.RecordHeartbeat(ctx, d.done)
				mu.Unlock()
			}
		}
	}()
	return func() {
		close(over)
		<-ended
	}
}

// inOrder is pods by priority, the highest first; of equals that one first which wants more time to end.
func inOrder(pods []*corev1.Pod) []*corev1.Pod {
	sorted := slices.Clone(pods)
	slices.SortStableFunc(sorted, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(schedulinghelper.PodPriority(b), schedulinghelper.PodPriority(a)), cmp.Compare(ownGrace(b), ownGrace(a)))
	})
	return sorted
}

// tooLong reports whether a pod that is going would still be there when AWS takes the machine.
func (d *drain) tooLong(pod *corev1.Pod) bool {
	return !d.end.IsZero() && pod.DeletionTimestamp.After(d.lastMoment())
}

// see evicts one pod, or deletes it. A refusal that only time heals is no error.
func (d *drain) see(ctx context.Context, pod *corev1.Pod, t attempt, late bool) (attempt, bool, error) {
	asked, held := true, false
	var err error
	if late {
		err = d.deletePod(ctx, pod)
	} else {
		asked, held, err = d.evictInTurn(ctx, pod, t)
	}
	switch {
	case !asked:
		if !d.now().Before(t.next) {
			t.next = d.now().Add(firstRetry)
		}
		return t, false, err
	case err == nil:
		// Evicted, it is going: should the informer not show that within the longest retry, it is asked again.
		t = attempt{deleted: late, next: d.now().Add(mostRetry)}
		if late {
			t.until = d.now().Add(d.graceLeft(pod))
		}
		return t, true, nil
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		// Gone, or another pod has its name (the UID precondition): a statefulset's, on another node by now.
		t.gone = true
		return t, false, nil
	case !late && mustWait(err):
		t.refused++
		wait := mostRetry
		if !held {
			wait = min(firstRetry<<min(t.refused-1, 8), mostRetry)
		}
		t.next = d.now().Add(wait)
		return t, false, nil
	case errors.Is(err, context.Canceled):
		return t, false, err
	case late:
		return t, false, d.cluster.classify("delete", "pods", err)
	}
	return t, false, d.cluster.classify("create", "pods/eviction", err)
}

func (d *drain) evictPod(ctx context.Context, pod *corev1.Pod) error {
	// Past the deadline it is deleted: a call that hangs must not hold that up.
	bounded, cancel := context.WithTimeout(ctx, min(evictTimeout, max(d.deadline.Sub(d.now()), time.Second)))
	defer cancel()
	err := d.cluster.client.PolicyV1().Evictions(pod.Namespace).Evict(bounded, &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: uidIs(string(pod.UID)), GracePeriodSeconds: d.shorter(pod)},
	})
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return apierrors.NewTimeoutError("eviction of "+pod.Namespace+"/"+pod.Name, 0)
	}
	return err
}

// mustWait reports whether an eviction was refused for now: by a PodDisruptionBudget (429); because several budgets
// hold the pod (500; only somebody's correction heals that, or the deadline) or the server did not get it done (5xx); or
// because its namespace is going, and with it the pod (kubernetes.io/docs/concepts/scheduling-eviction/api-eviction,
// and pkg/registry/core/pod/storage/eviction.go of Kubernetes 1.36).
func mustWait(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	return status.Status().Code >= http.StatusInternalServerError || apierrors.IsTooManyRequests(err) ||
		apierrors.IsForbidden(err) && apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// deletePod deletes a pod past the deadline, with its own grace period or what is left of the machine's time, but at
// least a second: none at all would take the pod out of the API server while its containers still run.
func (d *drain) deletePod(ctx context.Context, pod *corev1.Pod) error {
	seconds := int64(d.graceLeft(pod) / time.Second)
	return d.cluster.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &seconds, Preconditions: uidIs(string(pod.UID)),
	})
}

// graceLeft is the grace period that a pod is deleted with.
func (d *drain) graceLeft(pod *corev1.Pod) time.Duration {
	if grace := d.shorter(pod); grace != nil {
		return time.Duration(*grace) * time.Second
	}
	return max(ownGrace(pod), time.Second)
}

// shorter is the grace period, in seconds, of a pod whose own is longer than the machine lasts; nil where it may have its
// own.
func (d *drain) shorter(pod *corev1.Pod) *int64 {
	if d.end.IsZero() {
		return nil
	}
	own := ownGrace(pod)
	grace := reclaim.Grace(own, d.end, d.now())
	if grace >= own {
		return nil
	}
	seconds := int64(grace / time.Second)
	return &seconds
}

// ownGrace is a pod's grace period.
func ownGrace(pod *corev1.Pod) time.Duration {
	if own := pod.Spec.TerminationGracePeriodSeconds; own != nil {
		return time.Duration(*own) * time.Second
	}
	return corev1.DefaultTerminationGracePeriodSeconds * time.Second
}

// nextLook is how long until something is to be done: a retry, the deadline, a pod that is given up, or a heartbeat.
func (d *drain) nextLook(pods []*corev1.Pod, now time.Time) time.Duration {
	wait := lookAgain
	sooner := func(t time.Time) {
		if t.After(now) {
			wait = min(wait, t.Sub(now))
		}
	}
	sooner(d.deadline)
	sooner(d.lastMoment())
	for _, pod := range pods {
		if pod.DeletionTimestamp != nil {
			sooner(pod.DeletionTimestamp.Add(lastWait + time.Second))
			continue
		}
		if t := d.tried[string(pod.UID)]; !t.gone {
			sooner(t.next)
		}
		if d.holds(pod, now) {
			wait = min(wait, roomEvery)
		}
	}
	return wait
}
