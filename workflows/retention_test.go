package workflows

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"floe.dev/floe/api/contract"
)

// retention runs a Retention whose collections are pruned by prune.
func retention(t *testing.T, in contract.RetentionInput, prune func(contract.PruneInput) (contract.PruneResult, error)) *testsuite.TestWorkflowEnvironment {
	env := newWorld(t).env()
	env.RegisterActivityWithOptions(func(_ context.Context, in contract.PruneInput) (contract.PruneResult, error) {
		return prune(in)
	}, activity.RegisterOptions{Name: contract.ActivityPrune})
	env.ExecuteWorkflow(contract.WorkflowRetention, in)
	return env
}

func TestRetentionGoesThroughEveryCollection(t *testing.T) {
	asked := map[string]time.Time{}
	away := true
	env := retention(t, contract.RetentionInput{Hours: map[string]float64{"plans": 36.5, "hops": 26280, "nodes": 0}},
		func(in contract.PruneInput) (contract.PruneResult, error) {
			if in.Collection == contract.CollectionHops && away {
				away = false
				return contract.PruneResult{}, temporal.NewApplicationError("the store does not answer", contract.ErrUnavailable)
			}
			asked[in.Collection] = in.Before
			return contract.PruneResult{PruneInput: in, Gone: 3, Left: 4}, nil
		})
	var result contract.RetentionResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Len(t, result.Collections, len(contract.Retained))
	for i, collection := range result.Collections {
		require.Equal(t, contract.Retained[i], collection.Collection)
		require.EqualValues(t, 4, collection.Left)
		require.True(t, collection.Before.Equal(asked[collection.Collection]))
	}
	require.Len(t, asked, len(contract.Retained))
	now := env.Now()
	require.WithinDuration(t, now.Add(-36*time.Hour-30*time.Minute), asked[contract.CollectionPlans], time.Minute)
	require.WithinDuration(t, now.Add(-26280*time.Hour), asked[contract.CollectionHops], time.Minute)
	for _, kept := range []string{contract.CollectionNodes, contract.CollectionOfferings, contract.CollectionEvents} {
		require.Zero(t, asked[kept], "%s: 0 and unnamed are kept for ever", kept)
	}
	require.Equal(t, "- `plans`: 3 from before 2026-01-01T00:00:00Z are gone, 4 stay\n- `nodes`: 4 stay\n\nNow: count hops.",
		retentionDetails(contract.RetentionResult{Collections: []contract.PruneResult{
			{PruneInput: contract.PruneInput{Collection: "plans", Before: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, Gone: 3, Left: 4},
			{PruneInput: contract.PruneInput{Collection: "nodes"}, Left: 4},
		}}, "count hops"))
}

func TestRetentionRefusesWhatMakesNoSense(t *testing.T) {
	for name, tc := range map[string]struct {
		hours map[string]float64
		says  string
	}{
		"unknown":   {map[string]float64{"plan": 720}, "hours.plan: unknown collection; name some of plans, offerings, events, hops, nodes"},
		"too short": {map[string]float64{"plans": 23}, "hours.plans: 23 is out of range; give at least 24, or 0 to delete nothing"},
		"negative":  {map[string]float64{"hops": -1}, "hours.hops: -1 is out of range"},
		"too long":  {map[string]float64{"nodes": 1e9}, "hours.nodes: 1e+09 is out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			env := retention(t, contract.RetentionInput{Hours: tc.hours}, func(contract.PruneInput) (contract.PruneResult, error) {
				t.Error("nothing may be deleted")
				return contract.PruneResult{}, nil
			})
			requireErrorType(t, contract.ErrInvalidInput, env.GetWorkflowError())
			require.ErrorContains(t, env.GetWorkflowError(), tc.says)
		})
	}
}

func TestRetentionFailsWithWordsOfTheStore(t *testing.T) {
	env := retention(t, contract.RetentionInput{}, func(contract.PruneInput) (contract.PruneResult, error) {
		return contract.PruneResult{}, fatal(contract.ErrInvalidInput, "before: no")
	})
	requireErrorType(t, contract.ErrInvalidInput, env.GetWorkflowError())
}
