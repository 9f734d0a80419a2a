package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// nextBest is how many choices are told beside the winner.
const nextBest = 3

// Explain decides what to buy, as Plan does, and says of one pod (by namespace/name, or by name where no other has it)
// why it goes where it goes. The explanation is nil where no pod of that name is planned for.
func Explain(s Snapshot, pod string) (Result, *contract.Explanation) {
	p := newPlan(s)
	result := p.run()
	c, sample := p.named(pod)
	if c == nil {
		return result, nil
	}
	e := &contract.Explanation{Pod: podName(sample)}
	for _, pool := range p.pools {
		e.Pools = append(e.Pools, "pool "+pool.Name+": "+p.filterWords(c, pool))
	}
	if b, at, beside := p.boughtFor(sample); b != nil {
		p.explainBought(e, b, at, beside)
		return result, e
	}
	for _, at := range []struct {
		byPlace map[string][]*corev1.Pod
		words   string
	}{{result.OnNodes, "fits on node "}, {result.InFlight, "fits on launch in flight "}} {
		for name, pods := range at.byPlace {
			if slices.Contains(pods, sample) {
				e.Node, e.Place = name, at.words+name
			}
		}
	}
	if e.Node == "" {
		e.Place = "cannot be placed"
		if len(p.pools) == 0 {
			e.Place += ": there is no NodePool"
		}
		return result, e
	}
	alone := []part{{item: &item{class: c}, n: 1}}
	e.Next = p.choices(alone, func(*lot) bool { return false }, func(l *lot) bool { return l.affordable() > 0 })
	return result, e
}

// named finds a pod that is planned for.
func (p *plan) named(name string) (*class, *corev1.Pod) {
	var found *class
	var sample *corev1.Pod
	for _, c := range p.classes {
		for _, pod := range c.pods {
			if podName(pod) == name {
				return c, pod
			}
			if pod.Name == name {
				if found != nil {
					return nil, nil
				}
				found, sample = c, pod
			}
		}
	}
	return found, sample
}

// boughtFor is the machine bought for a pod, the launch that brings it, and how many other pods share it.
func (p *plan) boughtFor(pod *corev1.Pod) (b *bin, at *draft, beside int) {
	for i, l := range p.result.Launches {
		for j, pods := range l.Machines {
			if !slices.Contains(pods, pod) {
				continue
			}
			for _, b := range p.drafts[i].bins {
				if j -= b.times; j < 0 {
					return b, p.drafts[i], len(pods) - 1
				}
			}
		}
	}
	return nil, nil, 0
}

func (p *plan) explainBought(e *contract.Explanation, b *bin, at *draft, beside int) {
	won := p.choice(b.lot, b.zones())
	e.Winner, e.Beside = &won, beside
	e.Place = fmt.Sprintf("%s of pool %s is bought", won.InstanceType, won.Pool)
	if b.tier != "" {
		e.Place = fmt.Sprintf("%s of pool %s is woken from standby", won.InstanceType, won.Pool)
	}
	if at.count > 1 {
		e.Place += fmt.Sprintf(", one of %d alike", at.count)
	}
	e.Next = p.choices(b.parts,
		func(l *lot) bool { return l.machine == b.machine && l.capacityType() == b.capacityType() },
		func(l *lot) bool { return p.affords(l.open(0), p.instead(l, b)) })
	for i := range e.Next {
		e.Next[i].MoreUSDPerHour = e.Next[i].USDPerHour - won.USDPerHour
	}
}

// instead is one machine of the bin, where it counts against the limits of the lot's pool; nil where it does not.
func (p *plan) instead(l *lot, b *bin) *bin {
	if l.pool != b.pool {
		return nil
	}
	return &bin{lot: b.lot, times: 1}
}

// choices are the machines that hold the parts, as they would be asked for: by level, the cheapest of each first. Left
// out are the winner, and what the pool's limits do not leave room for.
func (p *plan) choices(parts []part, won, affords func(*lot) bool) []contract.Choice {
	type candidate struct {
		*lot
		zones uint64
		usd   float64
	}
	type key struct {
		*machine
		v1alpha1.CapacityType
	}
	seen := map[key]bool{}
	var choices []contract.Choice
	for i := range p.asked {
		var level []candidate
		for _, l := range p.asked[i].lots {
			k := key{l.machine, l.capacityType()}
			if won(l) || seen[k] || !affords(l) {
				continue
			}
			trial := l.open(i)
			if !trial.putAll(parts) || trial.zones() == 0 {
				continue
			}
			seen[k] = true
			level = append(level, candidate{l, trial.zones(), trial.price()})
		}
		slices.SortStableFunc(level, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(a.usd, b.usd), strings.Compare(a.pool.Name, b.pool.Name), strings.Compare(a.typ.Name, b.typ.Name))
		})
		for _, c := range level {
			if len(choices) == nextBest {
				return choices
			}
			choices = append(choices, p.choice(c.lot, c.zones))
		}
	}
	return choices
}

func (p *plan) choice(l *lot, zones uint64) contract.Choice {
	usd, premium := l.toPay(l.ct, zones)
	c := contract.Choice{
		Pool: l.pool.Name, InstanceType: l.typ.Name, CapacityType: l.capacityType(), Step: l.step + 1,
		USDPerHour: usd, RiskUSDPerHour: premium,
	}
	offer{zones}.each(func(_, zone int) { c.Zones = append(c.Zones, p.zones[zone]) })
	return c
}

// filterWords says how many of a pool's types hold a pod of the class, and what keeps the others from it.
func (p *plan) filterWords(c *class, pool *poolState) string {
	if pool.Problem != "" {
		return pool.Problem
	}
	if t := c.profile.untolerated(pool); t != nil {
		return fmt.Sprintf("taint %s is not tolerated", t.ToString())
	}
	var small []*machine
	unselected, holding := 0, 0
	for _, m := range pool.machines {
		switch {
		case c.profile.on(m).empty():
			unselected++
		case !fits(m.room, nil, c.req) || anyConflict(c.ports, m.ports):
			small = append(small, m)
		default:
			holding++
		}
	}
	var filtered []string
	if unselected == len(pool.machines) && unselected > 0 {
		filtered = append(filtered, p.selectorWords(c, pool))
	} else if unselected > 0 {
		filtered = append(filtered, plural(unselected, "type")+" that the pod's nodeSelector or node affinity does not select")
	}
	if len(small) > 0 {
		filtered = append(filtered, p.sizeWords(c, small))
	}
	rejected := 0
	for _, n := range pool.Rejected {
		rejected += n
	}
	if rejected > 0 {
		filtered = append(filtered, fmt.Sprintf("%s that the pool does not buy (%s)", plural(rejected, "type"), catalog.RejectedWords(pool.Rejected)))
	}
	words := plural(holding, "type") + " can hold it"
	if len(filtered) > 0 {
		words += "; filtered: " + strings.Join(filtered, ", ")
	}
	return words
}
