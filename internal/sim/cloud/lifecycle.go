package cloud

import (
	"time"

	"floe.dev/floe/api/v1alpha1"
)

// Power tells of a machine that is switched on, off, or gone for good.
type Power struct {
	Facts *Facts
	State PowerState
	At    time.Time
	// Boot counts how often it was switched on, from 1.
	Boot int
	// Resumed is true where it comes back with its memory as it was, which takes until Loaded.
	Resumed bool
	Loaded  time.Time
	// Stopping is true where it is off because it is stopped or hibernated, and not on its way out.
	Stopping bool
}

// PowerState is whether a machine runs.
type PowerState string

// The power states.
const (
	PowerOn   PowerState = "on"
	PowerOff  PowerState = "off"
	PowerGone PowerState = "gone"
)

// Change is what a call did to an instance.
type Change struct {
	ID                string
	Previous, Current State
}

var (
	userShutdown  = Reason{"Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown"}
	userHibernate = Reason{"Client.UserInitiatedHibernate", "Client.UserInitiatedHibernate: User initiated hibernate"}
	// docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html
	spotTermination = Reason{"Server.SpotInstanceTermination", "Server.SpotInstanceTermination: Spot instance termination"}
	scheduledStop   = Reason{"Server.ScheduledStop", "Server.ScheduledStop: Stopped due to scheduled retirement"}
)

// Terminate ends instances. An unknown one fails the whole call.
func (c *Cloud) Terminate(ids []string) ([]Change, error) {
	return c.change(ids, func(*Instance) error { return nil }, func(i *Instance) { c.end(i, userShutdown, spotByUser) })
}

// end lets an instance go for good. c.mu is held.
func (c *Cloud) end(i *Instance, reason Reason, spotCode string) {
	switch i.now().State {
	case ShuttingDown, Terminated:
		return
	}
	off := i.now().State != Stopped
	if i.SpotRequest != "" {
		i.revise(c.Now(), func(rev *Revision) { rev.Spot = spotState(spotCode, rev.At) })
	}
	c.transit(i, ShuttingDown, reason)
	if off {
		c.notify(i, PowerOff)
	}
	c.later(i, c.cfg.Latencies.ShuttingDown, func() {
		c.transit(i, Terminated, reason)
		c.notify(i, PowerGone)
	})
}

// change looks all instances up and checks them, then does it to each.
func (c *Cloud) change(ids []string, check func(*Instance) error, do func(*Instance)) ([]Change, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	chosen := make([]*Instance, 0, len(ids))
	for _, id := range ids {
		i, err := c.find(id)
		if err != nil {
			return nil, err
		}
		if err := check(i); err != nil {
			return nil, err
		}
		chosen = append(chosen, i)
	}
	changes := make([]Change, 0, len(chosen))
	for _, i := range chosen {
		previous := i.now().State
		do(i)
		changes = append(changes, Change{i.ID, previous, i.now().State})
	}
	return changes, nil
}

// boot lets a pending instance come up.
func (c *Cloud) boot(i *Instance) {
	resumed := i.memory && c.keeps(i)
	i.memory = false
	if !resumed {
		i.boots++
	}
	c.later(i, c.cfg.Latencies.Pending, func() {
		now := c.Now()
		c.transit(i, Running, Reason{})
		p := Power{Facts: &i.Facts, State: PowerOn, At: now, Boot: i.boots, Resumed: resumed}
		if i.upSince = now; resumed {
			p.Loaded = now.Add(c.scaled(c.imageTime(i)))
			i.resumed = p.Loaded
		} else {
			i.booted = now
		}
		if i.sleepy {
			i.sleepy = false
			c.hang(i, true)
			return
		}
		c.emit(p)
	})
}

// later does the instance's next step after d, unless something else comes first. A step without latency is done at
// once. c.mu is held, also when step is called.
func (c *Cloud) later(i *Instance, d time.Duration, step func()) {
	d = c.jittered(d)
	if d <= 0 {
		step()
		return
	}
	expected := i.step
	c.after(d, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if i.step == expected {
			step()
		}
	})
}

// transit brings an instance into another state, with all that this means for quotas, capacity and addresses. What a
// start takes of the market is taken before it.
func (c *Cloud) transit(i *Instance, to State, reason Reason) {
	was, is := counts(i.now().State), counts(to)
	i.set(c.Now(), to, reason)
	used := c.used[i.CapacityType]
	switch {
	case is && !was:
		used.vcpus += i.Type.VCPU
		used.instances++
	case was && !is:
		used.vcpus -= i.Type.VCPU
		used.instances--
		c.market.Leave(i.offering())
	}
	c.used[i.CapacityType] = used
	rev := &i.revisions[len(i.revisions)-1]
	switch to {
	case Pending:
		rev.PublicIP = c.publicIP(i)
	case Stopped, ShuttingDown:
		// docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-instance-addressing.html, "Public IPv4 addresses"
		rev.PublicIP = ""
	case Terminated:
		c.subnets[i.SubnetID].release(i.addr)
	}
	rev.Impaired = rev.Impaired && to == Running
	c.tell(StateChange, i)
}

func (c *Cloud) notify(i *Instance, s PowerState) {
	c.emit(Power{Facts: &i.Facts, State: s, At: c.Now(), Boot: i.boots, Stopping: i.now().State == Stopping})
}

func (c *Cloud) emit(p Power) {
	if c.cfg.Notify != nil {
		c.cfg.Notify(p)
	}
}

// spot says whether an instance is one.
func (i *Instance) spot() bool { return i.CapacityType == v1alpha1.Spot }
