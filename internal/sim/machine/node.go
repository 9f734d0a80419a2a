package machine

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// LabelSimulated, "true", is on every simulated machine's Node: by it KWOK knows whose pods to run. KWOK must leave
// leases and status alone (lease duration 0, no stage for Nodes): those are the machine's. It is "off" while the machine
// is: nobody runs its pods then, nor ends them.
const LabelSimulated = "floe.dev/sim"

// darken marks the Node of a machine that is off, so that its pods stay as they are, as on a real cluster: what runs looks
// as if it did, and what is deleted is Terminating until the Node goes, or the machine comes back.
func (f *Fleet) darken(ctx context.Context, m *machine, dark bool) error {
	value := "true"
	if dark {
		value = "off"
	}
	err := f.patch(ctx, m, map[string]any{"metadata": map[string]any{"labels": map[string]any{LabelSimulated: value}}})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("label node: %w", err)
	}
	m.dark = dark
	return nil
}

// annotationKWOK marks a Node as KWOK's in clusters where KWOK selects by it (kwok.sigs.k8s.io/docs/user/kwok-manage-nodes-and-pods).
const annotationKWOK = "kwok.x-k8s.io/node"

// What the machines run.
const (
	kubeletVersion = "v1.36.3"
	kernelVersion  = "6.12.40-63.114.amzn2023"
	osImage        = "Amazon Linux 2023"
	runtimeVersion = "containerd://2.1.4"
)

const taintNotReady = corev1.TaintNodeNotReady

// node is the Node that the machine's kubelet registers: what the kubelet itself says, its user data's flags, and what
// the AWS cloud provider adds (kubernetes.io/docs/reference/labels-annotations-taints).
func (m *machine) node(now time.Time) *corev1.Node {
	f := m.facts
	labels := map[string]string{
		corev1.LabelArchStable: f.Type.Arch,
		corev1.LabelOSStable:   "linux",
		corev1.LabelHostname:   f.PrivateDNS,
		LabelSimulated:         "true",
	}
	if !m.kubelet.external {
		maps.Copy(labels, m.providerLabels())
	}
	for key, value := range m.kubelet.labels {
		labels[key] = value
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: f.PrivateDNS, Labels: labels,
			Annotations: map[string]string{annotationKWOK: "fake"},
		},
		Spec: corev1.NodeSpec{
			ProviderID: m.providerID(),
			Taints:     append([]corev1.Taint{{Key: taintNotReady, Effect: corev1.TaintEffectNoSchedule}}, m.kubelet.taints...),
		},
	}
	if m.kubelet.external {
		node.Spec.ProviderID = ""
		node.Spec.Taints = append(node.Spec.Taints, taintUninitialized)
	}
	node.Status = m.status(now, false)
	for n := range node.Status.Conditions {
		node.Status.Conditions[n].LastTransitionTime = metav1.NewTime(now)
	}
	node.Status.Capacity, node.Status.Allocatable = m.resources()
	return node
}

// providerLabels are those that come from the cloud provider.
func (m *machine) providerLabels() map[string]string {
	return map[string]string{
		corev1.LabelInstanceTypeStable: m.facts.Type.Name,
		corev1.LabelTopologyZone:       m.facts.Zone.Name,
		corev1.LabelTopologyRegion:     m.facts.Region,
		v1alpha1.LabelZoneID:           m.facts.Zone.ID,
	}
}

func (m *machine) providerID() string { return contract.ProviderID(m.facts.Zone.Name, m.facts.ID) }

// status is what the kubelet says of itself each time; conditions keep their transition where nothing changes.
func (m *machine) status(now time.Time, ready bool) corev1.NodeStatus {
	f := m.facts
	return corev1.NodeStatus{
		Conditions: conditions(now, ready),
		Addresses: []corev1.NodeAddress{
			{Type: corev1.NodeInternalIP, Address: f.PrivateIP},
			{Type: corev1.NodeInternalDNS, Address: f.PrivateDNS},
			{Type: corev1.NodeHostName, Address: f.PrivateDNS},
		},
		NodeInfo: corev1.NodeSystemInfo{
			MachineID:               strings.ReplaceAll(uuid(f.ID), "-", ""),
			SystemUUID:              uuid(f.ID),
			BootID:                  uuid(f.ID + "/" + strconv.Itoa(m.boot)),
			KernelVersion:           kernelVersion,
			OSImage:                 osImage,
			ContainerRuntimeVersion: runtimeVersion,
			KubeletVersion:          kubeletVersion,
			OperatingSystem:         "linux",
			Architecture:            f.Type.Arch,
		},
	}
}

func conditions(now time.Time, ready bool) []corev1.NodeCondition {
	at := metav1.NewTime(now)
	list := []corev1.NodeCondition{
		{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasSufficientMemory", Message: "kubelet has sufficient memory available"},
		{Type: corev1.NodeDiskPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasNoDiskPressure", Message: "kubelet has no disk pressure"},
		{Type: corev1.NodePIDPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasSufficientPID", Message: "kubelet has sufficient PID available"},
		{Type: corev1.NodeReady, Status: corev1.ConditionFalse, Reason: "KubeletNotReady", Message: "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized"},
	}
	if ready {
		list[3] = corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", Message: "kubelet is posting ready status"}
	}
	for n := range list {
		list[n].LastHeartbeatTime = at
	}
	return list
}

// resources are a machine's capacity and what of it pods can have. Memory is less than the type's nominal: catalog says
// by how much, for a pool that reserves nothing. From that the kubelet keeps what its flags say
// (kubernetes.io/docs/tasks/administer-cluster/reserve-compute-resources).
func (m *machine) resources() (capacity, allocatable corev1.ResourceList) {
	capacity = catalog.Allocatable(&v1alpha1.NodePool{}, m.facts.Type)
	capacity[corev1.ResourceEphemeralStorage] = *resource.NewQuantity(int64(m.facts.RootGiB)<<30, resource.BinarySI)
	if m.kubelet.maxPods > 0 {
		capacity[corev1.ResourcePods] = *resource.NewQuantity(int64(m.kubelet.maxPods), resource.DecimalSI)
	}
	allocatable = capacity.DeepCopy()
	for name, reserved := range m.kubelet.reserved {
		left, known := allocatable[name]
		if !known {
			continue
		}
		if left.Sub(reserved); left.Sign() < 0 {
			left = *resource.NewQuantity(0, left.Format)
		}
		allocatable[name] = left
	}
	return capacity, allocatable
}

// uuid is always the same for the same seed.
func uuid(seed string) string {
	b := sha256.Sum256([]byte(seed))
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
