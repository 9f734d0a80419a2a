// Package audit says what of EC2, Kubernetes, workflows and store does not belong together at one moment. It is pure: no
// I/O, no clock. Who gathers the Snapshot looks twice and keeps what both looks show (Confirmed): between two systems
// there is always something on its way.
package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"floe.dev/floe/api/contract"
)

// Kind of a violation.
type Kind string

// The kinds.
const (
	// InstanceWithoutWorkflow: a machine of ours lives, and neither a Node workflow nor a ScaleUp owns it.
	InstanceWithoutWorkflow Kind = "instance-without-workflow"
	// WorkflowWithoutInstance: a Node workflow is open, and its machine is no more.
	WorkflowWithoutInstance Kind = "workflow-without-instance"
	// MoreThanAsked: a hop's launch token has more machines than the hop asked for.
	MoreThanAsked Kind = "more-than-asked"
	// NodeWithoutMachine: a Node object of ours has no machine.
	NodeWithoutMachine Kind = "node-without-machine"
	// DemandUnattended: pods need room, and nobody works on it.
	DemandUnattended Kind = "demand-unattended"
	// StoreBehind: the store's record of a node is behind its workflow.
	StoreBehind Kind = "store-behind"
)

// Kinds lists every kind.
var Kinds = []Kind{
	InstanceWithoutWorkflow, WorkflowWithoutInstance, MoreThanAsked, NodeWithoutMachine, DemandUnattended, StoreBehind,
}

const (
	// Patience is how long pods may need room before somebody must be at work on it.
	Patience = time.Minute
	// Behind is how long the store may be behind a workflow.
	Behind = time.Minute
)

// Violation is something that does not belong together.
type Violation struct {
	Kind Kind `json:"kind"`
	// IDs of what it is about: instances, workflows, Nodes, pods.
	IDs     []string `json:"ids"`
	Message string   `json:"message"`
	// Remedy says what a person may do, or who repairs it.
	Remedy string `json:"remedy"`
}

// Snapshot is what every system shows at one moment.
type Snapshot struct {
	Cluster string
	At      time.Time
	// Lag is how long EC2 may take to show what happened.
	Lag time.Duration
	// Machines that bear our tags and that no other tool owns, the terminated of the last hour included.
	Machines []Machine
	// Workflows are the open Node workflows.
	Workflows []Workflow
	// Asked is how many machines each hop asked for, by launch token. A token that is not in it is not judged.
	Asked map[string]int
	// Nodes of ours in Kubernetes.
	Nodes []Node
	// Waiting are the pods that need room.
	Waiting []Pod
	// Provisioner of the cluster; nil where none is open. Unanswered is true where it is open and did not answer.
	Provisioner *contract.ProvisionerView
	Unanswered  bool
	// Records are the store's records of nodes that it takes for alive, by instance; nil where it was not asked.
	Records map[string]Record
}

// Machine is an instance and whether its owners are at work, by Temporal's own word.
type Machine struct {
	contract.OwnedInstance
	NodeOpen, ScaleUpOpen bool
}

// Workflow is an open Node workflow.
type Workflow struct {
	Instance string
	Launched time.Time
	// Life is its own answer; nil where it gave none.
	Life *contract.NodeView
}

// leaving reports whether the workflow is at work on its machine's end.
func (w Workflow) leaving() bool {
	return w.Life != nil && (w.Life.Phase == contract.PhaseTerminating || w.Life.Phase == contract.PhaseTerminated)
}

// Node is a Node object.
type Node struct {
	Name, Instance string
	Created        time.Time
}

// Pod is a pod that needs room.
type Pod struct {
	Name  string // namespace/name
	Since time.Time
}

// Record is a node's record in the store.
type Record struct {
	Revision int64
	At       time.Time
}

// Audit lists what does not belong together, sorted.
func Audit(s Snapshot) []Violation {
	a := auditor{Snapshot: s, machines: map[string]Machine{}, workflows: map[string]Workflow{}}
	for _, m := range s.Machines {
		a.machines[m.ID] = m
	}
	for _, w := range s.Workflows {
		a.workflows[w.Instance] = w
	}
	a.instances()
	a.bereft()
	a.tokens()
	a.nodes()
	a.demand()
	a.store()
	slices.SortFunc(a.found, func(x, y Violation) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), slices.Compare(x.IDs, y.IDs))
	})
	return a.found
}

type auditor struct {
	Snapshot
	machines  map[string]Machine
	workflows map[string]Workflow
	found     []Violation
}

