// Package disruption decides which nodes are to leave voluntarily, in what order, and why all others may not: the
// cluster at one moment in, grants and refusals out. It is pure: no I/O, no clock.
//
// The way of a decision:
//
//  1. What must be known of earlier moments is brought up to date (memory.go, serving.go).
//  2. Reason by reason (reasons.go), each node is asked whether it would leave; whatever forbids that is a refusal
//     (refuse.go), and so is a budget that is used up (budget.go).
//  3. Where pods have to move, the planner says where to (room.go): on nodes that stand, or on machines that have to
//     come first.
package disruption

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/planner"
)

// Snapshot is what is known of one cluster at one moment. Nothing in it is changed.
type Snapshot struct {
	Now   time.Time
	Pools []Pool
	// Nodes of pools. Those of others are in Room alone.
	Nodes []Node
	// Room is the cluster as the planner wants it: every node with its pods, pods that need room, what pools may buy, and
	// the launches in flight.
	Room planner.Snapshot
	// Blind says why the launches in flight are not known; empty where they are.
	Blind string
	// Budgets are the cluster's PodDisruptionBudgets.
	Budgets []*policyv1.PodDisruptionBudget
	// Leaving are the disruptions granted before that have not ended.
	Leaving []contract.Leaving
	// NotBefore says, by instance, which nodes could not leave, and until when they are left alone.
	NotBefore map[string]contract.Postponed
	Memory    contract.DisruptionMemory
	// Tried is when it was found of a node, by instance, that its pods fit nowhere else. It only saves time.
	Tried map[string]time.Time
	// Every is the shortest time between two looks.
	Every time.Duration
}

// Pool is a NodePool, defaults filled in.
type Pool struct {
	*v1alpha1.NodePool
	// Template is what its launch template resolves to now; empty where that is not known.
	Template contract.ResolvedTemplate
}

// Node is a machine of a pool.
type Node struct {
	*corev1.Node
	// Pods bound to it, DaemonSets' included.
	Pods []*corev1.Pod
	// Settled is planner.Node's: it has been Ready once.
	Settled    bool
	USDPerHour float64
	// Hold that a person has put on it, as far as that is known.
	Hold *contract.Hold
	// Silent says why its Node workflow does not answer; empty where it does, or was not asked.
	Silent string
}

// Result is a decision.
type Result struct {
	// Grants in the order in which they were chosen.
	Grants []contract.Grant
	// Refused are nodes that have a reason to leave and may not, by name, each with the first refusal it met.
	Refused []contract.Refusal
	Memory  contract.DisruptionMemory
	Tried   map[string]time.Time
	// Next is after how long it is worth looking again.
	Next time.Duration
}

// Decide says which nodes are to leave now.
func Decide(s Snapshot) Result {
	j := newJudge(s)
	j.decide()
	return j.result()
}

// Explain says of one node, by its name or its instance's ID, whether it would leave now and what is in the way. ok is
// false where there is no such node of a pool.
func Explain(s Snapshot, name string) (verdict contract.NodeVerdict, ok bool) {
	s.Tried = nil // whoever asks wants to know how it is now
	j := newJudge(s)
	j.decide()
	for _, n := range j.nodes {
		if n.Name == name || n.instance == name {
			return j.verdict(n), true
		}
	}
	return verdict, false
}

const (
	// mostGrants of one decision: a workflow's history bears them all.
	mostGrants = 20
	// mostPlans is how many nodes one decision asks the planner about.
	mostPlans = 40
	// standing and idle are how long at most nothing is looked at: while nodes stand, in looks, and without any.
	standing = 3
	idle     = 10 * time.Minute
)

// judge is the work of one decision.
type judge struct {
	Snapshot
	pools   map[string]*pool
	nodes   []*node // by name
	budgets map[string][]*policyv1.PodDisruptionBudget
	room    *room
	plans   int
	tried   map[string]time.Time
	grants  []contract.Grant
	due     time.Time // the first of the clocks that run
}

// pool is a Pool while a decision is made.
type pool struct {
	Pool
	name    string
	nodes   int // that are its own and no standby
	away    int // of them that leave or are not Ready
	zones   map[string]int
	pods    census
	holding string // why it does not shrink for now
}

