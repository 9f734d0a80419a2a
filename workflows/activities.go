// Package workflows is Floe's orchestration: deterministic, thin, one file a workflow. What is hard to decide is asked
// of a pure package; what touches the world is an activity.
package workflows

import (
	"context"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/activities/aws"
	"floe.dev/floe/activities/kube"
	startnodes "floe.dev/floe/activities/nodes"
	"floe.dev/floe/activities/store"
	"floe.dev/floe/api/contract"
)

// call is an activity's name with the types of what goes in and what comes out, so that a call is checked by the
// compiler although it goes by the contract's name. (The name of a method is not enough: workers for different task
// queues have registries of their own.)
type call[I, O any] struct{ name string }

func define[I, O any](name string, _ func(context.Context, I) (O, error)) call[I, O] {
	return call[I, O]{name}
}

func defineVoid[I any](name string, _ func(context.Context, I) error) call[I, struct{}] {
	return call[I, struct{}]{name}
}

// Typed nil receivers: the methods name the types, nothing is called on them.
var (
	kubeActivities  *kube.Activities
	awsActivities   *aws.Activities
	storeActivities *store.Activities
	nodeActivities  *startnodes.Activities
)

var (
	planActivity       = define(contract.ActivityPlan, kubeActivities.Plan)
	openChainActivity  = define(contract.ActivityOpenChain, kubeActivities.OpenChain)
	registerActivity   = define(contract.ActivityRegister, kubeActivities.Register)
	readNodeActivity   = define(contract.ActivityReadNode, kubeActivities.ReadNode)
	drainActivity      = define(contract.ActivityDrain, kubeActivities.Drain)
	deleteNodeActivity = defineVoid(contract.ActivityDeleteNode, kubeActivities.DeleteNode)
	unmarkActivity     = defineVoid(contract.ActivityUnmark, kubeActivities.Unmark)
	launchActivity     = define(contract.ActivityLaunch, awsActivities.Launch)
	terminateActivity  = define(contract.ActivityTerminate, awsActivities.Terminate)
	describeActivity   = define(contract.ActivityDescribe, awsActivities.Describe)
	confirmActivity    = define(contract.ActivityConfirmReclaim, awsActivities.ConfirmReclaim)
	putNodeActivity    = defineVoid(contract.ActivityPutNode, storeActivities.PutNode)
	startNodesActivity = defineVoid(contract.ActivityStartNodes, nodeActivities.Start)
	wakeNodesActivity  = define(contract.ActivityWakeNodes, nodeActivities.Wake)
	disruptActivity    = define(contract.ActivityDisrupt, kubeActivities.Disrupt)
	cordonActivity     = defineVoid(contract.ActivityCordon, kubeActivities.Cordon)
	awaitNodesActivity = define(contract.ActivityAwaitNodes, kubeActivities.AwaitNodes)
	putEventsActivity  = defineVoid(contract.ActivityPutEvents, storeActivities.PutEvents)
	putHopsActivity    = defineVoid(contract.ActivityPutHops, storeActivities.PutHops)

	startActivity         = define(contract.ActivityStart, awsActivities.Start)
	stopActivity          = define(contract.ActivityStop, awsActivities.Stop)
	awaitStateActivity    = define(contract.ActivityAwaitState, awsActivities.AwaitState)
	freezeActivity        = define(contract.ActivityFreeze, kubeActivities.Freeze)
	lastWordsActivity     = define(contract.ActivityReadLastWords, kubeActivities.ReadLastWords)
	proveActivity         = define(contract.ActivityProve, kubeActivities.Prove)
	readStandbyActivity   = define(contract.ActivityReadStandby, kubeActivities.ReadStandby)
	prefetchActivity      = define(contract.ActivityPrefetch, kubeActivities.Prefetch)
	openNodeActivity      = defineVoid(contract.ActivityOpenNode, kubeActivities.OpenNode)
	launchHistoryActivity = define(contract.ActivityLaunchHistory, storeActivities.LaunchHistory)
	putReclaimActivity    = defineVoid(contract.ActivityPutReclaim, storeActivities.PutReclaim)
)

func (c call[I, O]) start(ctx workflow.Context, o workflow.ActivityOptions, in I) workflow.Future {
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, o), c.name, in)
}

func (c call[I, O]) run(ctx workflow.Context, o workflow.ActivityOptions, in I) (O, error) {
	var out O
	return out, c.start(ctx, o, in).Get(ctx, &out)
}

// unserved is how long an activity may wait for a worker that polls its queue before the workflow says that there is
// none.
const unserved = time.Minute

// quick is for calls that are answered in a second or so. After a few tries the workflow is told, so that it can show
// the trouble before it tries again.
func quick(queue, summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		TaskQueue:              queue,
		Summary:                summary,
		ScheduleToStartTimeout: unserved,
		StartToCloseTimeout:    15 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: 100 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 2 * time.Second, MaximumAttempts: 3,
		},
	}
}

// planning is quick for a plan: it heartbeats, so that a dead worker is told within seconds while a plan for a large
// cluster may take its time.
func planning(queue, summary string) workflow.ActivityOptions {
	o := quick(queue, summary)
	o.StartToCloseTimeout, o.HeartbeatTimeout = time.Minute, 5*time.Second
	return o
}

// launching is for a hop: it is over only on a definitive answer, so it is retried without end. The heartbeat tells a
// dead worker within seconds; the close timeout covers the look-up until the describe lag's bound has passed.
func launching(queue, summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		TaskQueue:           queue,
		Summary:             summary,
		StartToCloseTimeout: 5 * time.Minute,
		HeartbeatTimeout:    8 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: 100 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 10 * time.Second,
		},
	}
}

// limited is quick for a call of an API budget: the queue is rate-limited, so that many at once wait their turn, and in
// the worker a call waits for its budget, and beats its heart meanwhile.
func limited(queue, summary string) workflow.ActivityOptions {
	o := quick(queue, summary)
	o.ScheduleToStartTimeout, o.StartToCloseTimeout, o.HeartbeatTimeout = 0, 2*time.Minute, 8*time.Second
	return o
}

// awaiting is for an activity that waits for something to happen, and beats its heart meanwhile.
func awaiting(queue, summary string) workflow.ActivityOptions {
	o := draining(queue, summary)
	o.HeartbeatTimeout = 15 * time.Second
	return o
}

// draining is for a drain: long, heartbeating, and it resumes where it was.
func draining(queue, summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		TaskQueue:           queue,
		Summary:             summary,
		StartToCloseTimeout: 24 * time.Hour,
		HeartbeatTimeout:    10 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: 500 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 15 * time.Second,
		},
	}
}

// mostTold is how many Node workflows one activity starts or signals: its input stays well below Temporal's limit of 2 MB.
const mostTold = 100

// telling is for starting or signaling many workflows; it is retried without end.
func telling(summary string) workflow.ActivityOptions {
	o := recording(summary)
	o.StartToCloseTimeout, o.HeartbeatTimeout = time.Minute, 8*time.Second
	return o
}

// recording is for the store: a projection, which is caught up when it returns, however long that takes.
func recording(summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		TaskQueue:           contract.TaskQueue,
		Summary:             summary,
		StartToCloseTimeout: 15 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: 200 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second,
		},
	}
}
