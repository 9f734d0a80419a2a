package workflows

import (
	"cmp"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/ledger"
	"floe.dev/floe/internal/reclaim"
)

// confirming is a question to EC2 under way.
type confirming struct {
	kind   contract.ReclaimKind
	future workflow.Future
}

// hearReclaims drains the notices. It is done while an operation is under way too: a reclaim preempts.
func (n *node) hearReclaims(ctx workflow.Context) {
	drain(n.reclaims, func(r contract.Reclaim) { n.noticed(ctx, r) })
}

// noticed takes in one notice. What a person leaves out is filled in.
func (n *node) noticed(ctx workflow.Context, r contract.Reclaim) {
	now := workflow.Now(ctx)
	r.Kind = cmp.Or(r.Kind, contract.ReclaimInterruption)
	if !reclaim.Known(r.Kind) {
		workflow.GetLogger(ctx).Warn("a notice of an unknown kind is left out", "kind", r.Kind)
		return
	}
	if r.Key != "" && !ledger.FirstSight(&n.state.Seen, contract.SignalReclaim+"/"+r.Key) {
		// The watcher marks the Node before it tells: what was refuted is unmarked once more.
		if s := n.state.Reclaim; s != nil && s.Verdict == contract.ReclaimRefuted && len(s.Asking) == 0 {
			again := *s
			again.Unmark = true
			n.state.Reclaim = &again
		}
		return
	}
	r.Source = cmp.Or(r.Source, "by hand")
	if r.Received.IsZero() {
		r.Received = now
	}
	if r.Notice.IsZero() {
		r.Notice = r.Received
	}
	if r.Kind == contract.ReclaimInterruption && r.Deadline.IsZero() {
		r.Deadline = r.Notice.Add(reclaim.Warning)
	}
	before := n.state.Reclaim
	n.state.Reclaim = reclaim.Hear(before, r, now)
	if n.state.Reclaim.Stands() && !before.Stands() {
		n.decided(ctx, *n.state.Reclaim, false)
	}
	n.describe(ctx)
}

// confirm has EC2 asked about every notice that it is to be asked about, and takes in its answers. It waits for nothing.
func (n *node) confirm(ctx workflow.Context) {
	open := n.confirming
	n.confirming = nil
	for _, c := range open {
		if !c.future.IsReady() {
			n.confirming = append(n.confirming, c)
			continue
		}
		var word contract.ConfirmReclaimResult
		if err := c.future.Get(ctx, &word); err != nil {
			word = contract.ConfirmReclaimResult{Verdict: contract.ReclaimUnanswered, Why: words(err)}
		}
		for _, r := range n.state.Reclaim.Asking {
			if r.Kind == c.kind {
				n.decided(ctx, contract.ReclaimState{Reclaim: r, Verdict: word.Verdict, Why: word.Why}, word.Recorded)
			}
		}
		n.state.Reclaim = reclaim.Judge(n.state.Reclaim, c.kind, word, workflow.Now(ctx))
	}
	if n.state.Reclaim == nil {
		return
	}
	for _, r := range n.state.Reclaim.Asking {
		if !n.isAsked(r.Kind) {
			n.confirming = append(n.confirming, confirming{r.Kind, n.askEC2(ctx, r)})
		}
	}
}

func (n *node) isAsked(kind contract.ReclaimKind) bool {
	for _, c := range n.confirming {
		if c.kind == kind {
			return true
		}
	}
	return false
}

func (n *node) askEC2(ctx workflow.Context, r contract.Reclaim) workflow.Future {
	by := reclaim.ConfirmBy(r)
	// The activity itself ends with a verdict at by; some seconds more are for a worker that dies over it.
	o := workflow.ActivityOptions{
		TaskQueue:              contract.AWSTaskQueue(n.in.Account, n.in.Region, contract.ClassRead),
		Summary:                "ask EC2 whether it is true: " + reclaim.Reason(r),
		StartToCloseTimeout:    8 * time.Second,
		ScheduleToCloseTimeout: max(0, by.Sub(workflow.Now(ctx))) + 8*time.Second,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: 500 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 2 * time.Second,
		},
	}
	in := contract.ConfirmReclaimInput{InstanceInput: n.instance(), Kind: r.Kind, By: by}
	if n.teaches(r) {
		in.Record = n.reclaimed(r)
	}
	return confirmActivity.start(ctx, o, in)
}

// teaches reports whether a notice that is true says something of its offering: that EC2 takes spot machines of it.
func (n *node) teaches(r contract.Reclaim) bool {
	return r.Kind == contract.ReclaimInterruption && n.in.Instance.CapacityType == v1alpha1.Spot
}

// reclaimed is what the offering memory learns of a true interruption.
func (n *node) reclaimed(r contract.Reclaim) contract.ReclaimedRecord {
	return contract.ReclaimedRecord{
		Instance: n.in.Instance.ID, Offering: contract.OfferingOf(n.in.Region, n.in.Instance), At: r.Notice,
		Cluster: n.in.Cluster, Account: n.in.Account,
	}
}

// answered reports whether EC2 has answered something that was not taken in yet.
func (n *node) answered() bool {
	for _, c := range n.confirming {
		if c.future.IsReady() {
			return true
		}
	}
	return false
}

// decided puts a verdict on a notice into the node's story and record, and tells the offering memory of a true
// interruption, unless whoever asked EC2 has told it.
func (n *node) decided(ctx workflow.Context, s contract.ReclaimState, learned bool) {
	n.remember(reclaim.Verdict(s))
	if !n.brief() || !s.Leaves() {
		n.record.want(n) // else it leaves, and that is recorded with it
	}
	if learned || s.Verdict != contract.ReclaimConfirmed || !n.teaches(s.Reclaim) {
		return
	}
	n.learning++
	detached, _ := workflow.NewDisconnectedContext(ctx)
	write := putReclaimActivity.start(detached, recording("tell the offering memory"), n.reclaimed(s.Reclaim))
	workflow.GoNamed(detached, "learn", func(ctx workflow.Context) {
		if err := write.Get(ctx, nil); err != nil {
			workflow.GetLogger(ctx).Error("the offering memory does not know of the reclaim", "error", err)
		}
		n.learning--
	})
}

// tighter reports whether a reclaim leaves a drain less time than it has.
func (n *node) tighter(in contract.DrainInput) bool {
	r := n.state.Reclaim
	if !r.Leaves() {
		return false
	}
	return !in.Reclaim || !r.Deadline.IsZero() && (in.End.IsZero() || r.Deadline.Before(in.End))
}

// unmark takes the mark of a refuted reclaim off the Node.
func (n *node) unmark(ctx workflow.Context) {
	o := quick(contract.KubeTaskQueue(n.in.Cluster), "take the mark of the refuted notice off "+n.state.Node.Name)
	_, err := unmarkActivity.run(ctx, o, contract.UnmarkInput{Cluster: n.in.Cluster, Node: n.state.Node.Name, UID: n.state.Node.UID})
	if err != nil {
		n.state.Trouble = words(err)
		n.pause(ctx)
		return
	}
	after := *n.state.Reclaim
	after.Unmark = false
	n.state.Reclaim, n.state.Trouble = &after, ""
}

// idle reports whether nothing is under way that a continue-as-new would lose.
func (n *node) idle() bool { return n.record.idle() && len(n.confirming) == 0 && n.learning == 0 }