// node is a Node while a decision is made.
type node struct {
	*Node
	instance string
	pool     *pool
	moving   []*corev1.Pod // pods that would have to move
	leaving  *contract.Leaving
	marked   bool // it leaves, whoever asked
	standby  bool
	away     bool // it counts against budgets already
	emptyAt  time.Time
	granted  *contract.Grant
	refused  *contract.Refusal
}

func newJudge(s Snapshot) *judge {
	if s.Every <= 0 {
		s.Every = DefaultEvery
	}
	j := &judge{Snapshot: s, pools: map[string]*pool{}, budgets: map[string][]*policyv1.PodDisruptionBudget{}, tried: map[string]time.Time{}}
	for _, p := range s.Pools {
		j.pools[p.Name] = &pool{Pool: p, name: p.Name, zones: map[string]int{}}
	}
	for _, b := range s.Budgets {
		j.budgets[b.Namespace] = append(j.budgets[b.Namespace], b)
	}
	leaving := map[string]*contract.Leaving{}
	for i := range s.Leaving {
		leaving[s.Leaving[i].Instance] = &s.Leaving[i]
	}
	for i := range s.Nodes {
		if n := j.nodeOf(&s.Nodes[i], leaving); n != nil {
			j.nodes = append(j.nodes, n)
		}
	}
	slices.SortFunc(j.nodes, func(a, b *node) int { return strings.Compare(a.Name, b.Name) })
	for _, n := range j.nodes {
		if at, ok := s.Tried[n.instance]; ok {
			j.tried[n.instance] = at
		}
	}
	j.remember()
	return j
}

// DefaultEvery is Snapshot.Every where it is zero.
const DefaultEvery = 20 * time.Second

// nodeOf takes a node in and counts it; nil where nobody can say what becomes of it: its pool is gone, or it is not
// registered.
func (j *judge) nodeOf(in *Node, leaving map[string]*contract.Leaving) *node {
	p := j.pools[in.Labels[v1alpha1.LabelPool]]
	instance, ok := contract.InstanceOfProviderID(in.Spec.ProviderID)
	if p == nil || !ok || tainted(in.Node, v1alpha1.TaintUnregistered) {
		return nil
	}
	n := &node{Node: in, instance: instance, pool: p, leaving: leaving[instance]}
	n.moving = moving(in.Pods)
	n.standby = in.Labels[v1alpha1.LabelStandby] != "" || tainted(in.Node, v1alpha1.TaintStandby)
	n.marked = n.leaving != nil || in.DeletionTimestamp != nil || tainted(in.Node, v1alpha1.TaintLeaving)
	if n.standby {
		return n
	}
	n.away = n.marked || !ready(in.Node) && in.Settled
	p.nodes++
	p.zones[in.Labels[v1alpha1.LabelZone]]++
	if n.away {
		p.away++
	}
	if n.marked {
		p.zones[in.Labels[v1alpha1.LabelZone]]--
	}
	p.pods.count(in.Pods, j.Now)
	return n
}

// decide grants, reason by reason.
func (j *judge) decide() {
	for _, reason := range v1alpha1.DisruptionReasons {
		var wanting []*node
		for _, n := range j.nodes {
			if n.marked || n.standby || n.granted != nil {
				continue
			}
			want := j.wants(n, reason)
			if !want.now {
				j.clock(want.due)
				continue
			}
			if r := j.refuses(n, reason); r != nil {
				n.refuse(reason, r)
				continue
			}
			wanting = append(wanting, n)
		}
		for len(wanting) > 0 {
			i := j.first(wanting, reason)
			j.grant(wanting[i], reason)
			wanting = slices.Delete(wanting, i, i+1)
		}
	}
}

// grant lets a node leave, if its pool's budgets and the room for its pods allow it.
func (j *judge) grant(n *node, reason v1alpha1.DisruptionReason) {
	if r := j.overBudget(n, reason); r != nil {
		n.refuse(reason, r)
		return
	}
	if len(j.grants) == mostGrants {
		n.refuse(reason, &refusal{"next-look", fmt.Sprintf("one look lets %d nodes go; it is looked at again in the next", mostGrants)})
		return
	}
	g, plan, r := j.leave(n, reason)
	if r != nil {
		n.refuse(reason, r)
		return
	}
	j.roomOf().take(n, plan)
	n.granted, n.refused = g, nil
	j.grants = append(j.grants, *g)
	n.pool.zones[n.Labels[v1alpha1.LabelZone]]--
	if !n.away {
		n.pool.away++
	}
}

