package kube

import (
	"encoding/json"

	"floe.dev/floe/api/contract"
)

// maxDigest is how large a digest may be, as JSON: it is in the history of every Provisioner twice, and a history has
// 4 MB before it should continue as new.
const maxDigest = 64 << 10

// fitDigest makes a digest small enough: which pod is meant for which machine goes first, then names of pods, then reasons, then the dearer of a launch's types, at
// last whole launches. Counts always say the whole, but for launches that are left out: they are not opened, so their
// pods are not launched, and since CaughtUp is false then, the demand is planned again.
func fitDigest(d *contract.PlanDigest, launches int) {
	for _, shrink := range []func(*contract.PlanDigest){
		func(*contract.PlanDigest) {},
		dropMachines, keepPods(3), keepPods(0), keepReasons(10), keepTypes(20), keepReasons(3), keepTypes(10),
	} {
		shrink(d)
		if digestSize(d) <= maxDigest {
			break
		}
	}
	for len(d.Launches) > 1 && digestSize(d) > maxDigest {
		half := len(d.Launches) / 2
		for _, l := range d.Launches[half:] {
			d.Launched -= l.PodCount
			d.USDPerHour -= float64(l.Count) * l.USDPerHour
		}
		d.Launches = d.Launches[:half]
	}
	if len(d.Launches) < launches {
		d.CaughtUp = false
	}
}

func digestSize(d *contract.PlanDigest) int {
	encoded, err := json.Marshal(d)
	if err != nil {
		return 0 // a digest always encodes: it has neither cycles nor channels
	}
	return len(encoded)
}

func dropMachines(d *contract.PlanDigest) {
	for i := range d.Launches {
		d.Launches[i].Machines = nil
	}
}

func keepPods(n int) func(*contract.PlanDigest) {
	return func(d *contract.PlanDigest) {
		for i := range d.Launches {
			d.Launches[i].Pods = first(d.Launches[i].Pods, n)
		}
	}
}

func keepReasons(n int) func(*contract.PlanDigest) {
	return func(d *contract.PlanDigest) {
		d.Unplaceable = first(d.Unplaceable, n)
		for i := range d.Unplaceable {
			d.Unplaceable[i].Reasons = first(d.Unplaceable[i].Reasons, n)
		}
		d.Problems = first(d.Problems, n)
	}
}

func keepTypes(n int) func(*contract.PlanDigest) {
	return func(d *contract.PlanDigest) {
		for i := range d.Launches {
			d.Launches[i].InstanceTypes = first(d.Launches[i].InstanceTypes, n)
		}
	}
}

func first[T any](items []T, n int) []T { return items[:min(n, len(items))] }
