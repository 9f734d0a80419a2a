package catalog

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// Candidate is a type that a pool may buy, and where.
type Candidate struct {
	Type contract.InstanceType
	// Overrides of all of the chain's capacity types and all zones, the cheapest first; one subnet a zone.
	Overrides []contract.Override
}

// Candidates are the offerings that a pool may buy: its requirements allow them, some step of its chain does, they are
// offered in a zone of one of its subnets, and they have a price. Cheapest first.
//
// Two kinds are left out that nobody wants by accident. Bare metal, unless an In requirement names its type or size: it
// boots many times slower, and costs what the largest virtual machine of its family does. And burstable machines, unless
// one names their type or family: they give their vCPUs only for as long as their credits last.
//
// rejected counts what was left out by the reason in words, {"requirement kubernetes.io/arch In [amd64]": 227}. problem
// is not empty where the pool cannot work at all: it names the field, and what to do.
func Candidates(pool *v1alpha1.NodePool, v *View) (kept []Candidate, rejected map[string]int, problem string) {
	rejected = map[string]int{}
	if v == nil {
		return nil, rejected, fmt.Sprintf("spec.account: nothing is known of account %q yet: check that Floe's config has it and that its credentials work", pool.Spec.Account)
	}
	if len(v.Types) == 0 {
		return nil, rejected, fmt.Sprintf("spec.account: no machine type is known in account %s, region %s: check that ec2:DescribeInstanceTypes is allowed", v.Account, v.Region)
	}
	s := selection{pool: pool, view: v, rejected: rejected}
	if problem = s.choosePlaces(); problem != "" {
		return nil, rejected, problem
	}
	if problem = s.chooseSteps(); problem != "" {
		return nil, rejected, problem
	}
	for _, name := range slices.Sorted(maps.Keys(v.Types)) {
		c, why := s.candidate(v.Types[name])
		if len(c.Overrides) == 0 {
			rejected[why]++
			continue
		}
		kept = append(kept, c)
	}
	if len(kept) == 0 {
		return nil, rejected, fmt.Sprintf("spec.requirements: none of the %d machine types in account %s, region %s can be bought (%s): widen requirements, fallback or subnets",
			len(v.Types), v.Account, v.Region, RejectedWords(rejected))
	}
	slices.SortStableFunc(kept, func(a, b Candidate) int {
		return cmp.Compare(a.Overrides[0].USDPerHour, b.Overrides[0].USDPerHour)
	})
	return kept, rejected, ""
}

// RejectedWords says what was left out and why in one line, the most frequent reason first, at most four of them.
func RejectedWords(rejected map[string]int) string {
	const most = 4
	reasons := slices.Sorted(maps.Keys(rejected))
	slices.SortStableFunc(reasons, func(a, b string) int { return cmp.Compare(rejected[b], rejected[a]) })
	var words []string
	for i, reason := range reasons {
		if i == most {
			words = append(words, fmt.Sprintf("and %d reasons more", len(reasons)-most))
			break
		}
		words = append(words, fmt.Sprintf("%d: %s", rejected[reason], reason))
	}
	return strings.Join(words, "; ")
}

// selection is the work of one call of Candidates.
type selection struct {
	pool     *v1alpha1.NodePool
	view     *View
	rejected map[string]int
	places   []Subnet                         // one a zone, by zone ID
	bought   []v1alpha1.CapacityType          // that the chain buys
	byType   []corev1.NodeSelectorRequirement // requirements that the type alone decides
	byPlace  []corev1.NodeSelectorRequirement // requirements that the zone or the capacity type decides
}

// choosePlaces takes the subnet with the most free addresses of each zone.
func (s *selection) choosePlaces() (problem string) {
	best := map[string]Subnet{}
	known := 0
	for _, id := range slices.Sorted(slices.Values(s.pool.Spec.Subnets)) {
		subnet, ok := s.view.Subnets[id]
		if !ok {
			s.rejected[fmt.Sprintf("subnet %s is not known in account %s, region %s", id, s.view.Account, s.view.Region)]++
			continue
		}
		known++
		if subnet.FreeAddresses <= 0 {
			s.rejected[fmt.Sprintf("subnet %s has no free address", id)]++
			continue
		}
		if b, taken := best[subnet.ZoneID]; !taken || subnet.FreeAddresses > b.FreeAddresses {
			best[subnet.ZoneID] = subnet
		}
	}
	switch {
	case known == 0:
		return fmt.Sprintf("spec.subnets: none of %s is known in account %s, region %s: name subnets that exist there",
			strings.Join(s.pool.Spec.Subnets, ", "), s.view.Account, s.view.Region)
	case len(best) == 0:
		return fmt.Sprintf("spec.subnets: no subnet has a free address left (%s): add subnets or free addresses",
			strings.Join(s.pool.Spec.Subnets, ", "))
	}
	for _, zoneID := range slices.Sorted(maps.Keys(best)) {
		s.places = append(s.places, best[zoneID])
	}
	return ""
}

