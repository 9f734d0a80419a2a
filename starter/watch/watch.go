// Package watch is `floe watch`: it looks at a cluster and at EC2 and signals what changed, so that no workflow polls.
// It keeps nothing that it cannot see again after a restart. All that it touches are Nodes whose machine AWS takes back:
// it cordons them.
package watch

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"

	"floe.dev/floe/activities/kube"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/reclaim"
)

// Temporal is the part of Temporal's client that the watcher needs. Every client.Client has it.
type Temporal interface {
	SignalWithStartWorkflow(ctx context.Context, workflowID, signalName string, signalArg any,
		options client.StartWorkflowOptions, workflow any, workflowArgs ...any) (client.WorkflowRun, error)
	SignalWorkflow(ctx context.Context, workflowID, runID, signalName string, arg any) error
}

// EC2 lists a cluster's instances in an account, the terminated of the last hour included.
type EC2 interface {
	Instances(ctx context.Context, account, cluster string) ([]contract.Instance, error)
}

// Options are what a watcher is made of.
type Options struct {
	// Cluster to watch. Run starts it.
	Cluster  *kube.Cluster
	Temporal Temporal
	// EC2 and the names of the Accounts in which the cluster has machines. Without accounts EC2 is not looked at.
	EC2      EC2
	Accounts []string
	// Images is where it is kept what pods ran with, and Sizes what kubelets tell of those images; nil keeps nothing.
	Images ImageStore
	Sizes  *Sizes
	// Queues of EventBridge's messages, one an account at most.
	Queues []Queue
	// Signs are what others put on Nodes to say that AWS takes a machine back.
	Signs []reclaim.Sign
	// Events keeps messages that nobody understands. May be nil: they are only counted.
	Events Events
	// Metrics is where the watcher's metrics are registered; nil for nowhere.
	Metrics prometheus.Registerer
	Log     *slog.Logger
	// Timing; what is zero has its default.
	Timing Timing
}

// Timing is every duration of the watcher.
type Timing struct {
	// A batch of pods is told when none has come for BatchIdle, or BatchMax after its first. Defaults 100 ms and 1 s.
	BatchIdle, BatchMax time.Duration
	// Settle is how long after the last node opened or pod was bound the scheduler is taken to be done, so that pods
	// which still wait are told again. Default 2 s: longer than its first back-off.
	Settle time.Duration
	// Coalesce is how long changes of one node are gathered into one signal. Default 50 ms.
	Coalesce time.Duration
	// Ending is how long the deletion of a drained node's Node waits for EC2's word that the machine is gone, so that its
	// workflow is told both at once: the cloud provider deletes it about then. Default 3 s.
	Ending time.Duration
	// Unheard is how long news is offered to a Node workflow that does not run (yet). Default 2 min.
	Unheard time.Duration
	// EC2Fast and EC2Slow are the intervals of the EC2 loop: while anything is in transition, and otherwise. Defaults
	// 1 s and 15 s.
	EC2Fast, EC2Slow time.Duration
	// Expect is how long after a demand machines are expected to appear in EC2. Default 1 min.
	Expect time.Duration
	// Images is how often windows of what pods ran with are stored, and ImageGrace how long after its end a window waits for
	// pods whose images are still being pulled. Defaults 30 s and 5 min.
	Images, ImageGrace time.Duration
	// DescribeLag is how long EC2 may not show an instance that exists. Default 60 s.
	DescribeLag time.Duration
}

func (t Timing) withDefaults() Timing {
	for _, d := range []struct {
		field    *time.Duration
		fallback time.Duration
	}{
		{&t.BatchIdle, 100 * time.Millisecond},
		{&t.BatchMax, time.Second},
		{&t.Settle, 2 * time.Second},
		{&t.Coalesce, 50 * time.Millisecond},
		{&t.Ending, 3 * time.Second},
		{&t.Unheard, 2 * time.Minute},
		{&t.EC2Fast, time.Second},
		{&t.EC2Slow, 15 * time.Second},
		{&t.Expect, time.Minute},
		{&t.DescribeLag, time.Minute},
		{&t.Images, 30 * time.Second},
		{&t.ImageGrace, 5 * time.Minute},
	} {
		if *d.field <= 0 {
			*d.field = d.fallback
		}
	}
	return t
}

