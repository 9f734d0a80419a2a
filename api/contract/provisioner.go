package contract

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/v1alpha1"
)

// ProvisionerInput starts a cluster's Provisioner. State is carried across continue-as-new.
type ProvisionerInput struct {
	Cluster string            `json:"cluster"`
	State   *ProvisionerState `json:"state,omitempty"`
	// MaxTurns, where set, continues as new after so many turns of the main loop, besides where Temporal suggests it.
	MaxTurns int `json:"maxTurns,omitempty"`
}

// Demand tells that pods need room, or that what a plan depends on changed. It is level-triggered: a plan looks at
// all pods that need room, whatever the demand's numbers say.
type Demand struct {
	Key    string    `json:"key"`
	At     time.Time `json:"at"` // first sight of the oldest pod of the batch, by the watcher's clock
	Sent   time.Time `json:"sent"`
	Pods   int       `json:"pods"`
	Reason string    `json:"reason,omitempty"` // "pods-unschedulable", "pool-changed", "pods-gone", …
	// Watermark is the highest resourceVersion among the pods of the demand: a plan waits (bounded) until its own
	// informer has come that far.
	Watermark string `json:"watermark,omitempty"`
	// Trace is the W3C traceparent of the watcher's span.
	Trace string `json:"trace,omitempty"`
}

// LedgerEntry is a launch in flight as the Provisioner knows it.
type LedgerEntry struct {
	ScaleUp  string    `json:"scaleUp"`
	Pool     string    `json:"pool"`
	Purpose  Purpose   `json:"purpose"`
	Opened   time.Time `json:"opened"`
	Open     int       `json:"open"` // machines not launched yet
	PodCount int       `json:"podCount,omitempty"`
	// Requests of the pods on each machine; a machine not launched yet counts with the smallest of InstanceTypes.
	Requests      corev1.ResourceList `json:"requests,omitempty"`
	InstanceTypes []string            `json:"instanceTypes,omitempty"`
	Zones         []string            `json:"zones,omitempty"`
	// CapacityTypes that the launch was narrowed to. Pods that select one are planned again without it.
	CapacityTypes []v1alpha1.CapacityType `json:"capacityTypes,omitempty"`
	// Count of machines that the launch was opened for, and PlannedLaunch.Classes of the pods it was opened for: later
	// plans give them its room first.
	Count   int            `json:"count,omitempty"`
	Classes map[string]int `json:"classes,omitempty"`
	// Instances launched whose Node no plan has seen yet.
	Instances []Instance `json:"instances,omitempty"`
}

// PlanInput asks for one plan.
type PlanInput struct {
	Cluster string `json:"cluster"`
	Plan    string `json:"plan"`
	// Watermark: see Demand.
	Watermark string        `json:"watermark,omitempty"`
	Ledger    []LedgerEntry `json:"ledger,omitempty"`
	// DryRun plans are not written to the store.
	DryRun bool `json:"dryRun,omitempty"`
	// Why names a pod that the digest is to explain: see PlanNow.
	Why string `json:"why,omitempty"`
}

// PlannedLaunch is one launch of a plan: Count machines alike.
type PlannedLaunch struct {
	Pool  string `json:"pool"`
	Count int    `json:"count"`
	// InstanceTypes that would serve, cheapest first, at most 60.
	InstanceTypes []string                `json:"instanceTypes"`
	Zones         []string                `json:"zones,omitempty"`
	CapacityTypes []v1alpha1.CapacityType `json:"capacityTypes,omitempty"`
	// Requests of the pods on the fullest of the machines, daemonsets included.
	Requests corev1.ResourceList `json:"requests"`
	PodCount int                 `json:"podCount"`
	Pods     []string            `json:"pods,omitempty"` // namespace/name, at most 20
	// Classes counts the pods by what they ask for: a hash of it that is the same in every plan. Pods that are already
	// provided for are known by it in later plans, whatever packing those would choose.
	Classes map[string]int `json:"classes,omitempty"`
	// Machines are the pods (namespace/name) meant for each machine, so that they can be nominated to its Node. Left out
	// where the digest would grow too large.
	Machines [][]string `json:"machines,omitempty"`
	// USDPerHour is what one machine costs if the first type is had at the first step.
	USDPerHour float64 `json:"usdPerHour"`
	// Reason says in words why this pool and these types.
	Reason string `json:"reason,omitempty"`
}

