package contract

import (
	"time"

	"floe.dev/floe/api/v1alpha1"
)

// Verdict is what became of a machine that was to be frozen. EC2's word is taken at first (the reason of its stop says
// only what was asked for); the boot ID after the next start corrects it.
type Verdict string

// The verdicts.
const (
	// VerdictHibernated: its memory is on its disk. Proven once it has woken with the boot ID that it had.
	VerdictHibernated Verdict = "hibernated"
	// VerdictPlainStopped: it was shut down, and boots when it is started: asked for in the tier `stopped`, or what a
	// hibernation that failed turns into without a word.
	VerdictPlainStopped Verdict = "plain-stopped"
	// VerdictRefused: it is not frozen, and runs on. Frozen.Reason says why.
	VerdictRefused Verdict = "refused"
)

// Frozen is what a Node knows of its machine's part in the pool's standby.
type Frozen struct {
	// Tier that the machine is kept in: hibernated or stopped.
	Tier v1alpha1.CapacityType `json:"tier"`
	// Asleep is true from when EC2 has it stopped until it is in service again, or has failed to be.
	Asleep  bool    `json:"asleep,omitempty"`
	Verdict Verdict `json:"verdict,omitempty"`
	// ByHand says that a person had it frozen: it does not go for being more than the standby wants.
	ByHand bool `json:"byHand,omitempty"`
	// Reason in words, where the verdict is not what the tier asks for, or the last wake failed.
	Reason string `json:"reason,omitempty"`
	// Since is when EC2 had it stopped; Woke when its last wake was proven.
	Since time.Time `json:"since,omitzero"`
	Woke  time.Time `json:"woke,omitzero"`
	// Took is how long the last wake took, from the start's being asked for to the proof.
	Took time.Duration `json:"took,omitempty"`
	// Closed says that it is awake and has proven itself, but was never opened to pods: it is to sleep again.
	Closed bool `json:"closed,omitempty"`
	// Last are the Node's words before it fell silent.
	Last LastWords `json:"last,omitzero"`
	// Prefetched is what was pulled onto it before its last freeze; nil where its pool prefetched nothing then.
	Prefetched *Prefetched `json:"prefetched,omitempty"`
	// NodeDeleted says that its Node was deleted when it was frozen, as its pool says (spec.standby.nodeWhileFrozen). It
	// registers another when it boots.
	NodeDeleted bool `json:"nodeDeleted,omitempty"`
	// Freezes and Wakes count the children Hibernate and Resume.
	Freezes int `json:"freezes,omitempty"`
	Wakes   int `json:"wakes,omitempty"`
}

// StandbyTimes are a pool's durations for its standby machines; what is zero has its default.
type StandbyTimes struct {
	// MinUptime is how long a machine must have been up before it is asked to hibernate.
	MinUptime time.Duration `json:"minUptime,omitempty"`
	// ResumeTimeout is how long after its start a machine may take to prove itself.
	ResumeTimeout time.Duration `json:"resumeTimeout,omitempty"`
}

// LastWords are what the Node of a machine that has just stopped says of it. All are by the machine's own clock, or no
// times at all, so that what is said after the next start can be told from them however its clock goes then.
type LastWords struct {
	BootID string `json:"bootID,omitempty"`
	// Lease is the renewal of its lease, Status the heartbeat of its Ready condition.
	Lease  time.Time `json:"lease,omitzero"`
	Status time.Time `json:"status,omitzero"`
	// Images are those of the prefetched images that its Node listed: the others had not been told yet, or were too many
	// (a Node lists 50 at most unless told otherwise).
	Images []string `json:"images,omitempty"`
}

// HibernateInput starts a Hibernate: the freezing of one machine, in either tier.
type HibernateInput struct {
	Cluster  string                `json:"cluster"`
	Pool     string                `json:"pool"`
	Account  string                `json:"account"`
	Region   string                `json:"region"`
	Instance Instance              `json:"instance"`
	Node     string                `json:"node"`
	UID      string                `json:"uid,omitempty"`
	Tier     v1alpha1.CapacityType `json:"tier"`
	Reason   string                `json:"reason"`
	// NotBefore is when the machine has been up for long enough to be asked.
	NotBefore time.Time `json:"notBefore,omitzero"`
	// Patience is how long EC2 may go on saying that it is too early, or ignore what it was asked.
	Patience time.Duration `json:"patience"`
	// Reopen opens the Node to pods again where the machine is refused.
	Reopen bool `json:"reopen,omitempty"`
}

// HibernateResult says what became of the machine.
type HibernateResult struct {
	Verdict Verdict   `json:"verdict"`
	Reason  string    `json:"reason,omitempty"`
	Since   time.Time `json:"since,omitzero"` // when EC2 had it stopped
	Last    LastWords `json:"last,omitzero"`
	// State is EC2's last word.
	State string `json:"state,omitempty"`
	// Prefetched is what was pulled before the freeze; nil where the pool prefetches nothing.
	Prefetched *Prefetched `json:"prefetched,omitempty"`
	// NodeDeleted: see Frozen.
	NodeDeleted bool `json:"nodeDeleted,omitempty"`
}

