package planner

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/catalog"
)

// explain says of every pod without a place why no pool can hold it.
func (p *plan) explain() {
	for _, c := range p.classes {
		if c.left == 0 {
			continue
		}
		u := contract.Unplaceable{Count: c.left}
		pods := c.take(c.left)
		u.Pod = podName(pods[0])
		for _, pool := range p.pools {
			u.Reasons = append(u.Reasons, "pool "+pool.Name+": "+p.why(c, pool))
		}
		if len(p.pools) == 0 {
			u.Reasons = []string{"there is no NodePool: create one"}
		}
		p.result.Unplaced = append(p.result.Unplaced, pods...)
		p.result.Unplaceable = append(p.result.Unplaceable, u)
	}
	slices.SortStableFunc(p.result.Unplaceable, func(a, b contract.Unplaceable) int { return strings.Compare(a.Pod, b.Pod) })
}

// why the pool does not hold a pod of the class: the first thing in the way.
func (p *plan) why(c *class, pool *poolState) string {
	if pool.Problem != "" {
		return pool.Problem
	}
	if c.volumes != nil && c.volumes.problem != "" {
		return c.volumes.problem
	}
	if t := c.profile.untolerated(pool); t != nil {
		return fmt.Sprintf("taint %s is not tolerated", t.ToString())
	}
	var selected []*machine
	for _, m := range pool.machines {
		if !c.profile.on(m).empty() {
			selected = append(selected, m)
		}
	}
	if len(pool.machines) == 0 {
		return "no machine type can be bought: " + catalog.RejectedWords(pool.Rejected)
	}
	if len(selected) == 0 {
		return p.selectorWords(c, pool)
	}
	var holding []*machine
	for _, m := range selected {
		if fits(m.room, nil, c.req) && !anyConflict(c.ports, m.ports) {
			holding = append(holding, m)
		}
	}
	if len(holding) == 0 {
		return p.sizeWords(c, selected)
	}
	if words := p.limitWords(pool, holding); words != "" {
		return words
	}
	return topologyWords(c)
}

// selectorWords names what of node selector and affinity no machine of the pool has.
func (p *plan) selectorWords(c *class, pool *poolState) string {
	spec := &c.sample.Spec
	for _, key := range slices.Sorted(maps.Keys(spec.NodeSelector)) {
		one := p.profileOf(&corev1.PodSpec{NodeSelector: map[string]string{key: spec.NodeSelector[key]}, Tolerations: spec.Tolerations}, nil)
		if !slices.ContainsFunc(pool.machines, func(m *machine) bool { return !one.on(m).empty() }) {
			return fmt.Sprintf("none of %s has label %s=%s, which the pod's nodeSelector asks for", plural(len(pool.machines), "type"), key, spec.NodeSelector[key])
		}
	}
	if v := c.volumes; v != nil && len(v.where) > 0 {
		without := p.profileOf(spec, nil)
		if slices.ContainsFunc(pool.machines, func(m *machine) bool { return !without.on(m).empty() }) {
			return "none can be bought where the pod's volumes are"
		}
	}
	what := "nodeSelector"
	if a := spec.Affinity; a != nil && a.NodeAffinity != nil {
		what = "required node affinity"
		if terms := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution; terms != nil && len(terms.NodeSelectorTerms) == 1 && len(terms.NodeSelectorTerms[0].MatchExpressions) == 1 {
			what += " (" + catalog.RequirementWords(terms.NodeSelectorTerms[0].MatchExpressions[0]) + ")"
		}
		if len(spec.NodeSelector) > 0 {
			what = "nodeSelector and " + what
		}
	}
	return fmt.Sprintf("none of %s satisfies the pod's %s", plural(len(pool.machines), "type"), what)
}

// sizeWords says what selected machines are too small for: each counts for the first resource that it lacks.
func (p *plan) sizeWords(c *class, selected []*machine) string {
	short := make([]int, len(c.req))
	ports := 0
	for _, m := range selected {
		found := false
		for i, r := range c.req {
			if r > 0 && r > m.room[i] {
				short[i]++
				found = true
				break
			}
		}
		if !found {
			ports++
		}
	}
	var words []string
	for i, n := range short {
		if n == 0 {
			continue
		}
		none := i > dimPods && !slices.ContainsFunc(selected, func(m *machine) bool { return m.room[i]+m.daemon[i] > 0 })
		if none {
			words = append(words, fmt.Sprintf("%s without %s", plural(n, "type"), p.dims.names[i]))
			continue
		}
		words = append(words, fmt.Sprintf("%s too small for %s", plural(n, "type"), p.amountWords(i, c.req[i])))
	}
	if ports > 0 {
		words = append(words, fmt.Sprintf("%s where a DaemonSet takes the pod's host port", plural(ports, "type")))
	}
	return strings.Join(words, ", ")
}

// limitWords names the limit that keeps the pool from buying even the smallest machine that would do; empty where none.
func (p *plan) limitWords(pool *poolState, holding []*machine) string {
	if !pool.limited() || slices.ContainsFunc(holding, func(m *machine) bool {
		return timesWithin(pool.limit, pool.inUse, m.nominal()) > 0
	}) {
		return ""
	}
	least := holding[0].nominal()
	for _, m := range holding[1:] {
		n := m.nominal()
		least = usage{cpu: min(least.cpu, n.cpu), memory: min(least.memory, n.memory), nodes: 1}
	}
	used, limit := pool.inUse, pool.limit
	switch {
	case used.nodes+1 > limit.nodes:
		return fmt.Sprintf("limit nodes %d reached (%d used)", limit.nodes, used.nodes)
	case used.cpu+least.cpu > limit.cpu:
		return fmt.Sprintf("limit cpu %g reached (%g used, needs %g)", float64(limit.cpu)/1000, float64(used.cpu)/1000, float64(least.cpu)/1000)
	case used.memory+least.memory > limit.memory:
		return fmt.Sprintf("limit memory %s reached (%s used, needs %s)", memoryWords(limit.memory), memoryWords(used.memory), memoryWords(least.memory))
	}
	return "limits cpu and memory together leave no room for a machine that holds it"
}

// topologyWords names the rules that leave no place for one pod more of the class.
func topologyWords(c *class) string {
	var words []string
	for i := range c.topology.spreads {
		r := &c.topology.spreads[i]
		words = append(words, fmt.Sprintf("spread over %s (maxSkew %d): the domains that could take more are full or can't be bought in", r.term.key, r.maxSkew))
	}
	for _, k := range c.topology.without {
		words = append(words, "pod anti-affinity over "+k.term.key+": every domain has a pod that it keeps away from")
	}
	for _, k := range c.topology.with {
		if k.term.claim != "" {
			words = append(words, "pods that share claim "+k.term.claim+" come to one zone: it has no room for all of them")
			continue
		}
		words = append(words, "pod affinity over "+k.term.key+": no place to be had has room beside a pod that it selects")
	}
	for _, k := range c.topology.matched {
		if len(k.owners) > 0 && !slices.Contains(c.topology.without, k) {
			words = append(words, "another pod's anti-affinity over "+k.term.key+" keeps it out")
		}
	}
	if len(words) == 0 {
		return "no machine within the pool's limits has room for it"
	}
	return strings.Join(words, "; ")
}
