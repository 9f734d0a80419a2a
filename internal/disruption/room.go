package disruption

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/planner"
)

const (
	// worthwhile is the price that a replacement for an underused node may have, as a share of the node's: spot prices
	// move by some percent a day, and moving pods has its own price.
	worthwhile = 0.85
	// tryAgain is after how long it is asked again whether an underused node's pods fit elsewhere.
	tryAgain = 5 * time.Minute
)

// room is where pods can go, while a decision is made.
type room struct {
	planner.Snapshot
	// expecting are the nodes that pods of nodes granted before are to come to.
	expecting map[string]bool
	// promised are the nodes that pods which wait for room are to come to.
	promised map[string]bool
}

// roomOf is what stands and stays. Pods that wait for room, and those of nodes that leave without a replacement of their
// own, take theirs first: on launches in flight and on nodes that are starting too, on which nothing that leaves can rely.
func (j *judge) roomOf() *room {
	if j.room != nil {
		return j.room
	}
	r := &room{j.Room, map[string]bool{}, map[string]bool{}}
	r.Nodes, r.Pods = nil, nil
	waiting := slices.Clone(j.Room.Pods)
	known := map[string]*node{}
	for _, n := range j.nodes {
		known[n.Name] = n
	}
	for _, in := range j.Room.Nodes {
		n := known[in.Name]
		switch {
		case n != nil && n.standby:
			continue
		case n != nil && n.marked:
			if n.leaving == nil || n.leaving.Workflow == "" {
				waiting = append(waiting, unbound(n.moving)...)
			}
			continue
		case n != nil && in.Settled && !ready(n.Node.Node):
			in.Unschedulable = true // nobody can rely on it
		}
		r.Nodes = append(r.Nodes, in)
	}
	if len(waiting) > 0 {
		r.Pods = waiting
		plan := planner.Plan(r.Snapshot)
		for name, come := range plan.OnNodes {
			r.promised[name] = slices.ContainsFunc(come, func(p *corev1.Pod) bool { return waitsOf(p, j.Now) < promise })
		}
		r.settle(plan)
		r.Pods = nil
	}
	r.Ledger = nil
	for i := range r.Nodes {
		r.Nodes[i].Unschedulable = r.Nodes[i].Unschedulable || !r.Nodes[i].Settled
	}
	j.room = r
	return r
}

// promise is how long a pod that waits keeps the node that a plan has for it: the scheduler binds it within seconds, or sees
// something that the planner does not. One such pod must not keep a node for ever.
const promise = 10 * time.Minute

// waitsOf is for how long a pod has waited for room: since the scheduler's word, or since it is there. One that is still to
// be evicted has not begun to.
func waitsOf(p *corev1.Pod, now time.Time) time.Duration {
	if p.Status.Phase == corev1.PodRunning {
		return 0
	}
	since := p.CreationTimestamp.Time
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.LastTransitionTime.After(since) {
			since = c.LastTransitionTime.Time
		}
	}
	return now.Sub(since)
}

// settle binds pods where a plan puts them.
func (r *room) settle(plan planner.Result) {
	for i := range r.Nodes {
		if come := plan.OnNodes[r.Nodes[i].Name]; len(come) > 0 {
			r.Nodes[i].Pods = append(slices.Clip(r.Nodes[i].Pods), come...)
		}
	}
}

// without is the room once a node has gone, its pods looking for a place, and these pools buying.
func (r *room) without(n *node, pools []planner.Pool) planner.Snapshot {
	s := r.Snapshot
	s.Nodes = slices.DeleteFunc(slices.Clone(s.Nodes), func(other planner.Node) bool { return other.Name == n.Name })
	s.Pods, s.Pools = unbound(n.moving), pools
	return s
}

// unbound are the pods as they will be when their controllers have made them anew.
func unbound(pods []*corev1.Pod) (free []*corev1.Pod) {
	for _, pod := range pods {
		if pod.DeletionTimestamp != nil {
			continue // it goes in any case
		}
		p := *pod
		p.Spec.NodeName, p.Status.NominatedNodeName = "", ""
		free = append(free, &p)
	}
	return free
}

