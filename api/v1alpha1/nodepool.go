// Package v1alpha1 holds Floe's Kubernetes API: the NodePool.
//
// +kubebuilder:object:generate=true
// +groupName=floe.dev
package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// NodePool says what machines may be bought for which pods, and how they leave.
//
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name: want at most 63 characters; the name is the value of the label floe.dev/pool"
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=fnp,categories=floe
// +kubebuilder:printcolumn:name="Weight",type=integer,JSONPath=`.spec.weight`
// +kubebuilder:printcolumn:name="First step",type=string,JSONPath=`.spec.fallback[0].capacityType`
// +kubebuilder:printcolumn:name="Template",type=string,JSONPath=`.spec.launchTemplate['id','name']`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type NodePool struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   NodePoolSpec   `json:"spec"`
	Status NodePoolStatus `json:"status,omitempty"`
}

// NodePoolList is a list of NodePools.
//
// +kubebuilder:object:root=true
type NodePoolList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []NodePool `json:"items"`
}

// NodePoolSpec is what the user asks of a pool.
//
// +kubebuilder:validation:XValidation:rule="self.fallback.exists(s, s.capacityType in ['spot','on-demand'])",message="no step buys machines; add one with capacityType spot or on-demand",fieldPath=".fallback"
// +kubebuilder:validation:XValidation:rule="!has(self.standby) || ((!has(self.standby.hibernated) || self.standby.hibernated == 0) && (!has(self.standby.stopped) || self.standby.stopped == 0) && (!has(self.standby.targets) || size(self.standby.targets) == 0)) || self.fallback.exists(s, s.capacityType == 'on-demand')",message="standby machines are bought on-demand; add a step with capacityType on-demand to fallback",fieldPath=".standby"
type NodePoolSpec struct {
	// Account names an account of Floe's config file. Empty means the cluster's own.
	// +optional
	Account string `json:"account,omitempty"`

	// Weight orders pools that could all serve a pod: the highest is asked first.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Weight int32 `json:"weight,omitempty"`

	// LaunchTemplate is the user's EC2 launch template. Floe overrides only type, subnet, market, image (the
	// template's, resolved to an ID), hibernation, root volume size and tags.
	LaunchTemplate LaunchTemplate `json:"launchTemplate"`

	// Subnets are the IDs of the subnets that machines may be launched in; their zones are the pool's zones.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:Pattern=`^subnet-[0-9a-z]+$`
	// +listType=set
	Subnets []string `json:"subnets"`

	// Requirements narrow the offerings, in the grammar of node affinity. Keys: the well-known labels
	// node.kubernetes.io/instance-type, topology.kubernetes.io/zone, topology.k8s.aws/zone-id,
	// kubernetes.io/arch, and floe.dev/{capacity-type,instance-family,instance-size,instance-cpu,instance-memory}.
	// Where they say nothing of kubernetes.io/arch, amd64 is meant: an image is of one architecture.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=30
	// +kubebuilder:validation:XValidation:rule="self.all(r, r.key in ['node.kubernetes.io/instance-type','topology.kubernetes.io/zone','topology.k8s.aws/zone-id','kubernetes.io/arch','floe.dev/capacity-type','floe.dev/instance-family','floe.dev/instance-size','floe.dev/instance-cpu','floe.dev/instance-memory'])",message="key: want one of node.kubernetes.io/instance-type, topology.kubernetes.io/zone, topology.k8s.aws/zone-id, kubernetes.io/arch, floe.dev/{capacity-type,instance-family,instance-size,instance-cpu,instance-memory}"
	// +kubebuilder:validation:XValidation:rule="self.all(r, r.operator in ['In','NotIn','Exists','Gt','Lt'])",message="operator: want In, NotIn, Exists, Gt or Lt (every machine has these labels, so that DoesNotExist would leave none)"
	// +kubebuilder:validation:XValidation:rule="self.all(r, !(r.operator in ['In','NotIn']) || (has(r.values) && size(r.values) > 0))",message="values: In and NotIn want one value or more"
	// +kubebuilder:validation:XValidation:rule="self.all(r, r.operator != 'Exists' || !has(r.values) || size(r.values) == 0)",message="values: Exists takes none"
	// +kubebuilder:validation:XValidation:rule="self.all(r, !(r.operator in ['Gt','Lt']) || (r.key in ['floe.dev/instance-cpu','floe.dev/instance-memory'] && has(r.values) && size(r.values) == 1))",message="operator: Gt and Lt take one whole number, and only floe.dev/instance-cpu and floe.dev/instance-memory are numbers"
	// +kubebuilder:validation:XValidation:rule="self.all(r, r.key != 'floe.dev/capacity-type' || !(r.operator in ['In','NotIn']) || !has(r.values) || r.values in [['spot'],['on-demand'],['spot','on-demand'],['on-demand','spot']])",message="values: floe.dev/capacity-type is spot or on-demand"
	Requirements []corev1.NodeSelectorRequirement `json:"requirements,omitempty"`

	// Template is put on every Node of the pool.
	// +optional
	Template NodeTemplate `json:"template,omitempty"`

	// Reserved is what the kubelet keeps from pods on each machine (kube-reserved, system-reserved and the hard
	// eviction threshold together): cpu, memory, ephemeral-storage.
	// +optional
	// +kubebuilder:validation:MaxProperties=10
	// +kubebuilder:validation:XValidation:rule="self.all(name, name in ['cpu','memory','ephemeral-storage'])",message="want cpu, memory and ephemeral-storage only"
	Reserved corev1.ResourceList `json:"reserved,omitempty"`

	// MaxPods is the most pods a machine takes. Empty means the ENI formula:
	// enis × (addresses per ENI − 1) + 2 (docs.aws.amazon.com/eks, "Choosing an optimal EC2 node instance type").
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxPods *int32 `json:"maxPods,omitempty"`

	// Limits bound the whole pool: cpu, memory, and `nodes`.
	// +optional
	// +kubebuilder:validation:MaxProperties=10
	// +kubebuilder:validation:XValidation:rule="self.all(name, name in ['cpu','memory','nodes'])",message="want cpu, memory and nodes only"
	Limits corev1.ResourceList `json:"limits,omitempty"`

	// Fallback is the chain: steps tried in order until a launch is filled.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	// +listType=atomic
	Fallback []FallbackStep `json:"fallback"`

	// RegistrationTimeout is how long a machine may take to register its Node before it is terminated and replaced.
	// +optional
	// +kubebuilder:default="15m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	RegistrationTimeout *metav1.Duration `json:"registrationTimeout,omitempty"`

	// HedgeAfter is how long a try of the chain may go without EC2's answer before a further one is opened beside it, on
	// what is left of the chain. What comes too much is given back. A try is never opened beside another where it is empty.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	HedgeAfter *metav1.Duration `json:"hedgeAfter,omitempty"`

	// Standby is the room for machines made ready beforehand. No standby is kept where it is empty.
	// +optional
	Standby *Standby `json:"standby,omitempty"`

	// Disruption says when and how fast nodes may leave voluntarily.
	// +optional
	// +kubebuilder:default={}
	Disruption Disruption `json:"disruption,omitempty"`

	// Headroom is capacity held by placeholder pods.
	// +optional
	Headroom *Headroom `json:"headroom,omitempty"`
}