// chooseSteps sorts out what the chain buys and which requirements can be judged by the type alone.
func (s *selection) chooseSteps() (problem string) {
	for _, ct := range []v1alpha1.CapacityType{v1alpha1.Spot, v1alpha1.OnDemand} {
		if slices.ContainsFunc(s.pool.Spec.Fallback, func(f v1alpha1.FallbackStep) bool { return f.CapacityType == ct }) {
			s.bought = append(s.bought, ct)
		}
	}
	if len(s.bought) == 0 {
		return "spec.fallback: no step buys machines: add a step with capacityType spot or on-demand"
	}
	for _, r := range s.pool.Spec.Requirements {
		if placed(r.Key) {
			s.byPlace = append(s.byPlace, r)
		} else {
			s.byType = append(s.byType, r)
		}
	}
	return ""
}

// candidate lists the type's overrides. why says why there are none: of several reasons, the one that got furthest.
func (s *selection) candidate(t contract.InstanceType) (c Candidate, why string) {
	labels := typeLabels(t, s.view.Region)
	if ok, failed := Match(s.byType, labels); !ok {
		return c, "requirement " + RequirementWords(*failed)
	}
	if !takesPods(s.pool, t) {
		return c, "too small for what spec.reserved keeps from pods"
	}
	c.Type = t
	furthest := -1
	for _, subnet := range s.places {
		for _, ct := range s.bought {
			o, far, reason := s.override(t, labels, subnet, ct)
			switch {
			case reason == "":
				c.Overrides = append(c.Overrides, o)
			case far > furthest:
				furthest, why = far, reason
			}
		}
	}
	slices.SortStableFunc(c.Overrides, func(a, b contract.Override) int { return cmp.Compare(a.USDPerHour, b.USDPerHour) })
	return c, why
}

// override is the type in one place; reason says why it cannot be bought there, and far how many checks it passed.
func (s *selection) override(t contract.InstanceType, labels map[string]string, subnet Subnet, ct v1alpha1.CapacityType) (o contract.Override, far int, reason string) {
	if !s.view.Offered[OfferedKey{InstanceType: t.Name, ZoneID: subnet.ZoneID}] {
		return o, 0, "not offered in the zones of the pool's subnets"
	}
	place(labels, subnet.Zone, subnet.ZoneID, ct)
	if ok, failed := Match(s.byPlace, labels); !ok {
		return o, 1, "requirement " + RequirementWords(*failed)
	}
	if !s.someStep(t, labels, ct) {
		if t.BareMetal {
			return o, 2, "bare metal, which is bought only where an In requirement names its instance type or size"
		}
		if burstable(t) {
			return o, 2, "burstable, which is bought only where an In requirement names its instance type or family"
		}
		return o, 2, "no step of fallback allows it"
	}
	usd, ok := s.view.USDPerHour(t.Name, subnet.ZoneID, ct)
	if !ok {
		return o, 3, fmt.Sprintf("no %s price is known", ct)
	}
	return contract.Override{
		Offering:   contract.Offering{Region: s.view.Region, ZoneID: subnet.ZoneID, InstanceType: t.Name, CapacityType: ct},
		Zone:       subnet.Zone,
		Subnet:     subnet.ID,
		USDPerHour: usd,
	}, 4, ""
}

func (s *selection) someStep(t contract.InstanceType, labels map[string]string, ct v1alpha1.CapacityType) bool {
	return slices.ContainsFunc(s.pool.Spec.Fallback, func(step v1alpha1.FallbackStep) bool {
		return step.CapacityType == ct && allows(s.pool, &step, t, labels)
	})
}

// StepAllows reports whether a step of the pool's chain may ask for this override of the type: the capacity type is the
// step's and its requirements hold. The pool's own requirements are Candidates' part.
func StepAllows(pool *v1alpha1.NodePool, step *v1alpha1.FallbackStep, t contract.InstanceType, o contract.Override) bool {
	if step.CapacityType != o.CapacityType {
		return false
	}
	if len(step.Requirements) == 0 {
		return allows(pool, step, t, nil) // the common case, and labels are dear
	}
	labels := typeLabels(t, o.Region)
	place(labels, o.Zone, o.ZoneID, o.CapacityType)
	return allows(pool, step, t, labels)
}

func allows(pool *v1alpha1.NodePool, step *v1alpha1.FallbackStep, t contract.InstanceType, labels map[string]string) bool {
	if t.BareMetal && !picks(pool.Spec.Requirements, v1alpha1.LabelInstanceSize) && !picks(step.Requirements, v1alpha1.LabelInstanceSize) {
		return false
	}
	if burstable(t) && !picks(pool.Spec.Requirements, v1alpha1.LabelInstanceFamily) && !picks(step.Requirements, v1alpha1.LabelInstanceFamily) {
		return false
	}
	ok, _ := Match(step.Requirements, labels)
	return ok
}

// burstable reports whether the type gives its vCPUs only for as long as its credits last: the T family, by
// docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-performance-instances.html. By their nominal size they are the
// cheapest of all.
func burstable(t contract.InstanceType) bool {
	family, _ := FamilyAndSize(t.Name)
	return len(family) >= 2 && family[0] == 't' && family[1] >= '0' && family[1] <= '9'
}

// picks reports whether requirements pick types by name, or by the other label. Whether a machine is among those is
// for Match.
func picks(reqs []corev1.NodeSelectorRequirement, label string) bool {
	return slices.ContainsFunc(reqs, func(r corev1.NodeSelectorRequirement) bool {
		return r.Operator == corev1.NodeSelectorOpIn && (r.Key == v1alpha1.LabelInstanceType || r.Key == label)
	})
}
