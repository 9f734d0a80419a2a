package planner

import (
	"math/bits"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// The capacity types that can be bought, as indexes.
const (
	ctSpot = iota
	ctOnDemand
	ctCount
)

var capacityTypes = [ctCount]v1alpha1.CapacityType{v1alpha1.Spot, v1alpha1.OnDemand}

// maxZones is how many zones a plan can tell apart: no region comes near it (us-east-1 with all its local zones has
// about forty). Offerings in zones beyond that are left out.
const maxZones = 64

// offer is a set of offerings of one machine type: for each capacity type the zones, a bit each.
type offer [ctCount]uint64

func (o offer) and(p offer) offer {
	for ct := range o {
		o[ct] &= p[ct]
	}
	return o
}

func (o offer) empty() bool { return o[ctSpot]|o[ctOnDemand] == 0 }

// covers reports whether p is part of o.
func (o offer) covers(p offer) bool { return p[ctSpot]&^o[ctSpot]|p[ctOnDemand]&^o[ctOnDemand] == 0 }

// each calls f for every offering of the set.
func (o offer) each(f func(ct, zone int)) {
	for ct, zones := range o {
		for ; zones != 0; zones &= zones - 1 {
			f(ct, bits.TrailingZeros64(zones))
		}
	}
}

// machine is a type as one pool can buy it.
type machine struct {
	index  int
	pool   *poolState
	typ    contract.InstanceType
	room   vec // allocatable less what DaemonSets take
	daemon vec // what DaemonSets take
	ports  []hostPort
	avail  offer // everything that can be bought
	fresh  offer // of that, what is not in back-off
	steps  []uint64
	price  [ctCount][]float64 // by zone, with the premium for reclaims: what plans are made by
	paid   [ctCount][]float64 // the same without the premium
	labels [ctCount][]map[string]string
}

// cheapest price of a set of offerings, which must not be empty.
func (m *machine) cheapest(ct int, zones uint64) float64 {
	best := m.price[ct][bits.TrailingZeros64(zones)]
	for z := zones & (zones - 1); z != 0; z &= z - 1 {
		best = min(best, m.price[ct][bits.TrailingZeros64(z)])
	}
	return best
}

// toPay is the price, without any premium, of that offering of a set which is the cheapest with it, and the premium. The
// set must not be empty.
func (m *machine) toPay(ct int, zones uint64) (usd, premium float64) {
	risked := m.cheapest(ct, zones)
	usd = risked
	offer{zones}.each(func(_, zone int) {
		if m.price[ct][zone] == risked {
			usd = min(usd, m.paid[ct][zone])
		}
	})
	return usd, risked - usd
}

// nominal is what the machine counts against limits.
func (m *machine) nominal() usage {
	return usage{cpu: int64(m.typ.VCPU) * 1000, memory: int64(m.typ.MemoryMiB) << 20, nodes: 1}
}

func (m *machine) labelsOf(ct, zone int) map[string]string {
	if m.labels[ct] == nil {
		m.labels[ct] = make([]map[string]string, len(m.pool.plan.zones))
	}
	if m.labels[ct][zone] == nil {
		p := m.pool
		m.labels[ct][zone] = catalog.Labels(p.NodePool, m.typ, p.plan.zones[zone], p.zoneIDs[zone], p.region, capacityTypes[ct])
	}
	return m.labels[ct][zone]
}

// poolState is a pool while a plan is made.
type poolState struct {
	Pool
	plan     *plan
	region   string
	zones    uint64   // that anything can be bought in
	zoneIDs  []string // by zone
	machines []*machine
	byType   map[string]*machine
	chain    []v1alpha1.FallbackStep // by what its machines are when they run
	frozen   []*frozen
	limit    usage
	inUse    usage // nodes, ledger and this plan's launches
}

// addPools sets up pools and their machines, by name.
func (p *plan) addPools(pools []Pool) {
	pools = slices.Clone(pools)
	slices.SortFunc(pools, func(a, b Pool) int { return strings.Compare(a.Name, b.Name) })
	p.zones = zoneNames(pools)
	for _, pool := range pools {
		s := &poolState{
			Pool: pool, plan: p, zoneIDs: make([]string, len(p.zones)), byType: map[string]*machine{}, chain: asBought(pool.Spec.Fallback),
			limit: limitsOf(pool.Spec.Limits), inUse: usageOf(pool.Used),
		}
		p.pools = append(p.pools, s)
		if pool.Problem != "" {
			p.problems = append(p.problems, "pool "+pool.Name+": "+pool.Problem)
		}
		for i := range pool.Candidates {
			p.addMachine(s, &pool.Candidates[i])
		}
		s.addStandby()
	}
}

func (p *plan) addMachine(s *poolState, c *catalog.Candidate) {
	m := &machine{index: len(p.machines), pool: s, typ: c.Type, steps: make([]uint64, len(s.Spec.Fallback))}
	for ct := range m.price {
		m.price[ct], m.paid[ct] = make([]float64, len(p.zones)), make([]float64, len(p.zones))
	}
	view := catalog.View{Reclaims: s.Reclaims}
	for _, o := range c.Overrides {
		zone, found := slices.BinarySearch(p.zones, o.Zone)
		ct := slices.Index(capacityTypes[:], o.CapacityType)
		if !found || ct < 0 {
			continue
		}
		bit := uint64(1) << zone
		if usd := view.RiskedUSD(o); m.avail[ct]&bit == 0 || usd < m.price[ct][zone] {
			m.price[ct][zone], m.paid[ct][zone] = usd, o.USDPerHour
		}
		m.avail[ct] |= bit
		if !s.BackOff[o.Offering].After(p.now) {
			m.fresh[ct] |= bit
		}
		s.region, s.zoneIDs[zone] = o.Region, o.ZoneID
		for i := range s.chain {
			if step := &s.chain[i]; m.steps[i]&bit == 0 && catalog.StepAllows(s.NodePool, step, c.Type, o) {
				m.steps[i] |= bit
			}
		}
	}
	if m.avail.empty() {
		return
	}
	allocatable := p.allocatable(s, c.Type)
	m.room = p.dims.vec(allocatable)
	p.limitAttached(m.room, p.attachedBy(c.Type))
	s.zones |= m.avail[ctSpot] | m.avail[ctOnDemand]
	s.machines = append(s.machines, m)
	s.byType[c.Type.Name] = m
	p.machines = append(p.machines, m)
}

// stepType is the capacity type of a step, as an index; false for steps that buy nothing.
func stepType(step *v1alpha1.FallbackStep) (int, bool) {
	ct := slices.Index(capacityTypes[:], step.CapacityType)
	return ct, ct >= 0
}

func zoneNames(pools []Pool) []string {
	seen := map[string]bool{}
	var zones []string
	for i := range pools {
		for j := range pools[i].Candidates {
			for _, o := range pools[i].Candidates[j].Overrides {
				if !seen[o.Zone] {
					seen[o.Zone] = true
					zones = append(zones, o.Zone)
				}
			}
		}
	}
	slices.Sort(zones)
	return zones[:min(len(zones), maxZones)]
}

// addDaemons takes the DaemonSets' part off every machine that they would run on. Where a DaemonSet runs in some zones
// only, the machine is reckoned with it in all. Of those that want the same host port one alone will run, and nobody
// knows which: the most of what they ask for is taken off.
func (p *plan) addDaemons() {
	for _, m := range p.machines {
		m.daemon = make(vec, len(p.dims.names))
		var rivals []*daemon // one for all that want the same port
		for _, d := range p.daemons {
			if d.profile.on(m).empty() {
				continue
			}
			i := slices.IndexFunc(rivals, func(r *daemon) bool { return anyConflict(d.ports, r.ports) })
			if i < 0 {
				i = len(rivals)
				rivals = append(rivals, &daemon{req: make(vec, len(p.dims.names))})
			}
			rivals[i].req.maxOf(d.req)
			rivals[i].ports = append(rivals[i].ports, d.ports...)
			m.ports = append(m.ports, d.ports...)
		}
		for _, r := range rivals {
			m.daemon.add(r.req, 1)
		}
		m.room.add(m.daemon, -1)
	}
}

// usage is what counts against a pool's limits.
type usage struct{ cpu, memory, nodes int64 }

func (u usage) plus(o usage, n int64) usage {
	return usage{cpu: u.cpu + o.cpu*n, memory: u.memory + o.memory*n, nodes: u.nodes + o.nodes*n}
}

func (u usage) within(limit usage) bool {
	return u.cpu <= limit.cpu && u.memory <= limit.memory && u.nodes <= limit.nodes
}

// timesWithin is how many of one fit between used and limit.
func timesWithin(limit, used, one usage) int {
	n := int64(plenty)
	for _, r := range [][3]int64{{limit.cpu, used.cpu, one.cpu}, {limit.memory, used.memory, one.memory}, {limit.nodes, used.nodes, one.nodes}} {
		if r[2] > 0 {
			n = min(n, max(0, r[0]-r[1])/r[2])
		}
	}
	return int(n)
}

func usageOf(list corev1.ResourceList) usage {
	cpu, memory, nodes := list[corev1.ResourceCPU], list[corev1.ResourceMemory], list[v1alpha1.ResourceNodes]
	return usage{cpu: cpu.MilliValue(), memory: memory.Value(), nodes: nodes.Value()}
}

func limitsOf(list corev1.ResourceList) usage {
	u := usageOf(list)
	if _, ok := list[corev1.ResourceCPU]; !ok {
		u.cpu = plenty
	}
	if _, ok := list[corev1.ResourceMemory]; !ok {
		u.memory = plenty
	}
	if _, ok := list[v1alpha1.ResourceNodes]; !ok {
		u.nodes = plenty
	}
	return u
}

// limited reports whether the pool has any limit.
func (s *poolState) limited() bool { return s.limit != usage{plenty, plenty, plenty} }
