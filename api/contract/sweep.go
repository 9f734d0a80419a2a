package contract

import "time"

// WorkflowSweep compares EC2, Kubernetes and the workflows of one cluster and repairs what no longer belongs together.
// A Temporal Schedule starts it every minute.
const WorkflowSweep = "Sweep"

// The sweep's activities. They are named for what they do, as they touch more than one world.
const (
	// ActivityLook lists a cluster's machines in one account and asks for the workflow of each.
	ActivityLook = "sweep.Look"
	// ActivityFind says what is to be repaired.
	ActivityFind = "sweep.Find"
	// ActivityRepair repairs what needs no workflow of its own, and records every repair.
	ActivityRepair = "sweep.Repair"
)

// SweepID is the workflow id of a sweep started by hand. Those of the schedule have their time behind it.
func SweepID(cluster string) string { return "sweep/" + cluster }

// SweepScheduleID is the id of the Temporal Schedule that starts a cluster's sweeps.
func SweepScheduleID(cluster string) string { return "sweep-" + cluster }

// DefaultSettle is how long a sweep waits before it looks again at what seems to need a repair. It is longer than the
// watcher's slow look at EC2 (15 s), so that what the watcher is about to tell is not told twice.
const DefaultSettle = 20 * time.Second

// MaxAdoptions is how many Node workflows one sweep starts at most. The next one goes on.
const MaxAdoptions = 50

// AccountRegion is one account of the configuration and its region.
type AccountRegion struct {
	Account string `json:"account"`
	Region  string `json:"region"`
}

// SweepInput starts a Sweep.
type SweepInput struct {
	Cluster string `json:"cluster"`
	// Accounts are all in which the cluster may have machines. What is in an account that is not named is left alone.
	Accounts []AccountRegion `json:"accounts"`
	// Settle is how long to wait before the second look; zero means DefaultSettle.
	Settle time.Duration `json:"settle,omitempty"`
	// MaxAdoptions of this run; zero means the constant of that name.
	MaxAdoptions int `json:"maxAdoptions,omitempty"`
}

// SweepResult says what a sweep saw and did.
type SweepResult struct {
	Cluster string `json:"cluster"`
	// Machines of ours that live, by EC2's word, and how many of them were in order at the last look.
	Machines int `json:"machines"`
	InOrder  int `json:"inOrder"`
	// Repairs that were made. A repair is made only where two looks found the same.
	Repairs []Repair `json:"repairs,omitempty"`
	// Postponed counts adoptions left to the next sweep.
	Postponed int `json:"postponed,omitempty"`
	// Left is what does not fit and is left alone, with what a person may do.
	Left []Finding `json:"left,omitempty"`
	// Unrecorded are events that the store did not take; the next sweep hands them in.
	Unrecorded []EventRecord `json:"unrecorded,omitempty"`
}

// LookInput asks for a cluster's machines in one account.
type LookInput struct {
	AccountRegion
	Cluster string `json:"cluster"`
}

// LookResult is a cluster's machines in one account, as short as can be: it goes through the sweep's history.
type LookResult struct {
	AccountRegion
	// Live are the ids of the machines that live and have an open Node workflow.
	Live []string `json:"live,omitempty"`
	// Orphans live and have none.
	Orphans []Orphan `json:"orphans,omitempty"`
	// Ended are terminated, by EC2's word, while their Node workflow is open.
	Ended []string `json:"ended,omitempty"`
}

// OwnedInstance is an instance that bears our tags, and what else they say.
type OwnedInstance struct {
	Instance
	Pool    string `json:"pool,omitempty"`
	ScaleUp string `json:"scaleUp,omitempty"`
	Plan    string `json:"plan,omitempty"`
	// Foreign names a tag by which another tool owns the machine too: karpenter.sh/nodepool, say. It is not Floe's then.
	Foreign string `json:"foreign,omitempty"`
}

// Orphan is a machine that lives and has no open Node workflow.
type Orphan struct {
	OwnedInstance
	// Ended and Completed say how its last Node workflow ended: when (zero: there was none), and whether it ran to its
	// end, where the instance was gone.
	Ended     time.Time `json:"ended,omitzero"`
	Completed bool      `json:"completed,omitempty"`
	// Owned is true while the ScaleUp that its tag names is open: then it is that one's.
	Owned bool `json:"owned,omitempty"`
}

// FindInput asks what is to be repaired, from one look at every account.
type FindInput struct {
	Cluster string       `json:"cluster"`
	Looks   []LookResult `json:"looks"`
}

// FindResult is what is to be repaired, and what only a person can put in order.
type FindResult struct {
	Repairs []Repair  `json:"repairs,omitempty"`
	Left    []Finding `json:"left,omitempty"`
}

// RepairKind says what a repair does.
type RepairKind string

// The repairs.
const (
	// RepairAdopt starts the Node workflow of a machine that lives.
	RepairAdopt RepairKind = "adopt"
	// RepairGiveBack starts the Node workflow of a machine that nobody can use, which drains and terminates it.
	RepairGiveBack RepairKind = "give-back"
	// RepairTell tells a Node workflow that its machine is no more.
	RepairTell RepairKind = "tell-gone"
	// RepairDeleteNode deletes the Node object of a machine that is no more.
	RepairDeleteNode RepairKind = "delete-node"
)

// Repair is one thing to put in order.
type Repair struct {
	Kind     RepairKind `json:"kind"`
	Instance string     `json:"instance"`
	// Reason in words: what was found.
	Reason string `json:"reason"`
	// Start is the input of the Node workflow to start, for adopt and give-back.
	Start *NodeInput `json:"start,omitempty"`
	// State is EC2's word to tell, for tell-gone.
	State string `json:"state,omitempty"`
	// Node is the object to delete, for delete-node.
	Node *DeleteNodeInput `json:"node,omitempty"`
}

// Finding is something that does not fit and that a sweep does not touch.
type Finding struct {
	// Subject is the id of the instance, workflow or Node.
	Subject string `json:"subject"`
	// Message says what is wrong and what a person may do.
	Message string `json:"message"`
}

// RepairInput asks to make the repairs that need no workflow of their own, and to record all of them.
type RepairInput struct {
	Cluster string   `json:"cluster"`
	Sweep   string   `json:"sweep"` // run id: tells this sweep's events from every other's
	Repairs []Repair `json:"repairs,omitempty"`
	// Earlier are events that the store did not take before.
	Earlier []EventRecord `json:"earlier,omitempty"`
}

// RepairResult says which repairs failed, and what the store did not take.
type RepairResult struct {
	// Done are the repairs that were made.
	Done       []Repair      `json:"done,omitempty"`
	Failed     []Finding     `json:"failed,omitempty"`
	Unrecorded []EventRecord `json:"unrecorded,omitempty"`
}

// Adoption is what a Node workflow takes over of an instance whose former Node workflow is gone.
type Adoption struct {
	// Reason in words, for its notes.
	Reason string `json:"reason"`
	// Node as Kubernetes shows it, if it does: the watcher may have told it to the former workflow and tells nothing twice.
	Node *KubeNode `json:"node,omitempty"`
	// Drains that there were: their workflow ids are taken.
	Drains int `json:"drains,omitempty"`
	// Revision to count the store's records from, above that of any former life.
	Revision int64 `json:"revision,omitempty"`
}
