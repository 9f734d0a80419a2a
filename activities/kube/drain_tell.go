package kube

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
)

// What is told of a pod.
const (
	toldEvicted = "evicted"
	toldDeleted = "deleted past the deadline"
	toldWaits   = "waits for its budget"
	toldHeld    = "waits for room elsewhere"
	toldGoing   = "was going already"
	toldStays   = "does not go: " // and why
)

// tell notes what became of a pod, the latest last, and forgets the earliest where there are too many.
func (d *drain) tell(pod *corev1.Pod, what string, refused int) {
	now := contract.DrainedPod{Pod: pod.Namespace + "/" + pod.Name, What: what, At: d.now(), Refused: refused}
	if t := d.tried[string(pod.UID)]; t.deleted {
		now.UID, now.Until = string(pod.UID), t.until
	}
	pods := slices.DeleteFunc(d.done.Pods, func(p contract.DrainedPod) bool { return p.Pod == now.Pod })
	pods = append(pods, now)
	d.done.Pods = pods[max(0, len(pods)-contract.MostDrained):]
}

// held tells of a pod that waits for room, once.
func (d *drain) held(pod *corev1.Pod) {
	if d.toldOf(pod).What != toldHeld {
		d.tell(pod, toldHeld, 0)
	}
}

// toldOf is what was told of a pod last.
func (d *drain) toldOf(pod *corev1.Pod) contract.DrainedPod {
	i := slices.IndexFunc(d.done.Pods, func(p contract.DrainedPod) bool { return p.Pod == pod.Namespace+"/"+pod.Name })
	if i < 0 {
		return contract.DrainedPod{}
	}
	return d.done.Pods[i]
}

// tellOfGoing tells of pods whose going is somebody else's doing, and of those that should have gone long ago.
func (d *drain) tellOfGoing(left []*corev1.Pod) {
	now := d.now()
	for _, pod := range left {
		if pod.DeletionTimestamp == nil {
			continue
		}
		before := d.toldOf(pod)
		switch {
		case d.overdue(pod, now):
			if why := toldStays + holdsBack(pod); before.What != why {
				d.tell(pod, why, before.Refused)
			}
		case before.What == "" || before.What == toldWaits || before.What == toldHeld:
			d.tell(pod, toldGoing, before.Refused)
		}
	}
}

// overdue reports whether a pod that is going should have gone long ago. Its deletionTimestamp is when its grace period
// ends, not when that began. Of a grace period that was shortened the API server says that it began with the first deletion
// (registry/rest/delete.go of k8s.io/apiserver 0.36), so it may be over by its word; the kubelet begins anew.
func (d *drain) overdue(pod *corev1.Pod, now time.Time) bool {
	if pod.DeletionTimestamp == nil {
		return false
	}
	over := pod.DeletionTimestamp.Time
	if until := d.tried[string(pod.UID)].until; until.After(over) {
		over = until
	}
	return now.After(over.Add(lastWait))
}

// holdsBack says in words why a pod that should have gone is still there. A kubelet takes what is left of its grace period
// from a pod that it has ended; then only finalizers keep it.
func holdsBack(pod *corev1.Pod) string {
	if grace := pod.DeletionGracePeriodSeconds; grace != nil && *grace == 0 && len(pod.Finalizers) > 0 {
		return "finalizers keep it (" + strings.Join(pod.Finalizers, ", ") + ")"
	}
	return "its kubelet does not end it"
}
