package disruption

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// refusal is what keeps a node that would leave from leaving. The code stays the same while numbers in why change.
type refusal struct{ code, why string }

// refuses is everything but budgets and room: what is true of the node, of its pods and of its pool.
func (j *judge) refuses(n *node, reason v1alpha1.DisruptionReason) *refusal {
	if r := j.nodeRefuses(n, reason); r != nil {
		return r
	}
	for _, pod := range n.moving {
		if r := j.podRefuses(pod, reason); r != nil {
			return r
		}
	}
	if shrinks(reason) && n.pool.holding != "" {
		return &refusal{"failing", n.pool.holding}
	}
	return j.launching(n, reason)
}

// launching refuses to shrink where nobody knows what is being bought, and to consolidate a pool while machines come to it
// for demand: what they leave free may change the answer, and what is bought for pods is not bought twice.
func (j *judge) launching(n *node, reason v1alpha1.DisruptionReason) *refusal {
	if shrinks(reason) && j.Blind != "" {
		return &refusal{"launching", "nobody knows what is being launched: the Provisioner does not answer: " + j.Blind}
	}
	if reason != v1alpha1.DisruptUnderused {
		return nil
	}
	for _, l := range j.Room.Ledger {
		if l.Purpose == contract.PurposeDemand && l.Pool == n.pool.name {
			return &refusal{"launching", fmt.Sprintf("launch %s of %s is to bring pool %s %s, which may change what fits where",
				l.ScaleUp, stamp(l.Opened), l.Pool, plural(l.Open+len(l.Instances), "machine"))}
		}
	}
	return nil
}

func (j *judge) nodeRefuses(n *node, reason v1alpha1.DisruptionReason) *refusal {
	d := n.pool.Spec.Disruption
	if n.Hold.Lasts(j.Now) {
		return &refusal{"held", "it is " + n.Hold.String()}
	}
	if n.Silent != "" {
		return &refusal{"silent", "its Node workflow does not answer: " + n.Silent}
	}
	if p, ok := j.NotBefore[n.instance]; ok && p.Reason == reason && p.Until.After(j.Now) {
		j.clock(p.Until)
		return &refusal{"postponed", fmt.Sprintf("%s; it is asked again at %s", p.Why, stamp(p.Until))}
	}
	if key := forbids(n.Annotations); key != "" {
		return &refusal{"do-not-disrupt", "it bears the annotation " + key}
	}
	if d.MinimumAge != nil {
		if at := n.CreationTimestamp.Add(d.MinimumAge.Duration); at.After(j.Now) {
			j.clock(at)
			return &refusal{"minimum-age", fmt.Sprintf("it is younger than minimumAge %s until %s", d.MinimumAge.Duration, stamp(at))}
		}
	}
	if reason == v1alpha1.DisruptCondition {
		return nil // what is below says that the machine may be unsound, and then it is
	}
	if !ready(n.Node.Node) {
		return &refusal{"not-ready", "it is not Ready"}
	}
	if old := j.replacedBy(n); old != "" {
		return &refusal{"replaces", "it came for the pods of " + old + ", which has not left yet"}
	}
	if n.Spec.Unschedulable && reason != v1alpha1.DisruptExpired && reason != v1alpha1.DisruptDrifted {
		return &refusal{"cordoned", "somebody has cordoned it: uncordon it, or let it go with floe node terminate"}
	}
	return nil
}

// clocks is how far the cluster's clock may be from Temporal's.
const clocks = time.Minute

// replacedBy is a node whose replacement this one may be; empty where there is none. It has no pods until the other
// drains, and a PodDisruptionBudget can make that long. Which machine came for which node is known to the workflow that
// replaces it alone, so every machine bought as a replacement since then is kept.
func (j *judge) replacedBy(n *node) string {
	switch contract.Purpose(n.Annotations[v1alpha1.AnnotationPurpose]) {
	case contract.PurposeReturn, contract.PurposeReplace:
	default:
		return ""
	}
	came, _ := n.taken()
	for i := range j.Leaving {
		if l := &j.Leaving[i]; l.Workflow != "" && came.After(l.Since.Add(-clocks)) {
			return l.Node
		}
	}
	return ""
}

// podRefuses is what a pod has against moving. On an unsound machine its PodDisruptionBudget is the drain's business: the
// machine may be why the budget is used up.
func (j *judge) podRefuses(pod *corev1.Pod, reason v1alpha1.DisruptionReason) *refusal {
	if pod.DeletionTimestamp != nil {
		return nil // it goes in any case
	}
	name := pod.Namespace + "/" + pod.Name
	if key := forbids(pod.Annotations); key != "" {
		return &refusal{"do-not-disrupt", "pod " + name + " bears the annotation " + key}
	}
	if metav1.GetControllerOfNoCopy(pod) == nil {
		return &refusal{"bare-pod", "pod " + name + " has no controller: nothing would bring it back"}
	}
	if reason == v1alpha1.DisruptCondition {
		return nil
	}
	var found []*policyv1.PodDisruptionBudget
	for _, b := range j.budgets[pod.Namespace] {
		selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err == nil && selector.Matches(labels.Set(pod.Labels)) {
			found = append(found, b)
		}
	}
	if len(found) > 1 {
		// The eviction API answers 500 for such a pod (kubernetes.io/docs/tasks/run-application/configure-pdb).
		return &refusal{"budgets", fmt.Sprintf("pod %s has %d PodDisruptionBudgets (%s and %s), and the API server evicts no such pod: leave it one",
			name, len(found), found[0].Name, found[1].Name)}
	}
	for _, b := range found {
		always := b.Spec.UnhealthyPodEvictionPolicy != nil && *b.Spec.UnhealthyPodEvictionPolicy == policyv1.AlwaysAllow
		if b.Status.DisruptionsAllowed < 1 && !(always && !serves(pod)) {
			return &refusal{"pdb", fmt.Sprintf("PodDisruptionBudget %s/%s lets no pod go now, and pod %s is one of its", b.Namespace, b.Name, name)}
		}
	}
	return nil
}

// forbids is the annotation that forbids every voluntary disruption; empty where there is none.
func forbids(annotations map[string]string) string {
	for _, key := range []string{v1alpha1.AnnotationDoNotDisrupt, v1alpha1.AnnotationKarpenterDoNotDisrupt} {
		if annotations[key] == "true" {
			return key
		}
	}
	return ""
}

// moving are the pods that leave with a node: not those of DaemonSets, mirror pods, or pods that have ended.
func moving(pods []*corev1.Pod) (move []*corev1.Pod) {
	for _, pod := range pods {
		owner := metav1.GetControllerOfNoCopy(pod)
		_, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if !mirror && !ended && (owner == nil || owner.Kind != "DaemonSet") {
			move = append(move, pod)
		}
	}
	return move
}

func ready(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func tainted(n *corev1.Node, key string) bool {
	for i := range n.Spec.Taints {
		if n.Spec.Taints[i].Key == key {
			return true
		}
	}
	return false
}
