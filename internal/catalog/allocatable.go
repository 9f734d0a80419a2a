package catalog

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

const (
	// memoryOverheadPermille is the part of a type's nominal memory that the hypervisor and the kernel keep. Karpenter
	// takes 7.5 % until it has seen a machine (VM_MEMORY_OVERHEAD_PERCENT, karpenter.sh/docs/reference/settings).
	memoryOverheadPermille = 75
	// rootVolumeGiB is the root volume that EKS gives a Linux node where nobody says otherwise (API reference,
	// CreateNodegroup, diskSize). A launch template that asks for more is not looked into: its pods fit all the more.
	rootVolumeGiB = 20
	mib           = 1 << 20
)

// Allocatable is what pods can have of a machine of this type in the pool: cpu and memory, less what the hypervisor and
// the kernel keep and less the pool's reserved; pods by the pool's maxPods or else by the ENI formula; and
// ephemeral-storage of a 20 GiB root volume, less reserved. Nothing is ever below zero.
func Allocatable(pool *v1alpha1.NodePool, t contract.InstanceType) corev1.ResourceList {
	pods := MaxPods(pool, t)
	memoryMiB := int64(t.MemoryMiB) * (1000 - memoryOverheadPermille) / 1000
	list := corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewMilliQuantity(int64(t.VCPU)*1000, resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity(memoryMiB*mib, resource.BinarySI),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(rootVolumeGiB*1024*mib, resource.BinarySI),
		corev1.ResourcePods:             *resource.NewQuantity(int64(pods), resource.DecimalSI),
	}
	for name, reserved := range pool.Spec.Reserved {
		left, ok := list[name]
		if !ok {
			continue
		}
		left.Sub(reserved)
		if left.Sign() < 0 {
			left = *resource.NewQuantity(0, left.Format)
		}
		list[name] = left
	}
	return list
}

// MaxPods is the most pods a machine of this type takes in the pool: the pool's maxPods, or else
// enis × (addresses per ENI − 1) + 2 (docs.aws.amazon.com/eks, "Choosing an optimal EC2 node instance type").
func MaxPods(pool *v1alpha1.NodePool, t contract.InstanceType) int {
	if pool.Spec.MaxPods != nil {
		return int(*pool.Spec.MaxPods)
	}
	return max(0, t.ENIs*(t.IPv4PerENI-1)+2)
}
