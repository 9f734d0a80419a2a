package contract

import (
	"cmp"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/v1alpha1"
)

// Phase of a node's life. internal/lifecycle holds the lawful transitions.
type Phase string

// The phases, in order.
const (
	PhaseLaunching   Phase = "launching"   // the instance exists, its Node does not
	PhaseRegistered  Phase = "registered"  // the Node exists
	PhaseInitialized Phase = "initialized" // labels, taints and allocatable are on it and the kubelet says Ready
	PhaseReady       Phase = "ready"       // no startup taint is left: it takes pods, unless it is made for standby
	PhaseStandby     Phase = "standby"     // its machine is frozen, hibernated or stopped, and may be ready again
	PhaseTerminating Phase = "terminating" // it leaves
	PhaseTerminated  Phase = "terminated"
)

// NodeInput starts an instance's Node. State is carried across continue-as-new.
type NodeInput struct {
	Cluster  string   `json:"cluster"`
	Pool     string   `json:"pool"`
	Account  string   `json:"account"`
	Region   string   `json:"region"`
	Instance Instance `json:"instance"`
	ScaleUp  string   `json:"scaleUp,omitempty"` // workflow id
	Plan     string   `json:"plan,omitempty"`
	Purpose  Purpose  `json:"purpose,omitempty"`
	// Template that the machine was launched from; empty where that is not known.
	Template            ResolvedTemplate `json:"template,omitzero"`
	RegistrationTimeout time.Duration    `json:"registrationTimeout"`
	// Pods (namespace/name) that the machine was planned for; they are nominated to its Node.
	Pods []string `json:"pods,omitempty"`
	// Tier, hibernated or stopped, makes the machine ready for the pool's standby: it is never opened to pods before it
	// was frozen, woken and proven.
	Tier v1alpha1.CapacityType `json:"tier,omitempty"`
	// Standby are the pool's durations for standby machines.
	Standby StandbyTimes `json:"standby,omitzero"`
	// Surplus says why the machine is more than was asked for; its Node gives it back at once.
	Surplus string `json:"surplus,omitempty"`
	// Race is the key of the claim that the machine races for; its pool's Standby is told when it is ready.
	Race string `json:"race,omitempty"`
	// Adopted is set where the instance had a Node workflow before, or should have had.
	Adopted *Adoption `json:"adopted,omitempty"`
	// RecordAfter is how long a machine may be on its way before the store hears of it: one that is Ready sooner, as a
	// machine is as a rule, costs one record and not two. Zero: at once.
	RecordAfter time.Duration `json:"recordAfter,omitempty"`
	// LeaveWithin is how long the machine's leaving may take before the store hears of it: one that is gone sooner, as a
	// machine is as a rule, costs one record and not two, and fewer events. Zero: at once, as it was before there was this.
	LeaveWithin time.Duration `json:"leaveWithin,omitempty"`
	Trace       string        `json:"trace,omitempty"`
	State       *NodeState    `json:"state,omitempty"`
	// MaxTurns, where set, continues as new after so many turns of the main loop, besides where Temporal suggests it.
	MaxTurns int `json:"maxTurns,omitempty"`
}

