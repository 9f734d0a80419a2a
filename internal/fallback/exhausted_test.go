package fallback

import (
	"testing"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

func TestExhausted(t *testing.T) {
	v := contract.ScaleUpView{
		Count: 3, Instances: make([]contract.Instance, 1),
		Chain: &contract.Chain{
			Steps: []contract.Step{
				{CapacityType: v1alpha1.Hibernated, Skipped: "the pool keeps no standby"},
				{Index: 1, CapacityType: v1alpha1.Spot},
			},
			Help: []string{"allow the family m6i", "add a zone"},
		},
		Hops: []contract.Hop{{Number: 1, CapacityType: v1alpha1.Spot, Outcomes: []contract.Outcome{{Answer: contract.AnswerICE}}}},
	}
	require.Equal(t, "the chain's end is reached with 1 of 3 machines; step 1 (hibernated) was skipped: the pool keeps no standby; "+
		"hop 1 (spot): 1 insufficient-capacity; what would help: allow the family m6i, or add a zone", Exhausted(v))

	v.Chain = nil
	for n := 2; n <= 20; n++ {
		v.Hops = append(v.Hops, contract.Hop{Number: n, CapacityType: v1alpha1.OnDemand, Error: "no"})
	}
	words := Exhausted(v)
	require.Contains(t, words, "hop 6 (on-demand): no; and 14 hops more")
	require.NotContains(t, words, "hop 7")
}
