package watch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/api/serviceerror"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"

	"floe.dev/floe/activities/kube"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// signalers is how many nodes are signaled at the same time. A signal takes Temporal some milliseconds.
const signalers = 16

// nodes tells each Node workflow what changed of its Node and its instance. It is level-triggered: an event only says
// which instance to look at, and what is told is what is there at that moment. The queue hands out an instance to one
// signaler at a time, so the news of one node stays in order.
type nodes struct {
	cluster   *kube.Cluster
	temporal  Temporal
	instances *instances
	timing    Timing
	metrics   *metrics
	quiet     quiet
	queue     workqueue.TypedRateLimitingInterface[string] // of instance ids
	process   string
	keys      atomic.Int64

	mu   sync.Mutex
	told map[string]told // by instance
}

// told is what a Node workflow was told last.
type told struct {
	node  contract.KubeNode
	state string
	// unheard is since when news could not be delivered because no such workflow runs. Zero where all is delivered.
	unheard time.Time
}

func newNodes(c *kube.Cluster, temporal Temporal, i *instances, timing Timing, m *metrics, log *slog.Logger) *nodes {
	return &nodes{
		cluster: c, temporal: temporal, instances: i, timing: timing, metrics: m, quiet: quiet{log: log},
		queue:   workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](firstRetry, mostRetry)),
		process: rand.Text(), told: map[string]told{},
	}
}

// changed takes a Node that is new or has changed.
func (n *nodes) changed(node *corev1.Node) {
	if instance, ok := contract.InstanceOfProviderID(node.Spec.ProviderID); ok {
		n.look(instance)
	}
}

// gone takes a Node that was deleted.
func (n *nodes) gone(node *corev1.Node) {
	instance, ok := contract.InstanceOfProviderID(node.Spec.ProviderID)
	switch {
	case ok && drained(node):
		n.queue.AddAfter(instance, n.timing.Ending)
	case ok:
		n.look(instance)
	}
}

// drained reports whether a Node bears the mark of a drain.
func drained(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == v1alpha1.TaintLeaving })
}

// look has an instance looked at soon.
func (n *nodes) look(instance string) { n.queue.AddAfter(instance, n.timing.Coalesce) }

// run signals until ctx ends.
func (n *nodes) run(ctx context.Context) { serve(ctx, n.queue, signalers, n.tell) }

// tell signals what is new of an instance, if anything is and if it is ours.
func (n *nodes) tell(ctx context.Context, instance string) {
	n.mu.Lock()
	before, known := n.told[instance]
	n.mu.Unlock()
	now := before
	seen := contract.Observation{At: time.Now()}

	node, there := n.cluster.NodeOfInstance(instance)
	owned := known || n.instances.owns(instance)
	if !there && before.node.Exists && n.instances.state(instance) == "shutting-down" {
		n.queue.Forget(instance)
		return // EC2 is about to say that the machine is gone too: both are one signal
	}
	switch {
	case there && (owned || ours(node)):
		if view := kube.ViewNode(node); !same(before.node, view) && !justRegistered(before.node, view) {
			now.node, seen.Node = view, &view
		}
	case before.node.Exists:
		now.node.Exists = false
		seen.Node = &contract.KubeNode{Name: before.node.Name, UID: before.node.UID}
	}
	if state := n.instances.state(instance); state != "" && state != before.state {
		now.state, seen.InstanceState = state, state
	}
	if seen.Node == nil && (seen.InstanceState == "" || booted(before.state, seen.InstanceState) || there && ending(node, seen.InstanceState)) {
		n.forget(instance, before)
		return
	}

	n.keys.Add(1)
	seen.Key = fmt.Sprintf("%s-%d", n.process, n.keys.Load())
	err := n.signal(ctx, instance, seen)
	switch {
	case err == nil:
		n.metrics.signals.WithLabelValues(contract.SignalObserved, "sent").Inc()
	case ctx.Err() != nil:
		return
	case notFound(err):
		n.metrics.signals.WithLabelValues(contract.SignalObserved, "unheard").Inc()
		if n.mayBeHeard(instance, now, before.unheard, seen.At) {
			return
		}
	default:
		n.metrics.signals.WithLabelValues(contract.SignalObserved, "error").Inc()
		n.quiet.warn("cannot signal a Node workflow, trying again", "workflow", contract.NodeID(n.cluster.Name(), instance), "error", err)
		n.queue.AddRateLimited(instance)
		return
	}
	now.unheard = time.Time{}
	n.mu.Lock()
	n.told[instance] = now
	n.mu.Unlock()
	n.queue.Forget(instance)
	n.forget(instance, now)
}