// NodeState is what a Node carries from run to run.
type NodeState struct {
	Phase    Phase               `json:"phase"`
	Since    map[Phase]time.Time `json:"since"` // when each phase began, by the workflow's clock
	Node     *KubeNode           `json:"node,omitempty"`
	Instance string              `json:"instance"` // EC2's state
	// StartupTaints of the pool as they were put on at registration: key, or key=value, and :effect.
	StartupTaints []string `json:"startupTaints,omitempty"`
	Registered    bool     `json:"registered,omitempty"` // kube.Register has done its work
	// Operation under way: drain, terminate, leave, hibernate or resume, and why.
	Operation *Operation `json:"operation,omitempty"`
	Drains    int        `json:"drains,omitempty"`
	// Hold that was put on the node last, also where its end has passed since: ask Hold.Lasts.
	Hold *Hold `json:"hold,omitempty"`
	// Standby is its part in the pool's standby; nil where it never had any.
	Standby *Frozen `json:"standby,omitempty"`
	// Reclaim is what was heard of AWS's taking the machine back; nil where nothing was.
	Reclaim *ReclaimState `json:"reclaim,omitempty"`
	// Raced says that the Standby whose claim it races for was told of it.
	Raced bool `json:"raced,omitempty"`
	// Fate is what was decided last of the machine when it was to leave its pool; nil where the pool's Standby was never
	// asked.
	Fate *Fate `json:"fate,omitempty"`
	// Departs counts how often the pool's Standby was asked that.
	Departs int `json:"departs,omitempty"`
	// Reports counts what was told the pool's Standby.
	Reports int `json:"reports,omitempty"`
	// Reason the node leaves or left.
	Reason  string `json:"reason,omitempty"`
	Trouble string `json:"trouble,omitempty"`
	// Notes worth a reader's attention, the oldest first, at most 50: "came without floe.dev/unregistered".
	Notes    []string `json:"notes,omitempty"`
	Revision int64    `json:"revision"` // of the store's record
	Seen     []string `json:"seen,omitempty"`
}

// Hold keeps voluntary leaving from beginning on a node: Floe's own choices (return to spot, consolidation, expiry, what
// came too much), and drain and terminate by hand, unless forced. A reclaim and a machine that is gone are never held.
type Hold struct {
	// By says who asked: alice@laptop.
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
	// Until is when the hold ends by itself; zero: when it is released. No timer ends it, it is compared with the time of
	// whoever asks.
	Until time.Time `json:"until,omitzero"`
}

// Lasts reports whether the hold is on at now. A nil Hold is not.
func (h *Hold) Lasts(now time.Time) bool {
	return h != nil && (h.Until.IsZero() || now.Before(h.Until))
}

// String says in words who holds the node, until when, and why: "held by alice@laptop until 2026-07-01T12:00:00Z:
// upgrade".
func (h *Hold) String() string {
	words := "held by " + cmp.Or(h.By, "an unnamed hand")
	if h.Until.IsZero() {
		words += " until it is released"
	} else {
		words += " until " + h.Until.UTC().Format(time.RFC3339)
	}
	if h.Reason != "" {
		words += ": " + h.Reason
	}
	return words
}

// NodeView answers the query `life`, and is the workflow's result.
type NodeView struct {
	Cluster  string   `json:"cluster"`
	Pool     string   `json:"pool"`
	Instance Instance `json:"instance"`
	// InstanceState is the last word of EC2 that the workflow heard, or InstanceGone: the watcher tells it of ends, not of
	// every state. In JSON it stands for NodeState.Instance, whose name Instance above takes.
	InstanceState string `json:"instanceState,omitempty"`
	ScaleUp       string `json:"scaleUp,omitempty"`
	Plan          string `json:"plan,omitempty"`
	NodeState
}

// KubeNode is what Kubernetes shows of a node.
type KubeNode struct {
	Name   string `json:"name"`
	UID    string `json:"uid"`
	Exists bool   `json:"exists"` // false: it was deleted
	Ready  bool   `json:"ready"`
	// Taints as key[=value]:effect.
	Taints []string `json:"taints,omitempty"`
	// Initialized is false while allocatable lacks cpu or memory, or the cloud provider's uninitialized taint is on.
	Initialized bool   `json:"initialized"`
	BootID      string `json:"bootID,omitempty"`
	// Standby is the tier that it is kept in, by its label floe.dev/standby; empty where it has none.
	Standby v1alpha1.CapacityType `json:"standby,omitempty"`
}

// Observation is what the watcher saw of a node, in Kubernetes or in EC2.
type Observation struct {
	Key string    `json:"key"`
	At  time.Time `json:"at"`
	// Node is set where Kubernetes was looked at.
	Node *KubeNode `json:"node,omitempty"`
	// InstanceState is set where EC2 was looked at: EC2's word, or "gone" where it answers with nothing, beyond the lag.
	InstanceState string `json:"instanceState,omitempty"`
}

// InstanceGone is the InstanceState of an instance that EC2 does not know (any more).
const InstanceGone = "gone"

