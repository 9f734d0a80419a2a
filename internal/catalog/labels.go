package catalog

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// Labels that a Node of the pool carries if it is of this type, in this place: the well-known ones, Floe's own, and
// those of the pool's template, which never override the others. A standby machine is labeled on-demand, which is what
// it is once it runs. kubernetes.io/hostname is not among them: nobody knows it before the machine exists.
func Labels(pool *v1alpha1.NodePool, t contract.InstanceType, zone, zoneID, region string, ct v1alpha1.CapacityType) map[string]string {
	labels := typeLabels(t, region)
	place(labels, zone, zoneID, ct)
	labels[v1alpha1.LabelPool] = pool.Name
	for k, v := range pool.Spec.Template.Labels {
		if _, taken := labels[k]; !taken {
			labels[k] = v
		}
	}
	return labels
}

// Labels that the kubelet and the cloud provider still set beside their stable twins, and that old selectors use
// (k8s.io/kubelet/pkg/apis, LabelOS and LabelArch; k8s.io/cloud-provider, controllers/node).
const (
	betaOS   = "beta.kubernetes.io/os"
	betaArch = "beta.kubernetes.io/arch"
)

// typeLabels are the labels that do not depend on the zone or the capacity type.
func typeLabels(t contract.InstanceType, region string) map[string]string {
	family, size := FamilyAndSize(t.Name)
	return map[string]string{
		v1alpha1.LabelInstanceType:   t.Name,
		v1alpha1.LabelInstanceFamily: family,
		v1alpha1.LabelInstanceSize:   size,
		v1alpha1.LabelInstanceCPU:    strconv.Itoa(t.VCPU),
		v1alpha1.LabelInstanceMemory: strconv.Itoa(t.MemoryMiB),
		v1alpha1.LabelArch:           t.Arch,
		v1alpha1.LabelOS:             string(corev1.Linux),
		corev1.LabelTopologyRegion:   region,

		betaOS:                              string(corev1.Linux),
		betaArch:                            t.Arch,
		corev1.LabelInstanceType:            t.Name,
		corev1.LabelFailureDomainBetaRegion: region,
	}
}

// place puts on the labels that depend on the zone and the capacity type.
func place(labels map[string]string, zone, zoneID string, ct v1alpha1.CapacityType) {
	if ct == v1alpha1.Hibernated || ct == v1alpha1.Stopped {
		ct = v1alpha1.OnDemand
	}
	labels[v1alpha1.LabelZone] = zone
	labels[corev1.LabelFailureDomainBetaZone] = zone
	labels[v1alpha1.LabelZoneID] = zoneID
	labels[v1alpha1.LabelCapacityType] = string(ct)
}

// placed reports whether a label's value depends on the zone or the capacity type.
func placed(label string) bool {
	switch label {
	case v1alpha1.LabelZone, v1alpha1.LabelZoneID, v1alpha1.LabelCapacityType:
		return true
	}
	return false
}
