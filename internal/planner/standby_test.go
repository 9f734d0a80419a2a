package planner

import (
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// chain of a pool.
func chain(types ...v1alpha1.CapacityType) func(*v1alpha1.NodePool) {
	return func(np *v1alpha1.NodePool) {
		np.Spec.Fallback = nil
		for _, ct := range types {
			np.Spec.Fallback = append(np.Spec.Fallback, v1alpha1.FallbackStep{CapacityType: ct})
		}
	}
}

// asleep are n frozen machines alike.
func asleep(n int, tier v1alpha1.CapacityType, instanceType, zone string) []Standby {
	return slices.Repeat([]Standby{{tier, instanceType, zone}}, n)
}

var stepWords = regexp.MustCompile(`\(step \d+, ([a-z-]+)\)`)

// woken is how many machines a plan has of each capacity type, by its reasons.
func woken(r Result) map[string]int {
	counts := map[string]int{}
	for _, l := range r.Launches {
		if of := stepWords.FindStringSubmatch(l.Reason); of != nil {
			counts[of[1]] += l.Count
		}
	}
	return counts
}

func drawStandby(t *rapid.T, p *Pool) {
	if len(p.Candidates) == 0 {
		return
	}
	for range rapid.IntRange(0, 4).Draw(t, "standby") {
		p.Standby = append(p.Standby, Standby{
			Tier:         rapid.SampledFrom([]v1alpha1.CapacityType{v1alpha1.Hibernated, v1alpha1.Stopped}).Draw(t, "tier"),
			InstanceType: rapid.SampledFrom([]string{"m5.large", "m5.xlarge", "c6i.2xlarge", "x1.32xlarge"}).Draw(t, "standby type"),
			Zone:         rapid.SampledFrom(testZones).Draw(t, "standby zone"),
		})
	}
}

// checkStandby: no more machines of standby are planned with than there are, and each launch's first type is of them.
func checkStandby(s Snapshot, r Result) error {
	for _, p := range s.Pools {
		for _, tier := range []v1alpha1.CapacityType{v1alpha1.Hibernated, v1alpha1.Stopped} {
			taken := map[string]int{}
			for _, l := range r.Launches {
				if l.Pool == p.Name && woken(Result{Launches: []Launch{l}})[string(tier)] > 0 {
					taken[l.InstanceTypes[0]] += l.Count
				}
			}
			for name, n := range taken {
				there := 0
				for _, one := range p.Standby {
					if one.Tier == tier && one.InstanceType == name {
						there++
					}
				}
				if n > there {
					return fmt.Errorf("pool %s: %d %s machines of type %s are claimed, of %d", p.Name, n, tier, name, there)
				}
			}
		}
	}
	return nil
}

func TestStandbyComesFirst(t *testing.T) {
	p := pool(t, view("m5"), "general", chain(v1alpha1.Hibernated, v1alpha1.Stopped, v1alpha1.Spot, v1alpha1.OnDemand))
	p.Standby = slices.Concat(asleep(1, v1alpha1.Hibernated, "m5.large", testZones[0]), asleep(1, v1alpha1.Stopped, "m5.large", testZones[2]))
	s := Snapshot{Pools: []Pool{p}, Pods: many(3, "p", cpuMem("1500m", "1Gi"), selecting(v1alpha1.LabelInstanceType, "m5.large"))}
	r := sound(t, s)
	require.Equal(t, map[string]int{"hibernated": 1, "stopped": 1, "spot": 1}, woken(r), reasons(r))
	first := r.Launches[0]
	require.Empty(t, first.CapacityTypes, "it claims, and where that gives nothing it buys")
	require.Empty(t, first.Zones, "what is bought instead may be anywhere")
	require.Equal(t, "1 pod for 1 machine: m5.large of the pool's standby is there already (step 1, hibernated) and holds "+
		"1.5 CPU, 1Gi memory, 1 pod, at $0.0960 an hour once awake; where standby gives fewer the rest is bought", first.Reason)
	require.InDelta(t, 0.096, first.USDPerHour, 0.02, "a resumed machine is on-demand")

	_, e := Explain(s, first.Machines[0][0].Name)
	require.Equal(t, "m5.large of pool general is woken from standby", e.Place)
	require.Equal(t, v1alpha1.Hibernated, e.Winner.CapacityType)
	require.Equal(t, v1alpha1.Spot, e.Next[0].CapacityType, "the stopped one is taken")
	require.Negative(t, e.Next[0].MoreUSDPerHour)
}

func TestStandbyThatIsNotAskedFirst(t *testing.T) {
	for name, c := range map[string]struct {
		chain   []v1alpha1.CapacityType
		standby []Standby
		change  func(*corev1.Pod)
	}{
		"a step that buys comes before": {[]v1alpha1.CapacityType{v1alpha1.Spot, v1alpha1.Hibernated, v1alpha1.OnDemand}, asleep(1, v1alpha1.Hibernated, "m5.large", testZones[0]), nil},
		"no step of its tier":           {[]v1alpha1.CapacityType{v1alpha1.Stopped, v1alpha1.OnDemand}, asleep(1, v1alpha1.Hibernated, "m5.large", testZones[0]), nil},
		"too small": {[]v1alpha1.CapacityType{v1alpha1.Stopped, v1alpha1.OnDemand}, asleep(1, v1alpha1.Stopped, "m5.large", testZones[0]), func(p *corev1.Pod) {
			p.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("3")
		}},
		"a pod that selects spot":      {[]v1alpha1.CapacityType{v1alpha1.Stopped, v1alpha1.Spot, v1alpha1.OnDemand}, asleep(1, v1alpha1.Stopped, "m5.large", testZones[0]), selecting(v1alpha1.LabelCapacityType, "spot")},
		"a pod that selects a zone":    {[]v1alpha1.CapacityType{v1alpha1.Stopped, v1alpha1.OnDemand}, asleep(1, v1alpha1.Stopped, "m5.large", testZones[0]), selecting(v1alpha1.LabelZone, testZones[1])},
		"a type that the pool has not": {[]v1alpha1.CapacityType{v1alpha1.Stopped, v1alpha1.OnDemand}, asleep(1, v1alpha1.Stopped, "c5.large", testZones[0]), nil},
		"a zone that the pool has not": {[]v1alpha1.CapacityType{v1alpha1.Stopped, v1alpha1.OnDemand}, asleep(1, v1alpha1.Stopped, "m5.large", "eu-west-1z"), nil},
		"nothing bought on demand":     {[]v1alpha1.CapacityType{v1alpha1.Stopped, v1alpha1.Spot}, asleep(1, v1alpha1.Stopped, "m5.large", testZones[0]), nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := pool(t, view("m5"), "general", chain(c.chain...))
			p.Standby = c.standby
			one := pod("p", cpuMem("1", "1Gi"))
			if c.change != nil {
				c.change(one)
			}
			r := sound(t, Snapshot{Pools: []Pool{p}, Pods: []*corev1.Pod{one}})
			require.Len(t, r.Launches, 1)
			require.NotContains(t, r.Launches[0].Reason, "standby")
		})
	}
}