// ReplyTo is where a workflow that asked by signal wants its answer.
type ReplyTo struct {
	WorkflowID string `json:"workflowID"`
	Signal     string `json:"signal"`
}

// Operation is the payload of drain, terminate, leave, hibernate, resume, hold and release.
type Operation struct {
	// Request tells this request from every other; the same one twice is done once.
	Request string `json:"request,omitempty"`
	// Kind is set by the Node from the signal's or update's name.
	Kind   string `json:"kind,omitempty"`
	Reason string `json:"reason,omitempty"`
	// By says who asks, for whoever reads the node's life: alice@laptop.
	By string `json:"by,omitempty"`
	// Deadline of a drain or terminate, after which pods are deleted instead of evicted. Zero means the pool's
	// drainTimeout.
	Deadline time.Time `json:"deadline,omitzero"`
	// For is how long a hold lasts, from when the Node takes it: "4h". Left out: until it is released.
	For metav1.Duration `json:"for,omitzero"`
	// Force drains or terminates a node although it is held. For a person who means it: nothing of Floe's own sets it.
	Force bool `json:"force,omitempty"`
	// Tier of a hibernate: hibernated, where it is empty, or stopped.
	Tier v1alpha1.CapacityType `json:"tier,omitempty"`
	// Fate says in words what becomes of the machine of a terminate, where that was chosen before it was asked for.
	Fate string `json:"fate,omitempty"`
	// Leaves is set by the Node in the hibernate that a leave turns into: a machine that cannot be frozen is terminated.
	Leaves bool `json:"leaves,omitempty"`
	// Started is set by Standby in a resume: it has started the machine already, with others, at that time.
	Started time.Time `json:"started,omitzero"`
	// Within is set by Standby in a resume: how long after its start the machine may take to prove itself, as its pool says
	// today. Zero: as it said when the machine was launched.
	Within time.Duration `json:"within,omitempty"`
	// Purpose of the launch that a resumed machine was claimed for; empty where a person resumes it.
	Purpose Purpose `json:"purpose,omitempty"`
	// Pods (namespace/name) that a resumed machine is meant for; they are nominated to its Node.
	Pods []string `json:"pods,omitempty"`
	// Ask is set by Standby in a resume: it is to be asked before the Node is opened to pods.
	Ask *Asking `json:"ask,omitempty"`
	// Unready terminates only a machine that is not in service yet: another came first.
	Unready bool     `json:"unready,omitempty"`
	ReplyTo *ReplyTo `json:"replyTo,omitempty"`
}

// OperationResult answers an Operation.
type OperationResult struct {
	Request  string `json:"request,omitempty"`
	Accepted bool   `json:"accepted"`
	Phase    Phase  `json:"phase"`
	// Watch is the id of the workflow that shows it.
	Watch   string `json:"watch"`
	Message string `json:"message,omitempty"`
}

// StartNodesInput asks to start the Node workflows of many machines.
type StartNodesInput struct {
	Nodes []NodeInput `json:"nodes"`
}

// WakeNodesInput asks to signal the Node workflows of machines that were started to wake them.
type WakeNodesInput struct {
	Cluster  string      `json:"cluster"`
	Machines []WakeOrder `json:"machines"`
}

// WakeOrder is what one machine's Node is to do: the payload of its signal `resume`.
type WakeOrder struct {
	Instance string    `json:"instance"`
	Resume   Operation `json:"resume"`
}

// WakeNodesResult names the machines whose Node workflow does not run.
type WakeNodesResult struct {
	Missing []string `json:"missing,omitempty"`
}

// RegisterInput asks to put the pool's labels and taints on a Node and then to take floe.dev/unregistered off.
type RegisterInput struct {
	Cluster  string   `json:"cluster"`
	Pool     string   `json:"pool"`
	Node     string   `json:"node"` // name
	Instance Instance `json:"instance"`
	// Purpose and Template are what the machine was bought for and launched from; empty where that is not known. The Node
	// tells of both, for whoever judges later whether it may leave.
	Purpose  Purpose          `json:"purpose,omitempty"`
	Template ResolvedTemplate `json:"template,omitzero"`
	// Pods (namespace/name) to nominate to the Node.
	Pods []string `json:"pods,omitempty"`
	// Tier of a machine that is made for standby: its Node stays closed to pods.
	Tier v1alpha1.CapacityType `json:"tier,omitempty"`
	// NotUID is the UID of the machine's former Node, which was deleted and is not meant.
	NotUID string `json:"notUID,omitempty"`
}

