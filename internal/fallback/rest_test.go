package fallback

import (
	"testing"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/contract"
)

func TestRest(t *testing.T) {
	offering := func(instanceType string) contract.Offering {
		return contract.Offering{Region: "r", ZoneID: "z", InstanceType: instanceType, CapacityType: "spot"}
	}
	step := contract.Step{CapacityType: "spot", Overrides: []contract.Override{
		{Offering: offering("a")}, {Offering: offering("b")}, {Offering: offering("c")},
	}}
	outcomes := []contract.Outcome{
		{Offering: offering("a"), Answer: contract.AnswerLaunched, Count: 1},
		{Offering: offering("b"), Answer: contract.AnswerICE},
		{Offering: offering("c"), Answer: contract.AnswerThrottled},
	}
	require.Empty(t, Rest(step, outcomes[1:2], 0).Overrides, "nothing launched: next step")
	rest := Rest(step, outcomes, 1)
	require.Len(t, rest.Overrides, 2)
	require.Equal(t, "a", rest.Overrides[0].InstanceType)
	require.Equal(t, "c", rest.Overrides[1].InstanceType)
	require.Len(t, step.Overrides, 3, "the step itself is not changed")
}
