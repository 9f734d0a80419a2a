package kube

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/planner"
)

// standbyFirst is a pool whose chain begins with its hibernated machines.
func standbyFirst(s *v1alpha1.NodePoolSpec) {
	s.Template = v1alpha1.NodeTemplate{}
	s.Fallback = append([]v1alpha1.FallbackStep{{CapacityType: v1alpha1.Hibernated}}, s.Fallback...)
	s.Standby = &v1alpha1.Standby{Hibernated: 3}
}

// closed is a Node of the pool's standby, cordoned as it is before the freeze.
func closed(n *corev1.Node) {
	n.Labels = map[string]string{
		v1alpha1.LabelPool: "api", v1alpha1.LabelInstanceType: "c5.xlarge", v1alpha1.LabelZone: "eu-west-1a", v1alpha1.LabelZoneID: "euw1-aza",
		v1alpha1.LabelCapacityType: "on-demand", v1alpha1.LabelStandby: "hibernated",
	}
	n.Spec.Unschedulable, n.Spec.Taints = true, []corev1.Taint{standbyTaint}
}

// silent is a kubelet that has not been heard of for a while.
func silent(n *corev1.Node) {
	ready(n)
	n.Status.Conditions[0].Status, n.Status.Conditions[0].Reason = corev1.ConditionUnknown, "NodeStatusUnknown"
}

func opened(n *corev1.Node) {
	delete(n.Labels, v1alpha1.LabelStandby)
	n.Spec.Unschedulable, n.Spec.Taints = false, nil
}

var frozenInstance = contract.Instance{
	ID: "i-1", InstanceType: "c5.xlarge", Zone: "eu-west-1a", ZoneID: "euw1-aza", CapacityType: v1alpha1.OnDemand, State: "stopped",
}

func TestSnapshotOfStandby(t *testing.T) {
	free := []planner.Standby{{Tier: v1alpha1.Hibernated, InstanceType: "c5.xlarge", Zone: "eu-west-1a"}}
	for name, c := range map[string]struct {
		change []func(*corev1.Node)
		want   []planner.Standby
	}{
		"frozen":          {[]func(*corev1.Node){closed, silent}, free},
		"off, says EC2":   {[]func(*corev1.Node){closed, ready, func(n *corev1.Node) { n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: taintShutdown}) }}, free},
		"just frozen":     {[]func(*corev1.Node){closed, ready}, nil},
		"being made":      {[]func(*corev1.Node){closed, silent, func(n *corev1.Node) { n.Spec.Unschedulable = false }}, nil},
		"leaving":         {[]func(*corev1.Node){closed, silent, func(n *corev1.Node) { n.Spec.Taints = append(n.Spec.Taints, reclaimTaint(true)) }}, nil},
		"of another pool": {[]func(*corev1.Node){closed, silent, func(n *corev1.Node) { n.Labels[v1alpha1.LabelPool] = "other" }}, nil},
		"in service":      {[]func(*corev1.Node){closed, ready, opened}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, testPool("api", standbyFirst), testNode("n1", "i-1", c.change...))
			s, seen := w.look(t)
			require.Equal(t, c.want, s.Pools[0].Standby)
			require.Empty(t, seen)
		})
	}
	w := newWorld(t, testPool("api"), testNode("n1", "i-1", closed, silent))
	s, _ := w.look(t)
	require.Empty(t, s.Pools[0].Standby, "the pool keeps no standby")
}

// TestSnapshotOfAClaimedMachine: it is room in flight until its Node is open to pods, and once only.
func TestSnapshotOfAClaimedMachine(t *testing.T) {
	claimed := inFlight(0, frozenInstance)
	claimed.Opened = time.Now().Add(-time.Minute)
	for name, c := range map[string]struct {
		change             func(*corev1.Node)
		entry              func(*contract.LedgerEntry)
		inFlight, nodes    int
		standby, seen, use int
	}{
		"asleep still":            {change: silent, inFlight: 1},
		"awake, and not proven":   {change: ready, inFlight: 1},
		"open to pods":            {change: func(n *corev1.Node) { ready(n); opened(n) }, nodes: 1, seen: 1, use: 1},
		"frozen again":            {change: silent, entry: func(e *contract.LedgerEntry) { e.Opened = e.Opened.Add(-starting) }, nodes: 1, standby: 1, seen: 1, use: 1},
		"bought and frozen since": {change: silent, entry: func(e *contract.LedgerEntry) { e.Instances[0].LaunchTime = time.Now() }, nodes: 1, standby: 1, seen: 1, use: 1},
		"made for standby":        {change: ready, entry: func(e *contract.LedgerEntry) { e.Purpose = contract.PurposeStandby }, nodes: 1, seen: 1, use: 1},
	} {
		t.Run(name, func(t *testing.T) {
			entry := claimed
			entry.Instances = []contract.Instance{frozenInstance}
			if c.entry != nil {
				c.entry(&entry)
			}
			w := newWorld(t, testPool("api", standbyFirst), testNode("n1", "i-1", closed, c.change))
			s, seen := w.look(t, entry)
			require.Len(t, seen, c.seen)
			require.Len(t, s.Ledger, c.inFlight)
			require.Len(t, s.Nodes, c.nodes)
			require.Len(t, s.Pools[0].Standby, c.standby)
			require.EqualValues(t, c.use, ptr(s.Pools[0].Used[v1alpha1.ResourceNodes]).Value(), "what is in flight the planner adds")
		})
	}
}

