package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/ledger"
	"floe.dev/floe/internal/lifecycle"
)

// Node is one life: an EC2 instance and the Kubernetes Node on it, from launch to termination. The watcher signals what
// it observes; a slow timer looks again in case a signal was missed. Every phase is in the store under one id, written
// by this workflow alone.
func Node(ctx workflow.Context, in contract.NodeInput) (*contract.NodeView, error) {
	n, err := newNode(ctx, in)
	if err != nil {
		return nil, err
	}
	return n.run(ctx)
}

type node struct {
	in    contract.NodeInput
	state contract.NodeState
	info  *workflow.Info

	observed, reclaims, force workflow.ReceiveChannel
	reports                   workflow.ReceiveChannel // asked for
	fates                     workflow.ReceiveChannel // of the machine, by its pool's Standby
	asked                     []askedBySignal

	forced bool
	turns  int
	look   timer
	looks  int // looks in this phase
	record recorder
	saved  contract.Phase // phase of the last record
	told   []workflow.Future

	confirming []confirming // what EC2 is being asked
	learning   int          // writes to the offering memory under way
}

const (
	// registrationDefault applies where the input names no timeout (started by hand).
	registrationDefault = 15 * time.Minute
	// firstLook is how long a machine that is coming up may be silent before it is looked at; doubled each time.
	firstLook = 2 * time.Minute
	// slowLook is the same for a node in service.
	slowLook = time.Hour
)

func newNode(ctx workflow.Context, in contract.NodeInput) (*node, error) {
	if in.Cluster == "" || in.Pool == "" || in.Instance.ID == "" {
		return nil, temporal.NewNonRetryableApplicationError("cluster, pool and instance.id are needed", contract.ErrInvalidInput, nil)
	}
	if in.RegistrationTimeout <= 0 {
		in.RegistrationTimeout = registrationDefault
	}
	if in.Tier == v1alpha1.Hibernated {
		in.Instance.Hibernatable = true // also where it was launched before that was written down
	}
	n := &node{in: in, info: workflow.GetInfo(ctx), look: timer{summary: "look again, in case a signal was missed"}}
	if in.State != nil {
		n.state = *in.State
		if n.state.Revision > 0 {
			n.saved = n.state.Phase
		}
	} else {
		n.state = contract.NodeState{
			Phase: contract.PhaseLaunching, Since: map[contract.Phase]time.Time{contract.PhaseLaunching: workflow.Now(ctx)},
			Instance: in.Instance.State,
		}
		if in.Adopted != nil {
			n.adopt(*in.Adopted)
		}
		if in.Surplus != "" {
			n.state.Operation = &contract.Operation{Kind: contract.SignalTerminate, Reason: in.Surplus}
		}
	}
	signal := func(name, description string) workflow.ReceiveChannel {
		return workflow.GetSignalChannelWithOptions(ctx, name, workflow.SignalChannelOptions{Description: description})
	}
	n.observed = signal(contract.SignalObserved, "What the watcher saw of the Node or of the instance.")
	n.reclaims = signal(contract.SignalReclaim, `AWS takes the machine back, or may: {"kind": "interruption", "source": "…"}`)
	for _, o := range operations {
		n.asked = append(n.asked, askedBySignal{o.kind, signal(o.kind, o.description+": "+o.payload)})
	}
	n.reports = signal(contract.SignalReport, "The pool's Standby asks what became of the machine.")
	n.fates = signal(contract.SignalFate, "The pool's Standby says what becomes of the machine, which leaves the pool.")
	n.force = signal(contract.SignalForceContinueAsNew, "Continue as new at the next chance; the operator's lever.")
	return n, n.handlers(ctx)
}

