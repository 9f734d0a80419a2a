package sweep

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/api/serviceerror"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/sweep"
)

// storeTimeout bounds the record of what was repaired: the next sweep hands in what the store does not take.
const storeTimeout = 3 * time.Second

// Repair makes the repairs that need no workflow of their own, counts all of them and records them in the store. Those
// that start a Node workflow were made by the Sweep. A repair that fails is told and left to the next sweep. Doing it
// again changes nothing.
func (a *Activities) Repair(ctx context.Context, in contract.RepairInput) (contract.RepairResult, error) {
	var result contract.RepairResult
	events := in.Earlier
	for _, r := range in.Repairs {
		if err := a.repair(ctx, in, r); err != nil {
			result.Failed = append(result.Failed, contract.Finding{Subject: r.Instance, Message: "the repair " + string(r.Kind) + " failed: " + err.Error()})
			continue
		}
		result.Done = append(result.Done, r)
		events = append(events, sweep.Event(in.Cluster, in.Sweep, a.now(), r))
		a.log.InfoContext(ctx, "the sweep made a repair", "cluster", in.Cluster, "kind", r.Kind, "instance", r.Instance, "reason", r.Reason)
		if a.repairs != nil {
			a.repairs.Add(ctx, 1, metric.WithAttributes(attribute.String("cluster", in.Cluster), attribute.String("kind", string(r.Kind))))
		}
	}
	if len(events) == 0 {
		return result, nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := a.events.PutEvents(ctx, events); err != nil {
		a.log.WarnContext(ctx, "the store did not take the sweep's events; the next sweep hands them in", "events", len(events), "error", err)
		result.Unrecorded = events
	}
	return result, nil
}

func (a *Activities) repair(ctx context.Context, in contract.RepairInput, r contract.Repair) error {
	switch {
	case r.Kind == contract.RepairTell:
		err := a.temporal(ctx).SignalWorkflow(ctx, contract.NodeID(in.Cluster, r.Instance), "", contract.SignalObserved,
			contract.Observation{Key: "sweep/" + in.Sweep + "/" + r.Instance, At: a.now(), InstanceState: r.State})
		var closed *serviceerror.NotFound
		if errors.As(err, &closed) {
			return nil // it has ended meanwhile, which is what was wanted
		}
		return err
	case r.Kind == contract.RepairDeleteNode && r.Node != nil:
		return a.nodes.DeleteNode(ctx, *r.Node)
	}
	return nil
}
