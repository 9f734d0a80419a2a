package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
)

// recorder writes a node's record to the store, one at a time and in order of revision, beside whatever the workflow
// does. A record that a newer one overtook while the store was down is not written: the newer one holds all of it.
type recorder struct {
	next *contract.NodeRecord
	busy bool
}

// want asks for the present state to be written.
func (r *recorder) want(n *node) {
	r.next = n.written()
}

// last writes the present state, which is the last, and waits until it is written. It is tried within the workflow's own
// task first, which costs one event and not six.
func (r *recorder) last(ctx workflow.Context, n *node) {
	_ = workflow.Await(ctx, r.idle) // the context is a disconnected one
	record := n.written()
	err := workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		ScheduleToCloseTimeout: lastWithin, StartToCloseTimeout: lastWithin, Summary: "record phase " + string(record.View.Phase),
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
	}), putNodeActivity.name, *record).Get(ctx, nil)
	if err != nil {
		r.next = record // for as long as it takes
	}
}

// lastWithin is how long a workflow task may wait for the store.
const lastWithin = 2 * time.Second

// written is the present state as the store is to have it.
func (n *node) written() *contract.NodeRecord {
	n.state.Revision++
	view := n.view()
	view.Seen = nil // of use to the workflow alone
	return &contract.NodeRecord{ID: n.id(), Revision: n.state.Revision, At: view.Since[view.Phase], View: view}
}

func (r *recorder) idle() bool { return r.next == nil && !r.busy }

func (r *recorder) run(ctx workflow.Context) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	workflow.GoNamed(ctx, "recorder", func(ctx workflow.Context) {
		for {
			if workflow.Await(ctx, func() bool { return r.next != nil }) != nil {
				return
			}
			record := *r.next
			r.next, r.busy = nil, true
			if _, err := putNodeActivity.run(ctx, recording("record phase "+string(record.View.Phase)), record); err != nil {
				workflow.GetLogger(ctx).Error("the node is not in the store", "error", err)
			}
			r.busy = false
		}
	})
}
