package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	resourcehelper "k8s.io/component-helpers/resource"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// nodeState is a node, or a machine in flight, while a plan is made.
type nodeState struct {
	*Node
	index  int
	flight *flight // the launch in flight that brings it
	choice *choice // what it may become, while that is open
	free   vec
	ports  []hostPort
	taints []corev1.Taint // those that are not about to go
	empty  bool           // but for DaemonSets' pods
	shared map[string]string
}

// flight is a launch of the ledger.
type flight struct {
	entry    contract.LedgerEntry
	machines []*nodeState
	total    int // machines that it was opened for
}

// choice is what a machine that is not launched yet may become. Only what holds for all of it can be relied on.
type choice struct {
	machines []*machine
	offers   []offer
	usd      float64 // the cheapest of it
}

// startupTaints are put on by a kubelet or a cloud provider that is starting, and go by themselves
// (k8s.io/api/core/v1, well_known_taints.go; k8s.io/cloud-provider/api, TaintExternalCloudProvider).
var startupTaints = map[string]bool{
	corev1.TaintNodeNotReady:                         true,
	corev1.TaintNodeNetworkUnavailable:               true,
	"node.cloudprovider.kubernetes.io/uninitialized": true,
	v1alpha1.TaintUnregistered:                       true,
}

// cordoned is how the scheduler reads spec.unschedulable: a taint that a pod may tolerate (NodeUnschedulable plugin).
var cordoned = corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}

