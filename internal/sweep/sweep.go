// Package sweep decides what of EC2, Kubernetes and workflows does not belong together, and which repairs are safe. It
// is pure: no I/O, no clock.
//
// Three rules keep it from doing harm. Nothing of another owner is touched. A machine is adopted before it is
// terminated. And a kubelet that is alive proves a machine, whatever EC2 shows: a wrong account in the configuration
// must not end a cluster.
package sweep

import (
	"slices"
	"strings"
	"time"

	"floe.dev/floe/api/contract"
)

// Facts are what one look found, less all that is in order.
type Facts struct {
	Cluster string
	Now     time.Time
	// Lag is how long EC2 may take to show what happened.
	Lag time.Duration
	// Orphans are machines that live and have no open Node workflow.
	Orphans []Orphan
	// Bereft are open Node workflows whose machine EC2 shows as terminated, or not at all.
	Bereft []Bereft
	// Nodes are Node objects of ours whose machine EC2 does not show alive and whose Node workflow is not open.
	Nodes []Node
}

// Orphan is a machine without an open Node workflow.
type Orphan struct {
	contract.Orphan
	contract.AccountRegion
	// Node as Kubernetes shows it; nil where it has none.
	Node *contract.KubeNode
	// PoolExists reports whether the NodePool of the machine's tag does; RegistrationTimeout is the pool's.
	PoolExists          bool
	RegistrationTimeout time.Duration
	// Standby are the pool's durations for standby machines.
	Standby contract.StandbyTimes
	// Drains is how many drains of the machine there were.
	Drains int
}

// Bereft is an open Node workflow without a machine.
type Bereft struct {
	Instance string
	Account  string
	// Launched is when its machine was launched.
	Launched time.Time
	// Terminated is EC2's positive word; else EC2 shows nothing of the machine.
	Terminated bool
	// Looked is false where the instance's account was not looked at.
	Looked bool
	// Knows is what the workflow has as the instance's state; empty where it did not answer.
	Knows string
	// NodeReady is true while the machine's kubelet says that it is Ready.
	NodeReady bool
}

// Node is a Node object of ours without a machine.
type Node struct {
	Name, UID, Instance string
	Created             time.Time
	// Ready is the kubelet's word; it lapses when the kubelet has not renewed its lease for some 40 s.
	Ready bool
}

// Decide says what to repair, and what is left to a person. Both are sorted by what they are about.
func Decide(f Facts) ([]contract.Repair, []contract.Finding) {
	var d decision
	for _, o := range f.Orphans {
		d.orphan(f, o)
	}
	for _, b := range f.Bereft {
		d.bereft(f, b)
	}
	for _, n := range f.Nodes {
		d.node(f, n)
	}
	slices.SortFunc(d.repairs, func(a, b contract.Repair) int { return strings.Compare(key(a), key(b)) })
	slices.SortFunc(d.left, func(a, b contract.Finding) int { return strings.Compare(a.Subject, b.Subject) })
	return d.repairs, d.left
}

type decision struct {
	repairs []contract.Repair
	left    []contract.Finding
}

func (d *decision) leave(subject, message string) {
	d.left = append(d.left, contract.Finding{Subject: subject, Message: message})
}

func (d *decision) orphan(f Facts, o Orphan) {
	missing := missingTags(o.OwnedInstance)
	switch {
	case o.Foreign != "":
		d.leave(o.ID, "it bears Floe's tags and "+o.Foreign+": another tool owns it; take Floe's tags off")
	case len(missing) > 0:
		d.leave(o.ID, "it bears Floe's tags but not "+strings.Join(missing, ", ")+", which every launch of Floe puts on: somebody else launched it; take Floe's tags off")
	case o.Owned:
		// Its ScaleUp is about to start its Node workflow.
	case o.Completed && f.Now.Sub(o.Ended) < f.Lag:
		// It was terminated; EC2 may still show it as it was before.
	case !o.PoolExists:
		d.adopt(f, o, contract.RepairGiveBack, "it runs without a Node workflow, and its pool "+o.Pool+" does not exist any more")
	case o.Completed && o.Node == nil:
		d.adopt(f, o, contract.RepairGiveBack, "its Node workflow took it for gone and has ended, its Node was deleted, and it still runs")
	case o.Ended.IsZero():
		d.adopt(f, o, contract.RepairAdopt, "it runs, it never had a Node workflow, and its ScaleUp is over")
	default:
		d.adopt(f, o, contract.RepairAdopt, "it runs, and its Node workflow has ended")
	}
}

