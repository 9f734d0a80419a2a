package plan

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/planner"
)

// Report is a plan as users see it.
type Report struct {
	// Pods that need room: on nodes that exist, on launches in flight, on new machines, or nowhere.
	Pods     int `json:"pods"`
	OnNodes  int `json:"on_nodes,omitempty"`
	InFlight int `json:"in_flight,omitempty"`
	Launched int `json:"launched"`
	// UnschedulableCount counts those that go nowhere, and Unschedulable names them. A live cluster's plan names the first
	// of pods that are alike.
	UnschedulableCount int             `json:"unschedulable_count"`
	Unschedulable      []Unschedulable `json:"unschedulable"`
	// Ignored pods need nothing: they have a node or ended, are being deleted, wait for scheduling gates, or are a
	// DaemonSet's. A live cluster's plan does not see them.
	Ignored int `json:"ignored,omitempty"`
	// Nodes is how many machines would be bought.
	Nodes int `json:"nodes"`
	// USDPerHour is what they cost, each of its launch's first type.
	USDPerHour float64 `json:"usd_per_hour"`
	// LowerBoundUSDPerHour is what their pods cost at least: the linear relaxation, with pods and machines cut at will.
	LowerBoundUSDPerHour float64 `json:"lower_bound_usd_per_hour"`
	// Classes counts the kinds of pods that were told apart.
	Classes int `json:"classes"`
	// Seconds is the planner's own time, without reading anything.
	Seconds       float64 `json:"seconds"`
	PodsPerSecond float64 `json:"pods_per_second"`
	// Launches are machines alike.
	Launches []Launch `json:"launches"`
	// Problems are the pools that cannot be planned with, and why.
	Problems []string `json:"problems,omitempty"`
	// Notes are things of the input that bend the plan without being wrong.
	Notes []string `json:"notes,omitempty"`
	// Why explains the pod that was asked for.
	Why *contract.Explanation `json:"why,omitempty"`
}

// Unschedulable is a pod that no pool can hold.
type Unschedulable struct {
	Pod string `json:"pod"` // namespace/name
	// Count of pods alike, of which this is the first; 1 where each is named.
	Count int `json:"count"`
	// Reasons, one a pool: "pool api: 412 types too small for 96 CPU".
	Reasons []string `json:"reasons"`
}

// Launch is Count machines alike.
type Launch struct {
	Pool  string `json:"pool"`
	Count int    `json:"count"`
	// InstanceTypes that would serve, best first, at most 60.
	InstanceTypes []string `json:"instance_types"`
	// Zones and CapacityTypes narrow the pool's. Empty means all of them.
	Zones         []string                `json:"zones,omitempty"`
	CapacityTypes []v1alpha1.CapacityType `json:"capacity_types,omitempty"`
	// USDPerHour of one machine of the first type.
	USDPerHour float64 `json:"usd_per_hour"`
	// Requests of the fullest machine, DaemonSets included.
	Requests corev1.ResourceList `json:"requests"`
	Pods     int                 `json:"pods"`
	// Machines are the pods (namespace/name) of each. Left out of a live cluster's plan where it would grow too large.
	Machines [][]string `json:"machines,omitempty"`
	// Reason says in words why this pool and these types.
	Reason string `json:"reason"`
}

// FromDigest is the report of a live cluster's plan.
func FromDigest(d *contract.PlanDigest) *Report {
	r := &Report{
		Pods: d.Pending, OnNodes: d.OnNodes, InFlight: d.InFlight, Launched: d.Launched,
		UnschedulableCount: d.UnplaceableCount, Unschedulable: []Unschedulable{},
		USDPerHour: d.USDPerHour, LowerBoundUSDPerHour: d.LowerBoundUSDPerHour, Classes: d.Classes,
		Launches: []Launch{}, Problems: d.Problems, Why: d.Explanation,
	}
	r.took(d.Took)
	for _, u := range d.Unplaceable {
		r.Unschedulable = append(r.Unschedulable, Unschedulable{Pod: u.Pod, Count: u.Count, Reasons: u.Reasons})
	}
	for _, l := range d.Launches {
		r.launch(l)
	}
	return r
}

// ofResult is the report of a plan at hand.
func ofResult(s *planner.Snapshot, result *planner.Result, took time.Duration) *Report {
	r := &Report{
		Pods: len(s.Pods) - result.Ignored, Ignored: result.Ignored,
		UnschedulableCount: len(result.Unplaced), Unschedulable: []Unschedulable{},
		USDPerHour: result.USDPerHour, LowerBoundUSDPerHour: result.LowerBoundUSDPerHour, Classes: result.Classes,
		Launches: []Launch{}, Problems: result.Problems,
	}
	for _, pods := range result.OnNodes {
		r.OnNodes += len(pods)
	}
	for _, pods := range result.InFlight {
		r.InFlight += len(pods)
	}
	r.took(took)
	for i := range result.Launches {
		l := result.Launches[i].ToContract()
		r.Launched += l.PodCount
		r.launch(l)
	}
	// Unplaced has the pods group by group, and each group begins with the pod that it is named for.
	groups := map[string]*contract.Unplaceable{}
	for i := range result.Unplaceable {
		groups[result.Unplaceable[i].Pod] = &result.Unplaceable[i]
	}
	var reasons []string
	for _, pod := range result.Unplaced {
		name := pod.Namespace + "/" + pod.Name
		if g := groups[name]; g != nil {
			reasons = g.Reasons
		}
		r.Unschedulable = append(r.Unschedulable, Unschedulable{Pod: name, Count: 1, Reasons: reasons})
	}
	return r
}

func (r *Report) took(d time.Duration) {
	r.Seconds = d.Seconds()
	if r.Seconds > 0 {
		r.PodsPerSecond = float64(r.Pods) / r.Seconds
	}
}

func (r *Report) launch(l contract.PlannedLaunch) {
	r.Nodes += l.Count
	r.Launches = append(r.Launches, Launch{
		Pool: l.Pool, Count: l.Count, InstanceTypes: l.InstanceTypes, Zones: l.Zones, CapacityTypes: l.CapacityTypes,
		USDPerHour: l.USDPerHour, Requests: l.Requests, Pods: l.PodCount, Machines: l.Machines, Reason: l.Reason,
	})
}
