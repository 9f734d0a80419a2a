package planner

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
)

// What of a plan goes into a digest, which has to stay below 64 KB.
const (
	maxPodNames    = 20
	maxUnplaceable = 40
	maxReasons     = 12
	maxLaunches    = 100
)

// ToContract is the launch as workflows know it: pods by name, at most 20.
func (l *Launch) ToContract() contract.PlannedLaunch {
	p := contract.PlannedLaunch{
		Pool: l.Pool, Count: l.Count, InstanceTypes: l.InstanceTypes, Zones: l.Zones, CapacityTypes: l.CapacityTypes,
		Requests: l.Requests, Classes: l.Classes, USDPerHour: l.USDPerHour, Reason: l.Reason,
	}
	for _, pods := range l.Machines {
		p.PodCount += len(pods)
		for _, pod := range pods {
			if len(p.Pods) < maxPodNames {
				p.Pods = append(p.Pods, podName(pod))
			}
		}
	}
	return p
}

// Digest is the plan as it goes through workflow histories. A plan of more launches than a digest holds brings the
// first of them: the pods of the others still need room when the next plan is made. The caller fills in what the
// planner cannot know: Plan, At, Seen, ages, CaughtUp, Took and Stored.
func (r *Result) Digest() contract.PlanDigest {
	d := contract.PlanDigest{
		OnNodes: count(r.OnNodes), InFlight: count(r.InFlight),
		UnplaceableCount: len(r.Unplaced), Problems: r.Problems,
	}
	launched := 0
	for i := range r.Launches {
		p := r.Launches[i].ToContract()
		launched += p.PodCount
		if i < maxLaunches {
			d.Launches = append(d.Launches, p)
			d.Launched += p.PodCount
			d.USDPerHour += float64(p.Count) * p.USDPerHour
		}
	}
	d.Pending = d.OnNodes + d.InFlight + launched + d.UnplaceableCount
	for _, u := range r.Unplaceable[:min(maxUnplaceable, len(r.Unplaceable))] {
		u.Reasons = slices.Clip(u.Reasons[:min(maxReasons, len(u.Reasons))])
		d.Unplaceable = append(d.Unplaceable, u)
	}
	return d
}

func count(byPlace map[string][]*corev1.Pod) int {
	n := 0
	for _, pods := range byPlace {
		n += len(pods)
	}
	return n
}

func podName(pod *corev1.Pod) string { return pod.Namespace + "/" + pod.Name }
