package disruption

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
)

// A pool does not shrink while it seems to fail rather than to rest. Two rules, of pods that are meant to stay (a Job's
// end by themselves and count nowhere):
//
//  1. A third of them or more, and at least two, have not been Ready for two minutes. What has failed for more than an
//     hour is nobody's outage any more and counts no longer: else one broken workload would keep a cluster large for ever.
//  2. The number that is Ready has fallen to half or less of its most within the last quarter of an hour, from at least
//     four: the front end failed, say, and everything behind it was scaled down for want of traffic. This ends when three
//     quarters are back, or after `stabilization`: then it was meant.
//
// An evening's decline takes hours to halve anything and passes. A planned scale-down in one stroke is held too, for
// `stabilization`; that is the price.
const (
	failingShare = 3 // one in so many
	leastFailing = 2
	failingAfter = 2 * time.Minute
	failingUntil = time.Hour

	collapseWithin = 15 * time.Minute
	collapseFrom   = 4
	sampleEvery    = time.Minute
)

// census counts the pods of a pool that are meant to stay.
type census struct{ all, serving, failing int }

func (c *census) count(pods []*corev1.Pod, now time.Time) {
	for _, pod := range moving(pods) {
		if owner := metav1.GetControllerOfNoCopy(pod); owner == nil || owner.Kind == "Job" {
			continue
		}
		c.all++
		if serves(pod) {
			c.serving++
			continue
		}
		since := pod.CreationTimestamp.Time
		for _, cond := range pod.Status.Conditions {
			if cond.Type == corev1.PodReady && cond.LastTransitionTime.After(since) {
				since = cond.LastTransitionTime.Time
			}
		}
		if lasted := now.Sub(since); lasted >= failingAfter && lasted < failingUntil && pod.DeletionTimestamp == nil {
			c.failing++
		}
	}
}

func serves(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
		}
	}
	return false
}

// failingWords say that rule 1 holds; empty where it does not.
func (c census) failingWords(pool string) string {
	if c.failing < leastFailing || failingShare*c.failing < c.all {
		return ""
	}
	return fmt.Sprintf("pool %s does not shrink while it fails: %d of its %d pods are not Ready", pool, c.failing, c.all)
}

// observe takes a moment into a pool's past. hold is how long a collapse counts.
func observe(s contract.Serving, now time.Time, serving int, hold time.Duration) contract.Serving {
	next := contract.Serving{Collapsed: s.Collapsed, Peak: s.Peak}
	most := 0
	for _, sample := range s.Samples {
		if age := now.Sub(sample.At); age >= 0 && age <= collapseWithin {
			next.Samples = append(next.Samples, sample)
			most = max(most, sample.Pods)
		}
	}
	n := len(next.Samples)
	switch {
	case n > 0 && now.Sub(next.Samples[n-1].At) < sampleEvery:
		// Within the minute its most counts.
		next.Samples[n-1].Pods = max(next.Samples[n-1].Pods, serving)
	case n > 0 || serving > 0:
		next.Samples = append(next.Samples, contract.ServingSample{At: now, Pods: serving})
	}
	switch {
	case !next.Collapsed.IsZero() && (4*serving >= 3*next.Peak || !now.Before(next.Collapsed.Add(hold))):
		// Back again, or it was meant: what is there now is the measure of what comes.
		next = contract.Serving{Samples: []contract.ServingSample{{At: now, Pods: serving}}}
	case next.Collapsed.IsZero() && most >= collapseFrom && 2*serving <= most:
		next.Collapsed, next.Peak = now, most
	}
	return next
}

// collapseWords say that rule 2 holds; empty where it does not.
func collapseWords(pool string, s contract.Serving, serving int, hold time.Duration) string {
	if s.Collapsed.IsZero() {
		return ""
	}
	return fmt.Sprintf("pool %s does not shrink after a collapse: %d of %d pods serve, since %s; until %d serve again, or %s (stabilization %s)",
		pool, serving, s.Peak, stamp(s.Collapsed), (3*s.Peak+3)/4, stamp(s.Collapsed.Add(hold)), hold)
}
