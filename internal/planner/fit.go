package planner

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	schedulinghelper "k8s.io/component-helpers/scheduling/corev1"
)

// countBound counts bound pods for every counter, by the domains of their nodes.
func (p *plan) countBound() {
	for _, n := range p.nodes {
		p.openDomains(n)
		if len(p.counters) == 0 {
			continue
		}
		for _, pod := range n.Pods {
			if ended(pod) {
				continue
			}
			for _, k := range p.countersOf(pod) {
				// The scheduler leaves pods that are going out of a spread, but not out of affinity.
				if k.spread != nil && pod.DeletionTimestamp != nil || !p.looksAt(k, n) {
					continue
				}
				if domain, ok := n.domain(k.term.key); ok {
					k.put(domain, 1)
				}
			}
			for i := range requiredAntiAffinity(pod) {
				tm, scope := p.affinityTerm(pod, &requiredAntiAffinity(pod)[i])
				if k := p.counterByKey[counterKey(tm, scope, nil)]; k != nil {
					if domain, ok := n.domain(k.term.key); ok {
						k.owners[domain]++
					}
				}
			}
		}
	}
}

// countersOf are the counters that count a bound pod. Pods with the same namespace and the same labels, as far as any
// selector looks at them, share the answer.
func (p *plan) countersOf(pod *corev1.Pod) []*counter {
	p.sig.buf = p.sig.buf[:0]
	p.sig.text(pod.Namespace)
	for _, key := range p.labelKeys {
		if value, ok := pod.Labels[key]; ok {
			p.sig.text(key, value)
		}
	}
	counters, known := p.counting[string(p.sig.buf)]
	if !known {
		for _, k := range p.counters {
			// Whoever is bound has its claims' volumes, and those say where the others can run.
			if k.term.claim == "" && k.term.matches(pod) {
				counters = append(counters, k)
			}
		}
		p.counting[string(p.sig.buf)] = counters
	}
	return counters
}

// openDomains enters a node's domains with every spread that looks at the node: empty domains count too.
func (p *plan) openDomains(n *nodeState) {
	for _, k := range p.counters {
		if k.spread == nil || !p.looksAt(k, n) {
			continue
		}
		if domain, ok := n.domain(k.term.key); ok {
			k.n[domain] += 0
		}
	}
}

// looksAt reports whether a counter looks at a node.
func (p *plan) looksAt(k *counter, n *nodeState) bool {
	if k.spread == nil {
		return true
	}
	if f := k.spread.selects; f != nil && !f.selects(n) {
		return false
	}
	if f := k.spread.tolerates; f != nil && f.firstUntolerated(n.taints) != nil {
		return false
	}
	return true
}

// fitHeld gives the room of launches in flight to the pods that they were opened for. Which of its machines holds which
// pod does not matter: the plan that opened the launch found that all of them fit.
func (p *plan) fitHeld() {
	for _, f := range p.flights {
		room := make(vec, len(p.dims.names))
		for _, n := range f.machines {
			room.add(n.free, 1)
		}
		for _, c := range p.classes {
			n := (f.entry.Classes[c.public]*len(f.machines) + f.total - 1) / f.total
			for ; n > 0 && c.left > 0; n-- {
				to := f.best(c.req)
				if to == nil || !p.runsOn(c.profile, to) || !fits(room, nil, c.req) {
					break
				}
				room.add(c.req, -1)
				f.entry.Classes = less(f.entry.Classes, c.public)
				p.place(c, to, 1)
			}
		}
	}
}

// best is the first machine with room for a request, or else the one with the most room: the machines are sound
// together, whatever this order makes of each.
func (f *flight) best(req vec) *nodeState {
	var most *nodeState
	for _, n := range f.machines {
		if fits(n.free, nil, req) {
			return n
		}
		if most == nil || n.free[dimCPU] > most.free[dimCPU] {
			most = n
		}
	}
	return most
}

