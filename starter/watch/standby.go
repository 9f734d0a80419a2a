package watch

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"k8s.io/client-go/util/workqueue"

	"floe.dev/floe/activities/kube"
	"floe.dev/floe/api/contract"
)

// standbys tells each pool's Standby that its pool is new, different or gone, and starts those of pools that keep any.
// It is level-triggered: what is told is what the pool is at that moment.
type standbys struct {
	cluster  *kube.Cluster
	temporal Temporal
	metrics  *metrics
	quiet    *quiet
	queue    workqueue.TypedRateLimitingInterface[string] // of pools' names
}

func newStandbys(c *kube.Cluster, temporal Temporal, m *metrics, q *quiet) *standbys {
	return &standbys{
		cluster: c, temporal: temporal, metrics: m, quiet: q,
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](firstRetry, mostRetry)),
	}
}

// changed takes a pool that is new, different or gone.
func (s *standbys) changed(pool string) { s.queue.Add(pool) }

// run tells until ctx ends.
func (s *standbys) run(ctx context.Context) { serve(ctx, s.queue, 1, s.tell) }

func (s *standbys) tell(ctx context.Context, pool string) {
	id := contract.StandbyID(s.cluster.Name(), pool)
	ctx, cancel := context.WithTimeout(ctx, signalTimeout)
	defer cancel()
	var err error
	if s.keeps(pool) {
		_, err = s.temporal.SignalWithStartWorkflow(ctx, id, contract.SignalPoolChanged, struct{}{}, client.StartWorkflowOptions{
			ID: id, TaskQueue: contract.TaskQueue, WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			StaticSummary: "standby of pool " + pool,
			TypedSearchAttributes: temporal.NewSearchAttributes(
				temporal.NewSearchAttributeKeyKeyword(contract.AttributeCluster).ValueSet(s.cluster.Name()),
				temporal.NewSearchAttributeKeyKeyword(contract.AttributePool).ValueSet(pool)),
		}, contract.WorkflowStandby, contract.StandbyInput{Cluster: s.cluster.Name(), Pool: pool})
	} else if err = s.temporal.SignalWorkflow(ctx, id, "", contract.SignalPoolChanged, struct{}{}); notFound(err) {
		err = nil // it never kept any, or has let them go
	}
	if err != nil && ctx.Err() != context.Canceled {
		s.metrics.signals.WithLabelValues(contract.SignalPoolChanged, "error").Inc()
		s.quiet.warn("cannot signal a pool's Standby, trying again", "workflow", id, "error", err)
		s.queue.AddRateLimited(pool)
		return
	}
	s.metrics.signals.WithLabelValues(contract.SignalPoolChanged, "sent").Inc()
	s.queue.Forget(pool)
}

// keeps reports whether a pool is there and may keep machines.
func (s *standbys) keeps(name string) bool {
	obj, ok, err := s.cluster.Pools().GetStore().GetByKey(name)
	if err != nil || !ok {
		return false
	}
	pool, ok := obj.(*kube.Pool)
	if !ok || pool.Spec.Standby == nil {
		return false
	}
	spec := pool.Spec.Standby
	return spec.Hibernated > 0 || spec.Stopped > 0 || len(spec.Targets) > 0
}

// standbysAgain is how often every pool's Standby is told anew: one that was ended by a person is started again.
const standbysAgain = 10 * time.Minute

// again tells every pool's Standby now and then.
func (s *standbys) again(ctx context.Context) {
	ticker := time.NewTicker(standbysAgain)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			for _, name := range s.cluster.Pools().GetStore().ListKeys() {
				if s.keeps(name) {
					s.changed(name)
				}
			}
		}
	}
}
