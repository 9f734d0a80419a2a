package contract

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/v1alpha1"
)

// Purpose says why a launch was opened.
type Purpose string

// The purposes.
const (
	PurposeDemand  Purpose = "demand"
	PurposeHand    Purpose = "hand"
	PurposeStandby Purpose = "standby"
	PurposeReturn  Purpose = "return"
	// PurposeReplace is for a machine in the place of one that is to leave: expired, drifted, unsound or too dear.
	PurposeReplace Purpose = "replace"
	// PurposeRace is for a machine that races one that is being woken: whichever is ready first is kept.
	PurposeRace Purpose = "race"
)

// ScaleUpInput starts a ScaleUp. By hand, cluster, pool and count are enough.
type ScaleUpInput struct {
	Cluster string `json:"cluster"`
	Pool    string `json:"pool"`
	// Count of machines wanted, 1 to 1000.
	Count int `json:"count"`
	// Purpose is "hand" where it is empty.
	Purpose Purpose `json:"purpose,omitempty"`
	// Plan is the id of the plan that opened the launch; empty by hand.
	Plan string `json:"plan,omitempty"`
	// InstanceTypes, Zones and CapacityTypes narrow the pool's: what the planner found to fit. Empty means all.
	InstanceTypes []string                `json:"instanceTypes,omitempty"`
	Zones         []string                `json:"zones,omitempty"` // zone names
	CapacityTypes []v1alpha1.CapacityType `json:"capacityTypes,omitempty"`
	// Requests is what pods are going to ask of each machine: cpu, memory, pods, …; no type that holds less is tried.
	Requests corev1.ResourceList `json:"requests,omitempty"`
	// PodCount of pods served and the names (namespace/name) of at most 20 of them, for whoever reads the history.
	PodCount int      `json:"podCount,omitempty"`
	Pods     []string `json:"pods,omitempty"`
	// Machines: see PlannedLaunch.
	Machines [][]string `json:"machines,omitempty"`
	// Tier, hibernated or stopped, goes with the purpose standby: machines that are made ready to be frozen in it.
	Tier v1alpha1.CapacityType `json:"tier,omitempty"`
	// Trace is the W3C traceparent of the demand.
	Trace string `json:"trace,omitempty"`
	// Race, of the purpose race, is the key of the claim whose machines it races. What comes of it is told the pool's Standby.
	Race string `json:"race,omitempty"`
	// Drought says that the pool's last launch found no capacity: the chain then says what would help.
	Drought bool `json:"drought,omitempty"`
}

// ResolvedTemplate is a launch template with nothing left to resolve, so that a hop's parameters never change under
// its token.
type ResolvedTemplate struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	ImageID string `json:"imageID"`
}

// Step is one step of a chain, expanded to offerings, the best first.
type Step struct {
	// Index of the step in the pool's fallback, from 0.
	Index        int                   `json:"index"`
	CapacityType v1alpha1.CapacityType `json:"capacityType"`
	Overrides    []Override            `json:"overrides,omitempty"`
	// Skipped says why nothing of the step can be tried; Overrides is empty then.
	Skipped string `json:"skipped,omitempty"`
	// InstanceTypes and Zones (names) are what will do of a step that claims machines (see Claims); empty means all of the
	// pool's.
	InstanceTypes []string `json:"instanceTypes,omitempty"`
	Zones         []string `json:"zones,omitempty"`
	// FreeAt is when the first of the offerings that were left out is worth a try again: they are in back-off, or beyond
	// a limit of the account. Zero where none is left out.
	FreeAt time.Time `json:"freeAt,omitzero"`
}

// Claims reports whether the step is tried by a claim on the pool's Standby: its machines are there already, so that it
// has no offerings to ask EC2 for.
func (s Step) Claims() bool {
	return s.Skipped == "" && (s.CapacityType == v1alpha1.Hibernated || s.CapacityType == v1alpha1.Stopped)
}

// OpenChainInput asks for a launch's chain.
type OpenChainInput struct {
	Launch ScaleUpInput `json:"launch"`
}

// Chain is how a launch is filled: where, from what template, and the steps in order.
type Chain struct {
	Account             string           `json:"account"`
	Region              string           `json:"region"`
	Template            ResolvedTemplate `json:"template"`
	Steps               []Step           `json:"steps"`
	RegistrationTimeout time.Duration    `json:"registrationTimeout"`
	// HedgeAfter is how long a hop may go without an answer before a further one is opened beside it. Zero: never.
	HedgeAfter time.Duration `json:"hedgeAfter,omitempty"`
	// Help says, one each and in words, which single change would give the launch free offerings that the chain has not. It
	// is worked out for a launch by hand, in a drought, and where the chain has nothing to try.
	Help []string `json:"help,omitempty"`
	// Version of the rules by which the chain is walked: ChainVersion. Chains in older histories have none, and are walked
	// by the rules of their time.
	Version int `json:"version,omitempty"`
	// Standby are the pool's durations for standby machines.
	Standby StandbyTimes `json:"standby,omitzero"`
}

// ChainVersion is the version of the rules for chains opened now. From 1 on an offering that refused one hop of a chain
// is left out of the hops after it.
const ChainVersion = 1