func less(classes map[string]int, key string) map[string]int {
	out := make(map[string]int, len(classes))
	for k, n := range classes {
		out[k] = n
	}
	out[key]--
	return out
}

// fitNodes puts pods on nodes and on what is in flight, first-fit: those of higher priority first, then those with more
// rules, then large before small.
func (p *plan) fitNodes() {
	if len(p.nodes) == 0 {
		return
	}
	order := slices.Clone(p.classes)
	total := make(vec, len(p.dims.names))
	for _, c := range order {
		total.add(c.req, int64(c.left))
	}
	slices.SortStableFunc(order, func(a, b *class) int {
		return cmp.Or(
			cmp.Compare(b.priority, a.priority),
			cmp.Compare(btoi(b.topology.any()), btoi(a.topology.any())),
			cmp.Compare(len(a.topology.with), len(b.topology.with)), // whom they want to be near has its place by then
			cmp.Compare(a.topology.strictness(), b.topology.strictness()),
			cmp.Compare(portion(b.req, total), portion(a.req, total)),
			strings.Compare(a.key, b.key),
		)
	})
	p.fitNominated(order)
	for tier := order; len(tier) > 0; {
		same := 1
		for same < len(tier) && tier[same].priority == tier[0].priority {
			same++
		}
		p.fitTier(tier[:same])
		tier = tier[same:]
	}
	p.fitAllRuled(order) // pods of a low priority may be what others wait for
}

// fitTier puts pods of one priority on nodes.
func (p *plan) fitTier(order []*class) {
	p.fitAllRuled(order)
	p.settleNodes(order)
	var plain []*class
	for _, c := range order {
		if !c.ruled() {
			plain = append(plain, c)
		}
	}
	p.firstFit(plain)
	p.fitFresh(plain)
}

// ruled reports whether rules bind the class's pods to each other or to others.
func (c *class) ruled() bool { return c.topology.any() || len(c.ports) > 0 }

// fitAllRuled puts pods with rules on nodes. They may wait for others, whose place they want to share or whose spread
// they want to even out: they are tried again as long as any of them finds a node.
func (p *plan) fitAllRuled(order []*class) {
	for progress := true; progress; {
		progress = false
		for _, c := range order {
			if c.ruled() {
				progress = p.fitRuled(c) || progress
			}
		}
	}
}

// firstFit puts pods on the first nodes that take them, of those that carry pods already.
func (p *plan) firstFit(order []*class) {
	for _, c := range order {
		for _, n := range p.nodes {
			if c.left == 0 {
				break
			}
			if k := p.room(c, n); k > 0 && !n.fresh() && p.runsOn(c.profile, n) {
				p.place(c, n, min(k, c.left))
			}
		}
	}
}

// fitNominated counts pods that have their node already: Floe nominated them to a machine that it brought for them, or
// the scheduler nominated them to one whose pods it is evicting. Nothing is bought for them, unless the place that was
// meant for them is taken.
func (p *plan) fitNominated(order []*class) {
	for _, c := range order {
		name := c.sample.Status.NominatedNodeName
		if name == "" {
			continue
		}
		for _, n := range p.nodes {
			if n.Name != name {
				continue
			}
			if p.runsOn(c.profile, n) {
				k := c.left
				if !evicting(c, n) {
					k = min(k, p.room(c, n))
				}
				if k > 0 {
					p.place(c, n, k)
				}
			}
			break
		}
	}
}

// evicting reports whether the scheduler may be making room for the class on the node: some pod there is going, or gives
// way to the class's priority.
func evicting(c *class, n *nodeState) bool {
	return slices.ContainsFunc(n.Pods, func(pod *corev1.Pod) bool {
		return pod.DeletionTimestamp != nil || schedulinghelper.PodPriority(pod) < c.priority
	})
}

