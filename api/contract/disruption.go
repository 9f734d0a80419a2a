package contract

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/v1alpha1"
)

// Workflow types of voluntary leaving.
const (
	// WorkflowDisruption grants every voluntary disruption of one cluster, within budgets.
	WorkflowDisruption = "Disruption"
	// WorkflowReturnToSpot and WorkflowReplace bring a node's replacement first and then let the node go: the former for
	// on-demand machines that were a fallback, the latter for every other reason.
	WorkflowReturnToSpot = "ReturnToSpot"
	WorkflowReplace      = "Replace"
)

const (
	// SignalChanged (no payload) tells a Disruption that pools or nodes have changed, so that it looks at once.
	SignalChanged = "changed"
	// SignalLeft (OperationResult) tells who asked for a node's leaving how that ended.
	SignalLeft = "left"
	// UpdateWhy (WhyInput) asks a Disruption why a node may not leave now; answers NodeVerdict.
	UpdateWhy = "why"
)

// Activity types of voluntary leaving.
const (
	// ActivityDisrupt looks at a cluster and says which nodes are to leave now.
	ActivityDisrupt = "kube.Disrupt"
	// ActivityCordon keeps new pods off a Node.
	ActivityCordon = "kube.Cordon"
	// ActivityAwaitNodes waits until the Nodes of instances take pods.
	ActivityAwaitNodes = "kube.AwaitNodes"
	// ActivityPutEvents writes events to the store.
	ActivityPutEvents = "store.PutEvents"
)

// DisruptionID is the workflow id of a cluster's Disruption.
func DisruptionID(cluster string) string { return "disruption/" + cluster }

// ReplaceID is the workflow id of the n-th replacement of a node, from 1: return-to-spot/… or replace/….
func ReplaceID(reason v1alpha1.DisruptionReason, cluster, instance string, n int) string {
	op := "replace"
	if reason == v1alpha1.DisruptReturn {
		op = "return-to-spot"
	}
	return fmt.Sprintf("%s/%s/%s/%d", op, cluster, instance, n)
}

// GrantID is the request of a Disruption's n-th grant, from 1. The first run id tells two lives of one Disruption apart.
func GrantID(cluster, firstRunID string, n int) string {
	return fmt.Sprintf("disruption/%s/%s-%d", cluster, short(firstRunID), n)
}

// DisruptionInput starts a Disruption. By hand, the cluster is enough.
type DisruptionInput struct {
	Cluster string `json:"cluster"`
	// Every is how often the cluster is looked at while nodes stand; zero means 20 s.
	Every metav1.Duration  `json:"every,omitzero"`
	State *DisruptionState `json:"state,omitempty"`
	// MaxTurns, where set, continues as new after so many looks, besides where Temporal suggests it.
	MaxTurns int `json:"maxTurns,omitempty"`
}

// DisruptionState is what a Disruption carries from run to run.
type DisruptionState struct {
	Memory DisruptionMemory `json:"memory"`
	// Leaving are the disruptions that were granted and have not ended.
	Leaving []Leaving `json:"leaving,omitempty"`
	// Departed are the last that have left, at most 20, the oldest first.
	Departed []Departed `json:"departed,omitempty"`
	// NotBefore says, by instance, until when a node is left alone after it could not leave.
	NotBefore map[string]Postponed `json:"notBefore,omitempty"`
	// Refused are nodes that would leave and may not, as of the last look, at most 100; RefusedCount counts all.
	Refused      []Refusal `json:"refused,omitempty"`
	RefusedCount int       `json:"refusedCount,omitempty"`
	// Told is the refusal of each node that the events tell of already.
	Told map[string]string `json:"told,omitempty"`
	// Unrecorded are events that the store has yet to take, at most 200; the oldest go first.
	Unrecorded []EventRecord `json:"unrecorded,omitempty"`
	// Grants counts those of the workflow's whole life; Ended counts how many let their node go.
	Grants int `json:"grants"`
	Ended  int `json:"ended"`
	// LookedAt is when the cluster was looked at last, LookAt when it is next, by the workflow's clock.
	LookedAt time.Time `json:"lookedAt,omitzero"`
	LookAt   time.Time `json:"lookAt,omitzero"`
	Failures int       `json:"failures,omitempty"` // looks in a row that failed
	Trouble  string    `json:"trouble,omitempty"`
}