// booted reports whether EC2's word says no more than that a machine comes up, which its Node is about to show. It is told
// with the Node's news: each signal is four events of a history.
func booted(before, now string) bool {
	return (before == "" || before == "pending") && (now == "pending" || now == "running")
}

// ending reports whether EC2's word says no more of a machine that Floe has drained than that it goes, which its workflow
// has asked for; that it is gone is told.
func ending(node *corev1.Node, now string) bool {
	return now == "shutting-down" && drained(node)
}

// same reports whether two views of a Node tell its workflow the same. Kubernetes' own taints (node.kubernetes.io/…)
// follow the conditions a moment later, and say nothing that Ready has not said; the marks of one that leaves are its
// workflow's own doing, or come with a signal of their own.
func same(a, b contract.KubeNode) bool {
	a.Taints, b.Taints = lasting(a.Taints), lasting(b.Taints)
	return reflect.DeepEqual(a, b)
}

func lasting(taints []string) (others []string) {
	for _, t := range taints {
		if !strings.HasPrefix(t, "node.kubernetes.io/") && !strings.HasPrefix(t, v1alpha1.TaintLeaving) && !strings.HasPrefix(t, v1alpha1.TaintReclaim) {
			others = append(others, t)
		}
	}
	return others
}

// justRegistered reports whether a Node has changed in nothing but what registering it does to its taints, which its
// workflow did itself. A Node that is Ready by then is told all the same: nothing more may come.
func justRegistered(before, now contract.KubeNode) bool {
	guarded := func(n contract.KubeNode) bool {
		return slices.ContainsFunc(n.Taints, func(t string) bool { return strings.HasPrefix(t, v1alpha1.TaintUnregistered) })
	}
	if now.Ready || !guarded(before) || guarded(now) {
		return false
	}
	before.Taints = now.Taints
	return reflect.DeepEqual(before, now)
}

// mayBeHeard reports whether news that no workflow took is worth another try, and has it made: the workflow starts a
// moment after its instance, but not for an instance that is gone already.
func (n *nodes) mayBeHeard(instance string, now told, since, at time.Time) bool {
	if ended(now.state) && !now.node.Exists {
		return false
	}
	if since.IsZero() {
		since = at
	}
	if at.Sub(since) >= n.timing.Unheard {
		return false
	}
	n.mu.Lock()
	before := n.told[instance]
	before.unheard = since
	n.told[instance] = before
	n.mu.Unlock()
	n.queue.AddRateLimited(instance)
	return true
}

// forget drops what is kept of an instance that is gone in both worlds.
func (n *nodes) forget(instance string, last told) {
	if last.node.Exists || !ended(last.state) && n.instances.owns(instance) {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.instances.owns(instance) {
		delete(n.told, instance)
	}
	n.queue.Forget(instance)
}

func (n *nodes) signal(ctx context.Context, instance string, seen contract.Observation) error {
	ctx, cancel := context.WithTimeout(ctx, signalTimeout)
	defer cancel()
	return n.temporal.SignalWorkflow(ctx, contract.NodeID(n.cluster.Name(), instance), "", contract.SignalObserved, seen)
}

// notFound reports whether no such workflow runs: it has not started, or has ended.
func notFound(err error) bool {
	var missing *serviceerror.NotFound
	return errors.As(err, &missing)
}

// ours reports whether a Node says itself that it belongs to Floe: it is registered, or waits to be.
func ours(node *corev1.Node) bool {
	if node.Labels[v1alpha1.LabelPool] != "" {
		return true
	}
	for _, taint := range node.Spec.Taints {
		if taint.Key == v1alpha1.TaintUnregistered {
			return true
		}
	}
	return false
}

// ended reports whether EC2's word means that the instance will never be again.
func ended(state string) bool { return state == "terminated" || state == contract.InstanceGone }
