package cloud

import "time"

// EventKind is what sort of thing AWS tells of, whoever asked for it or nobody.
type EventKind string

// The kinds of event, as scripts name them.
const (
	// Interruption is the warning two minutes before a spot instance is taken.
	Interruption EventKind = "interruption"
	// Rebalance says that a spot instance is at elevated risk of interruption.
	Rebalance EventKind = "rebalance"
	// StateChange says that an instance came into another state.
	StateChange EventKind = "state"
	// ScheduledChange says that AWS is going to stop or retire the machine under an instance.
	ScheduledChange EventKind = "health"
)

// Event is one thing that AWS tells through EventBridge.
type Event struct {
	Kind     EventKind
	At       time.Time
	Account  string
	Region   string
	Zone     Zone
	Instance string // ID
	// State is what a StateChange came to.
	State State
	// Until is when what a ScheduledChange announces begins.
	Until time.Time
}

// tell tells of an instance. c.mu is held.
func (c *Cloud) tell(kind EventKind, i *Instance) {
	if c.cfg.Tell == nil {
		return
	}
	rev := i.now()
	c.cfg.Tell(Event{
		Kind: kind, At: c.Now(), Account: c.cfg.Account, Region: c.cfg.Region, Zone: i.Zone, Instance: i.ID,
		State: rev.State, Until: rev.Retires,
	})
}