// ResumeInput starts a Resume: the waking of one machine, its proof, and its opening to pods.
type ResumeInput struct {
	Cluster  string   `json:"cluster"`
	Pool     string   `json:"pool"`
	Account  string   `json:"account"`
	Region   string   `json:"region"`
	Instance Instance `json:"instance"`
	Node     string   `json:"node"`
	UID      string   `json:"uid,omitempty"`
	Reason   string   `json:"reason"`
	// Started is when the start was asked for by whoever started many at once; zero: the Resume asks for it.
	Started time.Time `json:"started,omitzero"`
	// Within is how long after the start the machine may take to prove itself.
	Within time.Duration `json:"within"`
	Last   LastWords     `json:"last"`
	// Purpose of the launch that it was claimed for; empty where a person resumes it.
	Purpose Purpose `json:"purpose,omitempty"`
	// Pods (namespace/name) to nominate to the Node when it is opened.
	Pods []string `json:"pods,omitempty"`
	// Ask says who is to be asked before the Node is opened; nil: nobody.
	Ask *Asking `json:"ask,omitempty"`
	// Rejoin is set where the Node was deleted while the machine slept: it registers another, which is given its labels
	// and taints before the machine is proven.
	Rejoin *Rejoin `json:"rejoin,omitempty"`
}

// Rejoin is what the new Node of a machine is registered with, as in RegisterInput.
type Rejoin struct {
	Tier     v1alpha1.CapacityType `json:"tier"`
	Purpose  Purpose               `json:"purpose,omitempty"`
	Template ResolvedTemplate      `json:"template,omitzero"`
}

// ResumeOutcome is how a Resume ended.
type ResumeOutcome string

// The outcomes.
const (
	ResumeInService  ResumeOutcome = "in-service"  // proven, and open to pods
	ResumeNoCapacity ResumeOutcome = "no-capacity" // EC2 cannot start it now: it is frozen still
	ResumeFailed     ResumeOutcome = "failed"      // it did not prove itself, and is given no pods
	ResumeStoodDown  ResumeOutcome = "stood-down"  // proven, closed still, and to sleep again: others were ready first
)

// ResumeResult says how it went.
type ResumeResult struct {
	Outcome ResumeOutcome `json:"outcome"`
	Reason  string        `json:"reason,omitempty"`
	// SameBoot is true where the boot ID is the one before the freeze: it was resumed from memory.
	SameBoot bool `json:"sameBoot,omitempty"`
	// Started, Running, Proven and Opened are when each step was done, by the workflow's clock.
	Started time.Time `json:"started,omitzero"`
	Running time.Time `json:"running,omitzero"`
	Proven  time.Time `json:"proven,omitzero"`
	Opened  time.Time `json:"opened,omitzero"`
	State   string    `json:"state,omitempty"` // EC2's last word
	// Images and Lost: see Proof.
	Images int      `json:"images,omitempty"`
	Lost   []string `json:"lost,omitempty"`
	// Rejoined is the Node that the machine has registered anew, where its old one had been deleted.
	Rejoined *RegisterResult `json:"rejoined,omitempty"`
}

// StartInput asks EC2 to start stopped instances, all in one call where it can be.
type StartInput struct {
	Account   string   `json:"account"`
	Region    string   `json:"region"`
	Cluster   string   `json:"cluster"`
	Instances []string `json:"instances"` // ids
}

// StartResult has an answer for each instance.
type StartResult struct {
	Answers []StartAnswer `json:"answers"`
	// SentAt is when the first call went out, by the worker's clock.
	SentAt time.Time `json:"sentAt"`
}

// StartAnswer is EC2's answer for one instance.
type StartAnswer struct {
	Instance string `json:"instance"`
	// Answer is AnswerStarted; else AnswerICE, AnswerQuota, or AnswerRefused with State, Code and Message.
	Answer  Answer `json:"answer"`
	State   string `json:"state,omitempty"` // EC2's word for it, or InstanceGone
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	// Offering that lacks capacity, or that the account may not have more of; nil for every other answer.
	Offering *Offering `json:"offering,omitempty"`
}

// Outcome is what the answer teaches of an offering; ok is false where it teaches nothing.
func (a StartAnswer) Outcome() (o Outcome, ok bool) {
	if a.Offering == nil {
		return Outcome{}, false
	}
	return Outcome{Offering: *a.Offering, Answer: a.Answer, Code: a.Code, Message: a.Message}, true
}

// AnswerStarted is the answer of an instance that starts, or runs already.
const AnswerStarted Answer = "started"