// LaunchTemplate names an EC2 launch template by ID or by name.
//
// +kubebuilder:validation:XValidation:rule="has(self.id) != has(self.name)",message="set exactly one of id and name"
type LaunchTemplate struct {
	// ID is the template's ID (lt-…).
	// +optional
	// +kubebuilder:validation:Pattern=`^lt-[0-9a-f]{8,32}$`
	ID string `json:"id,omitempty"`
	// Name is the template's name.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name,omitempty"`
	// Version is a number, $Latest or $Default. It is resolved to a number before each launch.
	// +optional
	// +kubebuilder:default="$Default"
	// +kubebuilder:validation:Pattern=`^(\$Latest|\$Default|[1-9][0-9]*)$`
	Version string `json:"version,omitempty"`
}

// NodeTemplate is what a pool puts on its Nodes.
type NodeTemplate struct {
	// Labels are put on the Node when it registers.
	// +optional
	// +kubebuilder:validation:MaxProperties=100
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('floe.dev/'))",message="labels under floe.dev/ are Floe's: choose a prefix of your own"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !(k in ['node.kubernetes.io/instance-type','topology.kubernetes.io/zone','topology.kubernetes.io/region','topology.k8s.aws/zone-id','kubernetes.io/arch','kubernetes.io/os','kubernetes.io/hostname']))",message="the machine decides this label; use spec.requirements to choose machines by it"
	Labels map[string]string `json:"labels,omitempty"`
	// Taints are put on the Node when it registers and stay.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.effect in ['NoSchedule','PreferNoSchedule','NoExecute'])",message="effect: want NoSchedule, PreferNoSchedule or NoExecute"
	// +kubebuilder:validation:XValidation:rule="self.all(t, !t.key.startsWith('floe.dev/'))",message="key: taints under floe.dev/ are Floe's; choose a prefix of your own"
	Taints []corev1.Taint `json:"taints,omitempty"`
	// StartupTaints are put on the Node when it registers; something else (a CNI, a daemonset) takes them off. Pods
	// need not tolerate them for a node to be bought, and the node is Ready only when they are gone.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.effect in ['NoSchedule','PreferNoSchedule','NoExecute'])",message="effect: want NoSchedule, PreferNoSchedule or NoExecute"
	// +kubebuilder:validation:XValidation:rule="self.all(t, !t.key.startsWith('floe.dev/'))",message="key: taints under floe.dev/ are Floe's; choose a prefix of your own"
	StartupTaints []corev1.Taint `json:"startupTaints,omitempty"`
}