func (a *auditor) violation(k Kind, remedy string, ids []string, format string, args ...any) {
	a.found = append(a.found, Violation{Kind: k, IDs: ids, Message: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (a *auditor) live(instance string) bool {
	m, shown := a.machines[instance]
	return shown && m.Live()
}

func (a *auditor) instances() {
	for _, m := range a.Machines {
		if m.Live() && !m.NodeOpen && !m.ScaleUpOpen {
			a.violation(InstanceWithoutWorkflow,
				"the sweep adopts it within two minutes; see its last run (schedule "+contract.SweepScheduleID(a.Cluster)+") for why it does not",
				[]string{m.ID, contract.NodeID(a.Cluster, m.ID)},
				"instance %s (%s, pool %s) lives, and no workflow owns it", m.ID, m.InstanceType, m.Pool)
		}
	}
}

func (a *auditor) bereft() {
	for _, w := range a.Workflows {
		m, shown := a.machines[w.Instance]
		if w.leaving() || shown && m.State != "terminated" || !shown && a.At.Sub(w.Launched) < a.Lag {
			continue
		}
		what := "is not shown by EC2 among the instances tagged as Floe's"
		if shown {
			what = "is terminated"
		}
		a.violation(WorkflowWithoutInstance,
			"the sweep tells the workflow within two minutes, unless the kubelet is alive: then see that the account's role leads to the right AWS account and that the instance's tags are on",
			[]string{contract.NodeID(a.Cluster, w.Instance), w.Instance},
			"a Node workflow is open, and its instance %s %s", w.Instance, what)
	}
}

// tokens counts machines by the hop that launched them. A machine that is about to leave was given back already.
func (a *auditor) tokens() {
	got := map[string][]string{}
	for _, m := range a.Machines {
		if m.Live() && m.Token != "" && !a.workflows[m.ID].leaving() {
			got[m.Token] = append(got[m.Token], m.ID)
		}
	}
	for _, token := range slices.Sorted(maps.Keys(got)) {
		ids := got[token]
		slices.Sort(ids)
		if asked, known := a.Asked[token]; known && len(ids) > asked {
			a.violation(MoreThanAsked, "terminate what is too much (floe node terminate), and report it: this must not happen", ids,
				"%d machines live under launch token %s, whose hop asked for %d", len(ids), token, asked)
		}
	}
}

func (a *auditor) nodes() {
	for _, n := range a.Nodes {
		if a.live(n.Instance) || a.workflows[n.Instance].leaving() || a.At.Sub(n.Created) < a.Lag {
			continue
		}
		a.violation(NodeWithoutMachine,
			"the sweep deletes it once its kubelet is silent; a kubelet that is alive means an instance without Floe's tags, or in an account that is not configured",
			[]string{n.Name, n.Instance}, "Node %s is of instance %s, which does not live", n.Name, n.Instance)
	}
}

func (a *auditor) demand() {
	var late []string
	for _, p := range a.Waiting {
		if a.At.Sub(p.Since) > Patience {
			late = append(late, p.Name)
		}
	}
	if len(late) == 0 || a.Unanswered {
		return
	}
	slices.Sort(late)
	id := contract.ProvisionerID(a.Cluster)
	switch p := a.Provisioner; {
	case p == nil:
		a.violation(DemandUnattended, "start the watcher (floe watch): it starts the Provisioner", append([]string{id}, late...),
			"%d pods have needed room for more than %s, and no Provisioner is open", len(late), Patience)
	case p.RetryAt.IsZero() && p.Demand == nil:
		a.violation(DemandUnattended, "see that the watcher runs, or have it planned at once: temporal workflow update execute --workflow-id "+id+" --name "+contract.UpdatePlanNow+" --input '{}'",
			append([]string{id}, late...),
			"%d pods have needed room for more than %s, and the Provisioner waits for demand: its last plan was %s", len(late), Patience, lastPlan(p))
	case !p.RetryAt.IsZero() && a.At.Sub(p.RetryAt) > Patience:
		a.violation(DemandUnattended, "see that a worker runs that polls the task queue "+contract.TaskQueue, append([]string{id}, late...),
			"%d pods have needed room for more than %s, and the plan that was due at %s is not made", len(late), Patience, p.RetryAt.UTC().Format(time.RFC3339))
	}
}

func lastPlan(p *contract.ProvisionerView) string {
	if p.LastPlan == nil {
		return "never made"
	}
	return "made at " + p.LastPlan.At.UTC().Format(time.RFC3339)
}

func (a *auditor) store() {
	if a.Records == nil {
		return
	}
	for _, w := range a.Workflows {
		if w.Life == nil || a.At.Sub(w.Life.Since[w.Life.Phase]) <= Behind {
			continue
		}
		if r := a.Records[w.Instance]; r.Revision < w.Life.Revision {
			a.violation(StoreBehind, "see that the store answers and has room: the workflow writes its record as soon as it does",
				[]string{contract.NodeID(a.Cluster, w.Instance)},
				"the workflow is at revision %d since %s, the store at %d", w.Life.Revision, w.Life.Since[w.Life.Phase].UTC().Format(time.RFC3339), r.Revision)
		}
	}
	for _, instance := range slices.Sorted(maps.Keys(a.Records)) {
		_, open := a.workflows[instance]
		if open || a.live(instance) || a.At.Sub(a.Records[instance].At) <= Behind {
			continue
		}
		a.violation(StoreBehind, "delete the record: its workflow was ended by hand, so that nobody else does", []string{contract.NodeID(a.Cluster, instance)},
			"the store shows the node as alive; its workflow and its instance are no more")
	}
}

// Confirmed are the violations of the second look that the first showed too: of one kind and about the same first ID.
func Confirmed(first, second []Violation) []Violation {
	key := func(v Violation) string { return string(v.Kind) + " " + strings.Join(v.IDs[:min(1, len(v.IDs))], "") }
	seen := map[string]bool{}
	for _, v := range first {
		seen[key(v)] = true
	}
	return slices.DeleteFunc(slices.Clone(second), func(v Violation) bool { return !seen[key(v)] })
}