// adopt takes over what is known of the instance's former life.
func (n *node) adopt(a contract.Adoption) {
	n.state.Node, n.state.Drains, n.state.Revision = a.Node, a.Drains, a.Revision
	n.remember("Adopted by the sweep: " + a.Reason + ".")
	if !lifecycle.Closed(a.Node) {
		return
	}
	if n.in.Instance.State != "stopped" {
		// Its former life ended amid a freeze or a wake. Nobody knows what was proven: another takes its place.
		n.state.Operation = &contract.Operation{Kind: contract.SignalTerminate, Reason: "its Node is closed to pods, and its workflow ended while it was made, frozen or woken"}
		return
	}
	n.state.Phase, n.state.Registered = contract.PhaseStandby, true
	n.state.Since[contract.PhaseStandby] = n.info.WorkflowStartTime
	// Its Node says the tier. Whether its memory was kept, its boot ID tells when it wakes.
	n.state.Standby = &contract.Frozen{
		Tier: v1alpha1.Hibernated, Asleep: true, Since: n.info.WorkflowStartTime, Last: contract.LastWords{BootID: a.Node.BootID},
	}
	if a.Node.Standby == v1alpha1.Stopped {
		n.state.Standby.Tier, n.state.Standby.Verdict = v1alpha1.Stopped, contract.VerdictPlainStopped
	}
}

