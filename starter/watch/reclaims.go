package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/activities/aws"
	"floe.dev/floe/activities/kube"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/reclaim"
)

const (
	// handlersAtOnce is how many messages of a queue are handled at the same time. Each waits for the API server and for
	// Temporal, some milliseconds.
	handlersAtOnce = 64
	// A message that could not be handled comes again after comeBack, then after twice as long each time up to
	// mostComeBack.
	comeBack     = time.Second
	mostComeBack = 15 * time.Second
)

// Queue is an account's queue of EventBridge's messages; *aws.Queue is one.
type Queue interface {
	// Account and Region are the configuration's words, AccountID is AWS's twelve digits.
	Account() string
	Region() string
	AccountID(ctx context.Context) (string, error)
	Receive(ctx context.Context) ([]aws.QueueMessage, error)
	Delete(ctx context.Context, handle string) error
	Return(ctx context.Context, handle string, after time.Duration) error
	Look(ctx context.Context, ids []string) ([]aws.SeenInstance, error)
}

// Events keeps what is worth reading later; *store.Activities does.
type Events interface {
	PutEvents(ctx context.Context, records []contract.EventRecord) error
}

// reclaims takes notices that AWS takes a machine back: it checks them, marks the Node at once, and tells the Node's
// workflow. Only when that has taken the signal is a message removed, so several watchers may read one queue, any of them
// may die, and a message may come twice, late or in the wrong order.
type reclaims struct {
	cluster   *kube.Cluster
	temporal  Temporal
	instances *instances
	events    Events
	timing    Timing
	metrics   *metrics
	log       *slog.Logger
	quiet     quiet
	kept      *rate.Limiter // of poison that is stored
}

func newReclaims(c *kube.Cluster, temporal Temporal, i *instances, events Events, timing Timing, m *metrics, log *slog.Logger) *reclaims {
	return &reclaims{
		cluster: c, temporal: temporal, instances: i, events: events, timing: timing, metrics: m, log: log, quiet: quiet{log: log},
		kept: rate.NewLimiter(rate.Every(time.Second), mostPoison),
	}
}

// Results of a message or of a sign on a Node, as counted.
const (
	resultTaken   = "taken"   // the Node's workflow has it
	resultIgnored = "ignored" // by the pool's policy
	resultState   = "state"   // made the watcher look at EC2
	resultOther   = "other"   // says nothing of reclaims
	resultLate    = "late"    // about a machine that is gone, or of long ago
	resultForeign = "foreign" // about what is not this cluster's
	resultForged  = "forged"  // about a machine of ours of which it cannot be true
	resultPoison  = "poison"  // not to be understood
	resultUnheard = "unheard" // no workflow has taken it for a long time
	resultOthers  = "others"  // another cluster's of Floe; given back
	resultRetried = "retried" // not handled yet; given back
)

// run reads a queue until ctx ends, and then finishes what it has begun.
func (r *reclaims) run(ctx context.Context, q Queue) {
	var handlers sync.WaitGroup
	defer handlers.Wait()
	slots := make(chan struct{}, handlersAtOnce)
	for failures := 0; ctx.Err() == nil; {
		account, err := q.AccountID(ctx)
		var messages []aws.QueueMessage
		if err == nil {
			messages, err = q.Receive(ctx)
		}
		if ctx.Err() != nil {
			return // what was received meanwhile comes again
		}
		if err != nil {
			wait := min(firstRetry<<min(failures, 10), mostRetry)
			failures++
			r.quiet.warn("cannot read the interruption queue, trying again", "account", q.Account(), "retry", wait, "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
			continue
		}
		failures = 0
		received := time.Now()
		for _, m := range messages {
			slots <- struct{}{}
			handlers.Go(func() {
				defer func() { <-slots }()
				// Ending now would leave a message half handled for the next watcher.
				bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), signalTimeout)
				defer cancel()
				r.handle(bounded, q, account, m, received)
			})
		}
	}
}

// handle does what a message asks for, and removes it or gives it back.
func (r *reclaims) handle(ctx context.Context, q Queue, account string, m aws.QueueMessage, received time.Time) {
	result, err := r.judge(ctx, q, account, m, received)
	if err != nil {
		r.quiet.warn("a message of the interruption queue is not handled yet", "account", q.Account(), "error", err)
	}
	r.metrics.messages.WithLabelValues(q.Account(), result).Inc()
	if result == resultRetried || result == resultOthers {
		err = q.Return(ctx, m.Handle, min(comeBack<<min(max(m.Receives-1, 0), 10), mostComeBack))
	} else {
		err = q.Delete(ctx, m.Handle)
	}
	if err != nil {
		r.quiet.warn("cannot remove a message from the interruption queue, or give it back; it comes again", "account", q.Account(), "error", err)
	}
}

