package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Disruption says when and how fast nodes may leave voluntarily.
type Disruption struct {
	// EmptyAfter is how long a node must be empty before it goes, and how long no pod may have come to an underused one.
	// +optional
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	EmptyAfter *metav1.Duration `json:"emptyAfter,omitempty"`
	// Stabilization is how long after the pool's last scale-up for demand nothing shrinks: no node leaves because it is
	// empty or underused. Replacements and returns to spot do not restart it. "0s" also turns off the hold that keeps a
	// pool from shrinking while its pods fail or their number has collapsed.
	// +optional
	// +kubebuilder:default="30m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	Stabilization *metav1.Duration `json:"stabilization,omitempty"`
	// ReturnAfter is how long an on-demand node that was taken because a spot step before it found no capacity stays
	// before its pods return to spot. Pools whose chain has no spot step before on-demand are left alone.
	// +optional
	// +kubebuilder:default="2h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	ReturnAfter *metav1.Duration `json:"returnAfter,omitempty"`
	// ExpireAfter is the age at which a node is replaced. Empty means never.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	ExpireAfter *metav1.Duration `json:"expireAfter,omitempty"`
	// MinimumAge is the age below which no node leaves voluntarily, whatever the reason. Empty means none.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	MinimumAge *metav1.Duration `json:"minimumAge,omitempty"`
	// Conditions of a Node (node-problem-detector's, say) by which it is unsound: it is cordoned, replaced and drained.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=30
	Conditions []UnsoundCondition `json:"conditions,omitempty"`
	// Budgets bound how many of the pool's nodes may be leaving at the same time. Of those that apply, the least counts;
	// nodes that leave already for whatever reason, or are not Ready, are counted in. Empty means one of 10 %.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	Budgets []DisruptionBudget `json:"budgets,omitempty"`
	// DrainTimeout is how long evictions may wait on PodDisruptionBudgets before pods are deleted.
	// +optional
	// +kubebuilder:default="15m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	DrainTimeout *metav1.Duration `json:"drainTimeout,omitempty"`
	// Rebalance says what to do where EC2 recommends to leave a spot machine: ignore; pre-spin, which cordons the node and
	// buys room for its pods, and leaves them where they are until the interruption comes; or drain, which moves them too,
	// within drainTimeout. EC2 can't be asked whether a recommendation is true: who can send to the queue can cause what is
	// chosen here.
	// +optional
	// +kubebuilder:default=ignore
	Rebalance RebalancePolicy `json:"rebalance,omitempty"`
	// ReclaimMargin is how long before EC2 takes a spot machine those pods are deleted that a PodDisruptionBudget still
	// holds, with the grace that is left; until then budgets are kept.
	// +optional
	// +kubebuilder:default="15s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	ReclaimMargin *metav1.Duration `json:"reclaimMargin,omitempty"`
}

// DisruptionReason says why a node is to leave voluntarily.
//
// +kubebuilder:validation:Enum=empty;underused;expired;drifted;return;condition
type DisruptionReason string

// The reasons. Empty and underused shrink a pool, the others replace one node by another.
const (
	// DisruptEmpty: no pod is on it but those of DaemonSets.
	DisruptEmpty DisruptionReason = "empty"
	// DisruptUnderused: its pods fit on other nodes, or on a cheaper machine.
	DisruptUnderused DisruptionReason = "underused"
	// DisruptExpired: it is older than expireAfter.
	DisruptExpired DisruptionReason = "expired"
	// DisruptDrifted: the launch template or the pool has changed since it was launched.
	DisruptDrifted DisruptionReason = "drifted"
	// DisruptReturn: it is on-demand because spot had no capacity, and it is time to return.
	DisruptReturn DisruptionReason = "return"
	// DisruptCondition: a condition of spec.disruption.conditions holds.
	DisruptCondition DisruptionReason = "condition"
)

// DisruptionReasons are all there are, in the order in which they are looked at.
var DisruptionReasons = []DisruptionReason{
	DisruptCondition, DisruptEmpty, DisruptExpired, DisruptDrifted, DisruptReturn, DisruptUnderused,
}

// UnsoundCondition is a condition of a Node that says that its machine is not sound.
type UnsoundCondition struct {
	// Type of the condition: KernelDeadlock, ReadonlyFilesystem, …
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	Type string `json:"type"`
	// Status that is unsound.
	// +optional
	// +kubebuilder:default="True"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Enum="True";"False";"Unknown"
	Status corev1.ConditionStatus `json:"status,omitempty"`
	// After is how long it must have held. Empty means at once.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	After *metav1.Duration `json:"after,omitempty"`
}

// DisruptionBudget bounds how many nodes of a pool may be leaving at the same time. With a schedule it applies in its
// windows only; nodes "0" in a window is how a pool is left alone during business hours.
//
// +kubebuilder:validation:XValidation:rule="has(self.schedule) == has(self.duration)",message="schedule and duration go together"
type DisruptionBudget struct {
	// Nodes is a number, or a percentage of the pool's nodes, rounded up: "3", "10%", "0".
	// +kubebuilder:validation:Pattern=`^((100|[0-9]{1,2})%|[0-9]{1,6})$`
	Nodes string `json:"nodes"`
	// Reasons that the budget is for. Empty means all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=6
	Reasons []DisruptionReason `json:"reasons,omitempty"`
	// Schedule is when its windows begin, as five fields of cron: "0 9 * * mon-fri". Empty means always.
	// +optional
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=200
	Schedule string `json:"schedule,omitempty"`
	// Duration of a window, at most a week.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	Duration *metav1.Duration `json:"duration,omitempty"`
	// TimeZone of the schedule, by its name in the IANA database: Europe/Berlin. Empty means UTC.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
}

// RebalancePolicy is what to do on EC2's rebalance recommendations.
//
// +kubebuilder:validation:Enum=ignore;pre-spin;drain
type RebalancePolicy string

// The rebalance policies.
const (
	RebalanceIgnore  RebalancePolicy = "ignore"
	RebalancePreSpin RebalancePolicy = "pre-spin"
	RebalanceDrain   RebalancePolicy = "drain"
)