func (n *node) handlers(ctx workflow.Context) error {
	err := workflow.SetQueryHandlerWithOptions(ctx, contract.QueryLife, func() (contract.NodeView, error) { return n.view(), nil },
		workflow.QueryHandlerOptions{Description: "The node's life so far: phases and when they began, the Node, the instance."})
	if err != nil {
		return err
	}
	for _, o := range operations {
		handle := func(ctx workflow.Context, op contract.Operation) (contract.OperationResult, error) {
			return n.accept(ctx, o.kind, op), nil
		}
		if err := workflow.SetUpdateHandlerWithOptions(ctx, o.kind, handle, workflow.UpdateHandlerOptions{
			Description: o.description + ": " + o.payload,
			Validator:   func(ctx workflow.Context, op contract.Operation) error { return n.refuses(ctx, o.kind, op) },
		}); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) run(ctx workflow.Context) (*contract.NodeView, error) {
	n.record.run(ctx)
	n.save(ctx) // an adopted node may be past its first phase in a moment
	for {
		n.hear(ctx)
		n.confirm(ctx)
		step := lifecycle.Next(n.state, workflow.Now(ctx), n.registerBy())
		n.enter(ctx, step)
		n.save(ctx)
		switch {
		case step.Act == lifecycle.Leave || step.Act == lifecycle.Close:
			return n.leave(ctx, step)
		case step.Act == lifecycle.Register:
			n.register(ctx)
		case step.Act == lifecycle.Unmark:
			n.unmark(ctx)
		case n.state.Operation != nil:
			n.operate(ctx)
		case n.madeForStandby(ctx):
			n.state.Operation = &contract.Operation{Kind: contract.SignalHibernate, Tier: n.in.Tier, By: contract.StandbyID(n.in.Cluster, n.in.Pool), Reason: "it was made ready for the pool's standby"}
		case step.Phase == contract.PhaseInitialized && len(lifecycle.Blocking(n.state)) == 0:
			continue // on to ready
		case n.full() && n.idle() && workflow.AllHandlersFinished(ctx):
			next := n.in
			next.State = &n.state
			return nil, workflow.NewContinueAsNewError(ctx, contract.WorkflowNode, next)
		default:
			if err := n.wait(ctx); err != nil {
				return nil, err
			}
		}
		n.turns++
	}
}

// wait until there is something to do.
func (n *node) wait(ctx workflow.Context) error {
	n.describe(ctx)
	n.look.at(ctx, n.nextLook(ctx))
	err := workflow.Await(ctx, func() bool {
		return n.heard() || n.answered() || n.state.Operation != nil || n.look.fired() || (n.full() && n.idle() && workflow.AllHandlersFinished(ctx))
	})
	if err == nil && n.look.fired() && !n.unrecorded(ctx) {
		n.lookAgain(ctx)
	}
	return err
}

// enter puts the node into a step's phase.
func (n *node) enter(ctx workflow.Context, step lifecycle.Step) {
	if step.Reason != "" {
		n.state.Reason = step.Reason
	}
	if step.Phase == n.state.Phase {
		return
	}
	n.state.Phase, n.looks = step.Phase, 0
	n.state.Since[step.Phase] = workflow.Now(ctx)
	if n.brief() && n.leaving() {
		n.overdueAt(ctx)
	} else {
		n.look.at(ctx, time.Time{})
	}
	if step.Phase == contract.PhaseReady {
		n.tellRace(ctx, true)
	}
	switch step.Phase {
	case contract.PhaseReady, contract.PhaseStandby, contract.PhaseTerminating, contract.PhaseTerminated: // the phases people search for
		if err := workflow.UpsertTypedSearchAttributes(ctx, keyword(contract.AttributePhase, string(step.Phase))); err != nil {
			workflow.GetLogger(ctx).Warn("search attribute is not set", "error", err)
		}
	}
}

// save records the phases that people ask for later. The two that a healthy machine passes within a second are in the
// next record's times, and so is the way there of one that is quick.
func (n *node) save(ctx workflow.Context) {
	if n.brief() && n.leaving() {
		return // see leave
	}
	early := n.state.Revision == 0 && workflow.Now(ctx).Before(n.recordBy())
	switch n.state.Phase {
	case contract.PhaseLaunching:
		if early {
			return
		}
	case contract.PhaseRegistered, contract.PhaseInitialized:
		if early || n.state.Revision > 0 {
			return
		}
	}
	if n.saved != n.state.Phase {
		n.saved = n.state.Phase
		n.record.want(n)
	}
}

// recordBy is when the store is to hear of the machine at the latest.
func (n *node) recordBy() time.Time {
	return n.state.Since[contract.PhaseLaunching].Add(n.in.RecordAfter)
}

// register puts the pool's labels and taints on the Node and opens it to pods.
func (n *node) register(ctx workflow.Context) {
	o := quick(contract.KubeTaskQueue(n.in.Cluster), "put the pool's labels and taints on "+n.state.Node.Name)
	result, err := registerActivity.run(ctx, o, contract.RegisterInput{
		Cluster: n.in.Cluster, Pool: n.in.Pool, Node: n.state.Node.Name, Instance: n.in.Instance, Pods: n.in.Pods, Tier: n.in.Tier,
		Purpose: n.in.Purpose, Template: n.in.Template,
	})
	if err == nil {
		n.state.Registered, n.state.Node, n.state.StartupTaints, n.state.Trouble = true, &result.Node, result.StartupTaints, ""
		if result.Unguarded {
			n.remember("The Node came without the taint floe.dev/unregistered: pods may have slipped in before the pool's labels and taints were on. Put --register-with-taints=floe.dev/unregistered=true:NoExecute into the launch template's user data.")
		}
		return
	}
	if n.state.Trouble = words(err); errorType(err) == contract.ErrNodeNotFound {
		n.state.Node = nil // deleted meanwhile, or not there yet: what the watcher sees next decides
	}
	n.pause(ctx)
}

// pause waits after a failure, longer each time, or until there is news.
func (n *node) pause(ctx workflow.Context) {
	n.looks++
	n.describe(ctx)
	_, _ = workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout: lifecycle.Backoff(n.looks), TimerOptions: workflow.TimerOptions{Summary: "try again"},
	}, func() bool { return n.heard() || n.answered() })
}

// lookAgain reads the Node and the instance, for a signal may have been missed.
func (n *node) lookAgain(ctx workflow.Context) {
	n.looks++
	kube := quick(contract.KubeTaskQueue(n.in.Cluster), "look at the Node again")
	if seen, err := readNodeActivity.run(ctx, kube, contract.ReadNodeInput{Cluster: n.in.Cluster, ProviderID: n.in.Instance.ProviderID()}); err == nil {
		n.observe(contract.Observation{Node: &seen})
	} else {
		n.state.Trouble = words(err)
	}
	if lifecycle.Nodeless(n.state) {
		n.report(ctx, n.standing()) // a Standby that was started anew sees no Node to ask after
	}
	if n.state.Phase == contract.PhaseReady {
		return // the watcher's DescribeInstances loop tells of instances that go
	}
	o := quick(contract.AWSTaskQueue(n.in.Account, n.in.Region, contract.ClassRead), "look at the instance again")
	if seen, err := describeActivity.run(ctx, o, n.instance()); err == nil {
		n.observe(contract.Observation{InstanceState: seen.State})
	}
}