// RegisterResult is the Node after registration.
type RegisterResult struct {
	Node          KubeNode `json:"node"`
	StartupTaints []string `json:"startupTaints,omitempty"`
	// Unguarded is true where the Node came without floe.dev/unregistered: pods may have slipped in before.
	Unguarded bool `json:"unguarded,omitempty"`
}

// ReadNodeInput asks for the Node of an instance.
type ReadNodeInput struct {
	Cluster    string `json:"cluster"`
	ProviderID string `json:"providerID"`
}

// DrainInput starts a Drain, workflow and activity alike.
type DrainInput struct {
	Cluster  string    `json:"cluster"`
	Pool     string    `json:"pool"`
	Node     string    `json:"node"`
	UID      string    `json:"uid,omitempty"`
	Instance string    `json:"instance"`
	Reason   string    `json:"reason"`
	Deadline time.Time `json:"deadline,omitzero"` // zero: the pool's drainTimeout from now
	// Reclaim says that AWS takes the machine: plans count its pods as needing room before the first is evicted.
	Reclaim bool `json:"reclaim,omitempty"`
	// End is when the machine itself goes; zero where nobody takes it. Budgets end the pool's reclaimMargin before it at
	// the latest.
	End time.Time `json:"end,omitzero"`
}

// DrainResult says what a drain did.
type DrainResult struct {
	Evicted int `json:"evicted"`
	Deleted int `json:"deleted"` // past the deadline
	// Left counts pods that were deleted and have not gone long after their grace period: their kubelet is dead.
	Left int  `json:"left,omitempty"`
	Gone bool `json:"gone,omitempty"` // the Node was gone, or another had its name
	// Pods are what became of each, the latest MostDrained of them.
	Pods []DrainedPod `json:"pods,omitempty"`
	// Volumes that were still attached when the wait for them was over.
	Volumes int `json:"volumes,omitempty"`
}

// MostDrained is how many pods of a drain are told one by one.
const MostDrained = 40

// DrainedPod is what became of one pod in a drain.
type DrainedPod struct {
	Pod string `json:"pod"` // namespace/name
	// What happened last, in words: "evicted", "waits for room elsewhere", "waits for its budget", "deleted past the deadline",
	// "was going already", "does not go: " and why.
	What string    `json:"what"`
	At   time.Time `json:"at"`
	// Refused counts the evictions refused.
	Refused int `json:"refused,omitempty"`
	// UID and Until are of a pod that was deleted past the deadline: until when it has its grace period, which may be less than
	// its own. A drain that goes on in another worker knows it from here.
	UID   string    `json:"uid,omitempty"`
	Until time.Time `json:"until,omitzero"`
}

// DeleteNodeInput asks to delete a Node object, if it is still the one with that UID.
type DeleteNodeInput struct {
	Cluster string `json:"cluster"`
	Node    string `json:"node"`
	UID     string `json:"uid,omitempty"`
}

// InstanceInput names one instance for aws.Terminate and aws.Describe.
type InstanceInput struct {
	Account  string `json:"account"`
	Region   string `json:"region"`
	Cluster  string `json:"cluster"`
	Instance string `json:"instance"`
	// Launched is when the instance was launched: within the describe lag after it, its absence proves nothing. Zero
	// means long ago.
	Launched time.Time `json:"launched,omitzero"`
}

// InstanceResult is EC2's word on an instance: its state, or InstanceGone.
type InstanceResult struct {
	State string `json:"state"`
	// Reason is the code of EC2's StateReason, where it gives one: Client.UserInitiatedShutdown, …
	Reason string `json:"reason,omitempty"`
}