// LaunchInput is one hop: one try on one step.
type LaunchInput struct {
	Account  string           `json:"account"`
	Region   string           `json:"region"`
	Cluster  string           `json:"cluster"`
	Pool     string           `json:"pool"`
	Plan     string           `json:"plan,omitempty"`
	ScaleUp  string           `json:"scaleUp"` // workflow id
	Hop      int              `json:"hop"`     // from 1
	Token    string           `json:"token"`
	Count    int              `json:"count"`
	Template ResolvedTemplate `json:"template"`
	Step     Step             `json:"step"`
	// RunInstances launches with RunInstances instead of a fleet, where a fleet can't serve. The step then has exactly
	// one override.
	RunInstances bool `json:"runInstances,omitempty"`
	// Tier of machines that are made for standby: hibernated, which are launched so that they can be, or stopped. Needs
	// RunInstances: a fleet's overrides carry no hibernation.
	Tier v1alpha1.CapacityType `json:"tier,omitempty"`
}

// LaunchResult is a hop's definitive answer: what it gave and what it learned.
type LaunchResult struct {
	Instances []Instance `json:"instances,omitempty"`
	Outcomes  []Outcome  `json:"outcomes,omitempty"`
	// SentAt is when the EC2 call went out, by the worker's clock.
	SentAt time.Time `json:"sentAt"`
	// Took is how long EC2 needed.
	Took time.Duration `json:"took"`
	// Recorded is false where the store did not take the hop; the ScaleUp hands it in later.
	Recorded bool `json:"recorded"`
	// Recovered is true where the answer was lost and what it had given was found by its tag.
	Recovered bool `json:"recovered,omitempty"`
}

// Hop is one try of a chain on one step, with its outcome.
type Hop struct {
	Number       int                   `json:"number"` // from 1
	Step         int                   `json:"step"`   // index in the pool's fallback
	CapacityType v1alpha1.CapacityType `json:"capacityType"`
	Token        string                `json:"token"`
	Asked        int                   `json:"asked"`
	Got          int                   `json:"got"`
	Started      time.Time             `json:"started"`
	Ended        time.Time             `json:"ended"`
	SentAt       time.Time             `json:"sentAt"`
	Took         time.Duration         `json:"took"`
	Outcomes     []Outcome             `json:"outcomes,omitempty"`
	Error        string                `json:"error,omitempty"`
	// Note says in words what came of a claim, which has no outcomes.
	Note string `json:"note,omitempty"`
}

// ScaleUpPhase says how far a ScaleUp is, and at its end how it went.
type ScaleUpPhase string

// The phases; the last four are ends.
const (
	ScaleUpOpening   ScaleUpPhase = "opening"
	ScaleUpLaunching ScaleUpPhase = "launching"
	ScaleUpFilled    ScaleUpPhase = "filled"
	ScaleUpExhausted ScaleUpPhase = "exhausted"
	ScaleUpCanceled  ScaleUpPhase = "canceled"
	ScaleUpBlocked   ScaleUpPhase = "blocked" // nothing could be tried: see Reason
)

// ScaleUpView answers the query `chain`, and is the workflow's result.
type ScaleUpView struct {
	Cluster   string       `json:"cluster"`
	Pool      string       `json:"pool"`
	Purpose   Purpose      `json:"purpose"`
	Phase     ScaleUpPhase `json:"phase"`
	Count     int          `json:"count"`
	Instances []Instance   `json:"instances"`
	Hops      []Hop        `json:"hops"`
	// Next says in words what comes next.
	Next string `json:"next,omitempty"`
	// Reason says in words why the phase is exhausted, canceled or blocked.
	Reason string `json:"reason,omitempty"`
	// Hold that was put on the launch last, also where its end has passed since: ask Hold.Lasts. While it lasts no new hop
	// is begun.
	Hold *Hold `json:"hold,omitempty"`
	// Notes say what was asked of the launch by signals and what came of it, the oldest first, at most MaxNotes.
	Notes []string `json:"notes,omitempty"`
	Chain *Chain   `json:"chain,omitempty"`
}

// MaxNotes is how many notes a ScaleUp keeps: the last ones.
const MaxNotes = 20

// SkipStep is the payload of skip-step and of use-now.
type SkipStep struct {
	Step int `json:"step"` // index in the pool's fallback, from 0
}

// LaunchEvent is the payload of launch-opened, launch-filled and launch-exhausted.
type LaunchEvent struct {
	// Key tells this event from every other, so that it is counted once.
	Key     string  `json:"key"`
	ScaleUp string  `json:"scaleUp"`
	Pool    string  `json:"pool"`
	Purpose Purpose `json:"purpose"`
	// Open is how many machines the ScaleUp still means to launch.
	Open     int                 `json:"open"`
	Requests corev1.ResourceList `json:"requests,omitempty"`
	// InstanceTypes that the launch may bring, where it was narrowed.
	InstanceTypes []string                `json:"instanceTypes,omitempty"`
	Zones         []string                `json:"zones,omitempty"`
	CapacityTypes []v1alpha1.CapacityType `json:"capacityTypes,omitempty"`
	Instances     []Instance              `json:"instances,omitempty"`
	// Tier of a launch for standby; such events go to the pool's Standby.
	Tier v1alpha1.CapacityType `json:"tier,omitempty"`
	// Race is the launch's; such events go to the pool's Standby too.
	Race   string `json:"race,omitempty"`
	Reason string `json:"reason,omitempty"`
	// FreeAt is when the first of the offerings that the chain left out is worth a try again, and Help what would give it
	// more: see Step and Chain. Of launch-exhausted.
	FreeAt time.Time `json:"freeAt,omitzero"`
	Help   []string  `json:"help,omitempty"`
	// Hops that the chain took. Of launch-exhausted.
	Hops int `json:"hops,omitempty"`
}

// Gone tells a Provisioner that an instance left before a plan saw its Node, or after.
type Gone struct {
	Key      string `json:"key"`
	Instance string `json:"instance"`
	Reason   string `json:"reason"`
}
