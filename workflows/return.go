package workflows

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// ReturnToSpot brings an on-demand fallback's pods back to spot: it buys spot for exactly its pods, waits until the new
// machines take pods, and then lets the old one go. Where there is no spot to be had the node stays, and the Disruption
// that granted this tries again later.
func ReturnToSpot(ctx workflow.Context, in contract.ReplaceInput) (*contract.ReplaceResult, error) {
	return replace(ctx, in)
}

// Replace does the same for a node that is expired, drifted, unsound or too dear, by the pool's whole chain.
func Replace(ctx workflow.Context, in contract.ReplaceInput) (*contract.ReplaceResult, error) {
	return replace(ctx, in)
}

// readyWithin is how long replacements may take until they take pods: their pool's registrationTimeout is 15 minutes
// unless it says otherwise, and startup taints come on top.
const readyWithin = 20 * time.Minute

type replacement struct {
	in     contract.ReplaceInput
	result contract.ReplaceResult
	info   *workflow.Info
}

func replace(ctx workflow.Context, in contract.ReplaceInput) (*contract.ReplaceResult, error) {
	if in.Cluster == "" || in.Grant.Instance == "" || in.Grant.Node == "" {
		return nil, temporal.NewNonRetryableApplicationError("cluster, grant.instance and grant.node are needed", contract.ErrInvalidInput, nil)
	}
	r := &replacement{in: in, info: workflow.GetInfo(ctx)}
	err := r.run(ctx)
	if err != nil {
		r.result.Message = words(err)
	}
	r.describe(ctx, r.result.Message)
	r.reply(ctx)
	if ctx.Err() != nil {
		return nil, err // canceled by a person: the node stays, and so does what came for it
	}
	return &r.result, nil
}

// run takes the steps. What cannot be had is said in the result; an error is one that nobody foresaw.
func (r *replacement) run(ctx workflow.Context) error {
	g := r.in.Grant
	if g.Cordon {
		r.describe(ctx, "Cordoning it.")
		o := quick(contract.KubeTaskQueue(r.in.Cluster), "cordon "+g.Node)
		if _, err := cordonActivity.run(ctx, o, contract.CordonInput{Cluster: r.in.Cluster, Node: g.Node, UID: g.UID}); err != nil {
			workflow.GetLogger(ctx).Warn("the node is not cordoned", "node", g.Node, "error", err) // its drain does it again
		}
	}
	short, err := r.launch(ctx)
	if err != nil {
		return err
	}
	if short != "" {
		r.result.Exhausted, r.result.Message = true, "there is no replacement to be had: "+short
		r.giveBack(ctx, "the rest of what replaces "+g.Node+" is not to be had")
		return nil
	}
	missing, err := r.await(ctx)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		r.result.Message = fmt.Sprintf("its replacement leaves, or does not take pods within %s: %s", readyWithin, strings.Join(missing, ", "))
		r.giveBack(ctx, "it was to replace "+g.Node+" and did not take pods in time")
		return nil
	}
	return r.letGo(ctx)
}

// launch opens a ScaleUp for each launch and waits for all of them. short says what could not be had.
func (r *replacement) launch(ctx workflow.Context) (short string, err error) {
	g := r.in.Grant
	r.describe(ctx, "Buying what its pods need.")
	// By the request, which no two grants share.
	plan := strings.ReplaceAll(cmp.Or(r.in.Request, "replace/"+g.Instance), "/", "-")
	children := make([]workflow.ChildWorkflowFuture, len(g.Launches))
	for i, l := range g.Launches {
		id := contract.ScaleUpID(r.in.Cluster, plan, i)
		child := workflow.WithChildOptions(ctx, abandoned(id, fmt.Sprintf("%d machines of pool %s in the place of %s", l.Count, l.Pool, g.Node),
			enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
			keyword(contract.AttributeCluster, r.in.Cluster), keyword(contract.AttributePool, l.Pool)))
		children[i] = workflow.ExecuteChildWorkflow(child, contract.WorkflowScaleUp, g.LaunchOf(r.in.Cluster, l))
	}
	for _, child := range children {
		var view contract.ScaleUpView
		failed := child.Get(ctx, &view)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		for _, instance := range view.Instances {
			r.result.Instances = append(r.result.Instances, instance.ID)
		}
		switch {
		case failed != nil:
			short = words(failed)
		case view.Phase != contract.ScaleUpFilled:
			short = view.Reason
		}
	}
	return short, nil
}

