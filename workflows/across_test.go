package workflows

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

// everyTurns are the numbers of turns after which every scenario of an entity workflow is continued as new; 0 is never.
var everyTurns = []int{0, 1, 2, 3, 5, 7, 11}

// event is something that happens to a workflow at an offset from the scenario's start.
type event struct {
	at time.Duration
	do func(*testsuite.TestWorkflowEnvironment)
}

// runAcrossContinue plays a scenario against an entity workflow through every continue-as-new that it asks for: each
// run gets the state of the one before, at the time where that ended, and the events that are left. It returns the
// environment of the last run and the number of runs.
func runAcrossContinue[I any](t *testing.T, w *world, prepare func(*testsuite.TestWorkflowEnvironment), name string, in I, events []event) (*testsuite.TestWorkflowEnvironment, int) {
	t.Helper()
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	now, runs := start, 0
	happened := make([]bool, len(events))
	for {
		runs++
		require.Less(t, runs, 100, "it continues as new for ever")
		env := w.env()
		prepare(env)
		env.SetStartTime(now)
		for i, e := range events {
			if !happened[i] {
				env.RegisterDelayedCallback(func() {
					happened[i] = true
					e.do(env)
				}, max(0, start.Add(e.at).Sub(now)))
			}
		}
		env.ExecuteWorkflow(name, in)
		require.True(t, env.IsWorkflowCompleted())
		var again *workflow.ContinueAsNewError
		if !errors.As(env.GetWorkflowError(), &again) {
			return env, runs
		}
		now = env.Now()
		var next I
		require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &next))
		in = next
	}
}

// atEveryTurn runs a scenario with a continue-as-new after each number of turns.
func atEveryTurn(t *testing.T, scenario func(t *testing.T, maxTurns int)) {
	for _, turns := range everyTurns {
		t.Run(fmt.Sprintf("continue as new after %d turns", turns), func(t *testing.T) { scenario(t, turns) })
	}
}
