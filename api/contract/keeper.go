package contract

import (
	"time"

	"floe.dev/floe/api/v1alpha1"
)

// StandbyInput starts a pool's Standby. State is carried across continue-as-new.
type StandbyInput struct {
	Cluster string        `json:"cluster"`
	Pool    string        `json:"pool"`
	State   *StandbyState `json:"state,omitempty"`
	// MaxTurns, where set, continues as new after so many turns of the main loop, besides where Temporal suggests it.
	MaxTurns int `json:"maxTurns,omitempty"`
}

// StandbyState is what a Standby carries from run to run.
type StandbyState struct {
	// Machines of the standby, in the order in which they came. One that is in service is no longer among them.
	Machines []StandbyMachine `json:"machines,omitempty"`
	// Fills are the launches that make machines ready.
	Fills []StandbyFill `json:"fills,omitempty"`
	// Filled counts the launches there were.
	Filled int `json:"filled,omitempty"`
	// Drained are the tiers that a person has emptied, until they ask for a fill.
	Drained []v1alpha1.CapacityType `json:"drained,omitempty"`
	// Answers are the last claims' answers, so that one that comes again is answered alike.
	Answers []Claimed `json:"answers,omitempty"`
	// Races are the claims that are not settled yet: see StandbyRace.
	Races []StandbyRace `json:"races,omitempty"`
	// Facts are what the cluster said of the pool last.
	Facts StandbyFacts `json:"facts,omitzero"`
	// Failures in a row of making machines ready; RetryAt is when the next is made.
	Failures int       `json:"failures,omitempty"`
	RetryAt  time.Time `json:"retryAt,omitzero"`
	Trouble  string    `json:"trouble,omitempty"`
	Seen     []string  `json:"seen,omitempty"`
	// Launches are the pool's, as a forecast wants them; nil where no target is one, or none was read yet.
	Launches *KnownLaunches `json:"launches,omitempty"`
}

// KnownLaunches are a pool's launches as the store had them when it was read last.
type KnownLaunches struct {
	LaunchHistory
	// Read is when the store gave them, by the workflow's clock; zero: it never did.
	Read time.Time `json:"read,omitzero"`
	// Trouble says why the last reading failed; what was read before stays.
	Trouble string `json:"trouble,omitempty"`
	// Again is when the store is to be read next.
	Again time.Time `json:"again,omitzero"`
}

// LaunchHistory is how many machines a pool launched for demand in each hour, those that came from its standby included.
type LaunchHistory struct {
	// Since is when the first hour begins; hours are those of UTC.
	Since time.Time `json:"since,omitzero"`
	// Launched in each hour from then on, without a gap. The last hour may not be over.
	Launched []int `json:"launched,omitempty"`
}

// LaunchHistoryInput asks the store for a pool's LaunchHistory.
type LaunchHistoryInput struct {
	Cluster string `json:"cluster"`
	Pool    string `json:"pool"`
	// Now is the moment that it is to reach to.
	Now time.Time `json:"now"`
}

// StandbyPhase is where a machine of the standby is.
type StandbyPhase string

// The phases.
const (
	StandbyMaking  StandbyPhase = "making"  // launched, or to be frozen again
	StandbyFrozen  StandbyPhase = "frozen"  // to be had
	StandbyWaking  StandbyPhase = "waking"  // claimed, and on its way into service
	StandbyLeaving StandbyPhase = "leaving" // to be terminated
)