// judge does what a message asks for, and says what came of it.
func (r *reclaims) judge(ctx context.Context, q Queue, account string, raw aws.QueueMessage, received time.Time) (string, error) {
	m, err := reclaim.Parse([]byte(raw.Body))
	switch {
	case err != nil:
		r.keep(ctx, q, raw, err)
		return resultPoison, nil
	case m.Account != account || m.Region != q.Region():
		return resultForeign, nil
	case m.Topic == reclaim.State:
		r.instances.poke(q.Account())
		return resultState, nil
	case m.Topic != reclaim.Notice:
		return resultOther, nil
	case reclaim.Stale(m, received):
		return resultLate, nil
	}
	result := resultLate
	var errs []error
	for _, id := range m.Instances {
		one, err := r.notice(ctx, q, id, notice{
			Reclaim: contract.Reclaim{
				Key: m.ID, Kind: m.Kind, Source: "queue", Notice: m.At, Received: received, Deadline: reclaim.Deadline(m, received),
			}, sent: raw.Sent,
		})
		errs = append(errs, err)
		if result == resultLate || one == resultRetried || one == resultTaken && result != resultRetried {
			result = one
		}
	}
	return result, errors.Join(errs...)
}

// notice is what is to be told of one machine, and when it was sent here.
type notice struct {
	contract.Reclaim
	sent time.Time
}

// notice heeds what a message says of an instance, if that is this cluster's.
func (r *reclaims) notice(ctx context.Context, q Queue, id string, n notice) (string, error) {
	machine, result, err := r.machine(ctx, q, id, n)
	if err != nil || result != "" {
		return result, err
	}
	return r.heed(ctx, machine, n)
}

// heed marks and tells where what a notice says of a machine of the cluster may be true.
func (r *reclaims) heed(ctx context.Context, machine contract.Instance, n notice) (string, error) {
	id := machine.ID
	switch {
	case machine.State != "pending" && machine.State != "running":
		return resultLate, nil
	case n.Kind != contract.ReclaimScheduled && machine.CapacityType != v1alpha1.Spot:
		r.log.Warn("a spot notice about a machine that is none: somebody else has sent it", "instance", id, "source", n.Source, "key", n.Key)
		return resultForged, nil
	}
	node, registered := r.cluster.NodeOfInstance(id)
	if n.Kind == contract.ReclaimRebalance {
		switch r.policy(node) {
		case v1alpha1.RebalancePreSpin:
			n.Stay = true
		case v1alpha1.RebalanceDrain:
		default:
			return resultIgnored, nil
		}
	}
	return r.tell(ctx, id, node, registered, n)
}

// machine is what EC2 shows of an instance, if it is this cluster's; else result says what comes of the message.
func (r *reclaims) machine(ctx context.Context, q Queue, id string, n notice) (m contract.Instance, result string, err error) {
	if known, account, ok := r.instances.find(id); ok {
		if account != q.Account() {
			return m, resultForeign, nil
		}
		return known, "", nil
	}
	// It may be seconds old, another cluster's, or nobody's of ours.
	seen, err := q.Look(ctx, []string{id})
	switch {
	case err != nil:
		return m, resultRetried, err
	case len(seen) == 0 && time.Since(n.sent) < r.timing.DescribeLag:
		return m, resultRetried, nil // EC2 may not show it yet
	case len(seen) == 0 || seen[0].Cluster == "" || seen[0].Foreign != "":
		return m, resultForeign, nil
	case seen[0].Cluster != r.cluster.Name():
		return m, resultOthers, nil
	}
	return seen[0].Instance, "", nil
}

// policy is what a node's pool says of recommendations.
func (r *reclaims) policy(node *corev1.Node) v1alpha1.RebalancePolicy {
	if node == nil {
		return v1alpha1.RebalanceIgnore
	}
	obj, ok, err := r.cluster.Pools().GetStore().GetByKey(node.Labels[v1alpha1.LabelPool])
	pool, isPool := obj.(*kube.Pool)
	if err != nil || !ok || !isPool || pool.NodePool == nil {
		return v1alpha1.RebalanceIgnore
	}
	return pool.Spec.Disruption.Rebalance
}

// tell marks the Node, where there is one, and then signals its workflow: what the workflow finds untrue it unmarks, so
// the signal must be the later. A Node that could not be marked is no reason to keep the news back.
func (r *reclaims) tell(ctx context.Context, id string, node *corev1.Node, registered bool, n notice) (string, error) {
	var marked error
	if registered {
		marked = r.cluster.Mark(ctx, node.Name, string(node.UID), n.Kind == contract.ReclaimRebalance)
		if kube.Gone(marked) {
			marked = nil
		}
		if marked == nil {
			r.metrics.cordoned.Observe(time.Since(n.Received).Seconds())
		}
	}
	workflow := contract.NodeID(r.cluster.Name(), id)
	err := r.temporal.SignalWorkflow(ctx, workflow, "", contract.SignalReclaim, n.Reclaim)
	switch {
	case err == nil && marked == nil:
		r.metrics.signals.WithLabelValues(contract.SignalReclaim, "sent").Inc()
		r.log.Info("a machine is taken back, or may be", "instance", id, "kind", n.Kind, "source", n.Source, "key", n.Key, "deadline", n.Deadline)
		return resultTaken, nil
	case err == nil:
		return resultRetried, marked
	case notFound(err):
		r.metrics.signals.WithLabelValues(contract.SignalReclaim, "unheard").Inc()
		if time.Since(n.sent) < r.timing.Unheard {
			return resultRetried, nil // its workflow starts a moment after the instance; the sweep starts one that is missing
		}
		if registered {
			marked = r.cluster.Unmark(ctx, node.Name, string(node.UID))
		}
		return resultUnheard, marked
	}
	r.metrics.signals.WithLabelValues(contract.SignalReclaim, "error").Inc()
	return resultRetried, fmt.Errorf("signal %s: %w", workflow, err)
}
