// Package planner decides what to buy: pods that need room, nodes that exist, launches in flight and pools in, a plan
// with reasons out. It is pure: no I/O, no clock, no globals, and the same snapshot in any order gives the same plan.
//
// The way of a plan:
//
//  1. Pods that nothing tells apart are one class (class.go), so that cost grows with classes and nodes, not pods.
//  2. What is there is used first: launches in flight keep the pods they were bought for, then everything else goes
//     on nodes and machines in flight, first-fit (fit.go) or, where they are empty yet, as they were bought to be
//     filled (fresh.go). The scheduler is going to bind those.
//  3. Pods that topology constraints tell where to go (spread, affinity, anti-affinity over zones and the like) are
//     given their places (places.go), and pods that must share a node are put together (together.go).
//  4. The rest is packed into machines, level by level: pools by weight, then frozen standby machines where chains begin
//     with them (standby.go), then the steps that buy, offerings in back-off last (levels.go). Within a level the linear relaxation prices every resource (lp.go), and machines are
//     bought by how little of their price is wasted (buy.go, pack.go, tail.go); where there are many pods of few
//     kinds, by the best patterns to fill machines in (patterns.go, knapsack.go).
//  5. Machines alike become launches, with the other types that would serve (launch.go), and what found no place gets
//     its reasons, pool by pool (explain.go).
package planner

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// Snapshot is what is known of one cluster at one moment. The planner changes nothing in it.
type Snapshot struct {
	// Pods that need room: pending and unschedulable. Left out of the plan are those that are being deleted, have
	// scheduling gates or a node already, and those of DaemonSets, which no purchase helps.
	Pods []*corev1.Pod
	// Nodes that exist.
	Nodes []Node
	// Ledger is the launches in flight: machines still open, and instances whose Node is not among Nodes. Whoever sees
	// an instance's Node puts it into Nodes and takes the instance out here.
	Ledger []contract.LedgerEntry
	Pools  []Pool
	// DaemonSets take their part of every machine that they would run on.
	DaemonSets []*appsv1.DaemonSet
	// Claims, Volumes and StorageClasses say where pods with volumes can run.
	Claims         []*corev1.PersistentVolumeClaim
	Volumes        []*corev1.PersistentVolume
	StorageClasses []*storagev1.StorageClass
	// Namespaces are needed for affinity terms that select namespaces by label.
	Namespaces []*corev1.Namespace
	// Now decides which back-offs are over.
	Now time.Time
}

// Node is a machine that pods can be bound to, now or as soon as it is ready.
type Node struct {
	// Name of the Node, or the instance's ID where it has none yet.
	Name string
	// Pool that the machine belongs to; empty where it is not Floe's.
	Pool   string
	Labels map[string]string
	Taints []corev1.Taint
	// Allocatable as the node reports it, or catalog.Allocatable.
	Allocatable corev1.ResourceList
	// Pods bound to it, DaemonSets' included. Those that have ended are ignored.
	Pods []*corev1.Pod
	// Unschedulable nodes (cordoned) take no pods.
	Unschedulable bool
	// InFlight tells a launch whose Node does not exist yet.
	InFlight bool
	// Settled nodes have been ready once. On all others the pool's startup taints and those of a starting kubelet
	// (not-ready, uninitialized, floe.dev/unregistered) are expected to go, and pods need not tolerate them.
	Settled bool
	// AttachLimits is how many volumes the node takes, by CSI driver: its CSINode's word. A driver that is missing sets
	// no limit.
	AttachLimits map[string]int32
	// USDPerHour is what it costs.
	USDPerHour float64
}

// Pool is a NodePool and what may be bought for it.
type Pool struct {
	*v1alpha1.NodePool
	// Candidates and Rejected are catalog.Candidates' answer. Problem, where not empty, says why nothing can be bought:
	// catalog's, or any other (an unknown launch template, say).
	Candidates []catalog.Candidate
	Rejected   map[string]int
	Problem    string
	// BackOff is the offering memory (catalog.View.BackOff): offerings that are asked last. May be nil.
	BackOff map[contract.Offering]time.Time
	// Reclaims is the offering memory's word on how often spot machines are taken back (catalog.View.Reclaims): plans are
	// made by catalog.View.RiskedUSD, and told by price. May be nil.
	Reclaims map[contract.Offering]float64
	// Standby is the pool's frozen machines that no launch has claimed. They are used before anything is bought, where the
	// pool's chain asks for their tier first, and count against Used like all others.
	Standby []Standby
	// Used counts against the pool's limits: nominal cpu and memory of the machines in Nodes, and `nodes`. What the
	// Ledger is to bring is added by the planner: a machine still open counts with the largest type that it may become.
	Used corev1.ResourceList
}

// Result is a plan.
type Result struct {
	Launches []Launch
	// OnNodes are the pods that fit on nodes that exist, by node; InFlight those that fit on what is in flight, by the
	// ScaleUp's workflow id, or by the node's name for an in-flight Node of the snapshot.
	OnNodes  map[string][]*corev1.Pod
	InFlight map[string][]*corev1.Pod
	// Unplaced are the pods that found no room, group by group; Unplaceable are the groups, with reasons.
	Unplaced    []*corev1.Pod
	Unplaceable []contract.Unplaceable
	// Ignored counts pods of the snapshot that are not planned for: see Snapshot.Pods.
	Ignored int
	// Classes counts the kinds of pods that were told apart.
	Classes int
	// USDPerHour is what all launches cost if each is filled with its first type at its first step.
	USDPerHour float64
	// LowerBoundUSDPerHour is the linear relaxation's price of what the launches hold: pods cut at will, fractions of
	// machines. No plan that buys from the same pools and steps can be cheaper.
	LowerBoundUSDPerHour float64
	// Problems are the pools that cannot be planned with: "pool api: …".
	Problems []string
}

// Launch is Count machines alike.
type Launch struct {
	Pool  string
	Count int
	// InstanceTypes that would serve, cheapest first; the first is what the plan reckons with.
	InstanceTypes []string
	// Zones and CapacityTypes narrow the pool's. Empty means all of them.
	Zones         []string
	CapacityTypes []v1alpha1.CapacityType
	// Requests is, resource by resource, the most that any of the machines has to hold, DaemonSets included. Extended
	// resources are left out, which no type is known for beforehand: InstanceTypes have what is asked of those.
	Requests corev1.ResourceList
	// Machines are the pods of each machine, Count of them.
	Machines [][]*corev1.Pod
	// USDPerHour of one machine of the first type at the chain's first step that has it.
	USDPerHour float64
	// Classes counts the pods by class, for the ledger: see contract.LedgerEntry.
	Classes map[string]int
	// Reason says in words why this pool and these types.
	Reason string
}

// Plan decides what to buy.
func Plan(s Snapshot) Result {
	return newPlan(s).run()
}