// StandbyMachine is one machine of the standby.
type StandbyMachine struct {
	Instance Instance              `json:"instance"`
	Tier     v1alpha1.CapacityType `json:"tier"`
	Phase    StandbyPhase          `json:"phase"`
	Since    time.Time             `json:"since"`
	Verdict  Verdict               `json:"verdict,omitempty"`
	Reason   string                `json:"reason,omitempty"`
	// Took is how long its last wake took; zero: it was never woken.
	Took time.Duration `json:"took,omitempty"`
	// ByHand says that a person had it frozen.
	ByHand bool `json:"byHand,omitempty"`
	// Claim is the key of the claim that it was given to; Unclaimed says that it was given back before it was awake.
	Claim     string `json:"claim,omitempty"`
	Unclaimed bool   `json:"unclaimed,omitempty"`
	// Renewing says why another is made ready in its place.
	Renewing string `json:"renewing,omitempty"`
	// NotBefore is when it is worth a try again: EC2 had no capacity to start it.
	NotBefore time.Time `json:"notBefore,omitzero"`
	// Stays is until when it is not asked to leave again: its Node refused, since a person holds it, and Reason says so.
	Stays time.Time `json:"stays,omitzero"`
	// Images are keys (ImageKey) of the images that were prefetched onto it, or could not be.
	Images []string `json:"images,omitempty"`
}

// StandbyFill is a launch that makes machines ready.
type StandbyFill struct {
	ScaleUp string                `json:"scaleUp"`
	Tier    v1alpha1.CapacityType `json:"tier"`
	Open    int                   `json:"open"`
}

// StandbyFacts are what the cluster and the account say of a pool's standby.
type StandbyFacts struct {
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
	// Gone says that there is no such pool.
	Gone bool `json:"gone,omitempty"`
	// Spec is the pool's; nil: it keeps none.
	Spec *v1alpha1.Standby `json:"spec,omitempty"`
	// Nodes of the pool in service.
	Nodes int `json:"nodes"`
	// ImageID of the pool's launch template, as it is resolved today; empty where it could not be.
	ImageID string `json:"imageID,omitempty"`
	// Closed are the instances whose Nodes are the standby's, by their labels.
	Closed []string `json:"closed,omitempty"`
	// Images are those that would be prefetched today, the best first; none where the pool prefetches nothing, or where it
	// is not known.
	Images []ChosenImage `json:"images,omitempty"`
}

// ReadStandbyInput asks for a pool's StandbyFacts.
type ReadStandbyInput struct {
	Cluster string `json:"cluster"`
	Pool    string `json:"pool"`
}

// StandbyReport is what a Node tells its pool's Standby of its machine: the payload of the signal `reported`.
type StandbyReport struct {
	Key      string                `json:"key"`
	Instance Instance              `json:"instance"`
	Tier     v1alpha1.CapacityType `json:"tier"`
	// State: frozen, refused (to be frozen), no-capacity (to be woken), in-service, gone.
	State   ReportedState `json:"state"`
	Verdict Verdict       `json:"verdict,omitempty"`
	Reason  string        `json:"reason,omitempty"`
	Took    time.Duration `json:"took,omitempty"`
	ByHand  bool          `json:"byHand,omitempty"`
	// Images: see StandbyMachine.
	Images []string `json:"images,omitempty"`
}

// ReportedState is what became of a machine.
type ReportedState string

// The states that are reported.
const (
	ReportMaking     ReportedState = "making"
	ReportFrozen     ReportedState = "frozen"
	ReportRefused    ReportedState = "refused"
	ReportNoCapacity ReportedState = "no-capacity"
	ReportInService  ReportedState = "in-service"
	ReportGone       ReportedState = "gone"
)

// StandbyOrder is the payload of the updates fill and drain of a Standby.
type StandbyOrder struct {
	// Tier, hibernated or stopped; empty: both.
	Tier   v1alpha1.CapacityType `json:"tier,omitempty"`
	Reason string                `json:"reason,omitempty"`
	By     string                `json:"by,omitempty"`
}

// StandbyView answers the query `standby`, and the updates fill and drain.
type StandbyView struct {
	Cluster string `json:"cluster"`
	Pool    string `json:"pool"`
	Doing   string `json:"doing,omitempty"`
	// Hibernated and Stopped say how many are kept of each, and why.
	Hibernated int      `json:"hibernated"`
	Stopped    int      `json:"stopped"`
	Reasons    []string `json:"reasons,omitempty"`
	// DiskUSDPerMonth is what the machines' root volumes cost.
	DiskUSDPerMonth float64 `json:"diskUSDPerMonth"`
	StandbyState
}
