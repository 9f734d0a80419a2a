package pools

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/fallback"
	"floe.dev/floe/starter/fleet"
)

// Description is one pool, what it may buy now, and what there is of it.
type Description struct {
	// Pool is the NodePool, defaults filled in.
	Pool *v1alpha1.NodePool `json:"pool"`
	// Account and Region that it buys in.
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
	// Template is its launch template with nothing left to resolve; nil where EC2 did not tell.
	Template *contract.ResolvedTemplate `json:"template,omitempty"`
	// Steps of its chain, expanded as they would be for a launch of now that nothing narrows. Empty where EC2 could not
	// be asked.
	Steps []contract.Step `json:"steps,omitempty"`
	// Use of the pool's limits by the machines that there are: nominal cpu and memory, and nodes.
	Use corev1.ResourceList `json:"use"`
	// Nodes counts its machines.
	Nodes []Group `json:"nodes"`
	// USDPerHour is what all its machines cost. Those whose price is not known count for nothing.
	USDPerHour float64 `json:"usdPerHour"`
	// Launches in flight, as the Provisioner knows them.
	Launches []contract.LedgerEntry `json:"launches"`
	// PodsInFlight wait for those launches.
	PodsInFlight int `json:"podsInFlight"`
	// Unplaceable pods of the Provisioner's last plan, with this pool's reason alone.
	Unplaceable []contract.Unplaceable `json:"unplaceable,omitempty"`
	// BackOff are the offerings of its chain that are to be left alone for now, the first to be tried again first.
	BackOff []BackOff `json:"backOff,omitempty"`
	// Quotas are the limits of its account that launches met and that still count, the first to be tried again first. Each
	// names EC2's code and the types that were asked for.
	Quotas []contract.Quota `json:"quotas,omitempty"`
	// Problems that keep it from being worked with, each naming the field and the remedy.
	Problems []string `json:"problems,omitempty"`
	// Unchecked says what could not be asked, and why.
	Unchecked []string `json:"unchecked,omitempty"`
}

// Group is machines of one kind.
type Group struct {
	// Phase of their Node workflows; empty where none runs for them.
	Phase        contract.Phase        `json:"phase,omitempty"`
	CapacityType v1alpha1.CapacityType `json:"capacityType"`
	Zone         string                `json:"zone"`
	Count        int                   `json:"count"`
	// USDPerHour of all of them.
	USDPerHour float64 `json:"usdPerHour"`
}

// BackOff is an offering that was out of capacity, and when it is tried again.
type BackOff struct {
	contract.Offering
	Until time.Time `json:"until"`
}

// facts are all that a description is made of.
type facts struct {
	pool        *v1alpha1.NodePool // defaults filled in
	view        *catalog.View      // nil: EC2 could not be asked
	nodes       []fleet.Node       // of all pools
	provisioner *contract.ProvisionerView
	now         time.Time
}

// describe adds to d what follows from the facts.
func (f facts) describe(d *Description) {
	d.Pool = f.pool
	if errs := v1alpha1.Validate(f.pool); len(errs) > 0 {
		d.problem(errs.ToAggregate().Error())
	} else if f.view != nil {
		f.chain(d)
	}
	if f.view != nil {
		f.quotas(d)
	}
	f.machines(d)
	f.demand(d)
}

// quotas are the account's limits on what the chain buys.
func (f facts) quotas(d *Description) {
	for _, q := range f.view.Quotas {
		if q.Until.After(f.now) && slices.ContainsFunc(f.pool.Spec.Fallback, func(s v1alpha1.FallbackStep) bool { return s.CapacityType == q.CapacityType }) {
			d.Quotas = append(d.Quotas, q)
		}
	}
	slices.SortStableFunc(d.Quotas, func(a, b contract.Quota) int { return a.Until.Compare(b.Until) })
}

