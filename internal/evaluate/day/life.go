package day

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/disruption"
	"floe.dev/floe/internal/fallback"
	"floe.dev/floe/internal/planner"
)

const (
	account = "of the scenario"
	region  = "eu-west-1"
	cluster = "day"
)

// life is the day at one moment.
type life struct {
	*Scenario
	pool       *v1alpha1.NodePool
	view       *catalog.View
	candidates []catalog.Candidate
	rejected   map[string]int
	problem    string

	offset  time.Duration
	now     time.Time
	serial  int
	nodes   []*machine // in the order of their launch
	waiting []*corev1.Pod
	waits   map[*corev1.Pod]time.Duration // since when
	offered *fallback.Memory
	memory  contract.DisruptionMemory
	later   map[string]contract.Postponed // by instance
	going   []replacement
	Report
}

// machine is a Node from its launch on.
type machine struct {
	disruption.Node
	instance string
	override contract.Override
	ready    time.Time
}

// replacement is a node that leaves when others have come.
type replacement struct {
	contract.Leaving
	by []*machine
}

func newLife(s *Scenario, pool *v1alpha1.NodePool) *life {
	l := &life{
		Scenario: s, pool: pool, offered: &fallback.Memory{}, later: map[string]contract.Postponed{}, waits: map[*corev1.Pod]time.Duration{},
		view: &catalog.View{
			Account: account, Region: region, Types: map[string]contract.InstanceType{}, Subnets: map[string]catalog.Subnet{},
			Offered: map[catalog.OfferedKey]bool{}, SpotUSD: map[catalog.OfferedKey]float64{},
		},
	}
	l.Granted = map[v1alpha1.DisruptionReason]int{}
	for i, id := range pool.Spec.Subnets {
		zone := fmt.Sprintf("euw1-az%d", i+1)
		l.view.Subnets[id] = catalog.Subnet{ID: id, Zone: zone, ZoneID: zone, FreeAddresses: mostPods}
	}
	for _, t := range catalog.Facts() {
		l.view.Types[t.Name] = t
		for _, place := range l.view.Subnets {
			key := catalog.OfferedKey{InstanceType: t.Name, ZoneID: place.ZoneID}
			l.view.Offered[key], l.view.SpotUSD[key] = true, t.OnDemandUSD*(1-s.SpotDiscount)
		}
	}
	l.candidates, l.rejected, l.problem = catalog.Candidates(pool, l.view)
	return l
}

// step is one look at everything.
func (l *life) step() {
	l.now = l.Start.Add(l.offset)
	l.scale()
	l.fail()
	l.settle()
	l.reclaim()
	l.replaced()
	shrunk, returned := l.leave()
	bought := l.buy()
	l.sample(shrunk, returned, bought)
}

// scale adds replicas, and takes them away: those that wait first, then the youngest, as a ReplicaSet does.
func (l *life) scale() {
	for i := range l.Services {
		of := &l.Services[i]
		want := l.replicas(of, l.offset)
		var have []*corev1.Pod
		mine := func(p *corev1.Pod) bool { return p.Labels["app"] == of.Name }
		for _, m := range l.nodes {
			for _, p := range m.Pods {
				if mine(p) {
					have = append(have, p)
				}
			}
		}
		slices.SortStableFunc(have, func(a, b *corev1.Pod) int { return b.CreationTimestamp.Compare(a.CreationTimestamp.Time) })
		waiting := 0
		for _, p := range l.waiting {
			if mine(p) {
				waiting++
			}
		}
		for extra := len(have) + waiting - want; extra > 0; extra-- {
			if i := slices.IndexFunc(l.waiting, mine); i >= 0 {
				l.served(l.waiting[i])
				l.waiting = slices.Delete(l.waiting, i, i+1)
				continue
			}
			l.remove(have[0])
			have = have[1:]
		}
		for missing := want - len(have) - waiting; missing > 0; missing-- {
			l.wait(l.newPod(of))
		}
	}
}

func (l *life) newPod(of *Service) *corev1.Pod {
	l.serial++
	yes := true
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: metav1.NamespaceDefault, Name: fmt.Sprintf("%s-%d", of.Name, l.serial), UID: types.UID(fmt.Sprintf("pod-%d", l.serial)),
			Labels: map[string]string{"app": of.Name}, CreationTimestamp: metav1.NewTime(l.now),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: of.Name, Controller: &yes}},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{Requests: of.Requests}}}},
	}
}