// TestPlanClaimsStandbyOnce: a pod's machine is planned with once, from the frozen Node to the open one.
func TestPlanClaimsStandbyOnce(t *testing.T) {
	plan := func(t *testing.T, change func(*corev1.Node), ledger ...contract.LedgerEntry) contract.PlanDigest {
		w := newWorld(t, testPool("api", standbyFirst), testNode("n1", "i-1", closed, change), testPod("waits", unschedulable))
		digest, err := w.Plan(t.Context(), contract.PlanInput{Cluster: "demo", Plan: "p", Ledger: ledger})
		require.NoError(t, err)
		return digest
	}
	digest := plan(t, silent)
	require.Len(t, digest.Launches, 1)
	launch := digest.Launches[0]
	require.Contains(t, launch.Reason, "c5.xlarge of the pool's standby is there already (step 1, hibernated)")
	require.Equal(t, "c5.xlarge", launch.InstanceTypes[0])
	require.Empty(t, launch.CapacityTypes)

	entry := contract.LedgerEntry{
		ScaleUp: "scaleup/demo/p/0", Pool: "api", Purpose: contract.PurposeDemand, Opened: time.Now(), Open: 1, Count: 1,
		Requests: launch.Requests, InstanceTypes: launch.InstanceTypes, Classes: launch.Classes,
	}
	require.Empty(t, plan(t, silent, entry).Launches, "the claim is not answered yet")

	entry.Open, entry.Instances = 0, []contract.Instance{frozenInstance}
	for name, change := range map[string]func(*corev1.Node){"asleep": silent, "awake": ready} {
		digest := plan(t, change, entry)
		require.Empty(t, digest.Launches, name)
		require.Empty(t, digest.Seen, name)
		require.Zero(t, digest.UnplaceableCount, name)
	}
	digest = plan(t, func(n *corev1.Node) { ready(n); opened(n) }, entry)
	require.Empty(t, digest.Launches)
	require.Equal(t, []string{"i-1"}, digest.Seen)
}

// Stopped machines whose Nodes are deleted are planned with as the pool's Standby tells of them, and count against limits.
func TestPlanKnowsMachinesWithoutNodes(t *testing.T) {
	stoppedFirst := func(s *v1alpha1.NodePoolSpec) {
		standbyFirst(s)
		s.Fallback[0].CapacityType = v1alpha1.Stopped
		s.Standby = &v1alpha1.Standby{Stopped: 2, NodeWhileFrozen: v1alpha1.DeleteNode}
	}
	machine := func(id string, phase contract.StandbyPhase) contract.StandbyMachine {
		m := contract.StandbyMachine{Instance: frozenInstance, Tier: v1alpha1.Stopped, Phase: phase}
		m.Instance.ID = id
		return m
	}
	plan := func(t *testing.T, answer contract.StandbyView, err error) planner.Pool {
		w := newWorld(t, testPool("api", stoppedFirst), testNode("n1", "i-1", closed, silent))
		w.standbys = func(_ context.Context, id string) (contract.StandbyView, error) {
			require.Equal(t, "standby/demo/api", id)
			return answer, err
		}
		s, _ := w.look(t)
		return s.Pools[0]
	}
	view := contract.StandbyView{}
	view.Machines = []contract.StandbyMachine{
		machine("i-1", contract.StandbyFrozen), machine("i-2", contract.StandbyFrozen), machine("i-3", contract.StandbyWaking), machine("i-4", contract.StandbyMaking),
	}
	pool := plan(t, view, nil)
	require.Equal(t, []planner.Standby{
		{Tier: v1alpha1.Stopped, InstanceType: "c5.xlarge", Zone: "eu-west-1a"}, // i-2
		{Tier: v1alpha1.Hibernated, InstanceType: "c5.xlarge", Zone: "eu-west-1a"},
	}, pool.Standby, "i-1 has its Node, and is not counted twice")
	require.EqualValues(t, 2, ptr(pool.Used[v1alpha1.ResourceNodes]).Value())
	require.Len(t, plan(t, view, errors.New("no worker answers")).Standby, 1, "a plan goes without")
}