// StopInput asks EC2 to stop one instance.
type StopInput struct {
	InstanceInput
	// Hibernate keeps its memory, which only an instance can do that was launched for it.
	Hibernate bool `json:"hibernate,omitempty"`
}

// StopAnswer is EC2's answer to a stop.
type StopAnswer string

// The answers to a stop.
const (
	StopAccepted    StopAnswer = "accepted"    // it stops; or EC2 says so and does nothing: see aws.Stop
	StopEarly       StopAnswer = "early"       // ask again later
	StopUnsupported StopAnswer = "unsupported" // this instance cannot hibernate, ever
	StopRefused     StopAnswer = "refused"     // see Code and Message
)

// StopResult is EC2's answer to a stop, and its word for the instance.
type StopResult struct {
	Answer  StopAnswer `json:"answer"`
	State   string     `json:"state,omitempty"` // EC2's word, or InstanceGone
	Code    string     `json:"code,omitempty"`
	Message string     `json:"message,omitempty"`
}

// AwaitStateInput asks for the moment when an instance reaches one of some states.
type AwaitStateInput struct {
	InstanceInput
	// States that end the wait: EC2's words. An instance that is going or gone ends it always.
	States []string `json:"states"`
	// Leaves, where set, ends the wait too once so long has passed and the instance is still in this state: what was
	// asked for was ignored.
	Leaves string        `json:"leaves,omitempty"`
	Within time.Duration `json:"within,omitempty"` // for Leaves
}

// StateReasonHibernate is EC2's StateReason of an instance that was asked to hibernate. Whether it did, it does not say
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/hibernating-instances.html).
const StateReasonHibernate = "Client.UserInitiatedHibernate"

// FreezeInput asks to make a Node ready for the freeze of its machine.
type FreezeInput struct {
	Cluster string                `json:"cluster"`
	Node    string                `json:"node"`
	UID     string                `json:"uid,omitempty"`
	Tier    v1alpha1.CapacityType `json:"tier"`
	// Pool whose word holds for the freeze; empty: nothing is prefetched, and the Node is kept.
	Pool string `json:"pool,omitempty"`
}

// FreezeResult names the workload pods (namespace/name) that are still on the Node, at most 20: with any left, it is not
// to be frozen.
type FreezeResult struct {
	Pods []string `json:"pods,omitempty"`
	// Prefetch says that the pool wants images pulled before the freeze, DeleteNode that it wants the Node deleted after it.
	Prefetch   bool `json:"prefetch,omitempty"`
	DeleteNode bool `json:"deleteNode,omitempty"`
}

// ReadLastWordsInput asks for what the Node of a stopped machine said last.
type ReadLastWordsInput struct {
	Cluster string `json:"cluster"`
	Node    string `json:"node"`
	UID     string `json:"uid,omitempty"`
	// Images of which it is asked whether the Node lists them: those that were prefetched.
	Images []string `json:"images,omitempty"`
}

// ProveInput asks whether a woken machine is alive.
type ProveInput struct {
	Cluster string    `json:"cluster"`
	Node    string    `json:"node"`
	UID     string    `json:"uid,omitempty"`
	Started time.Time `json:"started"`
	// Until is when the proof must be there.
	Until time.Time `json:"until"`
	Last  LastWords `json:"last"`
}

// Proof is what a woken machine has shown.
type Proof struct {
	// Lease: it has renewed its lease after the start. Status: it has written its status after the start, and says Ready.
	Lease  bool   `json:"lease,omitempty"`
	Status bool   `json:"status,omitempty"`
	BootID string `json:"bootID,omitempty"`
	// SameBoot: its boot ID is what it was before the freeze.
	SameBoot bool `json:"sameBoot,omitempty"`
	// Images counts those of Last.Images that the Node lists still, and Lost are those that it does not. Of the rest nothing
	// can be said: the list is full, or empty, as a kubelet's is that has just started. They are no part of what proves the
	// machine: without them its pods wait for their pull.
	Images int      `json:"images,omitempty"`
	Lost   []string `json:"lost,omitempty"`
	// Missing says in words what was not there in time; empty: the machine is proven.
	Missing string `json:"missing,omitempty"`
}

// OpenNodeInput asks to open a Node to pods: the standby's taint, label and cordon go.
type OpenNodeInput struct {
	Cluster string `json:"cluster"`
	Node    string `json:"node"`
	UID     string `json:"uid,omitempty"`
	// Resumed is when its machine was started, and Purpose what it was claimed for: the Node tells of both, for whoever
	// judges later whether it may leave. What is zero is left as it is.
	Resumed time.Time `json:"resumed,omitzero"`
	Purpose Purpose   `json:"purpose,omitempty"`
	// Pods (namespace/name) to nominate to it first.
	Pods []string `json:"pods,omitempty"`
}