// addNodes sets nodes up, by name, then what is in flight, by ScaleUp.
func (p *plan) addNodes(nodes []Node, ledger []contract.LedgerEntry) {
	nodes = slices.Clone(nodes)
	slices.SortFunc(nodes, func(a, b Node) int {
		return cmp.Or(cmp.Compare(btoi(a.InFlight), btoi(b.InFlight)), strings.Compare(a.Name, b.Name))
	})
	for i := range nodes {
		// A standby machine is no room, not even for pods that tolerate everything: it is frozen, or about to be.
		if !slices.ContainsFunc(nodes[i].Taints, func(t corev1.Taint) bool { return t.Key == v1alpha1.TaintStandby }) {
			p.addNode(&nodeState{Node: &nodes[i]})
		}
	}
	ledger = slices.Clone(ledger)
	slices.SortFunc(ledger, func(a, b contract.LedgerEntry) int { return strings.Compare(a.ScaleUp, b.ScaleUp) })
	for _, entry := range ledger {
		p.addFlight(entry)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (p *plan) addNode(n *nodeState) {
	n.index = len(p.nodes)
	n.free = p.dims.vec(n.Allocatable)
	p.limitAttached(n.free, p.attachLimits(n))
	for i := range n.Taints {
		if t := &n.Taints[i]; t.Effect != corev1.TaintEffectPreferNoSchedule && (n.Settled || !p.startup(n.Pool, t)) {
			n.taints = append(n.taints, *t)
		}
	}
	if n.Unschedulable {
		n.taints = append(n.taints, cordoned)
	}
	p.nodes = append(p.nodes, n)
}

// attachLimits of a node: its own word, or its type's as long as it is starting.
func (p *plan) attachLimits(n *nodeState) map[string]int32 {
	s := p.pool(n.Pool)
	if len(n.AttachLimits) > 0 || s == nil || n.Settled {
		return n.AttachLimits
	}
	if n.choice == nil {
		if m := s.byType[n.Labels[v1alpha1.LabelInstanceType]]; m != nil {
			return p.attachedBy(m.typ)
		}
		return nil
	}
	least := map[string]int32{}
	for _, m := range n.choice.machines {
		for driver, limit := range p.attachedBy(m.typ) {
			if have, ok := least[driver]; !ok || limit < have {
				least[driver] = limit
			}
		}
	}
	return least
}

// startup reports whether a taint is one that goes before pods come.
func (p *plan) startup(pool string, t *corev1.Taint) bool {
	if startupTaints[t.Key] {
		return true
	}
	s := p.pool(pool)
	return s != nil && slices.ContainsFunc(s.Spec.Template.StartupTaints, func(st corev1.Taint) bool {
		return st.MatchTaint(t)
	})
}

func (p *plan) pool(name string) *poolState {
	i, ok := slices.BinarySearchFunc(p.pools, name, func(s *poolState, name string) int { return strings.Compare(s.Name, name) })
	if !ok {
		return nil
	}
	return p.pools[i]
}

// addFlight makes nodes of a launch in flight: those that it brought, then those still open.
func (p *plan) addFlight(entry contract.LedgerEntry) {
	pool := p.pool(entry.Pool)
	if pool == nil {
		return // The pool is gone; nobody can say what the launch's nodes would be like.
	}
	f := &flight{entry: entry, total: max(entry.Count, entry.Open+len(entry.Instances))}
	instances := slices.Clone(entry.Instances)
	slices.SortFunc(instances, func(a, b contract.Instance) int { return strings.Compare(a.ID, b.ID) })
	for _, in := range instances {
		m := pool.byType[in.InstanceType]
		if m == nil || !in.Live() {
			continue
		}
		region := pool.region
		p.fly(f, &nodeState{Node: &Node{
			Name: in.ID, Pool: pool.Name, InFlight: true, USDPerHour: in.USDPerHour, Taints: pool.Spec.Template.Taints,
			Labels:      catalog.Labels(pool.NodePool, m.typ, in.Zone, in.ZoneID, region, in.CapacityType),
			Allocatable: p.allocatable(pool, m.typ),
		}}, m.nominal())
	}
	if entry.Open > 0 {
		p.addOpen(f, pool)
	}
	if len(f.machines) > 0 {
		p.flights = append(p.flights, f)
	}
}

// addOpen makes nodes of the machines of a launch that are not there yet. Each counts with the least of what it may
// become, and against limits with the most.
func (p *plan) addOpen(f *flight, pool *poolState) {
	pool.claim(p, f.entry)
	ch, room, most := p.choose(pool, f.entry)
	if len(ch.machines) == 0 {
		return
	}
	for i := range f.entry.Open {
		n := &nodeState{
			Node: &Node{
				Name: fmt.Sprintf("%s#%d", f.entry.ScaleUp, i), Pool: pool.Name, InFlight: true, USDPerHour: ch.usd,
				Taints: pool.Spec.Template.Taints, Allocatable: p.dims.list(room),
			},
			choice: ch,
		}
		p.fly(f, n, most)
	}
}

func (p *plan) fly(f *flight, n *nodeState, counts usage) {
	n.flight = f
	p.addNode(n)
	f.machines = append(f.machines, n)
	pool := p.pool(n.Pool)
	pool.inUse = pool.inUse.plus(counts, 1)
}

// choose is what an open machine of a launch may become, the least room that it will have, and the most that it counts
// against limits. No type that can't hold the launch's requests is tried.
func (p *plan) choose(pool *poolState, e contract.LedgerEntry) (ch *choice, room vec, most usage) {
	ch = &choice{}
	req := p.dims.vec(e.Requests)
	for _, m := range pool.machines {
		if len(e.InstanceTypes) > 0 && !slices.Contains(e.InstanceTypes, m.typ.Name) {
			continue
		}
		allocatable := p.dims.vec(p.allocatable(pool, m.typ))
		o := m.avail.and(p.narrowed(e.Zones, e.CapacityTypes))
		if o.empty() || !fits(allocatable, nil, req) {
			continue
		}
		if room == nil {
			room = slices.Clone(allocatable)
		}
		for i := range room {
			room[i] = min(room[i], allocatable[i])
		}
		n := m.nominal()
		if !onlyStandby(e.CapacityTypes) {
			most = usage{cpu: max(most.cpu, n.cpu), memory: max(most.memory, n.memory), nodes: 1}
		}
		ch.machines, ch.offers = append(ch.machines, m), append(ch.offers, o)
		o.each(func(ct, zone int) {
			if usd := m.price[ct][zone]; ch.usd == 0 || usd < ch.usd {
				ch.usd = usd
			}
		})
	}
	return ch, room, most
}

// narrowed is the offerings in these zones and of these capacity types, standby's as what they run as; none named means
// all.
func (p *plan) narrowed(zones []string, types []v1alpha1.CapacityType) offer {
	mask := ^uint64(0)
	if len(zones) > 0 {
		mask = 0
		for _, z := range zones {
			if i, ok := slices.BinarySearch(p.zones, z); ok {
				mask |= 1 << i
			}
		}
	}
	var o offer
	for ct := range o {
		if len(types) == 0 || slices.ContainsFunc(types, func(t v1alpha1.CapacityType) bool { return runsAs(t) == capacityTypes[ct] }) {
			o[ct] = mask
		}
	}
	return o
}

// load counts what is bound to the nodes, and what DaemonSets have not started on them yet.
func (p *plan) load() {
	for _, n := range p.nodes {
		owners := map[types.UID]bool{}
		n.empty = true
		for _, pod := range n.Pods {
			if ended(pod) {
				continue
			}
			p.takeOff(n, pod)
			n.ports = append(n.ports, hostPorts(&pod.Spec)...)
			if owner := metav1.GetControllerOfNoCopy(pod); owner != nil && owner.Kind == "DaemonSet" {
				owners[owner.UID] = true
			} else {
				n.empty = false
			}
		}
		p.loadAttached(n)
		for _, d := range p.daemons {
			// Where its port is taken or it has no room it stays out.
			if !owners[d.uid] && p.mayRunOn(d.profile, n) && !anyConflict(d.ports, n.ports) && fits(n.free, nil, d.req) {
				n.free.add(d.req, -1)
				n.ports = append(n.ports, d.ports...)
			}
		}
	}
}

// takeOff takes what the scheduler counts for a bound pod off a node: while it is resized, the larger of what it has and
// wants.
func (p *plan) takeOff(n *nodeState, pod *corev1.Pod) {
	n.free[dimPods]--
	spec := &pod.Spec
	simple := len(spec.Containers) == 1 && len(spec.InitContainers) == 0 && len(spec.Overhead) == 0 && spec.Resources == nil &&
		!slices.ContainsFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
			return s.Resources != nil || s.AllocatedResources != nil
		})
	if !simple {
		n.free.add(p.dims.vec(resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{UseStatusResources: true})), -1)
		return
	}
	// Most bound pods are like this, and a list of their own for each would be half of what a plan takes in memory.
	for name, q := range spec.Containers[0].Resources.Requests {
		if i, ok := p.dims.index[name]; ok {
			n.free[i] -= amount(name, q)
		}
	}
}