// leave says where a node's pods are to go, or why they can't; plan is the planner's word for it.
func (j *judge) leave(n *node, reason v1alpha1.DisruptionReason) (*contract.Grant, planner.Result, *refusal) {
	g := &contract.Grant{
		Instance: n.instance, Node: n.Name, UID: string(n.UID), Pool: n.pool.name, Reason: reason,
		Words: j.wants(n, reason).words, Cordon: reason == v1alpha1.DisruptCondition,
	}
	g.Keep, g.Fate = j.fate(n, reason)
	r := j.roomOf()
	if r.expecting[n.Name] {
		return nil, planner.Result{}, &refusal{"next-look", "pods of nodes that leave are to come to it"}
	}
	if r.promised[n.Name] && shrinks(reason) {
		return nil, planner.Result{}, &refusal{"promised", "pods that wait for room are to come to it"}
	}
	if len(n.moving) == 0 {
		return g, planner.Result{}, nil
	}
	if at, ok := j.tried[n.instance]; ok && j.Now.Sub(at) < tryAgain && reason == v1alpha1.DisruptUnderused {
		return nil, planner.Result{}, &refusal{"used", "its pods fitted on no other nodes at " + stamp(at)}
	}
	if j.plans++; j.plans > mostPlans {
		return nil, planner.Result{}, &refusal{"next-look", fmt.Sprintf("one look plans for %d nodes; it is looked at again in the next", mostPlans)}
	}
	pools := r.Pools
	switch reason {
	case v1alpha1.DisruptReturn:
		pools = buying(pools, n.pool.name, v1alpha1.Spot)
	case v1alpha1.DisruptUnderused:
		// A fallback's way back is its return, after returnAfter: no other capacity type than its own is looked at here.
		pools = buying(pools, n.pool.name, v1alpha1.CapacityType(n.Labels[v1alpha1.LabelCapacityType]))
	}
	plan := planner.Plan(r.without(n, pools))
	refused := j.unfit(n, reason, plan)
	if refused == nil && reason == v1alpha1.DisruptUnderused {
		refused = j.cheaper(n, g, &plan)
	}
	if refused == nil && reason == v1alpha1.DisruptReturn {
		refused = j.drought(&plan, pools)
	}
	if refused != nil {
		if reason == v1alpha1.DisruptUnderused {
			j.tried[n.instance] = j.Now
		}
		return nil, planner.Result{}, refused
	}
	g.Launches = plan.Digest().Launches
	for i := range g.Launches {
		g.Launches[i].Machines = nil // the pods that come have other names
	}
	return g, plan, nil
}

// take lets a node's pods have the room that a plan gives them.
func (r *room) take(n *node, plan planner.Result) {
	for name := range plan.OnNodes {
		r.expecting[name] = true
	}
	r.Nodes = slices.DeleteFunc(slices.Clone(r.Nodes), func(other planner.Node) bool { return other.Name == n.Name })
	r.settle(plan)
}

// unfit refuses where some pod finds no place at all.
func (j *judge) unfit(n *node, reason v1alpha1.DisruptionReason, plan planner.Result) *refusal {
	if len(plan.Unplaceable) == 0 {
		return nil
	}
	u := plan.Unplaceable[0]
	why := "no pool can buy for it"
	if i := slices.IndexFunc(u.Reasons, func(r string) bool { return strings.HasPrefix(r, "pool "+n.pool.name+":") }); i >= 0 {
		why = u.Reasons[i]
	} else if len(u.Reasons) > 0 {
		why = u.Reasons[0]
	}
	if reason == v1alpha1.DisruptReturn {
		why = "on spot, " + why
	}
	return &refusal{"no-room", fmt.Sprintf("pod %s finds no room elsewhere: %s", u.Pod, why)}
}