// DisruptionView answers the query `state` of a Disruption.
type DisruptionView struct {
	Cluster string `json:"cluster"`
	Doing   string `json:"doing"`
	DisruptionState
}

// DisruptionMemory is what one look at a cluster must know of those before it.
type DisruptionMemory struct {
	// EmptySince is when each node that is empty was first seen so, by instance.
	EmptySince map[string]time.Time `json:"emptySince,omitempty"`
	// ScaledUp is when each pool last grew for demand.
	ScaledUp map[string]time.Time `json:"scaledUp,omitempty"`
	// Serving is how many pods served in each pool of late.
	Serving map[string]Serving `json:"serving,omitempty"`
}

// Serving is a pool's recent past, by which a collapse is told from a quiet evening.
type Serving struct {
	// Samples, one a minute at most, of the last quarter of an hour; the oldest first.
	Samples []ServingSample `json:"samples,omitempty"`
	// Collapsed is when the pods that serve had fallen to half, and Peak what they were at their most before that. Zero
	// where there was no collapse.
	Collapsed time.Time `json:"collapsed,omitzero"`
	Peak      int       `json:"peak,omitempty"`
}

// ServingSample is how many pods of a pool were Ready at one moment.
type ServingSample struct {
	At   time.Time `json:"at"`
	Pods int       `json:"pods"`
}

// Leaving is a disruption that was granted.
type Leaving struct {
	// Request tells this grant from every other; the answer carries it.
	Request  string                    `json:"request"`
	Instance string                    `json:"instance"`
	Node     string                    `json:"node"`
	Pool     string                    `json:"pool"`
	Reason   v1alpha1.DisruptionReason `json:"reason"`
	Words    string                    `json:"words"`
	Since    time.Time                 `json:"since"`
	// Workflow that brings the replacement; empty where none is needed.
	Workflow string `json:"workflow,omitempty"`
	// Fate says in words what becomes of its machine; empty where its pool keeps no standby.
	Fate string `json:"fate,omitempty"`
}

// Departed is a node that has left.
type Departed struct {
	Node   string                    `json:"node"`
	Pool   string                    `json:"pool"`
	Reason v1alpha1.DisruptionReason `json:"reason"`
	At     time.Time                 `json:"at"`
	// Fate says in words what became of its machine: terminated, stopped or hibernated, and why.
	Fate string `json:"fate"`
}

// Postponed says until when a node is not asked to leave for a reason again, after so many tries in a row, and why.
type Postponed struct {
	Reason v1alpha1.DisruptionReason `json:"reason"`
	Until  time.Time                 `json:"until"`
	Tries  int                       `json:"tries"`
	Why    string                    `json:"why"`
}

// Refusal is a node that has a reason to leave and may not now.
type Refusal struct {
	Instance string                    `json:"instance"`
	Node     string                    `json:"node"`
	Pool     string                    `json:"pool"`
	Reason   v1alpha1.DisruptionReason `json:"reason"`
	// Code names the kind of refusal; it stays the same while Why tells of changing numbers.
	Code string `json:"code"`
	Why  string `json:"why"`
}

// Grant is a node that is to leave now.
type Grant struct {
	Instance string                    `json:"instance"`
	Node     string                    `json:"node"`
	UID      string                    `json:"uid,omitempty"`
	Pool     string                    `json:"pool"`
	Reason   v1alpha1.DisruptionReason `json:"reason"`
	// Words say why, for whoever reads the node's history.
	Words string `json:"words"`
	// Launches are to be Ready first; none where its pods fit on what is there.
	Launches []PlannedLaunch `json:"launches,omitempty"`
	// Cordon says to keep new pods off the node at once, because it is not sound.
	Cordon bool `json:"cordon,omitempty"`
	// Keep says that its pool's Standby is to be asked whether its machine is worth keeping. Else it is terminated, and Fate
	// says in words why, where the pool keeps a standby at all.
	Keep bool   `json:"keep,omitempty"`
	Fate string `json:"fate,omitempty"`
}

// DisruptInput asks for one look at a cluster.
type DisruptInput struct {
	Cluster   string               `json:"cluster"`
	Memory    DisruptionMemory     `json:"memory"`
	Leaving   []Leaving            `json:"leaving,omitempty"`
	NotBefore map[string]Postponed `json:"notBefore,omitempty"`
	// Every is the shortest time between two looks.
	Every time.Duration `json:"every,omitempty"`
	// Why names a node, by name or by instance, whose verdict is wanted; nothing is granted then.
	Why string `json:"why,omitempty"`
}