func (l *life) wait(pods ...*corev1.Pod) {
	for _, p := range pods {
		p.Spec.NodeName, p.Status = "", corev1.PodStatus{Phase: corev1.PodPending}
		l.waits[p] = l.offset
	}
	l.waiting = append(l.waiting, pods...)
}

// served notes how long a pod waited.
func (l *life) served(p *corev1.Pod) {
	l.waited = append(l.waited, (l.offset - l.waits[p]).Seconds())
	delete(l.waits, p)
}

func (l *life) remove(pod *corev1.Pod) {
	for _, m := range l.nodes {
		m.Pods = slices.DeleteFunc(m.Pods, func(p *corev1.Pod) bool { return p == pod })
	}
}

// fail makes the pods Ready that are, and the others not.
func (l *life) fail() {
	for _, m := range l.nodes {
		for _, p := range m.Pods {
			since, failing := l.fails(p.Labels["app"], l.offset)
			c := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: p.CreationTimestamp}
			if failing {
				c.Status, c.LastTransitionTime = corev1.ConditionFalse, metav1.NewTime(l.Start.Add(since))
			}
			p.Status = corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{c}}
		}
	}
}

// settle makes the machines Ready that have booted.
func (l *life) settle() {
	for _, m := range l.nodes {
		if m.Settled = !l.now.Before(m.ready); m.Settled {
			m.Status.Conditions[0].Status = corev1.ConditionTrue
		}
	}
}

// reclaim takes spot machines back; the two minutes of their notice are not lived through.
func (l *life) reclaim() {
	for _, r := range l.Reclaims {
		if at := r.At.Duration; at > l.offset || at <= l.offset-l.Step.Duration {
			continue
		}
		for range r.Machines {
			i := slices.IndexFunc(l.nodes, func(m *machine) bool { return m.override.CapacityType == v1alpha1.Spot && m.Settled })
			if i < 0 {
				return
			}
			m := l.nodes[i]
			l.Reclaimed++
			l.offered.Learn(fallback.Event{ID: m.instance, Offering: m.override.Offering, Answer: contract.AnswerReclaimed, At: l.now})
			l.terminate(m.instance)
		}
	}
}

// replaced lets the nodes go whose replacements are Ready. One that was taken back meanwhile is no more.
func (l *life) replaced() {
	l.going = slices.DeleteFunc(l.going, func(r replacement) bool {
		if slices.ContainsFunc(r.by, func(m *machine) bool { return !m.Settled }) {
			return false
		}
		l.terminate(r.Instance)
		return true
	})
}

// terminate evicts a machine's pods and gives it back.
func (l *life) terminate(instance string) {
	i := slices.IndexFunc(l.nodes, func(m *machine) bool { return m.instance == instance })
	if i < 0 {
		return
	}
	m := l.nodes[i]
	l.nodes = slices.Delete(l.nodes, i, i+1)
	l.Evictions += len(m.Pods)
	l.wait(m.Pods...)
	delete(l.later, instance)
}

// room is the cluster as the planner wants it.
func (l *life) room() planner.Snapshot {
	known := l.offered.Known(l.now)
	l.view.BackOff, l.view.Rides, l.view.Probes, l.view.Reclaims = known.BackOff, known.Rides, known.Probes, known.Reclaims
	p := planner.Pool{
		NodePool: l.pool, Candidates: l.candidates, Rejected: l.rejected, Problem: l.problem, BackOff: known.BackOff, Reclaims: known.Reclaims,
		Used: corev1.ResourceList{},
	}
	s := planner.Snapshot{Now: l.now, Pods: l.waiting}
	for _, m := range l.nodes {
		t := l.view.Types[m.override.InstanceType]
		add(p.Used, t)
		s.Nodes = append(s.Nodes, planner.Node{
			Name: m.Name, Pool: l.pool.Name, Labels: m.Labels, Taints: m.Spec.Taints, Allocatable: catalog.Allocatable(l.pool, t),
			Pods: m.Pods, Settled: m.Settled, USDPerHour: m.USDPerHour,
		})
	}
	s.Pools = []planner.Pool{p}
	return s
}

// buy puts waiting pods on what is Ready, and launches what the plan asks for.
func (l *life) buy() (bought int) {
	if len(l.waiting) == 0 {
		return 0
	}
	plan := planner.Plan(l.room())
	for _, m := range l.nodes {
		if m.Settled {
			l.bind(m, plan.OnNodes[m.Name])
		}
	}
	for _, p := range plan.Launches {
		bought += len(l.launch(contract.ScaleUpInput{
			Cluster: cluster, Pool: p.Pool, Count: p.Count, Purpose: contract.PurposeDemand, InstanceTypes: p.InstanceTypes, Zones: p.Zones,
			CapacityTypes: p.CapacityTypes, Requests: p.Requests,
		}))
	}
	return bought
}

