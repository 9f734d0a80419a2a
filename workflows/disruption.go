package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/disruption"
	"floe.dev/floe/internal/lifecycle"
)

// Disruption lets nodes of one cluster leave voluntarily: empty, underused, expired, drifted or unsound ones, and
// on-demand fallbacks that return to spot. It is the only one that does, so that budgets hold over all of it. It lives
// for ever: it looks at the cluster every few seconds while nodes stand, and at once when it hears of a change. Which
// nodes may go, and why others may not, is decided by internal/disruption.
func Disruption(ctx workflow.Context, in contract.DisruptionInput) error {
	d, err := newDisruptor(ctx, in)
	if err != nil {
		return err
	}
	return d.run(ctx)
}

type disruptor struct {
	in    contract.DisruptionInput
	state contract.DisruptionState
	info  *workflow.Info
	doing string

	changed, left, force workflow.ReceiveChannel

	forced bool
	turns  int
	look   timer
}

const (
	// answerWithin is how long a grant may stay without an answer. A drain waits for its pool's drainTimeout and for grace
	// periods; a Node workflow that was terminated by hand never answers.
	answerWithin = 6 * time.Hour
	// goneFor is how long the Node of a grant may be gone without an answer: its machine is being terminated.
	goneFor = 10 * time.Minute
	// mostUntold is how many events wait for the store.
	mostUntold = 200
	// mostDeparted is how many of those that have left are told of.
	mostDeparted = 20
)

func newDisruptor(ctx workflow.Context, in contract.DisruptionInput) (*disruptor, error) {
	if in.Cluster == "" {
		return nil, temporal.NewNonRetryableApplicationError("cluster: missing; name the cluster", contract.ErrInvalidInput, nil)
	}
	if in.Every.Duration <= 0 {
		in.Every.Duration = disruption.DefaultEvery
	}
	d := &disruptor{in: in, info: workflow.GetInfo(ctx), look: timer{summary: "look at the cluster again"}}
	if in.State != nil {
		d.state = *in.State
	}
	signal := func(name, description string) workflow.ReceiveChannel {
		return workflow.GetSignalChannelWithOptions(ctx, name, workflow.SignalChannelOptions{Description: description})
	}
	d.changed = signal(contract.SignalChanged, "Pools or nodes have changed: look at once.")
	d.left = signal(contract.SignalLeft, "How a disruption that was granted has ended.")
	d.force = signal(contract.SignalForceContinueAsNew, "Continue as new at the next chance; the operator's lever.")
	err := workflow.SetQueryHandlerWithOptions(ctx, contract.QueryState, func() (contract.DisruptionView, error) { return d.view(), nil },
		workflow.QueryHandlerOptions{Description: "What leaves, what would leave and may not, and when the next look is."})
	if err != nil {
		return nil, err
	}
	return d, workflow.SetUpdateHandlerWithOptions(ctx, contract.UpdateWhy, d.why, workflow.UpdateHandlerOptions{
		Description: `Say why a node may not leave now: {"node": "…"}, by name or by instance.`,
	})
}

func (d *disruptor) run(ctx workflow.Context) error {
	for {
		d.hear(ctx)
		switch {
		case !workflow.Now(ctx).Before(d.state.LookAt):
			d.lookOnce(ctx)
			d.record(ctx)
			d.turns++
			continue
		case d.full() && workflow.AllHandlersFinished(ctx):
			return workflow.NewContinueAsNewError(ctx, contract.WorkflowDisruption, contract.DisruptionInput{
				Cluster: d.in.Cluster, Every: d.in.Every, State: &d.state, MaxTurns: d.in.MaxTurns,
			})
		}
		d.describe(ctx, "Waiting; the next look is at "+d.state.LookAt.UTC().Format(time.RFC3339)+" at the latest.")
		d.look.at(ctx, d.state.LookAt)
		err := workflow.Await(ctx, func() bool {
			return d.heard() || d.look.fired() || (d.full() && workflow.AllHandlersFinished(ctx))
		})
		if err != nil {
			return err // canceled by a person
		}
	}
}

func (d *disruptor) full() bool {
	return d.forced || d.info.GetContinueAsNewSuggested() || (d.in.MaxTurns > 0 && d.turns >= d.in.MaxTurns)
}

func (d *disruptor) heard() bool {
	return d.changed.Len() > 0 || d.left.Len() > 0 || d.force.Len() > 0
}

