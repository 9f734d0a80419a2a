package workflows

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"floe.dev/floe/api/contract"
)

// What a node in service costs the server: it is looked at once an hour, by one timer and one activity, and by nothing
// else. (docs/benchmarks.md tells the Actions of a node-day.)
func TestNodeDay(t *testing.T) {
	w := newWorld(t)
	ready := contract.KubeNode{Name: "ip-10-0-0-1", UID: "u1", Exists: true, Ready: true, Initialized: true}
	w.read = func(contract.ReadNodeInput) (contract.KubeNode, error) { return ready, nil }
	w.register = func(contract.RegisterInput) (contract.RegisterResult, error) {
		return contract.RegisterResult{Node: ready}, nil
	}
	env := w.env()
	takesSignals(env)
	timers, activities := 0, map[string]int{}
	counting := false
	env.SetOnTimerScheduledListener(func(string, time.Duration) {
		if counting {
			timers++
		}
	})
	env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
		if counting {
			activities[info.ActivityType.Name]++
		}
	})
	env.RegisterDelayedCallback(func() { seen("a", true)(env) }, time.Second)
	env.RegisterDelayedCallback(func() {
		require.Equal(t, contract.PhaseReady, nodeView(t, env).Phase)
		counting = true
	}, time.Minute)
	env.RegisterDelayedCallback(func() { env.CancelWorkflow() }, 24*time.Hour+time.Minute)
	env.ExecuteWorkflow(contract.WorkflowNode, nodeInput())
	require.True(t, env.IsWorkflowCompleted())
	require.Equal(t, 24, timers)
	require.Equal(t, map[string]int{contract.ActivityReadNode: 24}, activities)
}