// Run watches until ctx ends, and then returns nil. Nothing that fails on the way ends it: the API server, Temporal and
// EC2 may be down at any time, also at the start.
func Run(ctx context.Context, o Options) error {
	if o.Cluster == nil || o.Temporal == nil {
		return errors.New("watch: a cluster and a Temporal client are needed")
	}
	if (o.Images == nil) != (o.Sizes == nil) {
		return errors.New("watch: images are kept with their sizes, or not at all")
	}
	if len(o.Accounts) > 0 && o.EC2 == nil {
		return errors.New("watch: accounts are named, but there is nothing to ask EC2 with")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.Timing = o.Timing.withDefaults()
	log := o.Log.With("cluster", o.Cluster.Name())
	metrics, err := newMetrics(o.Metrics, o.Cluster.Name())
	if err != nil {
		return err
	}

	instances := newInstances(o.Cluster, o.EC2, o.Timing, metrics, log)
	nodes := newNodes(o.Cluster, o.Temporal, instances, o.Timing, metrics, log)
	demand := newDemand(o.Cluster.Name(), o.Temporal, o.Timing, metrics, log)
	demand.sent = instances.expect
	reclaims := newReclaims(o.Cluster, o.Temporal, instances, o.Events, o.Timing, metrics, log)
	signs := newSigns(o.Signs, reclaims)
	disruption := newDisruption(o.Cluster.Name(), o.Temporal, o.Timing, metrics, log)
	standbys := newStandbys(o.Cluster, o.Temporal, metrics, &quiet{log: log})
	if err := handle(o.Cluster, demand, nodes, signs, disruption, standbys); err != nil {
		return err
	}

	o.Cluster.Start(ctx)
	var running sync.WaitGroup
	running.Go(func() { demand.run(ctx) })
	running.Go(func() { nodes.run(ctx) })
	running.Go(func() { signs.run(ctx) })
	running.Go(func() { disruption.run(ctx) })
	if o.Images != nil {
		running.Go(func() { newLedger(o.Cluster, o.Sizes, o.Images, o.Timing, metrics, log).run(ctx) })
	}
	running.Go(func() { standbys.run(ctx) })
	running.Go(func() { standbys.again(ctx) })
	for _, account := range o.Accounts {
		running.Go(func() { instances.run(ctx, account, nodes.look) })
	}
	for _, queue := range o.Queues {
		running.Go(func() { reclaims.run(ctx, queue) })
	}
	running.Wait()
	return nil
}

// handle connects the cluster's events to those who care.
func handle(c *kube.Cluster, d *demand, n *nodes, shown *signs, leaving *disruption, s *standbys) error {
	_, err := c.Pods().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { d.pod(obj.(*corev1.Pod)) },
		UpdateFunc: func(_, obj any) { d.pod(obj.(*corev1.Pod)) },
		DeleteFunc: func(obj any) {
			if pod, ok := kube.Deleted[*corev1.Pod](obj); ok {
				d.podGone(pod)
			}
		},
	})
	if err != nil {
		return err
	}
	_, err = c.Pools().AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(pool any, initial bool) {
			leaving.changed()
			s.changed(pool.(*kube.Pool).Name)
			if !initial {
				d.poolChanged()
			}
		},
		UpdateFunc: func(before, after any) {
			if before.(*kube.Pool).Generation != after.(*kube.Pool).Generation {
				s.changed(after.(*kube.Pool).Name)
				d.poolChanged()
				leaving.changed()
			}
		},
		DeleteFunc: func(gone any) {
			if pool, ok := kube.Deleted[*kube.Pool](gone); ok {
				s.changed(pool.Name)
			}
			d.poolChanged()
		},
	})
	if err != nil {
		return err
	}
	_, err = c.Nodes().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			n.changed(obj.(*corev1.Node))
			shown.changed(obj.(*corev1.Node))
			if kube.Leaves(obj.(*corev1.Node)) {
				d.leaves()
			}
		},
		UpdateFunc: func(before, after any) {
			n.changed(after.(*corev1.Node))
			shown.changed(after.(*corev1.Node))
			if !kube.Leaves(before.(*corev1.Node)) && kube.Leaves(after.(*corev1.Node)) {
				d.leaves()
			}
			if !takesPods(before.(*corev1.Node)) && takesPods(after.(*corev1.Node)) {
				d.opened()
				leaving.changed()
			}
		},
		DeleteFunc: func(obj any) {
			if node, ok := kube.Deleted[*corev1.Node](obj); ok {
				n.gone(node)
				shown.changed(node)
				if node.Labels[v1alpha1.LabelPool] != "" {
					leaving.changed()
				}
			}
		},
	})
	return err
}

// takesPods reports whether a node is Ready and free of the taint that keeps pods away until it is registered.
func takesPods(node *corev1.Node) bool {
	view := kube.ViewNode(node)
	return view.Ready && !slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == v1alpha1.TaintUnregistered })
}
