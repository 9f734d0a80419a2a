package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
)

// wordPatience is how long a proven machine waits for its Standby's word. Then it is opened: a Standby that is slow is no
// reason to keep a machine from pods that it was woken for.
const wordPatience = 30 * time.Second

// ask asks the Standby whether the machine is needed still, where it is to be asked. It is false where the result is there:
// others were ready first.
func (r *resume) ask(ctx workflow.Context) (bool, error) {
	if r.in.Ask == nil {
		return true, nil
	}
	word := workflow.GetSignalChannelWithOptions(ctx, contract.SignalOpen, workflow.SignalChannelOptions{
		Description: "The pool's Standby says whether the machine is to be opened to pods.",
	})
	r.describe(ctx, "It is alive. Asking the pool's standby whether others were ready first.")
	asked := workflow.SignalExternalWorkflow(ctx, r.in.Ask.Standby, "", contract.SignalProven, contract.Proven{
		Claim: r.in.Ask.Claim, Instance: r.in.Instance.ID,
		ReplyTo: contract.ReplyTo{WorkflowID: workflow.GetInfo(ctx).WorkflowExecution.ID, Signal: contract.SignalOpen},
	})
	if err := asked.Get(ctx, nil); err != nil {
		return ctx.Err() == nil, ctx.Err() // no such workflow: nobody else decides
	}
	heard, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout: wordPatience, TimerOptions: workflow.TimerOptions{Summary: "open it without a word"},
	}, func() bool { return word.Len() > 0 })
	if err != nil || !heard {
		return err == nil, err
	}
	var order contract.OpenOrder
	word.Receive(ctx, &order)
	if !order.Open {
		r.result.State = "running"
		return false, r.end(ctx, contract.ResumeStoodDown, order.Reason)
	}
	r.in.Pods = order.Pods
	return true, nil
}