// chain expands the steps and names what of them is in back-off.
func (f facts) chain(d *Description) {
	d.Steps = fallback.Steps(f.pool, f.view, contract.ScaleUpInput{}, f.now)
	candidates, _, problem := catalog.Candidates(f.pool, f.view)
	d.problem(problem)
	for _, c := range candidates {
		for _, o := range c.Overrides {
			until := f.view.BackOff[o.Offering]
			if until.After(f.now) && slices.ContainsFunc(f.pool.Spec.Fallback, func(s v1alpha1.FallbackStep) bool {
				return catalog.StepAllows(f.pool, &s, c.Type, o)
			}) {
				d.BackOff = append(d.BackOff, BackOff{o.Offering, until})
			}
		}
	}
	slices.SortFunc(d.BackOff, func(a, b BackOff) int {
		return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.Key(), b.Key()))
	})
}

// machines counts the pool's machines, and their use of its limits.
func (f facts) machines(d *Description) {
	types := map[string]contract.InstanceType{}
	for _, t := range catalog.Facts() {
		types[t.Name] = t
	}
	var vcpu, mib, nodes int64
	groups := map[Group]*Group{}
	d.Nodes = []Group{}
	for _, n := range f.nodes {
		if n.Pool != f.pool.Name {
			continue
		}
		t, known := types[n.InstanceType]
		if f.view != nil && f.view.Types[n.InstanceType].VCPU > 0 {
			t, known = f.view.Types[n.InstanceType], true
		}
		if !known {
			d.Unchecked = append(d.Unchecked, fmt.Sprintf("the size of %s: nothing is known of type %q; its cpu and memory are not counted", n.Instance, n.InstanceType))
		}
		vcpu, mib, nodes = vcpu+int64(t.VCPU), mib+int64(t.MemoryMiB), nodes+1
		key := Group{Phase: n.Phase, CapacityType: n.CapacityType, Zone: n.Zone}
		if groups[key] == nil {
			g := key
			groups[key] = &g
		}
		groups[key].Count++
		groups[key].USDPerHour += n.USDPerHour
		d.USDPerHour += n.USDPerHour
	}
	d.Use = corev1.ResourceList{
		corev1.ResourceCPU:     *resource.NewQuantity(vcpu, resource.DecimalSI),
		corev1.ResourceMemory:  *resource.NewQuantity(mib<<20, resource.BinarySI),
		v1alpha1.ResourceNodes: *resource.NewQuantity(nodes, resource.DecimalSI),
	}
	for _, g := range groups {
		d.Nodes = append(d.Nodes, *g)
	}
	slices.SortFunc(d.Nodes, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.CapacityType, b.CapacityType), cmp.Compare(a.Zone, b.Zone))
	})
}

// demand is what the Provisioner knows of the pool: launches, who waits for them, who waits in vain, and problems.
func (f facts) demand(d *Description) {
	d.Launches = []contract.LedgerEntry{}
	if f.provisioner == nil {
		return
	}
	for _, e := range f.provisioner.Ledger {
		if e.Pool == f.pool.Name {
			d.Launches = append(d.Launches, e)
			d.PodsInFlight += e.PodCount
		}
	}
	plan := f.provisioner.LastPlan
	if plan == nil {
		return
	}
	// A plan says "pool NAME: …" of whatever is one pool's: see contract.PlanDigest.
	prefix := "pool " + f.pool.Name + ": "
	for _, u := range plan.Unplaceable {
		for _, reason := range u.Reasons {
			if mine, ok := strings.CutPrefix(reason, prefix); ok {
				d.Unplaceable = append(d.Unplaceable, contract.Unplaceable{Pod: u.Pod, Count: u.Count, Reasons: []string{mine}})
			}
		}
	}
	for _, p := range plan.Problems {
		if mine, ok := strings.CutPrefix(p, prefix); ok {
			d.problem(mine)
		}
	}
}

// problem adds what is not empty and not said yet.
func (d *Description) problem(text string) {
	if text != "" && !slices.Contains(d.Problems, text) {
		d.Problems = append(d.Problems, text)
	}
}
