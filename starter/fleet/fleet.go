// Package fleet reads what there is: a cluster's nodes, its launches and its plans, from the API server and from the
// workflows that own them.
package fleet

import (
	"context"
	"errors"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"floe.dev/floe/api/contract"
)

// atOnce bounds the queries under way: each may make a worker replay a history.
const atOnce = 16

// running lists the executions of one workflow type of a cluster, in no order. Visibility lags by a second or so, and
// open, where true, leaves out what has closed.
func running(ctx context.Context, c client.Client, workflowType, cluster string, open bool) ([]*workflow.WorkflowExecutionInfo, error) {
	query := fmt.Sprintf("WorkflowType = '%s' AND %s = '%s'", workflowType, contract.AttributeCluster, cluster)
	if open {
		query += " AND ExecutionStatus = 'Running'"
	}
	var (
		all  []*workflow.WorkflowExecutionInfo
		page []byte
	)
	for {
		answer, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, NextPageToken: page})
		var unknown *serviceerror.InvalidArgument
		if errors.As(err, &unknown) {
			return nil, fmt.Errorf("list %s workflows: Floe's search attributes are not known in this namespace: has a worker run there, and may it register them? (%w)", workflowType, err)
		} else if err != nil {
			return nil, fmt.Errorf("list %s workflows: %w", workflowType, err)
		}
		all = append(all, answer.Executions...)
		if page = answer.NextPageToken; len(page) == 0 {
			return all, nil
		}
	}
}

// query asks many workflows the same question. each is called with the answer or the error of one, by its index, from
// many goroutines.
func query[T any](ctx context.Context, c client.Client, executions []*workflow.WorkflowExecutionInfo, name string, each func(i int, answer T, err error)) {
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, e := range executions {
		group.Go(func() error {
			var answer T
			value, err := c.QueryWorkflow(ctx, e.Execution.WorkflowId, e.Execution.RunId, name)
			if err == nil {
				err = value.Get(&answer)
			}
			each(i, answer, err)
			return nil
		})
	}
	_ = group.Wait() // no function fails
}

// keyword is a search attribute of an execution, "" where it has none.
func keyword(attributes *commonpb.SearchAttributes, name string) string {
	var value string
	if payload := attributes.GetIndexedFields()[name]; payload != nil {
		_ = dataConverter.FromPayload(payload, &value) // what is not a string shows as empty
	}
	return value
}
