package integration

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"floe.dev/floe/api/contract"
)

const codeThrottled = "RequestLimitExceeded"

// Dozens of machines come and go at once within AWS's API budgets: not one call is refused, and calls are for many.
// (The bench does it with a thousand.)
func TestManyAtOnceWithinTheBudgets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.createPool(pool("general"))
	const n = 40
	w.cli("workflow", "start", "--type", "ScaleUp", "--task-queue", "floe", "--workflow-id", "many",
		"--input", `{"cluster":"demo","pool":"general","count":40}`)
	var up contract.ScaleUpView
	require.NoError(t, w.temporal.GetWorkflow(t.Context(), "many", "").Get(t.Context(), &up))
	require.Len(t, up.Instances, n)
	eventually(t, func() bool { return len(w.nodes("general")) == n }, "all nodes are Ready")

	var leaving errgroup.Group
	leaving.SetLimit(8)
	for _, i := range up.Instances {
		leaving.Go(func() error {
			return w.temporal.SignalWorkflow(t.Context(), contract.NodeID("demo", i.ID), "", contract.SignalTerminate,
				contract.Operation{Request: "r-" + i.ID, Reason: "all of them"})
		})
	}
	require.NoError(t, leaving.Wait())
	for _, i := range up.Instances {
		var end contract.NodeView
		require.NoError(t, w.temporal.GetWorkflow(t.Context(), contract.NodeID("demo", i.ID), "").Get(t.Context(), &end))
		require.Equal(t, contract.PhaseTerminated, end.Phase)
	}
	counts := w.truth().Counts
	require.Equal(t, 1, counts["CreateFleet"].All, "one call covers all that one step brings")
	require.LessOrEqual(t, counts["TerminateInstances"].All, n/2, "what comes together goes with one call")
	for action, count := range counts {
		require.Zero(t, count.Refused[codeThrottled], action)
	}
}

// A throttling answer all the same, by whoever else uses the account, is a delay and no failure.
func TestThrottlingIsADelay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "refuse CreateFleet 2 with RequestLimitExceeded\n"+
		"  refuse DescribeInstances 3 with RequestLimitExceeded\n"+
		"  refuse DescribeInstanceTypes 1 with RequestLimitExceeded\n"+
		"  refuse TerminateInstances 2 with RequestLimitExceeded")
	w.createPool(pool("general"))
	w.deploy("app", 3, "500m", "512Mi")
	eventually(t, func() bool { return w.running() == 3 }, "the pods run")
	node := w.nodes("general")[0]
	id, ok := contract.InstanceOfProviderID(node.Spec.ProviderID)
	require.True(t, ok)
	status, out, errs := w.floe("node", "terminate", id, "--reason", "throttled")
	require.Zero(t, status, out+errs)
	var end contract.NodeView
	require.NoError(t, w.temporal.GetWorkflow(t.Context(), contract.NodeID("demo", id), "").Get(t.Context(), &end))
	require.Equal(t, contract.PhaseTerminated, end.Phase)
	eventually(t, func() bool { return w.running() == 3 }, "the pods run elsewhere")

	counts := w.truth().Counts
	for action, want := range map[string]int{"CreateFleet": 2, "DescribeInstances": 3, "DescribeInstanceTypes": 1, "TerminateInstances": 2} {
		require.Equal(t, want, counts[action].Refused[codeThrottled], action)
	}
	failed := w.cli("workflow", "count", "--query", "ExecutionStatus='Failed'")
	require.Contains(t, failed, "Total: 0")
}
