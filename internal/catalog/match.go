package catalog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Match reports whether the labels satisfy every requirement, by the rules of node affinity
// (kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node, "Operators"): NotIn and DoesNotExist hold where the
// label is absent, Gt and Lt compare whole numbers and hold for nothing else. failed is the first that does not hold.
func Match(reqs []corev1.NodeSelectorRequirement, labels map[string]string) (ok bool, failed *corev1.NodeSelectorRequirement) {
	for i := range reqs {
		if !matches(&reqs[i], labels) {
			return false, &reqs[i]
		}
	}
	return true, nil
}

func matches(r *corev1.NodeSelectorRequirement, labels map[string]string) bool {
	value, present := labels[r.Key]
	switch r.Operator {
	case corev1.NodeSelectorOpIn:
		return present && slices.Contains(r.Values, value)
	case corev1.NodeSelectorOpNotIn:
		return !present || !slices.Contains(r.Values, value)
	case corev1.NodeSelectorOpExists:
		return present
	case corev1.NodeSelectorOpDoesNotExist:
		return !present
	case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
		if !present || len(r.Values) != 1 {
			return false
		}
		have, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return false
		}
		bound, err := strconv.ParseInt(r.Values[0], 10, 64)
		if err != nil {
			return false
		}
		if r.Operator == corev1.NodeSelectorOpGt {
			return have > bound
		}
		return have < bound
	}
	return false
}

// RequirementWords says a requirement as people write it: "floe.dev/instance-family In [c5 m5]".
func RequirementWords(r corev1.NodeSelectorRequirement) string {
	const most = 6 // values told; a list of sixty says no more than its beginning
	words := r.Key + " " + string(r.Operator)
	if len(r.Values) == 0 {
		return words
	}
	if n := len(r.Values) - most; n > 0 {
		return fmt.Sprintf("%s [%s … and %d more]", words, strings.Join(r.Values[:most], " "), n)
	}
	return fmt.Sprintf("%s [%s]", words, strings.Join(r.Values, " "))
}
