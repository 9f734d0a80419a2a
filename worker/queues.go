package main

import (
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/config"
	"floe.dev/floe/workflows"
)

// queue is one task queue to poll, and what is served there.
type queue struct {
	name      string
	options   worker.Options
	workflows bool
	// activities by their names in the contract.
	activities map[string]any
}

// queues are all that a worker of this configuration serves.
func (p *parts) queues(cfg *config.Config, stopTimeout time.Duration) []queue {
	base := worker.Options{
		WorkerStopTimeout: stopTimeout,
		// Everything is registered and called by its name in the contract.
		DisableRegistrationAliasing: true,
	}

	main := base
	// A task is a few milliseconds of work and most of a poll is waiting: more pollers than cores let a burst of
	// hundreds of workflows flow, and cost a connection's stream each while idle. Tasks that go to any worker have pollers of
	// their own so: a fixed number polls this worker's own queue alone while that has a backlog, and those that fell out of
	// it waited for 18 s (mixed mode of internal_task_pollers.go in the SDK 1.50).
	main.WorkflowTaskPollerBehavior = worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{
		InitialNumberOfPollers: 8, MinimumNumberOfPollers: 4, MaximumNumberOfPollers: 16,
	})
	main.MaxConcurrentActivityTaskPollers = 4
	// How long a task waits for the worker that has its workflow in memory before any other may take it: the SDK's five
	// seconds are long for those whose worker has just died, and a replay here is short.
	main.StickyScheduleToStartTimeout = 2 * time.Second
	// The SDK's second is a busy machine's hiccup, and a task failed for it is a replay more.
	main.DeadlockDetectionTimeout = 5 * time.Second
	all := []queue{{name: contract.TaskQueue, options: main, workflows: true, activities: map[string]any{
		contract.ActivityPutNode:    p.store.PutNode,
		contract.ActivityStartNodes: p.nodes.Start,
		contract.ActivityWakeNodes:  p.nodes.Wake,
		contract.ActivityPutHops:    p.store.PutHops,
		contract.ActivityPutReclaim: p.store.PutReclaim,
		contract.ActivityPutEvents:  p.store.PutEvents,
		contract.ActivityPrune:      p.store.Prune,

		contract.ActivityLaunchHistory: p.store.LaunchHistory,
	}}}

	for _, c := range cfg.Clusters {
		options := base
		options.DisableWorkflowWorker = true
		options.MaxConcurrentActivityTaskPollers = 8
		all = append(all, queue{name: contract.KubeTaskQueue(c.Name), options: options, activities: map[string]any{
			contract.ActivityPlan:       p.kube.Plan,
			contract.ActivityOpenChain:  p.kube.OpenChain,
			contract.ActivityRegister:   p.kube.Register,
			contract.ActivityReadNode:   p.kube.ReadNode,
			contract.ActivityDeleteNode: p.kube.DeleteNode,

			contract.ActivityFreeze:        p.kube.Freeze,
			contract.ActivityReadLastWords: p.kube.ReadLastWords,
			contract.ActivityProve:         p.kube.Prove,
			contract.ActivityOpenNode:      p.kube.OpenNode,
			contract.ActivityPrefetch:      p.kube.Prefetch,
			contract.ActivityChooseImages:  p.kube.ChooseImages,
			contract.ActivityReadStandby:   p.kube.ReadStandby,

			contract.ActivityUnmark:     p.kube.Unmark,
			contract.ActivityDisrupt:    p.kube.Disrupt,
			contract.ActivityCordon:     p.kube.Cordon,
			contract.ActivityAwaitNodes: p.kube.AwaitNodes,

			contract.ActivityFind:   p.sweep.Find,
			contract.ActivityRepair: p.sweep.Repair,

			contract.ActivityDrain: p.kube.Drain, // a Floe of before the queue of drains asks here
		}})
		all = append(all, queue{name: contract.DrainTaskQueue(c.Name), options: options, activities: map[string]any{
			contract.ActivityDrain: p.kube.Drain,
		}})
	}

	aws := map[contract.APIClass]map[string]any{
		contract.ClassLaunch:    {contract.ActivityLaunch: p.aws.Launch},
		contract.ClassStart:     {contract.ActivityStart: p.aws.Start},
		contract.ClassStop:      {contract.ActivityStop: p.aws.Stop},
		contract.ClassTerminate: {contract.ActivityTerminate: p.aws.Terminate},
		contract.ClassRead: {
			contract.ActivityDescribe: p.aws.Describe, contract.ActivityAwaitState: p.aws.AwaitState,
			contract.ActivityConfirmReclaim: p.aws.ConfirmReclaim, contract.ActivityLook: p.sweep.Look,
		},
	}
	for _, account := range cfg.Accounts {
		for _, class := range contract.APIClasses {
			if aws[class] == nil {
				continue // no activity makes calls of this class
			}
			options := base
			options.DisableWorkflowWorker = true
			// The server keeps the rate, for all workers and clusters that share the account.
			options.TaskQueueActivitiesPerSecond = account.QueueRate(class)
			all = append(all, queue{
				name:       contract.AWSTaskQueue(account.Name, account.Region, class),
				options:    options,
				activities: aws[class],
			})
		}
	}
	return all
}

func (q queue) register(r worker.Registry) {
	if q.workflows {
		workflows.Register(r)
	}
	for name, f := range q.activities {
		r.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
}
