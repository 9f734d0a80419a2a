package sweep

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"floe.dev/floe/api/contract"
)

// Temporal is the part of Temporal's client that is needed here. Every client.Client has it.
type Temporal interface {
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	ListWorkflow(ctx context.Context, request *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
	GetWorkflowHistory(ctx context.Context, workflowID, runID string, isLongPoll bool, filterType enumspb.HistoryEventFilterType) client.HistoryEventIterator
	QueryWorkflow(ctx context.Context, workflowID, runID, queryType string, args ...any) (converter.EncodedValue, error)
	SignalWorkflow(ctx context.Context, workflowID, runID, signalName string, arg any) error
}

// atOnce bounds the calls under way: a cluster of thousands of machines is asked for every minute.
const atOnce = 8

// Workflow is what Temporal says of a workflow id's last run. The zero value means that it knows none: there never was
// one, or it is past the namespace's retention.
type Workflow struct {
	Known bool
	Open  bool
	// Completed is true where it ran to its end, instead of failing, being canceled or being terminated.
	Completed bool
	// Closed is when it ended; zero while it is open.
	Closed time.Time
}

// Describe asks for one workflow.
func Describe(ctx context.Context, t Temporal, id string) (Workflow, error) {
	answer, err := t.DescribeWorkflowExecution(ctx, id, "")
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return Workflow{}, nil
	} else if err != nil {
		return Workflow{}, fmt.Errorf("describe %s: %w", id, err)
	}
	info := answer.GetWorkflowExecutionInfo()
	w := Workflow{Known: true, Completed: info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED}
	switch info.GetStatus() {
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED,
		enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW: // its next run is about to show
		w.Open = true
	default:
		w.Closed = info.GetCloseTime().AsTime()
	}
	return w, nil
}

// DescribeAll asks for many workflows, and answers by id.
func DescribeAll(ctx context.Context, t Temporal, ids []string) (map[string]Workflow, error) {
	var mu sync.Mutex
	all := make(map[string]Workflow, len(ids))
	err := each(ctx, ids, func(ctx context.Context, id string) error {
		w, err := Describe(ctx, t, id)
		mu.Lock()
		defer mu.Unlock()
		all[id] = w
		return err
	})
	return all, err
}

// each calls do for every item, some at once, and ends at the first error.
func each[T any](ctx context.Context, items []T, do func(context.Context, T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, item := range items {
		group.Go(func() error { return do(ctx, item) })
	}
	return group.Wait()
}

// OpenNodes are the instances whose Node workflow visibility shows as open. It lags by a second or so: what follows from
// it has to be asked of the workflow itself.
func OpenNodes(ctx context.Context, t Temporal, cluster string) (instances []string, err error) {
	query := fmt.Sprintf("WorkflowType = '%s' AND %s = '%s' AND ExecutionStatus = 'Running'",
		contract.WorkflowNode, contract.AttributeCluster, cluster)
	var page []byte
	for {
		answer, err := t.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, NextPageToken: page})
		if err != nil {
			return nil, fmt.Errorf("list Node workflows: %w", err)
		}
		for _, execution := range answer.GetExecutions() {
			if _, instance, ok := contract.ParseNodeID(execution.GetExecution().GetWorkflowId()); ok {
				instances = append(instances, instance)
			}
		}
		if page = answer.GetNextPageToken(); len(page) == 0 {
			return instances, nil
		}
	}
}

// NodeInputOf reads what a Node workflow was started with out of its history: no worker need answer for that.
func NodeInputOf(ctx context.Context, t Temporal, cluster, instance string) (contract.NodeInput, error) {
	id := contract.NodeID(cluster, instance)
	var in contract.NodeInput
	event, err := t.GetWorkflowHistory(ctx, id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT).Next()
	if err == nil {
		payloads := event.GetWorkflowExecutionStartedEventAttributes().GetInput()
		err = converter.GetDefaultDataConverter().FromPayloads(payloads, &in)
	}
	if err != nil {
		return in, fmt.Errorf("read the input of %s: %w", id, err)
	}
	return in, nil
}

// queryTimeout is how long a worker may take to answer for a workflow's life.
const queryTimeout = 5 * time.Second

// Life asks a Node workflow for its life. A worker has to answer.
func Life(ctx context.Context, t Temporal, cluster, instance string) (contract.NodeView, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var view contract.NodeView
	value, err := t.QueryWorkflow(ctx, contract.NodeID(cluster, instance), "", contract.QueryLife)
	if err != nil {
		return view, err
	}
	return view, value.Get(&view)
}