// await waits until the replacements take pods, and says which do not in time.
func (r *replacement) await(ctx workflow.Context) ([]string, error) {
	r.describe(ctx, fmt.Sprintf("Waiting until %s.", takePods(r.result.Instances)))
	o := draining(contract.KubeTaskQueue(r.in.Cluster), takePods(r.result.Instances))
	o.StartToCloseTimeout = readyWithin + time.Minute
	ready, err := awaitNodesActivity.run(ctx, o, contract.AwaitNodesInput{
		Cluster: r.in.Cluster, Instances: r.result.Instances, Within: readyWithin,
	})
	return ready.Missing, err
}

func takePods(instances []string) string {
	verb := " takes pods"
	if len(instances) != 1 {
		verb = " take pods"
	}
	return strings.Join(instances, ", ") + verb
}

// letGo asks the old node to leave, and waits until it has.
func (r *replacement) letGo(ctx workflow.Context) error {
	g := r.in.Grant
	r.describe(ctx, "Its replacement takes pods; now it drains and goes.")
	answers := workflow.GetSignalChannelWithOptions(ctx, contract.SignalLeft, workflow.SignalChannelOptions{Description: "How the old node's leaving has ended."})
	err := leave(ctx, r.in.Cluster, g, r.in.Request, r.info.WorkflowExecution.ID).Get(ctx, nil)
	if err != nil {
		return err
	}
	var answer contract.OperationResult
	answered := func() bool {
		drain(answers, func(a contract.OperationResult) { answer = a })
		return answer.Request == r.in.Request
	}
	ok, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout: answerWithin, TimerOptions: workflow.TimerOptions{Summary: "give up waiting for its answer"},
	}, answered)
	switch {
	case err != nil:
		return err
	case !ok:
		r.result.Message = fmt.Sprintf("its Node workflow has not answered within %s", answerWithin)
	case !answer.Accepted:
		r.result.Message = answer.Message + "; its replacement goes as any node that is empty"
	default:
		r.result.Left, r.result.Fate = true, answer.Message
		r.result.Message = fmt.Sprintf("It has left: %s; %s.", g.Words, answer.Message)
	}
	return nil
}

// giveBack lets go what came and is of no use.
func (r *replacement) giveBack(ctx workflow.Context, why string) {
	for _, instance := range r.result.Instances {
		err := workflow.SignalExternalWorkflow(ctx, contract.NodeID(r.in.Cluster, instance), "", contract.SignalTerminate,
			contract.Operation{Request: r.in.Request + "/back", Reason: why, By: "floe"}).Get(ctx, nil)
		if err != nil {
			workflow.GetLogger(ctx).Warn("what is of no use is not given back; it goes when it is empty", "instance", instance, "error", err)
		}
	}
}

// reply tells whoever granted it, also where this was canceled.
func (r *replacement) reply(ctx workflow.Context) {
	if r.in.ReplyTo == nil {
		return
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	err := workflow.SignalExternalWorkflow(ctx, r.in.ReplyTo.WorkflowID, "", r.in.ReplyTo.Signal, contract.OperationResult{
		Request: r.in.Request, Accepted: r.result.Left, Watch: r.info.WorkflowExecution.ID, Message: cmp.Or(r.result.Fate, r.result.Message),
	}).Get(ctx, nil)
	if err != nil {
		workflow.GetLogger(ctx).Info("nobody took the news of this replacement", "error", err)
	}
}

func (r *replacement) describe(ctx workflow.Context, doing string) {
	g := r.in.Grant
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("Node `%s` (`%s`, pool `%s`) is to leave (%s): %s.\n\n%s", g.Node, g.Instance, g.Pool, g.Reason, g.Words, doing))
}

// startReplacement starts the workflow that replaces a node; the future is ready once it runs.
func startReplacement(ctx workflow.Context, cluster string, g contract.Grant, l contract.Leaving) workflow.Future {
	kind, summary := contract.WorkflowReplace, "replace "+g.Node
	if g.Reason == v1alpha1.DisruptReturn {
		kind, summary = contract.WorkflowReturnToSpot, "bring the pods of "+g.Node+" back to spot"
	}
	child := workflow.WithChildOptions(ctx, abandoned(l.Workflow, summary+": "+g.Words, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		keyword(contract.AttributeCluster, cluster), keyword(contract.AttributePool, g.Pool), keyword(contract.AttributeInstance, g.Instance)))
	return workflow.ExecuteChildWorkflow(child, kind, contract.ReplaceInput{
		Cluster: cluster, Grant: g, Request: l.Request,
		ReplyTo: &contract.ReplyTo{WorkflowID: contract.DisruptionID(cluster), Signal: contract.SignalLeft},
	}).GetChildWorkflowExecution()
}
