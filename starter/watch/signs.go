package watch

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/reclaim"
)

// signs takes the notices that others have put on Nodes, as conditions or taints, and has them heeded as those of a queue
// are. Each occurrence is told once; after a restart all that Nodes bear is told once more, under the same keys, which the
// Nodes' workflows know.
type signs struct {
	of       []reclaim.Sign
	reclaims *reclaims
	queue    workqueue.TypedRateLimitingInterface[string] // of instance ids

	mu   sync.Mutex
	seen map[string]map[string]sighting // by instance and by the occurrence's key
}

// sighting is when an occurrence was seen first, and whether it is dealt with.
type sighting struct {
	first time.Time
	done  bool
}

func newSigns(of []reclaim.Sign, r *reclaims) *signs {
	return &signs{
		of: of, reclaims: r, seen: map[string]map[string]sighting{},
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](firstRetry, mostRetry)),
	}
}

// changed takes a Node that is new, has changed or is gone.
func (s *signs) changed(node *corev1.Node) {
	if len(s.of) == 0 || !ours(node) {
		return
	}
	if instance, ok := contract.InstanceOfProviderID(node.Spec.ProviderID); ok {
		s.queue.Add(instance)
	}
}

// run tells until ctx ends.
func (s *signs) run(ctx context.Context) { serve(ctx, s.queue, signalers, s.look) }

// look has every sign heeded that an instance's Node bears now and that is not dealt with yet.
func (s *signs) look(ctx context.Context, instance string) {
	node, there := s.reclaims.cluster.NodeOfInstance(instance)
	var shown []reclaim.Shown
	if there && ours(node) {
		shown = reclaim.Shows(node, s.of)
	}
	again := false
	for _, sign := range s.open(instance, shown, time.Now()) {
		bounded, cancel := context.WithTimeout(ctx, signalTimeout)
		result, err := s.heed(bounded, instance, node, sign.Shown, sign.first)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.reclaims.quiet.warn("what a Node says of its machine's end is not handled yet, trying again", "node", node.Name, "source", sign.Source(), "error", err)
		}
		s.reclaims.metrics.shown.WithLabelValues(sign.Source(), result).Inc()
		if result == resultRetried {
			again = true
			continue
		}
		s.close(instance, sign.Key)
	}
	if again {
		s.queue.AddRateLimited(instance)
	} else {
		s.queue.Forget(instance)
	}
}

// opened is a sign that is to be dealt with, and when it was seen first.
type opened struct {
	reclaim.Shown
	first time.Time
}

// open are those of the signs shown that are not dealt with yet. What is shown no more is forgotten.
func (s *signs) open(instance string, shown []reclaim.Shown, now time.Time) (open []opened) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.seen[instance]
	delete(s.seen, instance)
	for _, sign := range shown {
		at, known := before[sign.Key]
		if !known {
			at.first = now
		}
		if s.seen[instance] == nil {
			s.seen[instance] = map[string]sighting{}
		}
		s.seen[instance][sign.Key] = at
		if !at.done {
			open = append(open, opened{sign, at.first})
		}
	}
	return open
}

// close keeps in mind that an occurrence is dealt with.
func (s *signs) close(instance, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.seen[instance][key]; ok {
		at.done = true
		s.seen[instance][key] = at
	}
}

// heed does what a sign asks for, and says what came of it.
func (s *signs) heed(ctx context.Context, instance string, node *corev1.Node, sign reclaim.Shown, first time.Time) (string, error) {
	if sign.Stale(first) {
		return resultLate, nil
	}
	machine, _, known := s.reclaims.instances.find(instance)
	if !known {
		// EC2 has not shown it yet, or does not answer: what Floe wrote on the Node must do.
		machine = contract.Instance{ID: instance, State: "running", CapacityType: v1alpha1.CapacityType(node.Labels[v1alpha1.LabelCapacityType])}
		if machine.CapacityType == "" {
			return resultRetried, nil
		}
	}
	m := sign.Message(first)
	return s.reclaims.heed(ctx, machine, notice{
		Reclaim: contract.Reclaim{
			Key: m.ID, Kind: m.Kind, Source: sign.Source(), Notice: m.At, Received: first, Deadline: reclaim.Deadline(m, first),
		}, sent: first,
	})
}
