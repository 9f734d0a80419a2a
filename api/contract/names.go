// Package contract is what Floe's programs agree on: the names of workflows, signals, updates, queries, task queues,
// search attributes and error types, every id, and every payload. It imports nothing of ours but the NodePool types.
//
// Payloads are versioned by adding fields only, so that a history written by an older Floe still replays.
package contract

// Workflow types. `temporal workflow start --type ScaleUp …` uses these words.
const (
	WorkflowProvisioner = "Provisioner"
	WorkflowScaleUp     = "ScaleUp"
	WorkflowNode        = "Node"
	WorkflowDrain       = "Drain"
	WorkflowStandby     = "Standby"
	WorkflowHibernate   = "Hibernate"
	WorkflowResume      = "Resume"
)

// Signals.
const (
	// SignalDemand (Demand) tells a Provisioner that pods need room, or that something it plans with has changed.
	SignalDemand = "demand"
	// SignalLaunchOpened, SignalLaunchFilled and SignalLaunchExhausted (LaunchEvent) keep the Provisioner's ledger.
	SignalLaunchOpened    = "launch-opened"
	SignalLaunchFilled    = "launch-filled"
	SignalLaunchExhausted = "launch-exhausted"
	// SignalGone (Gone) tells a Provisioner that an instance of its ledger has left.
	SignalGone = "gone"
	// SignalObserved (Observation) tells a Node what the watcher saw of it.
	SignalObserved = "observed"
	// SignalDrain and SignalTerminate (Operation) ask a Node to leave: the same words as the updates, for workflows,
	// which cannot send updates.
	SignalDrain     = "drain"
	SignalTerminate = "terminate"
	// SignalLeave (Operation) asks a Node to leave its pool: into the pool's standby where its machine is worth keeping,
	// else as terminate does. The same word as the update.
	SignalLeave = "leave"
	// SignalHibernate and SignalResume (Operation) freeze a Node's machine and wake it. The same words as the updates.
	SignalHibernate = "hibernate"
	SignalResume    = "resume"
	// SignalHold and SignalRelease (Operation) keep a Node from leaving voluntarily, and let it go again. The same words
	// as the updates. To a ScaleUp they say that no new hop is to begin, and that it may go on.
	SignalHold    = "hold"
	SignalRelease = "release"
	// SignalReclaim (Reclaim) tells a Node that AWS takes its machine back, or may.
	SignalReclaim = "reclaim"
	// SignalSkipStep (SkipStep) tells a ScaleUp not to try a step of its chain (any more).
	SignalSkipStep = "skip-step"
	// SignalUseNow (SkipStep) tells a ScaleUp to try a step of its chain now, and the steps after it in order.
	SignalUseNow = "use-now"
	// SignalClaim (Claim) asks a pool's Standby for machines; SignalClaimed (Claimed) is its answer to the ScaleUp;
	// SignalUnclaim (Unclaim) gives back of them what the ScaleUp has no use for.
	SignalClaim   = "claim"
	SignalClaimed = "claimed"
	SignalUnclaim = "unclaim"
	// SignalDepart (Departing) asks a pool's Standby what becomes of a machine that leaves; SignalFate (Fate) is its answer to
	// the Node.
	SignalDepart = "depart"
	SignalFate   = "fate"
	// SignalReported (StandbyReport) tells a Standby what became of a machine; SignalReport (no payload) asks a Node to.
	SignalReported = "reported"
	SignalReport   = "report"
	// SignalAnswered (OperationResult) tells a Standby what a Node says to what it was asked.
	SignalAnswered = "answered"
	// SignalPoolChanged (no payload) tells a Standby that its pool is new, different or gone.
	SignalPoolChanged = "pool-changed"
	// SignalForceContinueAsNew (no payload) is the operator's lever on every entity workflow.
	SignalForceContinueAsNew = "force-continue-as-new"
)