// Unplaceable is a pod, or many alike, that no pool can hold.
type Unplaceable struct {
	Pod   string `json:"pod"` // namespace/name of the first
	Count int    `json:"count"`
	// Reasons, one a pool, in words: "pool api: 412 types too small for 96 CPU".
	Reasons []string `json:"reasons"`
}

// PlanDigest is what of a plan goes through workflow histories: at most 64 KB.
type PlanDigest struct {
	Plan     string          `json:"plan"`
	At       time.Time       `json:"at"`
	Launches []PlannedLaunch `json:"launches,omitempty"`
	// Pending is all pods that need room; OnNodes of them fit on nodes that exist, InFlight on launches in flight,
	// Launched on this plan's launches.
	Pending     int           `json:"pending"`
	OnNodes     int           `json:"onNodes,omitempty"`
	InFlight    int           `json:"inFlight,omitempty"`
	Launched    int           `json:"launched,omitempty"`
	Unplaceable []Unplaceable `json:"unplaceable,omitempty"`
	// UnplaceableCount counts all pods that cannot be placed, also those left out above.
	UnplaceableCount int `json:"unplaceableCount,omitempty"`
	// Problems are pools that cannot be planned with, and why: "pool api: launch template lt-1 not found: …".
	Problems []string `json:"problems,omitempty"`
	// Seen are instances of the ledger whose Node this plan saw.
	Seen []string `json:"seen,omitempty"`
	// Age of the views the plan was made with.
	CatalogAge time.Duration `json:"catalogAge,omitempty"`
	// CaughtUp is false where the informer had not reached the watermark in time; the demand is planned again.
	CaughtUp bool `json:"caughtUp"`
	// Took is the planner's own time.
	Took       time.Duration `json:"took"`
	USDPerHour float64       `json:"usdPerHour"` // of all launches
	Stored     bool          `json:"stored"`
	// Classes counts the kinds of pods that were told apart.
	Classes int `json:"classes,omitempty"`
	// LowerBoundUSDPerHour is what the launches' pods cost at least, with pods and machines cut at will.
	LowerBoundUSDPerHour float64 `json:"lowerBoundUSDPerHour,omitempty"`
	// Explanation is of the pod that PlanInput.Why names; nil where no such pod needs room.
	Explanation *Explanation `json:"explanation,omitempty"`
}

// PlanNow is the payload of the update plan-now.
type PlanNow struct {
	Reason string `json:"reason,omitempty"`
	DryRun bool   `json:"dryRun,omitempty"`
	// Why names a pod (namespace/name, or a name that no other pod has) that a dry run is to explain.
	Why string `json:"why,omitempty"`
}

// ProvisionerState is what a Provisioner carries from run to run.
type ProvisionerState struct {
	Plans  int           `json:"plans"` // plans made
	Ledger []LedgerEntry `json:"ledger,omitempty"`
	// Demand not planned yet, merged.
	Demand *Demand `json:"demand,omitempty"`
	// Failures in a row (launches exhausted, plans failed): sets the back-off.
	Failures int       `json:"failures,omitempty"`
	RetryAt  time.Time `json:"retryAt,omitzero"`
	// Trouble is the last error in words, empty when all is well.
	Trouble string `json:"trouble,omitempty"`
	// Droughts are the last launches for demand that were not filled, one a pool, in order of the pools' names. One is over
	// when a launch of the pool is filled, or no pod needs room any more.
	Droughts []Drought `json:"droughts,omitempty"`
	// Seen are the last event keys, oldest first: the server's dedup does not cross continue-as-new.
	Seen     []string    `json:"seen,omitempty"`
	LastPlan *PlanDigest `json:"lastPlan,omitempty"`
}

// ProvisionerView answers the query `state`.
type ProvisionerView struct {
	Cluster string `json:"cluster"`
	// Doing says in words what the Provisioner is doing.
	Doing string `json:"doing"`
	ProvisionerState
}

// Drought is a pool's last launch for demand that found no capacity.
type Drought struct {
	Pool    string    `json:"pool"`
	ScaleUp string    `json:"scaleUp"` // workflow id
	At      time.Time `json:"at"`      // when it ended
	// Since is when the first of them ended, and Launches how many there have been since.
	Since    time.Time `json:"since"`
	Launches int       `json:"launches"`
	// Reason says in words what was tried, and Help what would help: see Chain.
	Reason string   `json:"reason"`
	Help   []string `json:"help,omitempty"`
}