func (l *life) bind(m *machine, pods []*corev1.Pod) {
	for _, p := range pods {
		p.Spec.NodeName = m.Name
		m.Pods = append(m.Pods, p)
		l.served(p)
	}
	l.waiting = slices.DeleteFunc(l.waiting, func(p *corev1.Pod) bool { return slices.Contains(pods, p) })
	l.fail()
}

// launch goes along the chain.
func (l *life) launch(in contract.ScaleUpInput) (got []*machine) {
	known := l.offered.Known(l.now) // what an earlier launch of this step learned counts
	l.view.BackOff, l.view.Rides, l.view.Probes, l.view.Reclaims = known.BackOff, known.Rides, known.Probes, known.Reclaims
	walk := fallback.NewWalk(contract.Chain{Version: 1, Steps: fallback.Steps(l.pool, l.view, in, l.now)})
	for len(got) < in.Count {
		step, ok := walk.Next()
		if !ok {
			break
		}
		l.Calls++
		came, outcomes := l.hop(step, in, in.Count-len(got))
		if len(came) == 0 {
			l.Refused++
		}
		got = append(got, came...)
		l.offered.Learn(fallback.Events(outcomes, l.now)...)
		walk.Answered(step, outcomes, len(came))
	}
	return got
}

// hop is one launch call: nothing in a drought; else the cheapest, in the zone that has the fewest of the pool's machines.
func (l *life) hop(step contract.Step, in contract.ScaleUpInput, n int) (got []*machine, outcomes []contract.Outcome) {
	if l.dry(step.CapacityType, l.offset) {
		for _, o := range step.Overrides {
			outcomes = append(outcomes, contract.Outcome{Offering: o.Offering, Answer: contract.AnswerICE})
		}
		return nil, outcomes
	}
	for range n {
		inZone := map[string]int{}
		for _, m := range l.nodes {
			inZone[m.override.ZoneID]++
		}
		best := slices.MinFunc(step.Overrides, func(a, b contract.Override) int {
			return cmp.Or(cmp.Compare(a.USDPerHour, b.USDPerHour), cmp.Compare(inZone[a.ZoneID], inZone[b.ZoneID]))
		})
		got = append(got, l.newMachine(best, in.Purpose))
		outcomes = append(outcomes, contract.Outcome{Offering: best.Offering, Answer: contract.AnswerLaunched, Count: 1})
	}
	return got, outcomes
}

func (l *life) newMachine(o contract.Override, purpose contract.Purpose) *machine {
	l.serial++
	l.Bought++
	instance := fmt.Sprintf("i-%017x", l.serial)
	m := &machine{instance: instance, override: o, ready: l.now.Add(l.Boot.Duration)}
	m.USDPerHour = o.USDPerHour
	m.Node.Node = &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: instance, UID: types.UID("node-" + instance), CreationTimestamp: metav1.NewTime(l.now),
			Labels: catalog.Labels(l.pool, l.view.Types[o.InstanceType], o.Zone, o.ZoneID, region, o.CapacityType),
			Annotations: map[string]string{
				v1alpha1.AnnotationPurpose: string(purpose), v1alpha1.AnnotationTemplateHash: disruption.TemplateHash(l.pool),
			},
		},
		Spec:   corev1.NodeSpec{ProviderID: contract.ProviderID(o.Zone, instance), Taints: l.pool.Spec.Template.Taints},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionFalse}}},
	}
	m.Labels[corev1.LabelHostname] = instance
	l.nodes = append(l.nodes, m)
	return m
}

// add counts a machine against the pool's limits.
func add(used corev1.ResourceList, t contract.InstanceType) {
	for name, amount := range map[corev1.ResourceName]*resource.Quantity{
		corev1.ResourceCPU:     resource.NewQuantity(int64(t.VCPU), resource.DecimalSI),
		corev1.ResourceMemory:  resource.NewQuantity(int64(t.MemoryMiB)<<20, resource.BinarySI),
		v1alpha1.ResourceNodes: resource.NewQuantity(1, resource.DecimalSI),
	} {
		sum := used[name]
		sum.Add(*amount)
		used[name] = sum
	}
}