// CapacityType is the first thing a step of a chain chooses.
//
// +kubebuilder:validation:Enum=spot;on-demand;hibernated;stopped
type CapacityType string

// The capacity types. Hibernated and stopped are machines that are already owned.
const (
	Spot       CapacityType = "spot"
	OnDemand   CapacityType = "on-demand"
	Hibernated CapacityType = "hibernated"
	Stopped    CapacityType = "stopped"
)

// FallbackStep is one step of a chain.
type FallbackStep struct {
	// CapacityType of the step.
	CapacityType CapacityType `json:"capacityType"`
	// Requirements narrow the pool's for this step only.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=30
	// +kubebuilder:validation:XValidation:rule="self.all(r, r.key in ['node.kubernetes.io/instance-type','topology.kubernetes.io/zone','topology.k8s.aws/zone-id','kubernetes.io/arch','floe.dev/capacity-type','floe.dev/instance-family','floe.dev/instance-size','floe.dev/instance-cpu','floe.dev/instance-memory'])",message="key: want one of node.kubernetes.io/instance-type, topology.kubernetes.io/zone, topology.k8s.aws/zone-id, kubernetes.io/arch, floe.dev/{capacity-type,instance-family,instance-size,instance-cpu,instance-memory}"
	// +kubebuilder:validation:XValidation:rule="self.all(r, r.operator in ['In','NotIn','Exists','Gt','Lt'])",message="operator: want In, NotIn, Exists, Gt or Lt (every machine has these labels, so that DoesNotExist would leave none)"
	// +kubebuilder:validation:XValidation:rule="self.all(r, !(r.operator in ['In','NotIn']) || (has(r.values) && size(r.values) > 0))",message="values: In and NotIn want one value or more"
	// +kubebuilder:validation:XValidation:rule="self.all(r, r.operator != 'Exists' || !has(r.values) || size(r.values) == 0)",message="values: Exists takes none"
	// +kubebuilder:validation:XValidation:rule="self.all(r, !(r.operator in ['Gt','Lt']) || (r.key in ['floe.dev/instance-cpu','floe.dev/instance-memory'] && has(r.values) && size(r.values) == 1))",message="operator: Gt and Lt take one whole number, and only floe.dev/instance-cpu and floe.dev/instance-memory are numbers"
	// +kubebuilder:validation:XValidation:rule="self.all(r, r.key != 'floe.dev/capacity-type')",message="key: the step's capacityType says floe.dev/capacity-type already; leave it out, or make it a step of its own"
	Requirements []corev1.NodeSelectorRequirement `json:"requirements,omitempty"`
}

