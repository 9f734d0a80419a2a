// Package replay runs Floe's workflows against histories: the committed ones, which were written by what was deployed
// before, and those of a run that has just happened.
package replay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/workflows"
)

// File replays a history that Save has written, or `temporal workflow show --output json`.
func File(path string) error {
	r, err := replayer()
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	h, err := client.HistoryFromJSON(file, client.HistoryJSONOptions{})
	if err != nil {
		return fmt.Errorf("%s is no history: %w", filepath.Base(path), err)
	}
	if err := one(r, h); err != nil {
		return fmt.Errorf("%s does not replay: %w", filepath.Base(path), err)
	}
	return nil
}

// All replays every workflow of a namespace, open and closed, and returns how many there were.
func All(ctx context.Context, c client.Client, namespace string) (int, error) {
	r, err := replayer()
	if err != nil {
		return 0, err
	}
	n := 0
	var errs []error
	err = each(ctx, c, namespace, func(id string, h *historypb.History) error {
		n++
		if err := one(r, h); err != nil {
			errs = append(errs, fmt.Errorf("workflow %s does not replay: %w", id, err))
		}
		return nil
	})
	return n, errors.Join(append(errs, err)...)
}

// one replays a history as that of its own workflow and run: launch tokens are made of both, and a claim's answer is known
// by its token.
func one(r worker.WorkflowReplayer, h *historypb.History) error {
	if len(h.GetEvents()) == 0 {
		return errors.New("it has no events")
	}
	began := h.Events[0].GetWorkflowExecutionStartedEventAttributes()
	return r.ReplayWorkflowHistoryWithOptions(quiet(), h, worker.ReplayWorkflowHistoryOptions{
		OriginalExecution: workflow.Execution{ID: began.GetWorkflowId(), RunID: began.GetOriginalExecutionRunId()},
	})
}

// replayer has Floe's workflows. It does not look for deadlocks: a busy machine may take longer to replay a task than the
// second after which the SDK sees one.
func replayer() (worker.WorkflowReplayer, error) {
	r, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{DisableDeadlockDetection: true})
	if err != nil {
		return nil, err
	}
	workflows.Register(r)
	return r, nil
}

// Save writes the history of every workflow of a namespace into dir, one file each, named by prefix and workflow type.
func Save(ctx context.Context, c client.Client, namespace, dir, prefix string) error {
	count := map[string]int{}
	return each(ctx, c, namespace, func(_ string, h *historypb.History) error {
		kind := strings.ToLower(h.Events[0].GetWorkflowExecutionStartedEventAttributes().GetWorkflowType().GetName())
		count[kind]++
		data, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(h)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-%d.json", prefix, kind, count[kind])), data, 0o644)
	})
}

func each(ctx context.Context, c client.Client, namespace string, do func(id string, h *historypb.History) error) error {
	var next []byte
	for {
		page, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: namespace, PageSize: 200, NextPageToken: next})
		if err != nil {
			return err
		}
		for _, w := range page.GetExecutions() {
			var h historypb.History
			events := c.GetWorkflowHistory(ctx, w.GetExecution().GetWorkflowId(), w.GetExecution().GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
			for events.HasNext() {
				e, err := events.Next()
				if err != nil {
					return err
				}
				h.Events = append(h.Events, e)
			}
			if err := do(w.GetExecution().GetWorkflowId(), &h); err != nil {
				return err
			}
		}
		if next = page.GetNextPageToken(); len(next) == 0 {
			return nil
		}
	}
}

func quiet() log.Logger { return log.NewStructuredLogger(slog.New(slog.DiscardHandler)) }