// cheaper refuses where an underused node's pods fit neither on other nodes nor on one machine that is worth the move.
// The launch is narrowed to the types that are.
func (j *judge) cheaper(n *node, g *contract.Grant, plan *planner.Result) *refusal {
	if len(plan.Launches) == 0 {
		g.Words = fmt.Sprintf("its %s on other nodes", fit(len(n.moving)))
		return nil
	}
	l := &plan.Launches[0]
	if len(plan.Launches) > 1 || l.Count > 1 {
		return &refusal{"used", "its pods fit neither on other nodes nor on one machine"}
	}
	most := worthwhile * n.USDPerHour
	if l.USDPerHour > most {
		return &refusal{"used", fmt.Sprintf("the cheapest machine for its pods costs $%.4f/h, and it costs $%.4f/h itself", l.USDPerHour, n.USDPerHour)}
	}
	ct := v1alpha1.CapacityType(n.Labels[v1alpha1.LabelCapacityType])
	l.InstanceTypes = slices.DeleteFunc(slices.Clone(l.InstanceTypes), func(name string) bool {
		return j.priceOf(n.pool.name, name, ct) > most
	})
	l.CapacityTypes = []v1alpha1.CapacityType{ct}
	g.Words = fmt.Sprintf("its %s on one %s at $%.4f/h instead of $%.4f/h", fit(len(n.moving)), l.InstanceTypes[0], l.USDPerHour, n.USDPerHour)
	return nil
}

func fit(pods int) string {
	if pods == 1 {
		return "pod fits"
	}
	return fmt.Sprintf("%d pods fit", pods)
}

// priceOf is the dearest that a type of a pool may be had for as a capacity type.
func (j *judge) priceOf(pool, instanceType string, ct v1alpha1.CapacityType) (usd float64) {
	for _, p := range j.Room.Pools {
		if p.Name != pool {
			continue
		}
		for _, c := range p.Candidates {
			for _, o := range c.Overrides {
				if c.Type.Name == instanceType && o.CapacityType == ct {
					usd = max(usd, o.USDPerHour)
				}
			}
		}
	}
	return usd
}

// drought refuses where the offering memory says of every spot offering that would do that it is to be left alone.
func (j *judge) drought(plan *planner.Result, pools []planner.Pool) *refusal {
	for i := range plan.Launches {
		l := &plan.Launches[i]
		l.CapacityTypes = []v1alpha1.CapacityType{v1alpha1.Spot}
		var until time.Time
		offerings, free := 0, false
		for _, o := range offers(*l, pools) {
			offerings++
			at := pools[0].BackOff[o.Offering]
			free = free || !at.After(j.Now)
			if until.IsZero() || at.Before(until) {
				until = at
			}
		}
		if !free {
			j.clock(until)
			return &refusal{"drought", fmt.Sprintf("there is no spot capacity for its pods: all %d offerings that would do are in back-off, the first until %s", offerings, stamp(until))}
		}
	}
	return nil
}

// offers are the overrides that a launch of the one pool may ask for.
func offers(l planner.Launch, pools []planner.Pool) (all []contract.Override) {
	for _, c := range pools[0].Candidates {
		if !slices.Contains(l.InstanceTypes, c.Type.Name) {
			continue
		}
		for _, o := range c.Overrides {
			if len(l.Zones) == 0 || slices.Contains(l.Zones, o.Zone) {
				all = append(all, o)
			}
		}
	}
	return all
}

// buying is one pool, cut down to the steps and offerings of a capacity type.
func buying(pools []planner.Pool, name string, ct v1alpha1.CapacityType) []planner.Pool {
	i := slices.IndexFunc(pools, func(p planner.Pool) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	p := pools[i]
	cut := *p.NodePool
	cut.Spec.Fallback = slices.DeleteFunc(slices.Clone(cut.Spec.Fallback), func(f v1alpha1.FallbackStep) bool { return f.CapacityType != ct })
	p.NodePool = &cut
	all := p.Candidates
	p.Candidates = nil
	for _, c := range all {
		c.Overrides = slices.DeleteFunc(slices.Clone(c.Overrides), func(o contract.Override) bool { return o.CapacityType != ct })
		if len(c.Overrides) > 0 {
			p.Candidates = append(p.Candidates, c)
		}
	}
	slices.SortStableFunc(p.Candidates, func(a, b catalog.Candidate) int {
		return cmp.Compare(a.Overrides[0].USDPerHour, b.Overrides[0].USDPerHour)
	})
	if len(p.Candidates) == 0 && p.Problem == "" {
		p.Problem = fmt.Sprintf("none of its offerings is %s", ct)
	}
	return []planner.Pool{p}
}
