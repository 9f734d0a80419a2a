package contract

import "time"

// ReclaimKind is what AWS is going to do to a machine, or may.
type ReclaimKind string

// The kinds of reclaim, the most urgent last.
const (
	// ReclaimRebalance: a spot machine is at elevated risk of interruption. EC2 says it once and shows it nowhere else.
	ReclaimRebalance ReclaimKind = "rebalance"
	// ReclaimScheduled: AWS is going to stop, reboot or retire the machine at a set time.
	ReclaimScheduled ReclaimKind = "scheduled"
	// ReclaimInterruption: a spot machine is taken back two minutes after the notice.
	ReclaimInterruption ReclaimKind = "interruption"
)

// ReclaimVerdict is what came of asking EC2 whether a notice is true.
type ReclaimVerdict string

// The verdicts. An empty one means that EC2 is being asked.
const (
	// ReclaimConfirmed: EC2 says the same.
	ReclaimConfirmed ReclaimVerdict = "confirmed"
	// ReclaimUnanswered: EC2 could not be asked in time. It counts as true: a machine that is emptied for nothing costs
	// less than one that is taken with its pods on it.
	ReclaimUnanswered ReclaimVerdict = "unanswered"
	// ReclaimRefuted: EC2 knows nothing of it. The cordon is taken off again.
	ReclaimRefuted ReclaimVerdict = "refuted"
)

// Reclaim is the payload of the signal `reclaim`: a notice that AWS takes a machine back, or may.
type Reclaim struct {
	// Key tells this notice from every other: the id of EventBridge's event, or what the watcher made of a taint or a
	// condition. The same one twice counts once.
	Key  string      `json:"key"`
	Kind ReclaimKind `json:"kind"`
	// Source says where the notice came from: "queue", "taint KEY", "condition TYPE", or a person's word.
	Source string `json:"source,omitempty"`
	// Notice is when AWS gave it, by AWS's clock, Received when the watcher had it.
	Notice   time.Time `json:"notice"`
	Received time.Time `json:"received"`
	// Deadline is when the machine goes; zero where nobody knows. Of several notices the earliest counts.
	Deadline time.Time `json:"deadline,omitzero"`
	// Stay leaves the pods where they are: room is bought for them, and they move only when the interruption itself
	// comes.
	Stay bool `json:"stay,omitempty"`
}

// ReclaimState is what a Node knows of its machine's being taken back: all notices heard, as one. The Reclaim is the one
// that counts: the most urgent that EC2 has confirmed or that could not be asked about, with the earliest deadline of all
// these; where there is none, the last one refuted.
type ReclaimState struct {
	Reclaim
	// Verdict on the Reclaim; empty where none has been given yet.
	Verdict ReclaimVerdict `json:"verdict,omitempty"`
	// Why are EC2's words for the verdict, or what kept them away.
	Why string `json:"why,omitempty"`
	// Decided is when the verdict came, by the workflow's clock.
	Decided time.Time `json:"decided,omitzero"`
	// Asking are the notices that EC2 is being asked about, one a kind at most, the most urgent first.
	Asking []Reclaim `json:"asking,omitempty"`
	// Notices counts the different notices heard.
	Notices int `json:"notices"`
	// Unmark says that the mark of a refuted notice is still to be taken off the Node.
	Unmark bool `json:"unmark,omitempty"`
}

// Stands reports whether a notice is taken for true.
func (r *ReclaimState) Stands() bool {
	return r != nil && (r.Verdict == ReclaimConfirmed || r.Verdict == ReclaimUnanswered)
}

// Leaves reports whether the pods have to go because of it.
func (r *ReclaimState) Leaves() bool { return r.Stands() && !r.Stay }

// ConfirmReclaimInput asks EC2 whether a notice is true.
type ConfirmReclaimInput struct {
	InstanceInput
	Kind ReclaimKind `json:"kind"`
	// By is when an answer has to be there: until then EC2 may lag behind its own notice.
	By time.Time `json:"by"`
	// Record is what the offering memory is to learn if it is true; the zero value where there is nothing to learn.
	Record ReclaimedRecord `json:"record,omitzero"`
}

// ConfirmReclaimResult is EC2's word.
type ConfirmReclaimResult struct {
	Verdict ReclaimVerdict `json:"verdict"`
	Why     string         `json:"why,omitempty"`
	// Deadline is EC2's own word of when the machine goes; zero where it says none.
	Deadline time.Time `json:"deadline,omitzero"`
	// Recorded is true where the offering memory has learned of it.
	Recorded bool `json:"recorded,omitempty"`
}

// UnmarkInput asks to take the mark of a reclaim off a Node.
type UnmarkInput struct {
	Cluster string `json:"cluster"`
	Node    string `json:"node"`
	UID     string `json:"uid,omitempty"`
}

// ReclaimedRecord says that EC2 took a spot machine back: what store.PutReclaim writes, once for each instance.
type ReclaimedRecord struct {
	Instance string    `json:"instance"`
	Offering Offering  `json:"offering"`
	At       time.Time `json:"at"`
	Cluster  string    `json:"cluster"`
	Account  string    `json:"account"`
}

// OfferingOf is the offering that a machine was bought from.
func OfferingOf(region string, i Instance) Offering {
	return Offering{Region: region, ZoneID: i.ZoneID, InstanceType: i.InstanceType, CapacityType: i.CapacityType}
}
