package fallback

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// helpFamilies is how many families Help names.
const helpFamilies = 2

// Help says, one each and in words, which single change would give a launch offerings that its pool does not allow today
// and that are not in back-off: one family or two, a zone, a capacity type, a limit of the account to be raised. It is
// for whoever reads that a chain came to its end, and knows nothing of capacity beyond the offering memory: what it
// names is worth a try. At most five lines.
func Help(pool *v1alpha1.NodePool, v *catalog.View, launch contract.ScaleUpInput, now time.Time) []string {
	if v == nil {
		return nil
	}
	own, _, problem := catalog.Candidates(pool, v)
	if problem != "" {
		return []string{problem}
	}
	h := helper{pool: pool, view: v, launch: launch, now: now, own: map[contract.Offering]bool{}}
	h.launch.InstanceTypes = nil // the plan's choice among what the pool allows
	for _, c := range own {
		for _, o := range c.Overrides {
			h.own[o.Offering] = true
		}
	}
	return slices.Concat(h.families(), h.zones(), h.capacityTypes(), h.quotas())
}

// helper is the work of one call of Help.
type helper struct {
	pool   *v1alpha1.NodePool
	view   *catalog.View
	launch contract.ScaleUpInput
	now    time.Time
	own    map[contract.Offering]bool // that the pool allows
}

// offer is what a change would give.
type offer struct {
	name  string
	count int
	usd   float64 // of the cheapest
	cost  float64 // the same with its risk
}

func (o offer) words() string {
	return fmt.Sprintf("%d more offerings, from $%.4f/h", o.count, o.usd)
}

// gives sums up what a changed pool could buy for the launch and the pool as it is cannot, by what key says of each
// offering; the cheapest first.
func (h *helper) gives(pool *v1alpha1.NodePool, v *catalog.View, key func(contract.Override) string) []offer {
	candidates, _, _ := catalog.Candidates(pool, v)
	sums := map[string]offer{}
	for _, c := range narrow(pool, candidates, h.launch, map[string]int{}) {
		for _, o := range c.Overrides {
			name := key(o)
			if name == "" || h.own[o.Offering] || !wanted(h.launch, o.CapacityType) ||
				v.BackOff[o.Offering].After(h.now) || limitOf(v, o.Offering, h.now) != nil {
				continue
			}
			sum, known := sums[name]
			sum.name = name
			sum.count++
			if cost := v.RiskedUSD(o); !known || cost < sum.cost {
				sum.usd, sum.cost = o.USDPerHour, cost
			}
			sums[name] = sum
		}
	}
	return slices.SortedFunc(maps.Values(sums), func(a, b offer) int {
		return cmp.Or(cmp.Compare(a.cost, b.cost), cmp.Compare(a.name, b.name))
	})
}

// families that the pool's requirements, or each of its steps', leave out.
func (h *helper) families() (help []string) {
	p := loosened(h.pool, v1alpha1.LabelInstanceType, v1alpha1.LabelInstanceFamily, v1alpha1.LabelInstanceSize)
	offers := h.gives(p, h.view, func(o contract.Override) string {
		family, _ := catalog.FamilyAndSize(o.InstanceType)
		return family
	})
	for _, o := range offers[:min(len(offers), helpFamilies)] {
		help = append(help, fmt.Sprintf("allow the family %s (%s)", o.name, o.words()))
	}
	return help
}

// zones in which the pool has no subnet, or which its requirements leave out.
func (h *helper) zones() []string {
	if len(h.launch.Zones) > 0 {
		return nil // its pods are tied to them
	}
	p, v := loosened(h.pool, v1alpha1.LabelZone, v1alpha1.LabelZoneID), *h.view
	v.Subnets = maps.Clone(v.Subnets)
	here := map[string]bool{}
	for _, subnet := range v.Subnets {
		here[subnet.ZoneID] = true
	}
	p.Spec.Subnets = slices.Sorted(maps.Keys(v.Subnets))
	for key := range v.Offered {
		if !here[key.ZoneID] { // the account has no subnet there yet
			here[key.ZoneID] = true
			v.Subnets[key.ZoneID] = catalog.Subnet{ID: key.ZoneID, Zone: key.ZoneID, ZoneID: key.ZoneID, FreeAddresses: 1}
			p.Spec.Subnets = append(p.Spec.Subnets, key.ZoneID)
		}
	}
	inPool := map[string]bool{}
	for o := range h.own {
		inPool[o.ZoneID] = true
	}
	offers := h.gives(p, &v, func(o contract.Override) string {
		if inPool[o.ZoneID] {
			return ""
		}
		return o.Zone
	})
	if len(offers) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("allow the zone %s, with a subnet there (%s)", offers[0].name, offers[0].words())}
}

// capacityTypes that the chain does not buy.
func (h *helper) capacityTypes() (help []string) {
	for _, ct := range []v1alpha1.CapacityType{v1alpha1.OnDemand, v1alpha1.Spot} {
		if slices.ContainsFunc(h.pool.Spec.Fallback, func(s v1alpha1.FallbackStep) bool { return s.CapacityType == ct }) {
			continue
		}
		p := loosened(h.pool, v1alpha1.LabelCapacityType)
		p.Spec.Fallback = append(p.Spec.Fallback, v1alpha1.FallbackStep{CapacityType: ct})
		for _, o := range h.gives(p, h.view, func(o contract.Override) string { return string(o.CapacityType) }) {
			if o.name == string(ct) {
				help = append(help, fmt.Sprintf("add a step with capacityType %s (%s)", ct, o.words()))
			}
		}
	}
	return help
}

// quotas that keep the launch from offerings that the pool allows.
func (h *helper) quotas() (help []string) {
	for i := range h.view.Quotas {
		q := &h.view.Quotas[i]
		for o := range h.own {
			if limitOf(h.view, o, h.now) == q && wanted(h.launch, o.CapacityType) {
				return append(help, fmt.Sprintf("have AWS raise the limit %s on %s of account %s in %s, met last at %s",
					q.Code, q.CapacityType, q.Account, q.Region, q.At.UTC().Format(time.RFC3339)))
			}
		}
	}
	return help
}

// loosened is a pool without its requirements on some labels, its steps' included.
func loosened(pool *v1alpha1.NodePool, labels ...string) *v1alpha1.NodePool {
	p := pool.DeepCopy()
	drop := func(r corev1.NodeSelectorRequirement) bool { return slices.Contains(labels, r.Key) }
	p.Spec.Requirements = slices.DeleteFunc(p.Spec.Requirements, drop)
	for i := range p.Spec.Fallback {
		p.Spec.Fallback[i].Requirements = slices.DeleteFunc(p.Spec.Fallback[i].Requirements, drop)
	}
	return p
}
