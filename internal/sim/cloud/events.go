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
	// Forged is true where EC2 knows nothing of it: somebody else has put it into the queue.
	Forged bool
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

// forge tells of an interruption that is none: the instance stays, and so does its spot request. Where account is not
// empty, the warning speaks of another account's. c.mu is held.
func (c *Cloud) forge(i *Instance, account string) {
	if c.cfg.Tell == nil {
		return
	}
	if account == "" {
		account = c.cfg.Account
	}
	c.cfg.Tell(Event{
		Kind: Interruption, At: c.Now(), Account: account, Region: c.cfg.Region, Zone: i.Zone, Instance: i.ID, Forged: true,
	})
}