// Standby is the room for machines made ready and then frozen.
type Standby struct {
	// Hibernated is how many machines are kept hibernated.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Hibernated int32 `json:"hibernated,omitempty"`
	// Stopped is how many machines are kept stopped.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Stopped int32 `json:"stopped,omitempty"`
	// Targets are reasons to keep more than those numbers: by the pool's size, by the clock, by forecast.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Targets []StandbyTarget `json:"targets,omitempty"`
	// Prefetch says which images are pulled before a machine is frozen. Empty: none, but those that its daemonsets need.
	// +optional
	Prefetch *Prefetch `json:"prefetch,omitempty"`
	// NodeWhileFrozen says what becomes of the Node of a machine that is frozen: Keep (the default) leaves it in the cluster,
	// closed to pods and NotReady; Delete deletes it, and the machine registers anew when it boots, as cluster-autoscaler
	// stops working where more than 45 % of a cluster's Nodes are not ready. Delete is for the tier stopped: the Node of a
	// hibernated machine is kept whatever is said here, since its kubelet does not register again when it wakes.
	// +optional
	// +kubebuilder:default=Keep
	NodeWhileFrozen NodeWhileFrozen `json:"nodeWhileFrozen,omitempty"`
	// Requests is what each standby machine must hold, such as {cpu: 3500m, memory: 14Gi}. Empty: the cheapest machine that
	// the pool's on-demand steps allow.
	// +optional
	// +kubebuilder:validation:MaxProperties=10
	Requests corev1.ResourceList `json:"requests,omitempty"`
	// MinUptime is how long a machine must have been up before it is asked to hibernate. EC2 refuses it for about two
	// minutes after the launch.
	// +optional
	// +kubebuilder:default="2m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	MinUptime *metav1.Duration `json:"minUptime,omitempty"`
	// ResumeTimeout is how long after its start a machine may take to prove that it is alive. One that has not is terminated
	// and replaced. Memory is read as fast as the root volume gives it: 32 GiB at 125 MiB/s are four and a half minutes.
	// +optional
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	ResumeTimeout *metav1.Duration `json:"resumeTimeout,omitempty"`
	// RenewAfter is the age at which a standby machine is replaced by a new one, at most 59 days: EC2 keeps no hibernated
	// machine beyond 60. One of an older launch template version is replaced before.
	// +optional
	// +kubebuilder:default="1200h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	RenewAfter *metav1.Duration `json:"renewAfter,omitempty"`
	// RenewAtOnce is how many machines may be under renewal at the same time.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	RenewAtOnce int32 `json:"renewAtOnce,omitempty"`
	// OverResume is how many machines more than it asks for are woken for a claim: a number, or a percentage of the claim,
	// rounded up. Those that prove themselves first are kept, and the others go back to sleep, never opened to pods. 0
	// unless given.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:Pattern=`^(100|[0-9]{1,2})%$`
	// +kubebuilder:validation:XValidation:rule="type(self) != int || (int(self) >= 0 && int(self) <= 1000)",message="want a number from 0 to 1000, or a percentage of the claim, such as 20%"
	OverResume *intstr.IntOrString `json:"overResume,omitempty"`
	// RaceAfter is how long after a claim's start its machines may be unproven before a cold launch races them: for each that
	// is, a machine is bought by the pool's other steps. Whichever is ready first is kept; a frozen one that loses goes back
	// to sleep, a cold one is given back. 0s races at once. Empty: no race.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	RaceAfter *metav1.Duration `json:"raceAfter,omitempty"`
	// MaxDiskUSDPerMonth bounds what the root volumes of standby machines may cost a month, at gp3's price of 0.08 USD for
	// each GiB. Beyond it no machine is made ready, whatever the targets say. Empty: no bound.
	// +optional
	MaxDiskUSDPerMonth *resource.Quantity `json:"maxDiskUSDPerMonth,omitempty"`
}

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

// Headroom is capacity held by placeholder pods of low priority.
type Headroom struct {
	// Replicas is the number of placeholder pods.
	// +kubebuilder:validation:Minimum=0
	Replicas int32 `json:"replicas"`
	// Requests is the size of one placeholder pod.
	// +kubebuilder:validation:MinProperties=1
	Requests corev1.ResourceList `json:"requests"`
}

// NodePoolStatus is what Floe observed of the pool.
type NodePoolStatus struct {
	// Conditions: Ready, with the reason where it is not.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
