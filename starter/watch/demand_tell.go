package watch

import (
	"context"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"go.opentelemetry.io/otel/trace"

	"floe.dev/floe/api/contract"
)

const (
	// signalTimeout bounds one call to Temporal.
	signalTimeout = 10 * time.Second
	// A call that failed is made again after firstRetry, then after twice as long each time up to mostRetry.
	firstRetry = 100 * time.Millisecond
	mostRetry  = 5 * time.Second
)

// tell signals a batch to the cluster's Provisioner, which it starts where there is none, and goes on until that is
// done. It is false where ctx ended before.
func (d *demand) tell(ctx context.Context, b *batch) bool {
	// Nothing joins the batch any more; what follows reads fields that only note writes.
	in := contract.Demand{
		Key: b.key, At: b.first, Pods: b.pods, Reason: b.reason, Watermark: b.watermark, Trace: traceparent(b.span),
	}
	ctx = trace.ContextWithSpan(ctx, b.span)
	id := contract.ProvisionerID(d.cluster)
	for retry := firstRetry; ; retry = min(2*retry, mostRetry) {
		in.Sent = time.Now()
		err := d.signal(ctx, id, in)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return false
		}
		d.metrics.signals.WithLabelValues(contract.SignalDemand, "error").Inc()
		d.quiet.warn("cannot signal the Provisioner, trying again", "workflow", id, "retry", retry, "error", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(retry):
		}
	}
	d.metrics.signals.WithLabelValues(contract.SignalDemand, "sent").Inc()
	d.metrics.batches.WithLabelValues(b.reason).Inc()
	d.metrics.told.Observe(time.Since(b.first).Seconds())
	endFirstSight(b)
	d.quiet.log.Info("demand", "pods", b.pods, "reason", b.reason, "watermark", b.watermark)
	return true
}

func (d *demand) signal(ctx context.Context, id string, in contract.Demand) error {
	ctx, cancel := context.WithTimeout(ctx, signalTimeout)
	defer cancel()
	_, err := d.temporal.SignalWithStartWorkflow(ctx, id, contract.SignalDemand, in, client.StartWorkflowOptions{
		ID:            id,
		TaskQueue:     contract.TaskQueue,
		StaticSummary: "Buys machines for the pods of cluster " + d.cluster + " that need room",
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword(contract.AttributeCluster).ValueSet(d.cluster)),
	}, contract.WorkflowProvisioner, contract.ProvisionerInput{Cluster: d.cluster})
	return err
}
