package kube

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/planner"
)

// plan is a whole plan as it is kept: every pod by name and where it is to go, and what the planner was told.
type plan struct {
	Launches    []planLaunch           `json:"launches,omitempty"`
	OnNodes     []planPlace            `json:"onNodes,omitempty"`
	InFlight    []planPlace            `json:"inFlight,omitempty"`
	Unplaceable []contract.Unplaceable `json:"unplaceable,omitempty"`
	Unplaced    []string               `json:"unplaced,omitempty"`
	Classes     int                    `json:"classes"`
	Ignored     int                    `json:"ignored,omitempty"`
	// LowerBoundUSDPerHour is what no plan could be cheaper than.
	LowerBoundUSDPerHour float64                `json:"lowerBoundUSDPerHour"`
	Pools                []planPool             `json:"pools,omitempty"`
	Nodes                int                    `json:"nodes"`
	Ledger               []contract.LedgerEntry `json:"ledger,omitempty"`
}

// planLaunch is a launch with the pods of each of its machines.
type planLaunch struct {
	contract.PlannedLaunch
	Machines [][]string `json:"machines"`
}

// planPlace is a node, or a launch in flight, and the pods that are to go there.
type planPlace struct {
	Place string   `json:"place"`
	Pods  []string `json:"pods"`
}

// planPool is a pool as the planner saw it.
type planPool struct {
	Name       string              `json:"name"`
	Generation int64               `json:"generation"`
	Problem    string              `json:"problem,omitempty"`
	Candidates int                 `json:"candidates"`
	Rejected   map[string]int      `json:"rejected,omitempty"`
	Used       corev1.ResourceList `json:"used,omitempty"`
}

func wholePlan(s *planner.Snapshot, r *planner.Result) plan {
	p := plan{
		OnNodes: places(r.OnNodes), InFlight: places(r.InFlight),
		Unplaceable: r.Unplaceable, Unplaced: podNamesOf(r.Unplaced), Classes: r.Classes, Ignored: r.Ignored,
		LowerBoundUSDPerHour: r.LowerBoundUSDPerHour, Nodes: len(s.Nodes), Ledger: s.Ledger,
	}
	for i := range r.Launches {
		l := planLaunch{PlannedLaunch: r.Launches[i].ToContract()}
		l.Pods = nil // the machines name them all
		for _, pods := range r.Launches[i].Machines {
			l.Machines = append(l.Machines, podNamesOf(pods))
		}
		p.Launches = append(p.Launches, l)
	}
	for _, pool := range s.Pools {
		p.Pools = append(p.Pools, planPool{
			Name: pool.Name, Generation: pool.Generation, Problem: pool.Problem,
			Candidates: len(pool.Candidates), Rejected: pool.Rejected, Used: pool.Used,
		})
	}
	return p
}

func places(byPlace map[string][]*corev1.Pod) []planPlace {
	out := make([]planPlace, 0, len(byPlace))
	for _, place := range slices.Sorted(maps.Keys(byPlace)) {
		out = append(out, planPlace{Place: place, Pods: podNamesOf(byPlace[place])})
	}
	return out
}

func podNamesOf(pods []*corev1.Pod) []string {
	names := make([]string, len(pods))
	for i, pod := range pods {
		names[i] = pod.Namespace + "/" + pod.Name
	}
	return names
}