// room is how many pods of a class a node can take as far as resources and ports go.
func (p *plan) room(c *class, n *nodeState) int {
	k := times(n.free, nil, c.req)
	if k > 0 && len(c.ports) > 0 {
		if anyConflict(c.ports, n.ports) {
			return 0
		}
		k = 1
	}
	return k
}

// fitRuled puts pods with topology rules on nodes, one at a time. Pods of a class are alike: where one finds no node,
// no other does. It reports whether any did.
func (p *plan) fitRuled(c *class) (any bool) {
	if c.left == 0 {
		return false
	}
	var open []*nodeState
	for _, n := range p.nodes {
		if p.room(c, n) > 0 && p.runsOn(c.profile, n) {
			open = append(open, n)
		}
	}
	for c.left > 0 {
		least := leasts(c)
		i := slices.IndexFunc(open, func(n *nodeState) bool { return p.allowed(c, n, least) })
		if i < 0 {
			return any
		}
		n := open[i]
		p.ruled = append(p.ruled, placement{c, n, c.pods[len(c.pods)-c.left]})
		p.place(c, n, 1)
		any = true
		if p.room(c, n) == 0 {
			open = slices.Delete(open, i, i+1)
		}
	}
	return any
}

// leasts is the fewest pods in any domain, for each of the class's spreads.
func leasts(c *class) []int {
	least := make([]int, len(c.topology.spreads))
	for i := range least {
		least[i] = c.topology.spreads[i].least()
	}
	return least
}

// allowed reports whether topology rules let a pod of the class go to a node.
func (p *plan) allowed(c *class, n *nodeState, least []int) bool {
	t := &c.topology
	for i := range t.spreads {
		r := &t.spreads[i]
		domain, ok := n.domain(r.term.key)
		if !ok || !r.allows(r.n[domain], t.self[r.counter], least[i]) {
			return false
		}
	}
	for _, k := range t.without {
		if domain, ok := n.domain(k.term.key); ok && k.n[domain] > 0 || !ok && n.choice != nil {
			return false
		}
	}
	for _, k := range t.matched {
		if len(k.owners) == 0 {
			continue
		}
		if domain, ok := n.domain(k.term.key); ok && k.owners[domain] > 0 || !ok && n.choice != nil {
			return false
		}
	}
	return p.attracted(t, func(k *counter) (string, bool) { return n.domain(k.term.key) })
}

// attracted reports whether all required affinity holds in a place, given by its domain for each counter. The first pod
// of a group that selects itself needs nobody there (InterPodAffinity's rule: no pod anywhere matches its terms).
func (p *plan) attracted(t *topology, domainOf func(*counter) (string, bool)) bool {
	first := true
	for _, k := range t.with {
		first = first && (k.term.claim != "" || k.total == 0 && t.self[k])
	}
	for _, k := range t.with {
		alone := first
		if k.term.claim != "" { // no affinity of the pod's: each claim by itself
			alone = k.total == 0
		}
		domain, ok := domainOf(k)
		if !ok || !alone && k.n[domain] == 0 {
			return false
		}
	}
	return true
}

// place puts n pods of a class on a node.
func (p *plan) place(c *class, n *nodeState, count int) {
	to, name := p.resultOf(n)
	to[name] = append(to[name], c.take(count)...)
	n.free.add(c.req, -int64(count))
	n.ports = append(n.ports, c.ports...)
	for _, k := range c.topology.matched {
		if domain, ok := n.domain(k.term.key); ok && p.looksAt(k, n) {
			k.put(domain, count)
		}
	}
	for _, k := range c.topology.without {
		if domain, ok := n.domain(k.term.key); ok {
			k.owners[domain] += count
		}
	}
}

// resultOf a node is where the result has its pods.
func (p *plan) resultOf(n *nodeState) (places map[string][]*corev1.Pod, name string) {
	switch {
	case n.flight != nil:
		return p.result.InFlight, n.flight.entry.ScaleUp
	case n.InFlight:
		return p.result.InFlight, n.Name
	}
	return p.result.OnNodes, n.Name
}