// missingTags are the tags of a launch that an instance lacks.
func missingTags(i contract.OwnedInstance) (missing []string) {
	for _, tag := range []struct{ key, value string }{
		{contract.TagPool, i.Pool}, {contract.TagScaleUp, i.ScaleUp}, {contract.TagToken, i.Token},
	} {
		if tag.value == "" {
			missing = append(missing, tag.key)
		}
	}
	return missing
}

func (d *decision) adopt(f Facts, o Orphan, kind contract.RepairKind, reason string) {
	start := contract.NodeInput{
		Cluster: f.Cluster, Pool: o.Pool, Account: o.Account, Region: o.Region, Instance: o.Instance,
		ScaleUp: o.ScaleUp, Plan: o.Plan, RegistrationTimeout: o.RegistrationTimeout, Standby: o.Standby,
		// A former life wrote some ten records; counting on from the clock passes it without asking the store.
		Adopted: &contract.Adoption{Reason: reason, Node: o.Node, Drains: o.Drains, Revision: f.Now.UnixMilli()},
	}
	if kind == contract.RepairGiveBack {
		start.Surplus = reason
	}
	d.repairs = append(d.repairs, contract.Repair{Kind: kind, Instance: o.ID, Reason: reason, Start: &start})
}

func (d *decision) bereft(f Facts, b Bereft) {
	workflow := contract.NodeID(f.Cluster, b.Instance)
	tell := func(state, reason string) {
		d.repairs = append(d.repairs, contract.Repair{Kind: contract.RepairTell, Instance: b.Instance, Reason: reason, State: state})
	}
	switch {
	case b.Knows == "terminated" || b.Knows == contract.InstanceGone:
		// It is about to close.
	case b.Terminated:
		tell("terminated", "EC2 shows it as terminated, and nobody told its Node workflow")
	case !b.Looked:
		d.leave(workflow, "its instance is in account "+b.Account+", which this sweep does not look at: add the account to the configuration of the workers of this cluster")
	case f.Now.Sub(b.Launched) < f.Lag:
		// EC2 need not show it yet.
	case b.NodeReady:
		d.leave(workflow, "EC2 does not show its instance among those tagged as Floe's in account "+b.Account+", but its kubelet is alive: does the account's role lead to the right AWS account, and are the instance's tags still on?")
	default:
		tell(contract.InstanceGone, "EC2 does not show it, and its kubelet does not answer")
	}
}

func (d *decision) node(f Facts, n Node) {
	switch {
	case f.Now.Sub(n.Created) < f.Lag:
		// Its machine may be too new for EC2 to show.
	case n.Ready:
		d.leave(n.Name, "it is a Node of Floe's and its kubelet is alive, but EC2 shows no such instance of this cluster: is it tagged, and is its account configured?")
	default:
		d.repairs = append(d.repairs, contract.Repair{
			Kind: contract.RepairDeleteNode, Instance: n.Instance, Reason: "its machine is no more, and no Node workflow runs for it",
			Node: &contract.DeleteNodeInput{Cluster: f.Cluster, Node: n.Name, UID: n.UID},
		})
	}
}

func key(r contract.Repair) string { return r.Instance + "/" + string(r.Kind) }

// Confirmed are the repairs of the second look that the first one wanted too. What is only passing (a ScaleUp that has
// just ended, a signal under way) is gone by then.
func Confirmed(first, second []contract.Repair) []contract.Repair {
	wanted := make(map[string]bool, len(first))
	for _, r := range first {
		wanted[key(r)] = true
	}
	var confirmed []contract.Repair
	for _, r := range second {
		if wanted[key(r)] {
			confirmed = append(confirmed, r)
		}
	}
	return confirmed
}

// Bounded keeps at most so many repairs that start a workflow, and says how many it left out.
func Bounded(repairs []contract.Repair, most int) (kept []contract.Repair, postponed int) {
	starts := 0
	for _, r := range repairs {
		if r.Start != nil {
			if starts == most {
				postponed++
				continue
			}
			starts++
		}
		kept = append(kept, r)
	}
	return kept, postponed
}

// Event is what the store keeps of a repair.
func Event(cluster, sweep string, at time.Time, r contract.Repair) contract.EventRecord {
	return contract.EventRecord{
		ID: cluster + "/" + sweep + "/" + string(r.Kind) + "/" + r.Instance, At: at, Cluster: cluster,
		Kind: "sweep-" + string(r.Kind), Subject: r.Instance, Message: r.Reason,
	}
}