// runsOn reports whether pods of a profile may run on a node, as far as the node alone decides.
func (p *plan) runsOn(f *profile, n *nodeState) bool {
	if f.nodes[n.index] == 0 {
		f.nodes[n.index] = -1
		if f.selects(n) && f.firstUntolerated(n.taints) == nil {
			f.nodes[n.index] = 1
		}
	}
	return f.nodes[n.index] > 0
}

// mayRunOn is runsOn, but for a machine still open it is enough that it may become one that pods can run on.
func (p *plan) mayRunOn(f *profile, n *nodeState) bool {
	if n.choice == nil {
		return p.runsOn(f, n)
	}
	return slices.ContainsFunc(n.choice.machines, func(m *machine) bool { return !f.on(m).empty() })
}

// selects reports whether the profile selects a node, by its labels; of a machine still open all that it may become.
func (f *profile) selects(n *nodeState) bool {
	if n.choice == nil {
		return f.matches(n.Name, n.Labels)
	}
	for i, m := range n.choice.machines {
		if !f.on(m).covers(n.choice.offers[i]) {
			return false
		}
	}
	return true
}

// domain is the node's value of a topology key. ok is false where it has none, or may have several.
func (n *nodeState) domain(key string) (value string, ok bool) {
	if key == corev1.LabelHostname {
		if value, ok = n.Labels[key]; !ok {
			value, ok = n.Name, n.InFlight
		}
		return value, ok
	}
	if n.choice == nil {
		value, ok = n.Labels[key]
		return value, ok
	}
	if value, ok = n.shared[key]; !ok {
		value = n.choice.shared(key)
		if n.shared == nil {
			n.shared = map[string]string{}
		}
		n.shared[key] = value
	}
	return value, value != ""
}

// shared is the value of a label that everything the machine may become has in common; empty where there is none.
func (c *choice) shared(key string) string {
	shared, several := "", false
	for i, m := range c.machines {
		c.offers[i].each(func(ct, zone int) {
			switch value := m.labelsOf(ct, zone)[key]; {
			case shared == "":
				shared = value
			case value != shared:
				several = true
			}
		})
	}
	if several {
		return ""
	}
	return shared
}
