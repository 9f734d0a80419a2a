package planner

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
)

// What of a plan goes into a digest, which has to stay below 64 KB.
const (
	maxPodNames      = 20 // of a launch
	manyLaunches     = 12 // with more than so many launches each has but fewTypes types and fewPodNames pods
	fewPodNames      = 3
	launchBytes      = 40_000 // of all launches, as JSON
	unplaceableBytes = 14_000 // of all unplaceable pods
	digestBytes      = 60_000 // of all, which the pods of each machine fill up
)

// ToContract is the launch as workflows know it: the first 20 pods by name, and
// all of them machine by machine.
func (l *Launch) ToContract() contract.PlannedLaunch {
	p := contract.PlannedLaunch{
		Pool: l.Pool, Count: l.Count, InstanceTypes: l.InstanceTypes, Zones: l.Zones, CapacityTypes: l.CapacityTypes,
		Requests: l.Requests, Classes: l.Classes, USDPerHour: l.USDPerHour, Reason: l.Reason,
	}
	for _, pods := range l.Machines {
		p.PodCount += len(pods)
		var names []string
		for _, pod := range pods {
			names = append(names, podName(pod))
		}
		p.Machines = append(p.Machines, names)
		p.Pods = append(p.Pods, names[:min(len(names), maxPodNames-len(p.Pods))]...)
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
		Classes: r.Classes, LowerBoundUSDPerHour: r.LowerBoundUSDPerHour,
	}
	launched, bytes := 0, 0
	var machines [][][]string
	for i := range r.Launches {
		p := r.Launches[i].ToContract()
		on := p.Machines
		p.Machines = nil
		launched += p.PodCount
		if len(r.Launches) > manyLaunches {
			p.InstanceTypes = p.InstanceTypes[:min(len(p.InstanceTypes), fewTypes)]
			p.Pods = p.Pods[:min(len(p.Pods), fewPodNames)]
		}
		if bytes += size(p); bytes > launchBytes && i > 0 {
			continue
		}
		d.Launches, machines = append(d.Launches, p), append(machines, on)
		d.Launched += p.PodCount
		d.USDPerHour += float64(p.Count) * p.USDPerHour
	}
	d.Pending = d.OnNodes + d.InFlight + launched + d.UnplaceableCount
	bytes = 0
	for _, u := range r.Unplaceable {
		if bytes += size(u); bytes > unplaceableBytes {
			break
		}
		d.Unplaceable = append(d.Unplaceable, u)
	}
	bytes = size(d)
	for i := range d.Launches {
		if bytes += size(machines[i]); bytes <= digestBytes {
			d.Launches[i].Machines = machines[i]
		}
	}
	return d
}

// size of a payload as JSON.
func size(payload any) int {
	b, err := json.Marshal(payload)
	if err != nil {
		// Only what JSON cannot say (a price that is no number) gets here; it would fail again, and louder, as a payload.
		return 0
	}
	return len(b)
}

func count(byPlace map[string][]*corev1.Pod) int {
	n := 0
	for _, pods := range byPlace {
		n += len(pods)
	}
	return n
}

func podName(pod *corev1.Pod) string { return pod.Namespace + "/" + pod.Name }
