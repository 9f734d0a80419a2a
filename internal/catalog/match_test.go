package catalog

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"pgregory.net/rapid"
)

// What Match says is what the scheduler says of the same node affinity.
func TestMatchIsNodeAffinity(t *testing.T) {
	key := rapid.SampledFrom([]string{"a", "b", "c"})
	value := rapid.SampledFrom([]string{"x", "y", "1", "2", "3"})
	number := rapid.SampledFrom([]string{"0", "1", "2", "3", "40"})
	requirement := rapid.Custom(func(t *rapid.T) corev1.NodeSelectorRequirement {
		r := corev1.NodeSelectorRequirement{Key: key.Draw(t, "key")}
		r.Operator = rapid.SampledFrom([]corev1.NodeSelectorOperator{
			corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn, corev1.NodeSelectorOpExists,
			corev1.NodeSelectorOpDoesNotExist, corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt,
		}).Draw(t, "operator")
		switch r.Operator {
		case corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn:
			r.Values = rapid.SliceOfN(value, 1, 3).Draw(t, "values")
		case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
			r.Values = []string{number.Draw(t, "bound")}
		}
		return r
	})
	rapid.Check(t, func(t *rapid.T) {
		reqs := rapid.SliceOfN(requirement, 1, 4).Draw(t, "requirements")
		labels := rapid.MapOf(key, value).Draw(t, "labels")
		node := &corev1.Node{}
		node.Labels = labels

		selector, err := nodeaffinity.NewNodeSelector(&corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: reqs}},
		})
		if err != nil {
			t.Fatal(err)
		}
		ok, failed := Match(reqs, labels)
		if want := selector.Match(node); ok != want {
			t.Fatalf("Match says %v, the scheduler %v", ok, want)
		}
		if (failed == nil) != ok {
			t.Fatalf("ok %v, failed %v", ok, failed)
		}
		if failed != nil {
			if alone, _ := Match([]corev1.NodeSelectorRequirement{*failed}, labels); alone {
				t.Fatalf("%v is said to fail, and holds", *failed)
			}
		}
	})
}

func TestMatchOfWhatIsNotWellFormed(t *testing.T) {
	labels := map[string]string{"n": "4"}
	for _, r := range []corev1.NodeSelectorRequirement{
		{Key: "n", Operator: "Is", Values: []string{"4"}},
		{Key: "n", Operator: corev1.NodeSelectorOpGt},
		{Key: "n", Operator: corev1.NodeSelectorOpGt, Values: []string{"1", "2"}},
		{Key: "n", Operator: corev1.NodeSelectorOpLt, Values: []string{"many"}},
	} {
		ok, failed := Match([]corev1.NodeSelectorRequirement{r}, labels)
		require.False(t, ok)
		require.Equal(t, r, *failed)
	}
}

func TestRequirementWords(t *testing.T) {
	require.Equal(t, "k Exists", RequirementWords(corev1.NodeSelectorRequirement{Key: "k", Operator: corev1.NodeSelectorOpExists}))
	require.Equal(t, "k In [a b]", RequirementWords(corev1.NodeSelectorRequirement{Key: "k", Operator: "In", Values: []string{"a", "b"}}))
	require.Equal(t, "k In [a b c d e f … and 2 more]",
		RequirementWords(corev1.NodeSelectorRequirement{Key: "k", Operator: "In", Values: []string{"a", "b", "c", "d", "e", "f", "g", "h"}}))
}
