package planner

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	schedulinghelper "k8s.io/component-helpers/scheduling/corev1"

	"floe.dev/floe/api/v1alpha1"
)

// annSelected names the node that a claim's volume is being made for (k8s.io/component-helpers/storage/volume,
// AnnSelectedNode).
const annSelected = "volume.kubernetes.io/selected-node"

// users finds out who else uses the claims of pods that are planned for: a claim that one pod alone may use is the bound
// pod's that has it, or else the pending pod's that the scheduler takes first; and pods that share a claim without a
// volume yet are to come to one zone, where the first of them has the volume made.
func (st *storage) users(pods []*corev1.Pod, nodes []Node) {
	of := map[string][]*corev1.Pod{}
	for _, pod := range pods {
		for i := range pod.Spec.Volumes {
			if name, claim := st.claim(pod, &pod.Spec.Volumes[i]); claim != nil && name != "" {
				of[pod.Namespace+"/"+name] = append(of[pod.Namespace+"/"+name], pod)
			}
		}
	}
	if len(of) == 0 {
		return
	}
	for i := range nodes {
		st.zones[nodes[i].Name] = nodes[i].Labels[v1alpha1.LabelZone]
	}
	for key, users := range of {
		claim := st.claims[key]
		if claim == nil {
			continue // of an ephemeral volume: one pod's
		}
		if slices.Contains(claim.Spec.AccessModes, corev1.ReadWriteOncePod) {
			st.holders[key] = slices.MinFunc(users, func(a, b *corev1.Pod) int {
				return cmp.Or(
					cmp.Compare(schedulinghelper.PodPriority(b), schedulinghelper.PodPriority(a)),
					cmp.Compare(btoi(a.Status.NominatedNodeName == ""), btoi(b.Status.NominatedNodeName == "")),
					cmp.Compare(a.Name, b.Name),
				)
			})
		} else if len(users) > 1 && claim.Annotations[annBound] == "" {
			st.shared[key] = true
		}
	}
	for i := range nodes {
		for _, pod := range nodes[i].Pods {
			for j := range pod.Spec.Volumes {
				name, _ := st.claim(pod, &pod.Spec.Volumes[j])
				if key := pod.Namespace + "/" + name; st.holders[key] != nil && !ended(pod) {
					st.holders[key] = pod
				}
			}
		}
	}
}

// addUsers adds what the other users of a pod's claim mean for it.
func (st *storage) addUsers(v *volumes, pod *corev1.Pod, name string) {
	key := pod.Namespace + "/" + name
	if holder := st.holders[key]; holder != nil && holder != pod {
		v.never("claim %s is ReadWriteOncePod, and pod %s has it or comes first", name, holder.Name)
	}
	if st.shared[key] {
		v.shared = append(v.shared, key)
		v.key += "shared " + key + "\x00"
	}
	claim := st.claims[key]
	if claim == nil || claim.Annotations[annBound] != "" {
		return
	}
	if zone := st.zones[claim.Annotations[annSelected]]; zone != "" {
		v.within(&corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
			{Key: v1alpha1.LabelZone, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}},
		}}}})
	}
}

// claimTerm selects the pods that use a claim, zone by zone.
func claimTerm(key string) *term { return &term{key: v1alpha1.LabelZone, claim: key} }

// addClaims ties a class to the zone of those that it shares claims with, as if they had affinity to each other.
func (p *plan) addClaims(c *class) {
	if c.volumes == nil {
		return
	}
	for _, key := range c.volumes.shared {
		c.topology.with = append(c.topology.with, p.counter(claimTerm(key), fmt.Sprintf("claim %s", key), nil))
	}
}

// uses reports whether a pod uses a claim, by namespace/name.
func uses(pod *corev1.Pod, claim string) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.PersistentVolumeClaim != nil && pod.Namespace+"/"+v.PersistentVolumeClaim.ClaimName == claim
	})
}
