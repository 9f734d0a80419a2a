package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/testbed"
)

// workflowIDs lists the workflows of a type, open and closed. Visibility lags a little: the caller waits until all that
// it knows of are there.
func (h *house) workflowIDs(ctx context.Context, kind string) ([]string, error) {
	var ids []string
	var next []byte
	for {
		page, err := h.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: testbed.TemporalNamespace, Query: fmt.Sprintf("WorkflowType=%q", kind), PageSize: 500, NextPageToken: next,
		})
		if err != nil {
			return nil, err
		}
		for _, w := range page.GetExecutions() {
			ids = append(ids, w.GetExecution().GetWorkflowId())
		}
		if next = page.GetNextPageToken(); len(next) == 0 {
			return ids, nil
		}
	}
}

// history reads a workflow's history whole.
func (h *house) history(ctx context.Context, id string) ([]*historypb.HistoryEvent, error) {
	var events []*historypb.HistoryEvent
	for it := h.temporal.GetWorkflowHistory(ctx, id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); it.HasNext(); {
		e, err := it.Next()
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// chains are the views of every ScaleUp.
func (h *house) chains(ctx context.Context) (map[string]contract.ScaleUpView, error) {
	ids, err := h.workflowIDs(ctx, contract.WorkflowScaleUp)
	if err != nil {
		return nil, err
	}
	views := map[string]contract.ScaleUpView{}
	for _, id := range ids {
		got, err := h.temporal.QueryWorkflow(ctx, id, "", contract.QueryChain)
		if err != nil {
			return nil, err
		}
		var v contract.ScaleUpView
		if err := got.Get(&v); err != nil {
			return nil, err
		}
		views[id] = v
	}
	return views, nil
}

// firstLaunch is when the first EC2 call went out, by the worker's clock (the same machine's), and how many instances
// were launched in all.
func (h *house) firstLaunch(ctx context.Context) (first time.Time, instances int, err error) {
	views, err := h.chains(ctx)
	if err != nil {
		return first, 0, err
	}
	for _, v := range views {
		instances += len(v.Instances)
		for _, hop := range v.Hops {
			if first.IsZero() || hop.SentAt.Before(first) {
				first = hop.SentAt
			}
		}
	}
	if first.IsZero() {
		return first, 0, fmt.Errorf("no launch was made")
	}
	return first, instances, nil
}

// events adds rows for the length of histories: Nodes at Ready and ScaleUps.
func (h *house) events(ctx context.Context, t *table) error {
	var most [2]int
	var sum, count [2]int
	for i, kind := range []string{contract.WorkflowNode, contract.WorkflowScaleUp} {
		ids, err := h.workflowIDs(ctx, kind)
		if err != nil {
			return err
		}
		for _, id := range ids {
			events, err := h.history(ctx, id)
			if err != nil {
				return err
			}
			most[i], sum[i], count[i] = max(most[i], len(events)), sum[i]+len(events), count[i]+1
		}
		if count[i] == 0 {
			return fmt.Errorf("no %s was found", kind)
		}
	}
	t.row(fmt.Sprintf("history events of a Node to Ready, mean and most of %d", count[0]),
		fmt.Sprintf("%.1f, %d", float64(sum[0])/float64(count[0]), most[0]), "≤ 40")
	t.row(fmt.Sprintf("history events of a ScaleUp, mean and most of %d", count[1]),
		fmt.Sprintf("%.1f, %d", float64(sum[1])/float64(count[1]), most[1]), "≤ 25 + 6 a further hop + 4 an instance")
	return nil
}

// demands are the demand signals that the Provisioner was sent for pods, in order.
func (h *house) demands(ctx context.Context) ([]contract.Demand, error) {
	events, err := h.history(ctx, contract.ProvisionerID(h.Cluster))
	if err != nil {
		return nil, err
	}
	var out []contract.Demand
	for _, e := range events {
		a := e.GetWorkflowExecutionSignaledEventAttributes()
		if a.GetSignalName() != contract.SignalDemand {
			continue
		}
		var d contract.Demand
		if err := converter.GetDefaultDataConverter().FromPayloads(a.GetInput(), &d); err != nil {
			return nil, err
		}
		if d.Pods > 0 {
			out = append(out, d)
		}
	}
	return out, nil
}

// planTime is when the first plan was asked for and when it was there.
func (h *house) planTime(ctx context.Context) (asked, there time.Time, err error) {
	events, err := h.history(ctx, contract.ProvisionerID(h.Cluster))
	for _, e := range events {
		if a := e.GetActivityTaskScheduledEventAttributes(); a.GetActivityType().GetName() == contract.ActivityPlan && asked.IsZero() {
			asked = e.GetEventTime().AsTime()
		}
		if e.GetActivityTaskCompletedEventAttributes() != nil && there.IsZero() {
			there = e.GetEventTime().AsTime()
		}
	}
	return asked, there, err
}

// quantile is the p-quantile (nearest rank) of ds.
func quantile(ds []time.Duration, p float64) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	slices.Sort(ds)
	return ds[min(len(ds)-1, int(p*float64(len(ds))))]
}
