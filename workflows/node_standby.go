package workflows

import (
	"cmp"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/images"
	"floe.dev/floe/internal/lifecycle"
)

const (
	// minUptime is how long a machine must have been up before it is asked to hibernate, where its pool does not say:
	// EC2 refuses it for about two minutes
	// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshoot-instance-hibernate.html).
	minUptime = 2 * time.Minute
	// quietAfterWake is how long after a resume EC2 ignores what it is asked.
	quietAfterWake = 30 * time.Second
	// freezePatience is how long EC2 may go on saying that it is too early.
	freezePatience = 10 * time.Minute
	// resumeTimeout is how long a machine may take to prove itself, where its pool does not say: 32 GiB at gp3's
	// 125 MiB/s are read in four and a half minutes.
	resumeTimeout = 5 * time.Minute
)

// madeForStandby reports whether the machine was launched for standby, is ready, and has not been frozen yet.
func (n *node) madeForStandby(ctx workflow.Context) bool {
	return n.in.Tier != "" && n.state.Phase == contract.PhaseReady && n.state.Standby == nil && !n.state.Hold.Lasts(workflow.Now(ctx))
}

// refusesStandby says why a machine cannot be frozen or woken now.
func (n *node) refusesStandby(kind string, op contract.Operation) error {
	asleep := lifecycle.Asleep(n.state)
	refuse := func(format string, args ...any) error {
		return temporal.NewApplicationError(fmt.Sprintf(format, args...), contract.ErrInvalidInput)
	}
	switch {
	case kind == contract.UpdateDrain && asleep:
		return refuse("its machine is frozen: there is nothing to drain; resume it, or terminate it")
	case kind == contract.UpdateResume && !asleep:
		return refuse("its machine is not frozen: it is in phase %s", n.state.Phase)
	case kind != contract.UpdateHibernate:
		return nil
	case op.Tier != "" && op.Tier != v1alpha1.Hibernated && op.Tier != v1alpha1.Stopped:
		return refuse("tier: %q; want hibernated or stopped", op.Tier)
	case asleep:
		return refuse("its machine is frozen already, since %s", n.state.Standby.Since.UTC().Format(time.RFC3339))
	case n.in.Instance.CapacityType == v1alpha1.Spot:
		return refuse("it is a spot machine, which EC2 can only terminate: hibernate and stop are for on-demand machines")
	case n.state.Phase != contract.PhaseReady || n.state.Node == nil || !n.state.Node.Exists:
		return refuse("it is in phase %s: only a ready node can be frozen", n.state.Phase)
	}
	return nil
}

// part is the node's part in the standby, made where it had none.
func (n *node) part(tier v1alpha1.CapacityType) *contract.Frozen {
	if n.state.Standby == nil {
		n.state.Standby = &contract.Frozen{}
	}
	n.state.Standby.Tier = cmp.Or(tier, n.state.Standby.Tier, v1alpha1.Hibernated)
	return n.state.Standby
}

// freeze empties the node, where pods may be on it, and has its machine frozen.
func (n *node) freeze(ctx workflow.Context) {
	op := *n.state.Operation
	part := n.part(op.Tier)
	part.ByHand = op.By != contract.StandbyID(n.in.Cluster, n.in.Pool)
	// One that was made for standby and has not been in service since has no pods, and is not to have any.
	inService := (n.in.Tier == "" && part.Freezes == 0 || !part.Woke.IsZero()) && !part.Closed
	if inService {
		if _, err := n.drained(ctx, op); err != nil {
			n.frozen(ctx, op, contract.HibernateResult{Verdict: contract.VerdictRefused, Reason: "it could not be emptied: " + words(err)})
			return
		}
		if n.state.Operation == nil || n.state.Operation.Kind != op.Kind {
			return // a terminate came meanwhile
		}
	}
	part.Freezes++
	var result contract.HibernateResult
	err := n.beside(ctx, op, contract.WorkflowHibernate, contract.HibernateID(n.in.Cluster, n.in.Instance.ID, part.Freezes),
		fmt.Sprintf("freeze %s (%s): %s", n.state.Node.Name, part.Tier, op.Reason), contract.HibernateInput{
			Cluster: n.in.Cluster, Pool: n.in.Pool, Account: n.in.Account, Region: n.in.Region, Instance: n.in.Instance,
			Node: n.state.Node.Name, UID: n.state.Node.UID, Tier: part.Tier, Reason: op.Reason,
			NotBefore: n.freezable(), Patience: freezePatience, Reopen: inService && !op.Leaves,
		}, &result)
	if err != nil {
		result = contract.HibernateResult{Verdict: contract.VerdictRefused, Reason: words(err)}
	}
	n.frozen(ctx, op, result)
}

// freezable is when the machine has been up for long enough.
func (n *node) freezable() time.Time {
	up := n.state.Since[contract.PhaseLaunching].Add(cmp.Or(n.in.Standby.MinUptime, minUptime))
	if part := n.state.Standby; !part.Woke.IsZero() {
		if again := part.Woke.Add(quietAfterWake); again.After(up) {
			return again
		}
	}
	return up
}

