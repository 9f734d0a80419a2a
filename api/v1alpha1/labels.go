package v1alpha1

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	corev1 "k8s.io/api/core/v1"
)

// GroupVersion is the API group and version of everything in this package.
var GroupVersion = schema.GroupVersion{Group: "floe.dev", Version: "v1alpha1"}

// NodePoolResource is the resource of NodePools.
var NodePoolResource = GroupVersion.WithResource("nodepools")

// Labels that Floe puts on Nodes, and that requirements and pods may select by. Where Kubernetes or the AWS cloud
// provider has a name already, that one is used.
const (
	LabelPool           = "floe.dev/pool"
	LabelCapacityType   = "floe.dev/capacity-type"
	LabelInstanceFamily = "floe.dev/instance-family"
	LabelInstanceSize   = "floe.dev/instance-size"
	LabelInstanceCPU    = "floe.dev/instance-cpu"    // vCPUs, whole
	LabelInstanceMemory = "floe.dev/instance-memory" // MiB, whole
	LabelInstanceType   = corev1.LabelInstanceTypeStable
	LabelZone           = corev1.LabelTopologyZone
	LabelZoneID         = "topology.k8s.aws/zone-id"
	LabelArch           = corev1.LabelArchStable
	LabelOS             = corev1.LabelOSStable
	// LabelStandby is the tier of a standby machine, hibernated or stopped: on its Node from before it is frozen until it
	// is resumed and in service. The Node is kept while the machine is frozen.
	LabelStandby = "floe.dev/standby"
	// LabelPrefetch is on pods that only pull an image onto a machine before it is frozen: the Node's UID.
	LabelPrefetch = "floe.dev/prefetch"
)

// Taints of ours.
const (
	// TaintUnregistered is put on by the kubelet (user data: --register-with-taints) and taken off by the Node
	// workflow once the pool's labels and taints are on. Effect NoExecute.
	TaintUnregistered = "floe.dev/unregistered"
	// TaintStandby marks machines made ready beforehand: no pod goes there until they are claimed, resumed and proven.
	// Effect NoSchedule.
	TaintStandby = "floe.dev/standby"
	// TaintLeaving marks nodes that are being drained. Effect NoSchedule.
	TaintLeaving = "floe.dev/leaving"
	// TaintReclaim marks nodes whose machine AWS takes back, or may: its value is ReclaimNoticed or ReclaimLeaving. Effect
	// NoSchedule.
	TaintReclaim = "floe.dev/reclaim"
)

// Values of TaintReclaim.
const (
	// ReclaimNoticed: a notice was heard, and EC2 is being asked whether it is true.
	ReclaimNoticed = "noticed"
	// ReclaimLeaving: the machine goes, so its pods need room elsewhere.
	ReclaimLeaving = "leaving"
)

// AnnotationDoNotDisrupt, "true" on a pod or a node, forbids every voluntary disruption of it.
const AnnotationDoNotDisrupt = "floe.dev/do-not-disrupt"

// AnnotationKarpenterDoNotDisrupt is Karpenter's word for the same, honored so that workloads need not be changed to move
// (karpenter.sh/docs/concepts/disruption, "Pod-Level Controls").
const AnnotationKarpenterDoNotDisrupt = "karpenter.sh/do-not-disrupt"

// Annotations that Floe puts on a Node when it registers, for whoever judges later whether it may leave.
const (
	// AnnotationPurpose says what the machine was bought for, or last claimed for: demand, hand, standby, return or replace.
	AnnotationPurpose = "floe.dev/purpose"
	// AnnotationResumed says when the machine was last started from its pool's standby, in RFC 3339.
	AnnotationResumed = "floe.dev/resumed"
	// AnnotationLaunchTemplate is what it was launched from: ID/version/image.
	AnnotationLaunchTemplate = "floe.dev/launch-template"
	// AnnotationTemplateHash stands for the pool's spec.template as it was then.
	AnnotationTemplateHash = "floe.dev/template-hash"
)

// ResourceNodes is the resource name that limits the number of a pool's nodes.
const ResourceNodes corev1.ResourceName = "nodes"