// TestStandbyOfPodsThatSelectOnDemand: the launch is narrowed, but not away from the tier.
func TestStandbyOfPodsThatSelectOnDemand(t *testing.T) {
	p := pool(t, view("m5"), "general", chain(v1alpha1.Stopped, v1alpha1.Spot, v1alpha1.OnDemand))
	p.Standby = asleep(1, v1alpha1.Stopped, "m5.large", testZones[0])
	r := sound(t, Snapshot{Pools: []Pool{p}, Pods: many(1, "p", cpuMem("1", "1Gi"), selecting(v1alpha1.LabelCapacityType, "on-demand"))})
	require.Equal(t, []v1alpha1.CapacityType{v1alpha1.Stopped, v1alpha1.OnDemand}, r.Launches[0].CapacityTypes)
}

func TestStandbyAndLimits(t *testing.T) {
	limited := func(np *v1alpha1.NodePool) {
		chain(v1alpha1.Stopped, v1alpha1.OnDemand)(np)
		np.Spec.Limits = corev1.ResourceList{v1alpha1.ResourceNodes: resource.MustParse("2")}
	}
	p := pool(t, view("m5"), "general", limited)
	p.Standby = asleep(2, v1alpha1.Stopped, "m5.large", testZones[0])
	p.Used = corev1.ResourceList{v1alpha1.ResourceNodes: resource.MustParse("2")} // the two themselves
	s := Snapshot{Pools: []Pool{p}, Pods: many(3, "p", cpuMem("1500m", "1Gi"))}
	r := sound(t, s)
	require.Equal(t, 2, machines(r))
	require.Equal(t, []v1alpha1.CapacityType{v1alpha1.Stopped}, r.Launches[0].CapacityTypes, "they count already; to buy in their place would pass the limit")
	require.Contains(t, r.Launches[0].Reason, "the pool's limits leave no room to buy any instead")
	require.Len(t, r.Unplaced, 1)

	// In flight it holds its pods, counts no more than it did, and its machines are promised.
	s.Ledger = ledgerOf(r)
	again := Plan(s)
	require.Empty(t, again.Launches)
	require.Len(t, again.InFlight["scaleup/c/p/0"], 2)
	require.Equal(t, []string{"pool general: limit nodes 2 reached (2 used)"}, again.Unplaceable[0].Reasons)
}

