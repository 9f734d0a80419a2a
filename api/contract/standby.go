package contract

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/v1alpha1"
)

// Claim is a ScaleUp's request to the pool's Standby for machines of one tier: the payload of the signal `claim`.
// Standby answers with one Claimed, also where it has none. A ScaleUp that hears nothing within ClaimPatience goes on with
// its next step; an answer that comes later is taken as far as machines are missing still, and the rest is given back with
// Unclaim.
type Claim struct {
	// Key tells this claim from every other: the token of the hop. The same claim twice is answered twice with the same
	// machines.
	Key string `json:"key"`
	// ReplyTo is where the answer goes: the ScaleUp, and the signal SignalClaimed.
	ReplyTo ReplyTo               `json:"replyTo"`
	Tier    v1alpha1.CapacityType `json:"tier"` // hibernated or stopped
	Count   int                   `json:"count"`
	// InstanceTypes and Zones (names) that will do; empty means all.
	InstanceTypes []string `json:"instanceTypes,omitempty"`
	Zones         []string `json:"zones,omitempty"`
	// CapacityTypes that the launch may bring; empty means all.
	CapacityTypes []v1alpha1.CapacityType `json:"capacityTypes,omitempty"`
	// Requests is what pods are going to ask of each machine.
	Requests corev1.ResourceList `json:"requests,omitempty"`
	// Machines are the pods (namespace/name) meant for each machine: they are nominated to its Node when it has proven
	// itself.
	Machines [][]string `json:"machines,omitempty"`
	Purpose  Purpose    `json:"purpose,omitempty"`
}

// Claimed is Standby's answer: the machines that are the ScaleUp's from now on, and are being resumed by their own Node
// workflows, which run already: the ScaleUp starts none. Fewer than were asked for is an answer too. Where the answer
// cannot be delivered, because the ScaleUp has ended, the machines stay Standby's.
type Claimed struct {
	Key      string     `json:"key"`
	Machines []Instance `json:"machines,omitempty"`
	// Reason says in words why there are fewer than were asked for.
	Reason string `json:"reason,omitempty"`
	// Outcomes are offerings that EC2 could not start machines of: no step after this one asks them.
	Outcomes []Outcome `json:"outcomes,omitempty"`
}

// Unclaim gives claimed machines back to the pool's Standby: the payload of the signal `unclaim`. They were asked for, and
// others came first. The same one twice changes nothing more.
type Unclaim struct {
	// Key of the claim that brought them.
	Key string `json:"key"`
	// Instances are their ids.
	Instances []string `json:"instances"`
	// Reason says in words why they are not needed.
	Reason string `json:"reason,omitempty"`
}

// Departing asks the pool's Standby what becomes of a machine that leaves its pool for a reason of the pool's own: the
// payload of the signal `depart`. Standby answers with one Fate, and counts a machine that it keeps as its own from then
// on, so that two that leave at once never fill one free place.
type Departing struct {
	// Key tells this question from every other.
	Key      string   `json:"key"`
	Instance Instance `json:"instance"`
	// Reason says in words why it leaves.
	Reason string `json:"reason,omitempty"`
	// ReplyTo is where the answer goes: the Node, and the signal SignalFate.
	ReplyTo ReplyTo `json:"replyTo"`
}

// Fate is what becomes of a machine that leaves its pool, and why: Standby's answer to Departing.
type Fate struct {
	Key string `json:"key,omitempty"`
	// Tier that it is frozen in; empty: it is terminated.
	Tier v1alpha1.CapacityType `json:"tier,omitempty"`
	// Reason in words: "hibernated: the tier has 1 of 2 (the pool's number)".
	Reason string `json:"reason"`
}

// FatePatience is how long a Node waits for the answer to Departing before its machine is terminated. Standby answers from
// memory; once it has read its pool, where it was started or went on just then.
const FatePatience = 20 * time.Second

// ClaimPatience is how long a ScaleUp waits for the answer to a claim before it goes on. Standby answers from memory, in
// the time of a few workflow tasks.
const ClaimPatience = 5 * time.Second
