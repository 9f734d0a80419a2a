package planner

import (
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// plan is the work of one Plan.
type plan struct {
	now          time.Time
	dims         *dims
	zones        []string // names, sorted
	pools        []*poolState
	machines     []*machine
	daemons      []*daemon
	nodes        []*nodeState
	flights      []*flight
	ruled        []placement // see settleNodes
	namespaces   []*corev1.Namespace
	profiles     map[string]*profile
	slots        map[string][]*slot
	numbered     int // slots
	classes      []*class
	counters     []*counter
	counterByKey map[string]*counter
	counting     map[string][]*counter // see countersOf
	labelKeys    []string
	sig          signature
	storage      *storage
	learned      map[poolType]*seen
	lacks        map[string][]lacking        // by pool
	attach       map[string]map[string]int32 // see learnAttached
	bins         []*bin
	drafts       []*draft // of the result's launches
	asked        []level  // see levels
	problems     []string
	result       Result
}

// daemon is a DaemonSet as the planner sees it.
type daemon struct {
	uid     types.UID
	req     vec
	ports   []hostPort
	profile *profile
}

func newPlan(s Snapshot) *plan {
	p := &plan{
		now: s.Now, profiles: map[string]*profile{}, slots: map[string][]*slot{},
		counterByKey: map[string]*counter{}, counting: map[string][]*counter{}, namespaces: s.Namespaces,
		result: Result{OnNodes: map[string][]*corev1.Pod{}, InFlight: map[string][]*corev1.Pod{}},
	}
	pods := slices.DeleteFunc(slices.Clone(s.Pods), func(pod *corev1.Pod) bool { return !planned(pod) })
	p.result.Ignored = len(s.Pods) - len(pods)
	p.storage = newStorage(&s)
	p.storage.users(pods, s.Nodes)
	p.labelKeys = labelKeys(&s)
	p.classes = group(pods, p.labelKeys, p.storage)
	p.result.Classes = len(p.classes)
	asked := map[corev1.ResourceName]bool{}
	requests := make([]corev1.ResourceList, len(p.classes))
	for i, c := range p.classes {
		requests[i] = podRequests(c.sample)
		for name, q := range requests[i] {
			if q.Sign() > 0 {
				asked[name] = true
			}
		}
		if c.volumes != nil {
			for driver := range c.volumes.attach {
				asked[corev1.ResourceName(attachPrefix+driver)] = true
			}
		}
	}
	p.dims = newDims(asked)
	for i, c := range p.classes {
		c.req = p.dims.vec(requests[i])
		c.req[dimPods] = 1
		c.volumes.attaching(p.dims, c.req)
	}
	p.learn(s.Nodes)
	p.learnAttached(s.Nodes)
	p.addPools(s.Pools)
	p.addNodes(s.Nodes, s.Ledger)
	for _, c := range p.classes {
		c.profile = p.profileOf(&c.sample.Spec, c.volumes)
		p.addPreferences(c)
	}
	p.addDaemonSets(s.DaemonSets)
	p.addTopology(s.Nodes)
	p.addHostRules()
	return p
}

func (p *plan) addDaemonSets(sets []*appsv1.DaemonSet) {
	sets = slices.Clone(sets)
	slices.SortFunc(sets, func(a, b *appsv1.DaemonSet) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	for _, set := range sets {
		if set.DeletionTimestamp != nil {
			continue
		}
		pod := &corev1.Pod{Spec: set.Spec.Template.Spec}
		d := &daemon{uid: set.UID, req: p.dims.vec(podRequests(pod)), ports: hostPorts(&pod.Spec), profile: p.profileOf(&pod.Spec, nil)}
		d.req[dimPods] = 1
		p.daemons = append(p.daemons, d)
	}
	p.addDaemons()
	p.load()
}

// run makes the plan.
func (p *plan) run() Result {
	p.countBound()
	p.fitHeld()
	p.fitNodes()
	p.buyAll()
	p.trim()
	p.addLaunches()
	p.explain()
	p.result.Problems = p.problems
	return p.result
}

// tries is how often buying starts over before classes that cannot have all their places are left out.
const tries = 4

// buyAll buys for what found no room. Where a limit keeps pods from the slots that topology rules gave them, the others
// of their class may not stay where they are: buying starts over with what could be had in each slot, and at last
// without those classes. In the same way it starts over with a preference less where pods found no room with it.
func (p *plan) buyAll() {
	p.asked = p.levels()
	counters := p.saveCounters()
	caps := map[*class]map[string]int{}
	for try := 1; ; try++ {
		items := p.assign(caps)
		p.bins = nil
		used := make([]usage, len(p.pools))
		for i, s := range p.pools {
			used[i] = s.inUse
		}
		p.together(items)
		for i := range p.asked {
			p.buy(&p.asked[i], items)
		}
		if !p.short(items, caps, try > tries) {
			if !p.relax(items) {
				return
			}
			caps, try = map[*class]map[string]int{}, 0
		}
		p.restoreCounters(counters)
		for i, s := range p.pools {
			s.inUse = used[i]
		}
	}
}

// short reports whether an item with a slot could not be bought for, and bounds its slot by what could; with drop its
// whole class is left out.
func (p *plan) short(items []*item, caps map[*class]map[string]int, drop bool) bool {
	short := false
	for _, it := range items {
		if it.slot == nil || it.left == 0 {
			continue
		}
		short = true
		c := it.class
		if caps[c] == nil {
			caps[c] = map[string]int{}
		}
		caps[c][it.slot.name] = it.asked - it.left
		if drop {
			for _, s := range p.slotsOf(c) {
				caps[c][s.name] = 0
			}
		}
	}
	return short
}

// savedCounter is what changes in a counter.
type savedCounter struct {
	n, owners map[string]int
	total     int
}

func (p *plan) saveCounters() []savedCounter {
	saved := make([]savedCounter, len(p.counters))
	for i, k := range p.counters {
		saved[i] = savedCounter{maps.Clone(k.n), maps.Clone(k.owners), k.total}
	}
	return saved
}

func (p *plan) restoreCounters(saved []savedCounter) {
	for i, k := range p.counters {
		k.n, k.owners, k.total = maps.Clone(saved[i].n), maps.Clone(saved[i].owners), saved[i].total
	}
}
