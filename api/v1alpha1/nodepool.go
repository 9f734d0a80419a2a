// Package v1alpha1 holds Floe's Kubernetes API: the NodePool.
//
// +kubebuilder:object:generate=true
// +groupName=floe.dev
package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
