package planner

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
)

// ledgerOf a plan whose launches were all opened.
func ledgerOf(r Result) []contract.LedgerEntry {
	var entries []contract.LedgerEntry
	for i := range r.Launches {
		l := r.Launches[i].ToContract()
		entries = append(entries, contract.LedgerEntry{
			ScaleUp: fmt.Sprintf("scaleup/c/p/%d", i), Pool: l.Pool, Open: l.Count, Count: l.Count, PodCount: l.PodCount, Classes: l.Classes,
			Requests: l.Requests, InstanceTypes: l.InstanceTypes, Zones: l.Zones, CapacityTypes: l.CapacityTypes,
		})
	}
	return entries
}

// bind is the scheduler's part: pods that fit on nodes go there.
func bind(s *Snapshot, r Result) {
	s.Nodes = slices.Clone(s.Nodes)
	bound := map[*corev1.Pod]bool{}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		for _, pod := range r.OnNodes[n.Name] {
			bound[pod] = true
		}
		n.Pods = slices.Concat(n.Pods, r.OnNodes[n.Name])
	}
	s.Pods = slices.DeleteFunc(slices.Clone(s.Pods), func(p *corev1.Pod) bool { return bound[p] })
}

// reasons of a plan's launches.
func reasons(r Result) []string {
	var reasons []string
	for _, l := range r.Launches {
		reasons = append(reasons, l.Reason)
	}
	return reasons
}
