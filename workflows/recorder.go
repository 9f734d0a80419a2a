package workflows

import (
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
	n.state.Revision++
	view := n.view()
	view.Seen = nil // of use to the workflow alone
	r.next = &contract.NodeRecord{ID: n.id(), Revision: n.state.Revision, At: view.Since[view.Phase], View: view}
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
