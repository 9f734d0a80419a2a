package nodes

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"floe.dev/floe/api/contract"
)

func orders(n int) contract.WakeNodesInput {
	in := contract.WakeNodesInput{Cluster: "demo"}
	for i := range n {
		in.Machines = append(in.Machines, contract.WakeOrder{
			Instance: fmt.Sprint("i-", i), Resume: contract.Operation{Request: fmt.Sprint("r-", i), Started: time.Unix(1, 0)},
		})
	}
	return in
}

func TestWake(t *testing.T) {
	temporalFake := &fakeTemporal{told: map[string]contract.Operation{}, err: map[string]error{
		"node/demo/i-7": serviceerror.NewNotFound("workflow execution already completed"), "node/demo/i-3": serviceerror.NewNotFound("no such workflow"),
	}}
	a := &Activities{temporal: func(context.Context) Temporal { return temporalFake }}
	result, err := a.Wake(t.Context(), orders(20))
	require.NoError(t, err)
	require.Equal(t, []string{"i-3", "i-7"}, result.Missing)
	require.Len(t, temporalFake.told, 18)
	require.Equal(t, "r-5", temporalFake.told["node/demo/i-5 "+contract.SignalResume].Request)

	temporalFake.err["node/demo/i-9"] = errors.New("away")
	_, err = a.Wake(t.Context(), orders(20))
	require.ErrorContains(t, err, "signal node/demo/i-9: away")
	requireUnavailable(t, err)
}
