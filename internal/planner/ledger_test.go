package planner

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// ledgerOf a plan whose launches were all opened.
func ledgerOf(r Result) []contract.LedgerEntry {
	var entries []contract.LedgerEntry
	for i := range r.Launches {
		l := r.Launches[i].ToContract()
		entries = append(entries, contract.LedgerEntry{
			ScaleUp: fmt.Sprintf("scaleup/c/p/%d", i), Pool: l.Pool, Open: l.Count, Count: l.Count, PodCount: l.PodCount, Classes: l.Classes,
			Requests: l.Requests, InstanceTypes: l.InstanceTypes, Zones: l.Zones, CapacityTypes: l.CapacityTypes,
		})
	}
	return entries
}

// bind is the scheduler's part: pods that fit on nodes go there.
func bind(s *Snapshot, r Result) {
	s.Nodes = slices.Clone(s.Nodes)
	bound := map[*corev1.Pod]bool{}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		for _, pod := range r.OnNodes[n.Name] {
			bound[pod] = true
		}
		n.Pods = slices.Concat(n.Pods, r.OnNodes[n.Name])
	}
	s.Pods = slices.DeleteFunc(slices.Clone(s.Pods), func(p *corev1.Pod) bool { return bound[p] })
}

// reasons of a plan's launches.
func reasons(r Result) []string {
	var reasons []string
	for _, l := range r.Launches {
		reasons = append(reasons, l.Reason)
	}
	return reasons
}

func TestLaunchesInFlight(t *testing.T) {
	p := pool(t, view("m5"), "general", func(np *v1alpha1.NodePool) {
		np.Spec.Limits = corev1.ResourceList{v1alpha1.ResourceNodes: resource.MustParse("2")}
	})
	s := Snapshot{
		Pools: []Pool{p},
		Pods:  many(4, "p", cpuMem("900m", "1Gi"), selecting(v1alpha1.LabelInstanceType, "m5.large"), selecting(v1alpha1.LabelZone, testZones[1])),
	}
	first := sound(t, s)
	require.Equal(t, 2, machines(first))
	s.Ledger = ledgerOf(first)
	require.Equal(t, []string{"eu-west-1b"}, s.Ledger[0].Zones)
	second := Plan(s)
	require.Empty(t, second.Launches)
	require.Len(t, second.InFlight["scaleup/c/p/0"], 4)

	// One machine came, one is open; a fifth pod finds the limit reached.
	s.Ledger[0].Open = 1
	s.Ledger[0].Instances = []contract.Instance{{ID: "i-1", InstanceType: "m5.large", Zone: testZones[1], ZoneID: "euw1-az2", CapacityType: v1alpha1.OnDemand, State: "running"}}
	s.Pods = append(s.Pods, pod("fifth", cpuMem("900m", "1Gi")))
	third := Plan(s)
	require.Len(t, third.InFlight["scaleup/c/p/0"], 4)
	require.Equal(t, []string{"pool general: limit nodes 2 reached (2 used)"}, third.Unplaceable[0].Reasons)

	// Without what it was opened for, a launch that could become anything holds no pod that wants one place.
	s.Ledger = []contract.LedgerEntry{{ScaleUp: "by-hand", Pool: "general", Open: 1}}
	s.Pods = s.Pods[:1]
	require.Len(t, Plan(s).Launches, 1)
}

// TestMachinesThatJustCame: between a Node's registration and its pods' binding nothing says which pods it was bought for.
// Where nominations do not (docs/planner.md), little is bought again all the same.
func TestMachinesThatJustCame(t *testing.T) {
	p := pool(t, view(nine...), "general")
	for _, n := range []int{20, 60, 100, 500, 1000} {
		s := Snapshot{Pods: synthetic(n, 20), Pools: []Pool{p}}
		first := sound(t, s)
		for i, l := range first.Launches {
			zone := testZones[0]
			if len(l.Zones) > 0 {
				zone = l.Zones[0]
			}
			for j := range l.Count {
				s.Nodes = append(s.Nodes, node(p, fmt.Sprintf("n-%d-%d", i, j), l.InstanceTypes[0], zone))
			}
		}
		require.Less(t, sound(t, s).USDPerHour, 0.11*first.USDPerHour, "%d pods", n)
	}
}

func TestNominatedPodsAreLeftAlone(t *testing.T) {
	p := pool(t, view("m5"), "general")
	plan := func(priority int32, nominated string, old int) Result {
		return Plan(Snapshot{
			Pods: []*corev1.Pod{pod("p", cpuMem("900m", "1Gi"), func(p *corev1.Pod) {
				p.Status.NominatedNodeName, p.Spec.Priority = nominated, &priority
			})},
			Nodes: []Node{node(p, "n", "m5.large", testZones[0], many(old, "old", cpuMem("900m", "1Gi"))...)}, Pools: []Pool{p},
		})
	}
	for name, r := range map[string]Result{
		"the scheduler evicts for it":  plan(10, "n", 2),
		"its place is there":           plan(0, "n", 1),
		"its node is gone, there is n": plan(0, "gone", 1),
	} {
		require.Len(t, r.OnNodes["n"], 1, name)
		require.Empty(t, r.Launches, name)
	}
	require.Len(t, plan(0, "n", 2).Launches, 1, "its place is taken")
	require.Len(t, plan(0, "gone", 2).Launches, 1, "its node is gone")
}