// frozen takes in what became of a freeze.
func (n *node) frozen(ctx workflow.Context, op contract.Operation, result contract.HibernateResult) {
	part := n.state.Standby
	part.Verdict, part.Reason = result.Verdict, result.Reason
	if result.State != "" {
		n.observe(contract.Observation{InstanceState: result.State})
	}
	note := fmt.Sprintf("Frozen (%s): %s.", op.Reason, result.Verdict)
	if result.Verdict == contract.VerdictRefused {
		note = fmt.Sprintf("Not frozen (%s): %s.", op.Reason, result.Reason)
	} else {
		part.Asleep, part.Closed, part.Since, part.Last = true, false, result.Since, result.Last
		part.NodeDeleted = result.NodeDeleted
		n.state.Instance = "stopped"
	}
	if part.Prefetched = result.Prefetched; part.Prefetched != nil {
		note += " " + images.Told(part.Prefetched)
	}
	n.remember(note)
	lost := op.Leaves && result.Verdict == contract.VerdictRefused
	if lost {
		n.spared(ctx, op)
	} else {
		n.over(op)
	}
	n.record.want(n)
	n.report(ctx, n.standing())
	if !lost {
		n.reply(ctx, op, result.Verdict != contract.VerdictRefused, cmp.Or(op.Fate, note))
	}
}

// wake resumes the machine. One that does not prove itself is terminated: no pod is ever given to it.
func (n *node) wake(ctx workflow.Context) {
	op := *n.state.Operation
	part := n.state.Standby
	part.Wakes++
	var result contract.ResumeResult
	err := n.beside(ctx, op, contract.WorkflowResume, contract.ResumeID(n.in.Cluster, n.in.Instance.ID, part.Wakes),
		"wake "+n.state.Node.Name+": "+op.Reason, contract.ResumeInput{
			Cluster: n.in.Cluster, Pool: n.in.Pool, Account: n.in.Account, Region: n.in.Region, Instance: n.in.Instance,
			Node: n.state.Node.Name, UID: n.state.Node.UID, Reason: op.Reason, Started: op.Started,
			Within: cmp.Or(op.Within, n.in.Standby.ResumeTimeout, resumeTimeout), Last: part.Last, Pods: op.Pods, Purpose: op.Purpose, Rejoin: n.rejoin(), Ask: op.Ask,
		}, &result)
	if err != nil {
		result = contract.ResumeResult{Outcome: contract.ResumeFailed, Reason: words(err)}
	}
	n.woken(ctx, op, result)
}

// rejoin is what the machine's new Node is registered with; nil where its Node was kept.
func (n *node) rejoin() *contract.Rejoin {
	if !n.state.Standby.NodeDeleted {
		return nil
	}
	return &contract.Rejoin{Tier: n.state.Standby.Tier, Purpose: n.in.Purpose, Template: n.in.Template}
}

// rejoined takes in the Node that the machine has registered anew, unless it was seen already.
func (n *node) rejoined(r contract.RegisterResult) {
	n.state.Standby.NodeDeleted, n.state.StartupTaints = false, r.StartupTaints
	if n.state.Node == nil || n.state.Node.UID != r.Node.UID {
		n.state.Node = &r.Node
	}
}

// woken takes in what became of a wake.
func (n *node) woken(ctx workflow.Context, op contract.Operation, result contract.ResumeResult) {
	part := n.state.Standby
	part.Reason = result.Reason
	if result.State != "" {
		n.observe(contract.Observation{InstanceState: result.State})
	}
	if result.Rejoined != nil {
		n.rejoined(*result.Rejoined)
	}
	var note string
	switch result.Outcome {
	case contract.ResumeStoodDown:
		part.Asleep, part.Closed, part.Woke, part.Took = false, true, result.Proven, result.Proven.Sub(result.Started)
		note = fmt.Sprintf("Woken (%s) in %s, and to sleep again: %s.", op.Reason, part.Took.Round(time.Millisecond), result.Reason)
		if part.Prefetched != nil {
			part.Prefetched.Lost = result.Lost
		}
	case contract.ResumeInService:
		part.Asleep, part.Closed, part.Woke, part.Took = false, false, result.Proven, result.Proven.Sub(result.Started)
		note = fmt.Sprintf("Woken (%s) in %s, from memory.", op.Reason, part.Took.Round(time.Millisecond))
		if !result.SameBoot {
			note = fmt.Sprintf("Woken (%s) in %s. It has booted.", op.Reason, part.Took.Round(time.Millisecond))
			if part.Verdict == contract.VerdictHibernated {
				note += " EC2 had called it hibernated: its memory was lost."
			}
			part.Verdict = contract.VerdictPlainStopped
		}
		note += images.There(part.Last.Images, result.Images, result.Lost)
		if part.Prefetched != nil {
			part.Prefetched.Lost = result.Lost
		}
	case contract.ResumeNoCapacity:
		note = fmt.Sprintf("Not woken (%s): %s. It is frozen still.", op.Reason, result.Reason)
	default:
		note = fmt.Sprintf("Not woken (%s): %s. It is given no pods.", op.Reason, result.Reason)
	}
	n.remember(note)
	n.over(op)
	if result.Outcome == contract.ResumeFailed && n.state.Operation == nil {
		n.state.Operation = &contract.Operation{Kind: contract.SignalTerminate, Reason: "it did not prove itself after its wake: " + result.Reason}
	}
	if result.Outcome == contract.ResumeStoodDown && n.state.Operation == nil {
		n.state.Operation = &contract.Operation{
			Kind: contract.SignalHibernate, Tier: part.Tier, By: contract.StandbyID(n.in.Cluster, n.in.Pool), Reason: "it was woken and is not needed",
		}
	}
	n.record.want(n)
	switch result.Outcome {
	case contract.ResumeStoodDown:
		n.report(ctx, n.standing())
	case contract.ResumeInService:
		n.report(ctx, contract.ReportInService)
	case contract.ResumeNoCapacity:
		n.report(ctx, contract.ReportNoCapacity)
	}
	n.reply(ctx, op, result.Outcome == contract.ResumeInService, note)
}

