package cloud

import (
	"maps"
	"net/netip"
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// State is an instance's state (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html).
type State string

// The states.
const (
	Pending      State = "pending"
	Running      State = "running"
	ShuttingDown State = "shutting-down"
	Terminated   State = "terminated"
	Stopping     State = "stopping"
	Stopped      State = "stopped"
)

var stateCodes = map[State]int{Pending: 0, Running: 16, ShuttingDown: 32, Terminated: 48, Stopping: 64, Stopped: 80}

// Code is the number that goes with the state.
func (s State) Code() int { return stateCodes[s] }

// Reason is why an instance is in its state.
type Reason struct {
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

// Facts are what never changes of an instance.
type Facts struct {
	ID           string
	Type         contract.InstanceType
	Zone         Zone
	Region       string
	SubnetID     string
	VPCID        string
	CapacityType v1alpha1.CapacityType
	Image        Image
	TemplateID   string
	Version      int // of the template
	UserData     string
	PrivateIP    string
	PrivateDNS   string
	Reservation  string
	LaunchIndex  int
	FleetID      string // where a fleet launched it
	SpotRequest  string // where it is spot
	Token        string // client token of the call
	LaunchedBy   string // the action
	Launched     time.Time
	USDPerHour   float64
	Hibernation  bool
	RootGiB      int
	RootVolume   string // its ID
	RootType     string // gp3, say
	// Mute is true where its kubelet never registers, and Late is how much later than others it does.
	Mute bool
	Late time.Duration
	// RootMiBs is what the root volume reads and writes, in MiB a second.
	RootMiBs  int
	Encrypted bool // the root volume
	// Public is true where it has a public address while it runs.
	Public bool
}

// Revision is what an instance was from a moment on.
type Revision struct {
	At         time.Time
	State      State
	Reason     Reason
	LaunchTime time.Time         // of the last start
	Tags       map[string]string // never changed in place
	// PublicIP is empty where it has none; a stop loses it, and a start gives another.
	PublicIP string
	// Spot is where the request of a spot instance stands.
	Spot SpotState
	// Impaired is true where the machine hangs: its status checks fail, and EC2 calls it running.
	Impaired bool
	// Retires is when AWS stops it for good, by a scheduled event; zero without one.
	Retires time.Time
}

// Instance is one instance, with its whole past, which is what makes lagging answers and bills possible.
type Instance struct {
	Facts
	addr      netip.Addr
	revisions []Revision
	boots     int
	step      int       // counts transitions, so that an outdated timer does nothing
	marked    bool      // for termination
	memory    bool      // is kept while it is stopped
	frozen    time.Time // when it came to a stop
	upSince   time.Time // of this time running
	booted    time.Time // when it last came up with an empty memory
	resumed   time.Time // when it last had its memory back
	sleepy    bool      // hangs as it wakes
	// volumeTags are on its root volume.
	volumeTags map[string]string
}

// Snapshot is an instance as it was at a moment.
type Snapshot struct {
	*Facts
	Revision
}

func (i *Instance) now() Revision { return i.revisions[len(i.revisions)-1] }

// asOf is the instance at a moment; false before its launch.
func (i *Instance) asOf(at time.Time) (Snapshot, bool) {
	for n := len(i.revisions) - 1; n >= 0; n-- {
		if !i.revisions[n].At.After(at) {
			return Snapshot{&i.Facts, i.revisions[n]}, true
		}
	}
	return Snapshot{}, false
}

// tagsAsOf are the tags that were there at a moment; those of the launch were there before it.
func (i *Instance) tagsAsOf(at time.Time) map[string]string {
	if s, ok := i.asOf(at); ok {
		return s.Tags
	}
	return i.revisions[0].Tags
}

func (i *Instance) set(at time.Time, s State, r Reason) {
	rev := i.now()
	rev.At, rev.State, rev.Reason = at, s, r
	if s == Pending {
		rev.LaunchTime = at
	}
	i.revisions = append(i.revisions, rev)
	i.step++
}

// revise changes what is known of the instance while it stays in its state.
func (i *Instance) revise(at time.Time, change func(*Revision)) {
	rev := i.now()
	rev.At = at
	change(&rev)
	i.revisions = append(i.revisions, rev)
}

// retag lets change have a copy of the tags.
func (i *Instance) retag(at time.Time, change func(tags map[string]string)) {
	i.revise(at, func(rev *Revision) {
		rev.Tags = maps.Clone(rev.Tags)
		if rev.Tags == nil {
			rev.Tags = map[string]string{}
		}
		change(rev.Tags)
	})
}

// minimumBilled is the least that each start of a Linux instance costs (aws.amazon.com/ec2/pricing: "billed in one second
// increments, with a minimum of 60 seconds").
const minimumBilled = time.Minute

// costUSD is what the instance has cost by now: its time in state running, and its time on the way into hibernation
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/Hibernate.html). A spot instance that EC2 takes back in its first hour is
// billed here all the same; AWS does not.
func (i *Instance) costUSD(now time.Time) float64 {
	var billed time.Duration
	var since time.Time // zero while the meter stands
	stop := func(end time.Time) {
		if !since.IsZero() {
			billed += max(minimumBilled, end.Sub(since).Truncate(time.Second))
		}
		since = time.Time{}
	}
	for _, rev := range i.revisions {
		switch {
		case !rev.billed():
			stop(rev.At)
		case since.IsZero():
			since = rev.At
		}
	}
	stop(now)
	return billed.Hours() * i.USDPerHour
}

func (r Revision) billed() bool {
	return r.State == Running || (r.State == Stopping && r.Reason == userHibernate)
}
