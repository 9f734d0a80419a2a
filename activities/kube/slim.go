package kube

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The informers keep only what somebody here reads: 15,000 pods in full are some 150 MB. Objects in the caches are
// therefore never written back to the API server; changes go out as patches.

func slimMeta(m *metav1.ObjectMeta) {
	m.ManagedFields = nil
	delete(m.Annotations, corev1.LastAppliedConfigAnnotation)
}

func slimPod(obj any) (any, error) {
	if pod, ok := obj.(*corev1.Pod); ok {
		slimMeta(&pod.ObjectMeta)
		slimPodSpec(&pod.Spec)
		pod.Status = corev1.PodStatus{
			Phase: pod.Status.Phase, Conditions: pod.Status.Conditions, NominatedNodeName: pod.Status.NominatedNodeName,
			StartTime: pod.Status.StartTime, Resize: pod.Status.Resize, Resources: pod.Status.Resources,
			AllocatedResources: pod.Status.AllocatedResources,
			// Resources of a pod that is being resized are in the status of its containers.
			ContainerStatuses:     slimStatuses(pod.Status.ContainerStatuses),
			InitContainerStatuses: slimStatuses(pod.Status.InitContainerStatuses),
		}
	}
	return obj, nil
}

// slimPodKeepingImages is slimPod, but for the image IDs of containers.
func slimPodKeepingImages(obj any) (any, error) {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return obj, nil
	}
	full := pod.Status
	if _, err := slimPod(pod); err != nil {
		return nil, err
	}
	for i, s := range full.ContainerStatuses {
		pod.Status.ContainerStatuses[i].ImageID = s.ImageID
	}
	for i, s := range full.InitContainerStatuses {
		pod.Status.InitContainerStatuses[i].ImageID = s.ImageID
	}
	return pod, nil
}

// tellImages is slimNode, and tells of the images before it drops them.
func tellImages(tell func(names []string, bytes int64)) func(any) (any, error) {
	return func(obj any) (any, error) {
		if node, ok := obj.(*corev1.Node); ok {
			for _, image := range node.Status.Images {
				tell(image.Names, image.SizeBytes)
			}
		}
		return slimNode(obj)
	}
}

func slimStatuses(full []corev1.ContainerStatus) []corev1.ContainerStatus {
	if len(full) == 0 {
		return nil
	}
	slim := make([]corev1.ContainerStatus, len(full))
	for i, s := range full {
		slim[i] = corev1.ContainerStatus{Name: s.Name, Resources: s.Resources, AllocatedResources: s.AllocatedResources}
	}
	return slim
}

func slimPodSpec(spec *corev1.PodSpec) {
	slimContainers(spec.InitContainers)
	slimContainers(spec.Containers)
	spec.EphemeralContainers = nil
	spec.HostAliases = nil
	spec.SecurityContext = nil
	spec.DNSConfig = nil
	spec.ImagePullSecrets = nil
	for i, v := range spec.Volumes {
		// Claims say where a pod can run; what other volumes hold does not.
		spec.Volumes[i] = corev1.Volume{Name: v.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: v.PersistentVolumeClaim, Ephemeral: v.Ephemeral,
		}}
	}
}

func slimContainers(containers []corev1.Container) {
	for i, c := range containers {
		containers[i] = corev1.Container{
			Name: c.Name, Image: c.Image, Ports: c.Ports, Resources: c.Resources, RestartPolicy: c.RestartPolicy,
		}
	}
}

func slimNode(obj any) (any, error) {
	if node, ok := obj.(*corev1.Node); ok {
		slimMeta(&node.ObjectMeta)
		node.Status.Images = nil
		node.Status.VolumesAttached = nil
		node.Status.VolumesInUse = nil
	}
	return obj, nil
}

func slimDaemonSet(obj any) (any, error) {
	if set, ok := obj.(*appsv1.DaemonSet); ok {
		slimMeta(&set.ObjectMeta)
		slimPodSpec(&set.Spec.Template.Spec)
		set.Status = appsv1.DaemonSetStatus{}
	}
	return obj, nil
}

// slimAny leaves out of any object what none of them is read for.
func slimAny(obj any) (any, error) {
	if o, ok := obj.(metav1.ObjectMetaAccessor); ok {
		if meta, ok := o.GetObjectMeta().(*metav1.ObjectMeta); ok {
			slimMeta(meta)
		}
	}
	return obj, nil
}

func slimNamespace(obj any) (any, error) {
	if ns, ok := obj.(*corev1.Namespace); ok {
		slimMeta(&ns.ObjectMeta)
	}
	return obj, nil
}