// standing is where the node's machine is, as its pool's Standby calls it.
func (n *node) standing() contract.ReportedState {
	switch part := n.state.Standby; {
	case n.leaving():
		return contract.ReportGone
	case part == nil:
		return contract.ReportMaking
	case part.Asleep:
		return contract.ReportFrozen
	case part.Verdict == contract.VerdictRefused && (part.Closed || n.in.Tier != "" && part.Woke.IsZero()):
		return contract.ReportRefused
	case n.state.Operation != nil && n.state.Operation.Kind == contract.SignalHibernate:
		return contract.ReportMaking
	}
	return contract.ReportInService
}

// report tells the pool's Standby what became of the machine, where it is or was the standby's.
func (n *node) report(ctx workflow.Context, state contract.ReportedState) {
	if n.state.Standby == nil && n.in.Tier == "" && n.state.Departs == 0 {
		return
	}
	n.state.Reports++
	r := contract.StandbyReport{
		Key:      fmt.Sprintf("%s/%d", n.info.WorkflowExecution.RunID, n.state.Reports),
		Instance: n.in.Instance, Tier: n.in.Tier, State: state,
	}
	if part := n.state.Standby; part != nil {
		r.Tier, r.Verdict, r.Reason, r.Took, r.ByHand = part.Tier, part.Verdict, part.Reason, part.Took, part.ByHand
		r.Images = part.Prefetched.Tried()
	}
	n.told = append(n.told, workflow.SignalExternalWorkflow(ctx, contract.StandbyID(n.in.Cluster, n.in.Pool), "", contract.SignalReported, r))
}

// tellRace tells the Standby whose claim the machine races for, once, that it is ready, or has left before it was.
func (n *node) tellRace(ctx workflow.Context, ready bool) {
	if n.in.Race == "" || n.state.Raced {
		return
	}
	n.state.Raced = true
	n.told = append(n.told, workflow.SignalExternalWorkflow(ctx, contract.StandbyID(n.in.Cluster, n.in.Pool), "", contract.SignalCold,
		contract.ColdReport{Claim: n.in.Race, Instance: n.in.Instance.ID, Ready: ready}))
}

// beside runs an operation's child, and goes on hearing. The child is canceled where the machine goes meanwhile, or is to.
func (n *node) beside(ctx workflow.Context, op contract.Operation, kind, id, summary string, in, result any) error {
	n.describe(ctx)
	running, cancel := workflow.WithCancel(ctx)
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(running, workflow.ChildWorkflowOptions{
		WorkflowID: id, TaskQueue: contract.TaskQueue, StaticSummary: summary,
		// An adopted node counts its children anew.
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		TypedSearchAttributes: temporal.NewSearchAttributes(
			keyword(contract.AttributeCluster, n.in.Cluster), keyword(contract.AttributePool, n.in.Pool),
			keyword(contract.AttributeInstance, n.in.Instance.ID)),
	}), kind, in)
	canceled := false
	for !child.IsReady() {
		if err := workflow.Await(ctx, func() bool { return child.IsReady() || n.heard() || !canceled && n.overtaken(op) }); err != nil {
			return err
		}
		n.hear(ctx)
		if !canceled && n.overtaken(op) {
			canceled = true
			cancel()
		}
	}
	return child.Get(ctx, result)
}

// overtaken reports whether an operation under way has become pointless.
func (n *node) overtaken(op contract.Operation) bool {
	return lifecycle.Dead(n.state.Instance) || n.state.Operation == nil || n.state.Operation.Kind != op.Kind
}

// standbyWords say what a node's part in the standby is.
func standbyWords(f contract.Frozen) string {
	if f.Asleep {
		words := fmt.Sprintf("Frozen since %s, tier %s: %s. %s", f.Since.UTC().Format(time.RFC3339), f.Tier, f.Verdict, f.Reason)
		if f.NodeDeleted {
			words += " Its Node is deleted until it wakes."
		}
		return words + " " + images.Told(f.Prefetched)
	}
	return fmt.Sprintf("Standby, tier %s: %s %s", f.Tier, cmp.Or(string(f.Verdict), "being made ready"), f.Reason)
}