// unrecorded reports whether the store should have heard of the machine by now and has not.
func (n *node) unrecorded(ctx workflow.Context) bool {
	return n.state.Revision == 0 && !workflow.Now(ctx).Before(n.recordBy())
}

func (n *node) nextLook(ctx workflow.Context) time.Time {
	if n.look.future != nil && !n.look.fired() {
		return n.look.due
	}
	now := workflow.Now(ctx)
	if by := n.recordBy(); n.state.Revision == 0 && by.After(now) {
		return by
	}
	if n.state.Phase == contract.PhaseReady || n.state.Phase == contract.PhaseStandby {
		return now.Add(slowLook)
	}
	at := now.Add(min(slowLook, firstLook<<min(n.looks, 10)))
	if by := n.registerBy(); n.state.Phase == contract.PhaseLaunching && at.After(by) && by.After(now) {
		return by
	}
	return at
}

func (n *node) registerBy() time.Time {
	return n.state.Since[contract.PhaseLaunching].Add(n.in.RegistrationTimeout)
}

func (n *node) heard() bool {
	return n.observed.Len() > 0 || n.reclaims.Len() > 0 || n.force.Len() > 0 || n.reports.Len() > 0 ||
		slices.ContainsFunc(n.asked, func(a askedBySignal) bool { return a.channel.Len() > 0 })
}

func (n *node) full() bool {
	return n.forced || n.info.GetContinueAsNewSuggested() || (n.in.MaxTurns > 0 && n.turns >= n.in.MaxTurns)
}

// hear drains every signal into the state. What was seen comes first, so that an operation meets the node as it is.
func (n *node) hear(ctx workflow.Context) {
	drain(n.observed, func(o contract.Observation) {
		if ledger.FirstSight(&n.state.Seen, o.Key) {
			n.observe(o)
		}
	})
	n.hearReclaims(ctx)
	for _, a := range n.asked {
		drain(a.channel, func(op contract.Operation) { n.ask(ctx, a.kind, op) })
	}
	drain(n.reports, func(struct{}) { n.report(ctx, n.standing()) })
	drain(n.force, func(struct{}) { n.forced = true })
}

// observe takes in what was seen. A Node that was never seen and does not exist is no news.
func (n *node) observe(o contract.Observation) {
	if o.Node != nil && (o.Node.Exists || n.state.Node != nil) {
		seen := *o.Node
		if !seen.Exists {
			seen.Name, seen.UID = n.state.Node.Name, n.state.Node.UID
		}
		n.state.Node = &seen
	}
	if o.InstanceState != "" {
		n.state.Instance = o.InstanceState
	}
}

func (n *node) instance() contract.InstanceInput {
	return contract.InstanceInput{Account: n.in.Account, Region: n.in.Region, Cluster: n.in.Cluster, Instance: n.in.Instance.ID, Launched: n.in.Instance.LaunchTime}
}

func (n *node) view() contract.NodeView {
	instance := n.in.Instance
	instance.State = n.state.Instance // what it was at launch tells a reader nothing
	return contract.NodeView{
		Cluster: n.in.Cluster, Pool: n.in.Pool, Instance: instance, InstanceState: n.state.Instance,
		ScaleUp: n.in.ScaleUp, Plan: n.in.Plan, NodeState: n.state,
	}
}

func (n *node) describe(ctx workflow.Context) { workflow.SetCurrentDetails(ctx, nodeDetails(n.view())) }

// mostNotes is how many notes a node keeps: a life of months may see many operations.
const mostNotes = 50

// remember adds a note to the node's story; the oldest goes where there are too many.
func (n *node) remember(note string) {
	n.state.Notes = append(n.state.Notes, note)
	n.state.Notes = n.state.Notes[max(0, len(n.state.Notes)-mostNotes):]
}

func (n *node) id() string { return fmt.Sprintf("%s/%s", n.in.Cluster, n.in.Instance.ID) }