// first is the node that goes first. Where a pool shrinks, it is of the zone that has most of its nodes, so that zones
// stay in balance, and the one with the fewest pods; else the oldest. Of nodes that may be underused the one that was
// planned for longest ago comes first, so that each has its turn although one look plans for a few only.
func (j *judge) first(nodes []*node, reason v1alpha1.DisruptionReason) int {
	best := 0
	for i := 1; i < len(nodes); i++ {
		if j.compare(nodes[i], nodes[best], reason) < 0 {
			best = i
		}
	}
	return best
}

func (j *judge) compare(a, b *node, reason v1alpha1.DisruptionReason) int {
	zones := func(n *node) int { return n.pool.zones[n.Labels[v1alpha1.LabelZone]] }
	if reason == v1alpha1.DisruptUnderused {
		if c := j.tried[a.instance].Compare(j.tried[b.instance]); c != 0 {
			return c
		}
	}
	if shrinks(reason) {
		if c := cmp.Or(cmp.Compare(zones(b), zones(a)), cmp.Compare(len(a.moving), len(b.moving))); c != 0 {
			return c
		}
	}
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
}

// refuse notes the first refusal of a node. Whether a node is underused at all is known only once nothing refuses: of
// that there is nothing to note.
func (n *node) refuse(reason v1alpha1.DisruptionReason, r *refusal) {
	if n.refused == nil && reason != v1alpha1.DisruptUnderused {
		n.refused = &contract.Refusal{Instance: n.instance, Node: n.Name, Pool: n.pool.name, Reason: reason, Code: r.code, Why: r.why}
	}
}

// clock notes when a reason will hold by the passing of time alone.
func (j *judge) clock(due time.Time) {
	if due.After(j.Now) && (j.due.IsZero() || due.Before(j.due)) {
		j.due = due
	}
}

func (j *judge) result() Result {
	r := Result{Grants: j.grants, Memory: j.Memory, Tried: j.tried, Next: idle}
	for _, n := range j.nodes {
		if n.granted == nil && n.refused != nil {
			r.Refused = append(r.Refused, *n.refused)
		}
	}
	if len(j.nodes) > 0 {
		r.Next = standing * j.Every
	}
	if !j.due.IsZero() {
		r.Next = max(j.Every, min(r.Next, j.due.Sub(j.Now)))
	}
	return r
}

// verdict of one node, after everything was decided.
func (j *judge) verdict(n *node) contract.NodeVerdict {
	v := contract.NodeVerdict{Instance: n.instance, Node: n.Name, Pool: n.pool.name, Leaving: n.leaving}
	leaves := v1alpha1.DisruptEmpty // as good as any that the machine is not to blame for
	if n.granted != nil {
		v.Leaves, leaves = n.granted.Words, n.granted.Reason
	}
	if !n.standby {
		v.Keep, v.Fate = j.fate(n, leaves)
	}
	for _, reason := range v1alpha1.DisruptionReasons {
		want := j.wants(n, reason)
		r := contract.ReasonVerdict{Reason: reason, Wanted: want.now, Words: want.words}
		if refused := j.inTheWay(n, reason); want.now && refused != nil {
			r.Refused = refused.why
		}
		v.Reasons = append(v.Reasons, r)
	}
	return v
}

// inTheWay is all that may refuse, in order.
func (j *judge) inTheWay(n *node, reason v1alpha1.DisruptionReason) *refusal {
	switch {
	case n.granted != nil && n.granted.Reason == reason:
		return nil
	case n.granted != nil:
		return &refusal{"leaves", "it leaves because it is " + string(n.granted.Reason)}
	case n.standby:
		return &refusal{"standby", "it is a standby machine: its pool's Standby decides"}
	case n.marked:
		return &refusal{"leaves", "it leaves already"}
	}
	if r := j.refuses(n, reason); r != nil {
		return r
	}
	if r := j.overBudget(n, reason); r != nil {
		return r
	}
	j.plans = 0
	delete(j.tried, n.instance) // what this decision found out is asked for its words again
	_, _, r := j.leave(n, reason)
	return r
}