// DisruptResult is one look's answer.
type DisruptResult struct {
	At     time.Time        `json:"at"`
	Grants []Grant          `json:"grants,omitempty"`
	Memory DisruptionMemory `json:"memory"`
	// Refused: see DisruptionState.
	Refused      []Refusal `json:"refused,omitempty"`
	RefusedCount int       `json:"refusedCount,omitempty"`
	// Gone are instances of DisruptInput.Leaving and NotBefore that have no Node any more.
	Gone []string `json:"gone,omitempty"`
	// Next is after how long it is worth looking again, if nothing is heard before.
	Next time.Duration `json:"next"`
	// Verdict is of the node that DisruptInput.Why names.
	Verdict *NodeVerdict `json:"verdict,omitempty"`
}

// WhyInput is the payload of the update why.
type WhyInput struct {
	// Node by its name, or by its instance's ID.
	Node string `json:"node"`
}

// NodeVerdict says of one node, reason by reason, whether it would leave, and what is in the way.
type NodeVerdict struct {
	Instance string `json:"instance"`
	Node     string `json:"node"`
	Pool     string `json:"pool"`
	// Leaves is set where the node would be granted its leaving now: the reason, in words.
	Leaves string `json:"leaves,omitempty"`
	// Leaving is set where it leaves already.
	Leaving *Leaving `json:"leaving,omitempty"`
	// Fate says in words what would become of its machine if it left now; empty where its pool keeps no standby. Keep says
	// that its pool's Standby decides, by its state then.
	Fate string `json:"fate,omitempty"`
	Keep bool   `json:"keep,omitempty"`
	// Reasons in the order in which they are looked at.
	Reasons []ReasonVerdict `json:"reasons"`
}

// ReasonVerdict is one reason's part of a NodeVerdict.
type ReasonVerdict struct {
	Reason v1alpha1.DisruptionReason `json:"reason"`
	// Wanted is true where the reason holds: the node is empty, say, or expired.
	Wanted bool `json:"wanted"`
	// Words say what holds, or why the reason does not.
	Words string `json:"words"`
	// Refused says what keeps a node that is wanted to leave from leaving; empty where nothing does.
	Refused string `json:"refused,omitempty"`
}

// ReplaceInput starts a ReturnToSpot or a Replace.
type ReplaceInput struct {
	Cluster string `json:"cluster"`
	Grant   Grant  `json:"grant"`
	Request string `json:"request"`
	// ReplyTo is where OperationResult goes at the end: accepted where the node has left.
	ReplyTo *ReplyTo `json:"replyTo,omitempty"`
}

// ReplaceResult is what came of it.
type ReplaceResult struct {
	// Left is true where the old node is gone.
	Left bool `json:"left"`
	// Exhausted is true where no replacement was to be had: the node stays.
	Exhausted bool `json:"exhausted,omitempty"`
	// Fate says in words what became of the machine of a node that has left.
	Fate string `json:"fate,omitempty"`
	// Instances that were launched in its place.
	Instances []string `json:"instances,omitempty"`
	Message   string   `json:"message"`
}

// CordonInput asks to cordon a Node, if it is still the one with that UID.
type CordonInput struct {
	Cluster string `json:"cluster"`
	Node    string `json:"node"`
	UID     string `json:"uid,omitempty"`
}

// AwaitNodesInput asks to wait until the Nodes of all instances take pods.
type AwaitNodesInput struct {
	Cluster   string   `json:"cluster"`
	Instances []string `json:"instances"`
	// Within is how long to wait.
	Within time.Duration `json:"within"`
}

// AwaitNodesResult says which of them do not, when the wait was over; none where all is well.
type AwaitNodesResult struct {
	Missing []string `json:"missing,omitempty"`
}

// LaunchOf is the ScaleUp that brings one of a grant's launches.
func (g Grant) LaunchOf(cluster string, l PlannedLaunch) ScaleUpInput {
	purpose := PurposeReplace
	if g.Reason == v1alpha1.DisruptReturn {
		purpose = PurposeReturn
	}
	return ScaleUpInput{
		Cluster: cluster, Pool: l.Pool, Count: l.Count, Purpose: purpose,
		InstanceTypes: l.InstanceTypes, Zones: l.Zones, CapacityTypes: l.CapacityTypes, Requests: l.Requests,
		PodCount: l.PodCount, Pods: l.Pods, Machines: l.Machines,
	}
}
