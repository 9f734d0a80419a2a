package kube

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// listedImages is how many images a Node lists unless its kubelet is told otherwise, the largest first
// (kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1, nodeStatusMaxImages).
const listedImages = 50

// prefetchPod is the name of the pod that pulls an image onto a Node: the same for every try.
func prefetchPod(in contract.PrefetchInput, image string) string {
	sum := sha256.Sum256([]byte(in.Node + "\n" + in.UID + "\n" + image))
	return "floe-prefetch-" + hex.EncodeToString(sum[:10])
}

// podOf pulls an image and ends. It meets the Pod Security Standard "restricted", and needs nothing of the machine but the
// pull.
func (p *prefetch) podOf(q *pull) *corev1.Pod {
	yes, no, nobody, nothing := true, false, int64(65534), int64(0)
	seconds := max(1, int64(p.deadline.Sub(p.now()).Seconds()))
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: q.pod, Namespace: p.how.Namespace,
			Labels: map[string]string{v1alpha1.LabelPrefetch: string(p.node.UID)},
			// Whatever becomes of this worker, the pod goes with its Node.
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: p.node.Name, UID: p.node.UID}},
		},
		Spec: corev1.PodSpec{
			NodeName:                      p.node.Name,
			RestartPolicy:                 corev1.RestartPolicyNever,
			ActiveDeadlineSeconds:         &seconds,
			TerminationGracePeriodSeconds: &nothing,
			Tolerations:                   []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
			AutomountServiceAccountToken:  &no,
			EnableServiceLinks:            &no,
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, RunAsUser: &nobody, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "pull", Image: q.image, ImagePullPolicy: corev1.PullIfNotPresent,
				Command: []string{"/floe-prefetch-runs-nothing"},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
	for _, name := range p.how.PullSecrets {
		pod.Spec.ImagePullSecrets = append(pod.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: name})
	}
	return pod
}

// listed is where a Node lists an image, by any of its names; -1 where it does not.
func listed(node *corev1.Node, image string) int {
	return slices.IndexFunc(node.Status.Images, func(i corev1.ContainerImage) bool { return slices.Contains(i.Names, image) })
}

// see judges a pull by what the Node lists and by what its pod says; the pod may be nil.
func (q *pull) see(node *corev1.Node, pod *corev1.Pod) {
	at := listed(node, q.image)
	switch {
	case at >= 0:
		q.done, q.listed, q.failed, q.bytes = true, true, "", node.Status.Images[at].SizeBytes
		return
	case q.listed && len(node.Status.Images) < listedImages:
		q.failed = "it was pulled, and the kubelet's garbage collection took it: lower spec.standby.prefetch.disk, or give the machine a larger root volume"
		return
	case q.done || pod == nil:
		return
	}
	pulled, failed, final := pullOf(pod)
	switch {
	case pulled:
		q.done, q.failed = true, ""
	case failed != "":
		q.failed, q.done = failed, final
	}
}

// started are the reasons that a kubelet gives once it tries to make or start a container, which it does after the pull
// (pkg/kubelet/kuberuntime/kuberuntime_container.go of Kubernetes 1.36, startContainer).
var started = []string{"RunContainerError", "CreateContainerError", "CreateContainerConfigError", "StartError", "ContainerCannotRun"}

// pullOf says whether a pod's image is pulled or, where not, what is known of why, and whether that is final.
func pullOf(pod *corev1.Pod) (pulled bool, failed string, final bool) {
	if i := slices.IndexFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.Name == "pull" }); i >= 0 {
		s := pod.Status.ContainerStatuses[i]
		if s.ImageID != "" || s.State.Waiting != nil && slices.Contains(started, s.State.Waiting.Reason) ||
			s.State.Terminated != nil && slices.Contains(started, s.State.Terminated.Reason) {
			return true, "", true
		}
		if w := s.State.Waiting; w != nil {
			switch w.Reason {
			case "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "SignatureValidationFailed":
				return false, saysWhy(w.Reason, w.Message), true
			case "ErrImagePull", "RegistryUnavailable", "ImageInspectError":
				return false, saysWhy(w.Reason, w.Message), false // it is tried again
			}
		}
	}
	if pod.Status.Phase == corev1.PodFailed { // refused by the kubelet, or out of time
		return false, saysWhy(pod.Status.Reason, pod.Status.Message), true
	}
	return false, "", false
}

// saysWhy is a reason with its message, short enough to be told in a history.
func saysWhy(reason, message string) string {
	const most = 300
	if reason == "" {
		reason = "its pod failed"
	}
	if message == "" {
		return reason
	}
	if len(message) > most {
		message = message[:most] + "…"
	}
	return fmt.Sprintf("%s: %s", reason, message)
}
