package disruption

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/v1alpha1"
)

// fate says whether a leaving machine is worth asking its pool's Standby about, which alone knows what it lacks, or in
// words why it is terminated. Where the pool keeps no standby there is nothing to choose, and nothing to say.
func (j *judge) fate(n *node, reason v1alpha1.DisruptionReason) (keep bool, words string) {
	if n.pool.Spec.Standby == nil {
		return false, ""
	}
	why := ""
	switch {
	case n.Labels[v1alpha1.LabelCapacityType] != string(v1alpha1.OnDemand):
		why = "a spot machine can be neither stopped nor kept"
	case reason == v1alpha1.DisruptCondition:
		why = "it is not sound"
	case !ready(n.Node.Node):
		why = "it is not Ready, and only a ready node can be frozen"
	default:
		why = j.unfitForStandby(n)
	}
	if why != "" {
		return false, "terminated: " + why
	}
	return true, ""
}

// unfitForStandby says why a machine like this one would not be made ready for the pool's standby today.
func (j *judge) unfitForStandby(n *node) string {
	for _, holds := range []want{j.drifted(n), j.expired(n)} {
		if holds.now {
			return holds.words
		}
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		asked, has := n.pool.Spec.Standby.Requests[name], n.Status.Allocatable[name]
		if !has.IsZero() && has.Cmp(asked) < 0 {
			return fmt.Sprintf("it holds %s of %s, and the standby's machines are to hold %s (standby.requests)", has.String(), name, asked.String())
		}
	}
	return ""
}