// Updates.
const (
	// UpdatePlanNow (PlanNow) makes a Provisioner plan at once; answers PlanDigest.
	UpdatePlanNow = "plan-now"
	// UpdateDrain and UpdateTerminate (Operation) ask a Node to leave; answer OperationResult once accepted.
	UpdateDrain     = "drain"
	UpdateTerminate = "terminate"
	// UpdateLeave (Operation) asks a Node to leave its pool, as the signal does; answers OperationResult once accepted.
	UpdateLeave = "leave"
	// UpdateHibernate (Operation) empties a Node, freezes its machine and puts it into the pool's standby; UpdateResume
	// (Operation) wakes it, has it prove itself, and opens it to pods; answer OperationResult once accepted.
	UpdateHibernate = "hibernate"
	UpdateResume    = "resume"
	// UpdateFill (StandbyOrder) has a Standby make machines ready now, also where it was drained or waits after a failure;
	// a Standby's UpdateDrain (StandbyOrder) terminates its frozen machines and makes no others before a fill. Both answer
	// StandbyView.
	UpdateFill = "fill"
	// UpdateHold (Operation) keeps a Node from leaving voluntarily until Operation.For is over or UpdateRelease comes;
	// answer OperationResult. A second hold takes the place of the first.
	UpdateHold    = "hold"
	UpdateRelease = "release"
)

// Queries.
const (
	// QueryState answers ProvisionerView.
	QueryState = "state"
	// QueryChain answers ScaleUpView.
	QueryChain = "chain"
	// QueryStandby answers StandbyView.
	QueryStandby = "standby"
	// QueryLife answers NodeView.
	QueryLife = "life"
)

// Activity types, as registered.
const (
	ActivityPlan       = "kube.Plan"
	ActivityOpenChain  = "kube.OpenChain"
	ActivityRegister   = "kube.Register"
	ActivityReadNode   = "kube.ReadNode"
	ActivityDrain      = "kube.Drain"
	ActivityDeleteNode = "kube.DeleteNode"
	ActivityLaunch     = "aws.Launch"
	ActivityTerminate  = "aws.Terminate"
	ActivityDescribe   = "aws.Describe"
	ActivityPutNode    = "store.PutNode"
	ActivityStartNodes = "nodes.Start"
	ActivityWakeNodes  = "nodes.Wake"
	ActivityPutHops    = "store.PutHops"
	// ActivityConfirmReclaim asks EC2 whether a notice is true, ActivityUnmark takes the mark of a refuted one off a Node, and
	// ActivityPutReclaim tells the offering memory of a true one.
	ActivityConfirmReclaim = "aws.ConfirmReclaim"
	ActivityUnmark         = "kube.Unmark"
	ActivityPutReclaim     = "store.PutReclaim"

	ActivityStart         = "aws.Start"
	ActivityStop          = "aws.Stop"
	ActivityAwaitState    = "aws.AwaitState"
	ActivityFreeze        = "kube.Freeze"
	ActivityReadLastWords = "kube.ReadLastWords"
	ActivityProve         = "kube.Prove"
	ActivityOpenNode      = "kube.OpenNode"
	ActivityReadStandby   = "kube.ReadStandby"
	ActivityLaunchHistory = "store.LaunchHistory"
)

// Search attributes, all of type Keyword.
const (
	AttributeCluster      = "FloeCluster"
	AttributePool         = "FloePool"
	AttributeInstance     = "FloeInstance"
	AttributeInstanceType = "FloeInstanceType"
	AttributeZone         = "FloeZone"
	AttributeCapacityType = "FloeCapacityType"
	AttributePhase        = "FloePhase"
)

// SearchAttributes lists every search attribute that Floe sets; the worker registers them where it may.
var SearchAttributes = []string{
	AttributeCluster, AttributePool, AttributeInstance, AttributeInstanceType,
	AttributeZone, AttributeCapacityType, AttributePhase,
}

// Tags that Floe puts on every instance at its creation. Users' tags never override them.
const (
	TagOwner   = "floe.dev/owner" // always OwnerFloe
	TagCluster = "floe.dev/cluster"
	TagPool    = "floe.dev/pool"
	TagPlan    = "floe.dev/plan"
	TagScaleUp = "floe.dev/scaleup" // the ScaleUp's workflow id
	TagToken   = "floe.dev/launch-token"
	OwnerFloe  = "floe"
)