// TestClaimedMachinesAreNotPlannedWithAgain: a launch in flight may take any that would do.
func TestClaimedMachinesAreNotPlannedWithAgain(t *testing.T) {
	p := pool(t, view("m5"), "general", chain(v1alpha1.Stopped, v1alpha1.OnDemand))
	p.Standby = asleep(2, v1alpha1.Stopped, "m5.large", testZones[0])
	s := Snapshot{Pools: []Pool{p}, Pods: many(1, "p", cpuMem("1500m", "1Gi"))}
	for name, c := range map[string]struct {
		entry contract.LedgerEntry
		free  int
	}{
		"any":               {contract.LedgerEntry{Open: 1}, 1},
		"more than are":     {contract.LedgerEntry{Open: 5}, 0},
		"another type":      {contract.LedgerEntry{Open: 2, InstanceTypes: []string{"m5.xlarge"}}, 2},
		"another zone":      {contract.LedgerEntry{Open: 2, Zones: []string{testZones[1]}}, 2},
		"to be bought":      {contract.LedgerEntry{Open: 2, CapacityTypes: []v1alpha1.CapacityType{v1alpha1.OnDemand}}, 2},
		"made for standby":  {contract.LedgerEntry{Open: 2, Purpose: contract.PurposeStandby}, 2},
		"larger":            {contract.LedgerEntry{Open: 2, Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("3")}}, 2},
		"brought, not open": {contract.LedgerEntry{Instances: []contract.Instance{{ID: "i-1", InstanceType: "m5.large", Zone: testZones[0], ZoneID: "euw1-az1", CapacityType: v1alpha1.OnDemand}}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			c.entry.ScaleUp, c.entry.Pool = "other", "general"
			made := newPlan(Snapshot{Pools: s.Pools, Ledger: []contract.LedgerEntry{c.entry}})
			free := 0
			for _, f := range made.pools[0].frozen {
				free += f.free
			}
			require.Equal(t, c.free, free)
		})
	}
}

// TestStandbyIsUsedAsFarAsItGoes: pods without rules find every free machine that holds one of them, none is claimed
// twice, and once the claims are filled nothing more is bought.
func TestStandbyIsUsedAsFarAsItGoes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := pool(t, view("m5"), "general", chain(v1alpha1.Hibernated, v1alpha1.Stopped, v1alpha1.Spot, v1alpha1.OnDemand))
		drawStandby(rt, &p)
		usable := 0
		for _, one := range p.Standby {
			if one.InstanceType == "m5.large" || one.InstanceType == "m5.xlarge" {
				usable++
			}
		}
		// One machine of any size holds one pod of these, and no two.
		pods := many(rapid.IntRange(1, 6).Draw(rt, "pods"), "p", cpuMem("1500m", "1Gi"), onPort(80))
		s := Snapshot{Pools: []Pool{p}, Pods: pods}
		r := Plan(s)
		require.NoError(rt, check(s, r))
		by := woken(r)
		require.Equal(rt, min(usable, len(pods)), by["hibernated"]+by["stopped"], reasons(r))

		// The claims are filled, with what the launches may take.
		s.Ledger = ledgerOf(r)
		for i := range s.Ledger {
			e := &s.Ledger[i]
			s.Pools[0].Standby = slices.DeleteFunc(s.Pools[0].Standby, func(one Standby) bool {
				if e.Open == 0 || !slices.Contains(e.InstanceTypes, one.InstanceType) {
					return false
				}
				e.Open--
				e.Instances = append(e.Instances, contract.Instance{
					ID: fmt.Sprintf("i-%d-%d", i, e.Open), InstanceType: one.InstanceType, Zone: one.Zone,
					ZoneID: "euw1-az" + string('1'+one.Zone[len(one.Zone)-1]-'a'), CapacityType: v1alpha1.OnDemand, State: "stopped",
				})
				return true
			})
		}
		again := Plan(s)
		require.NoError(rt, check(s, again))
		require.Empty(rt, again.Launches, reasons(again))
	})
}
