package watch

import (
	"context"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"floe.dev/floe/api/contract"
)

// disruption tells the cluster's Disruption that pools or nodes have changed, and starts it where there is none: with
// the first pool, before which there is nothing that could leave.
type disruption struct {
	cluster  string
	temporal Temporal
	timing   Timing
	metrics  *metrics
	quiet    quiet
	news     chan struct{}
}

func newDisruption(cluster string, temporal Temporal, timing Timing, m *metrics, log *slog.Logger) *disruption {
	return &disruption{cluster: cluster, temporal: temporal, timing: timing, metrics: m, quiet: quiet{log: log}, news: make(chan struct{}, 1)}
}

// changed has the news told soon. It never waits: what comes while one is told is told after it.
func (d *disruption) changed() {
	select {
	case d.news <- struct{}{}:
	default:
	}
}

// run tells until ctx ends. Changes come in bursts: those of one second are one signal.
func (d *disruption) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.news:
		}
		if !pause(ctx, d.timing.BatchMax) {
			return
		}
		select {
		case <-d.news: // it is told with this one
		default:
		}
		for retry := firstRetry; ; retry = min(2*retry, mostRetry) {
			err := d.signal(ctx)
			if err == nil {
				d.metrics.signals.WithLabelValues(contract.SignalChanged, "sent").Inc()
				break
			}
			if ctx.Err() != nil {
				return
			}
			d.metrics.signals.WithLabelValues(contract.SignalChanged, "error").Inc()
			d.quiet.warn("cannot signal the Disruption, trying again", "workflow", contract.DisruptionID(d.cluster), "retry", retry, "error", err)
			if !pause(ctx, retry) {
				return
			}
		}
	}
}

// pause is false where ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (d *disruption) signal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, signalTimeout)
	defer cancel()
	id := contract.DisruptionID(d.cluster)
	_, err := d.temporal.SignalWithStartWorkflow(ctx, id, contract.SignalChanged, nil, client.StartWorkflowOptions{
		ID:            id,
		TaskQueue:     contract.TaskQueue,
		StaticSummary: "Lets nodes of cluster " + d.cluster + " leave voluntarily, within budgets",
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword(contract.AttributeCluster).ValueSet(d.cluster)),
	}, contract.WorkflowDisruption, contract.DisruptionInput{Cluster: d.cluster})
	return err
}