// hear drains every signal into the state.
func (d *disruptor) hear(ctx workflow.Context) {
	news := false
	drain(d.changed, func(any) { news = true })
	drain(d.left, func(r contract.OperationResult) {
		news = true
		d.ended(workflow.Now(ctx), r)
	})
	drain(d.force, func(struct{}) { d.forced = true })
	if soon := d.state.LookedAt.Add(d.in.Every.Duration / 4); news && soon.Before(d.state.LookAt) {
		d.state.LookAt = soon // news comes in bursts
	}
}

// ended takes the answer to a grant. One that is not known any more was given up.
func (d *disruptor) ended(now time.Time, r contract.OperationResult) {
	i := slices.IndexFunc(d.state.Leaving, func(l contract.Leaving) bool { return l.Request == r.Request })
	if i < 0 {
		return
	}
	l := d.state.Leaving[i]
	d.state.Leaving = slices.Delete(d.state.Leaving, i, i+1)
	if !r.Accepted {
		d.postpone(now, l, r.Message)
		return
	}
	d.state.Ended++
	delete(d.state.NotBefore, l.Instance)
	d.state.Departed = append(d.state.Departed, contract.Departed{Node: l.Node, Pool: l.Pool, Reason: l.Reason, At: now, Fate: r.Message})
	d.state.Departed = d.state.Departed[max(0, len(d.state.Departed)-mostDeparted):]
	d.tell(now, "left", l.Instance, l.Request, fmt.Sprintf("%s has left (%s): %s; %s.", l.Node, l.Reason, l.Words, r.Message))
}

// postpone leaves a node alone for a while, longer with each try and spread over the nodes.
func (d *disruptor) postpone(now time.Time, l contract.Leaving, why string) {
	if d.state.NotBefore == nil {
		d.state.NotBefore = map[string]contract.Postponed{}
	}
	d.state.NotBefore[l.Instance] = disruption.Postpone(d.state.NotBefore[l.Instance], l.Reason, l.Instance, now, why)
	d.tell(now, "stayed", l.Instance, l.Request, fmt.Sprintf("%s stays (%s): %s.", l.Node, l.Reason, why))
}

// lookOnce looks at the cluster and lets go what may go.
func (d *disruptor) lookOnce(ctx workflow.Context) {
	d.describe(ctx, "Looking at which nodes may leave.")
	result, err := disruptActivity.run(ctx, planning(contract.KubeTaskQueue(d.in.Cluster), "which nodes may leave"), contract.DisruptInput{
		Cluster: d.in.Cluster, Memory: d.state.Memory, Leaving: d.state.Leaving, NotBefore: d.state.NotBefore, Every: d.in.Every.Duration,
	})
	now := workflow.Now(ctx)
	d.state.LookedAt = now
	if err != nil {
		d.state.Failures++
		d.state.Trouble = words(err)
		d.state.LookAt = now.Add(lifecycle.Backoff(d.state.Failures))
		return
	}
	d.state.Failures, d.state.Trouble = 0, ""
	d.state.LookAt = now.Add(max(result.Next, time.Second))
	d.state.Memory = result.Memory
	d.giveUp(now, result.Gone)
	d.refusals(now, result)
	d.grant(ctx, result.Grants)
}

// giveUp forgets grants that nobody is going to answer, and nodes that are no more.
func (d *disruptor) giveUp(now time.Time, gone []string) {
	d.state.Leaving = slices.DeleteFunc(d.state.Leaving, func(l contract.Leaving) bool {
		age := now.Sub(l.Since)
		return age > answerWithin || age > goneFor && slices.Contains(gone, l.Instance)
	})
	for _, instance := range gone {
		delete(d.state.NotBefore, instance)
	}
}

// refusals takes the look's refusals; each that is new is an event.
func (d *disruptor) refusals(now time.Time, result contract.DisruptResult) {
	told := map[string]string{}
	for _, r := range result.Refused {
		told[r.Instance] = string(r.Reason) + "/" + r.Code
		if d.state.Told[r.Instance] != told[r.Instance] {
			d.tell(now, "refused", r.Instance, now.UTC().Format(time.RFC3339), fmt.Sprintf("%s may not leave (%s): %s.", r.Node, r.Reason, r.Why))
		}
	}
	d.state.Told, d.state.Refused, d.state.RefusedCount = told, result.Refused, result.RefusedCount
}

// grant asks nodes to leave: straight where their pods have room, by a workflow of its own where a replacement has to
// come first.
func (d *disruptor) grant(ctx workflow.Context, grants []contract.Grant) {
	now := workflow.Now(ctx)
	asked := make([]workflow.Future, len(grants))
	leaving := make([]contract.Leaving, len(grants))
	for i, g := range grants {
		d.state.Grants++
		l := contract.Leaving{
			Request:  contract.GrantID(d.in.Cluster, d.info.FirstRunID, d.state.Grants),
			Instance: g.Instance, Node: g.Node, Pool: g.Pool, Reason: g.Reason, Words: g.Words, Since: now, Fate: g.Fate,
		}
		if g.Keep {
			l.Fate = "its pool's standby is asked"
		}
		if len(g.Launches) == 0 {
			asked[i] = leave(ctx, d.in.Cluster, g, l.Request, contract.DisruptionID(d.in.Cluster))
		} else {
			l.Workflow = contract.ReplaceID(g.Reason, d.in.Cluster, g.Instance, d.state.Grants)
			asked[i] = startReplacement(ctx, d.in.Cluster, g, l)
		}
		leaving[i] = l
		d.state.Leaving = append(d.state.Leaving, l)
		d.tell(now, "granted", g.Instance, l.Request, fmt.Sprintf("%s is to leave (%s): %s.", g.Node, g.Reason, g.Words))
	}
	for i, future := range asked {
		if err := future.Get(ctx, nil); err != nil && !temporal.IsWorkflowExecutionAlreadyStartedError(err) {
			d.ended(workflow.Now(ctx), contract.OperationResult{Request: leaving[i].Request, Message: "its workflow could not be asked: " + words(err)})
		}
	}
}

// leave asks a node to go: into its pool's standby where that may be, else away.
func leave(ctx workflow.Context, cluster string, g contract.Grant, request, replyTo string) workflow.Future {
	signal := contract.SignalTerminate
	if g.Keep {
		signal = contract.SignalLeave
	}
	return workflow.SignalExternalWorkflow(ctx, contract.NodeID(cluster, g.Instance), "", signal, contract.Operation{
		Request: request, Reason: string(g.Reason) + ": " + g.Words, By: "floe", Fate: g.Fate,
		ReplyTo: &contract.ReplyTo{WorkflowID: replyTo, Signal: contract.SignalLeft},
	})
}

// tell keeps an event for the store.
func (d *disruptor) tell(now time.Time, kind, instance, what, message string) {
	d.state.Unrecorded = append(d.state.Unrecorded, contract.EventRecord{
		ID: d.in.Cluster + "/disruption/" + kind + "/" + instance + "/" + what, At: now, Cluster: d.in.Cluster,
		Kind: "disruption-" + kind, Subject: instance, Message: message,
	})
	d.state.Unrecorded = d.state.Unrecorded[max(0, len(d.state.Unrecorded)-mostUntold):]
}

// record hands the events to the store. What it does not take is handed in after the next look: the store is for reading
// later, nobody waits for it.
func (d *disruptor) record(ctx workflow.Context) {
	if len(d.state.Unrecorded) == 0 {
		return
	}
	o := recording("record what was decided")
	o.StartToCloseTimeout, o.ScheduleToCloseTimeout = 5*time.Second, 5*time.Second
	if _, err := putEventsActivity.run(ctx, o, d.state.Unrecorded); err != nil {
		workflow.GetLogger(ctx).Warn("the store did not take the events; they are handed in again", "events", len(d.state.Unrecorded), "error", err)
		return
	}
	d.state.Unrecorded = nil
}

// why is the update of that name: a look of its own, so that the answer is of now.
func (d *disruptor) why(ctx workflow.Context, in contract.WhyInput) (contract.NodeVerdict, error) {
	if in.Node == "" {
		return contract.NodeVerdict{}, temporal.NewApplicationError("node: missing; name the node, or its instance", contract.ErrInvalidInput)
	}
	result, err := disruptActivity.run(ctx, planning(contract.KubeTaskQueue(d.in.Cluster), "why "+in.Node+" may not leave"), contract.DisruptInput{
		Cluster: d.in.Cluster, Memory: d.state.Memory, Leaving: d.state.Leaving, NotBefore: d.state.NotBefore, Every: d.in.Every.Duration, Why: in.Node,
	})
	if err != nil {
		return contract.NodeVerdict{}, temporal.NewApplicationError(words(err), errorType(err))
	}
	if result.Verdict == nil {
		return contract.NodeVerdict{}, temporal.NewApplicationError("the worker gave no verdict: is it older than this workflow", contract.ErrUnavailable)
	}
	return *result.Verdict, nil
}

func (d *disruptor) view() contract.DisruptionView {
	return contract.DisruptionView{Cluster: d.in.Cluster, Doing: d.doing, DisruptionState: d.state}
}

func (d *disruptor) describe(ctx workflow.Context, doing string) {
	d.doing = doing
	workflow.SetCurrentDetails(ctx, disruptionDetails(d.view()))
}
