package cloud

import (
	"time"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim/query"
)

// Power tells of a machine that is switched on, off, or gone for good.
type Power struct {
	Facts *Facts
	State PowerState
	At    time.Time
	// Boot counts how often it was switched on, from 1.
	Boot int
	// Resumed is true where it comes back with its memory as it was.
	Resumed bool
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
)

// Terminate ends instances. An unknown one fails the whole call.
func (c *Cloud) Terminate(ids []string) ([]Change, error) {
	return c.change(ids, func(i *Instance) error { return nil }, func(i *Instance) {
		switch i.now().State {
		case ShuttingDown, Terminated:
			return
		}
		off := i.now().State != Stopped
		c.transit(i, ShuttingDown, userShutdown)
		if off {
			c.notify(i, PowerOff)
		}
		c.later(i, c.cfg.Latencies.ShuttingDown, func() {
			c.transit(i, Terminated, userShutdown)
			c.notify(i, PowerGone)
		})
	})
}

// Stop stops instances. Where hibernate is true, their memory is kept, which only those can do that were launched for it;
// force cuts the power instead of asking the system.
func (c *Cloud) Stop(ids []string, hibernate, force bool) ([]Change, error) {
	check := func(i *Instance) error {
		switch {
		case i.CapacityType == v1alpha1.Spot:
			// docs.aws.amazon.com/AWSEC2/latest/UserGuide/stop-spot-instances.html: only persistent requests.
			return query.Errorf("UnsupportedOperation", "You can't stop the Spot Instance '%s' because it is associated with a one-time Spot Instance request. You can only stop Spot Instances associated with persistent Spot Instance requests.", i.ID)
		case hibernate && !i.Hibernation:
			return query.Errorf("UnsupportedHibernationConfiguration", "The instance '%s' is not configured for hibernation", i.ID)
		}
		switch i.now().State {
		case Running, Stopping, Stopped:
			return nil
		default:
			return incorrectState(i, "stopped")
		}
	}
	return c.change(ids, check, func(i *Instance) {
		if i.now().State != Running {
			return
		}
		reason := userShutdown
		if hibernate {
			reason = userHibernate
		}
		i.hibernate = hibernate
		c.transit(i, Stopping, reason)
		c.notify(i, PowerOff)
		c.later(i, c.cfg.Latencies.Stopping, func() { c.transit(i, Stopped, reason) })
	})
}

// Start starts stopped instances. All of them start or none does.
func (c *Cloud) Start(ids []string) ([]Change, error) {
	vcpus := map[v1alpha1.CapacityType]int{}
	wanted := map[poolKey]int{}
	check := func(i *Instance) error {
		switch i.now().State {
		case Pending, Running:
			return nil
		case Stopped:
		default:
			return incorrectState(i, "started")
		}
		vcpus[i.CapacityType] += i.Type.VCPU
		if c.allowed(i.CapacityType, vcpus[i.CapacityType], 1) == 0 {
			return quotaExceeded(i.CapacityType, c.cfg.Quotas)
		}
		wanted[i.pool()]++
		if c.pools.free(i.pool(), wanted[i.pool()]) < wanted[i.pool()] {
			return insufficientCapacity(i.Type.Name, i.Zone)
		}
		return nil
	}
	return c.change(ids, check, func(i *Instance) {
		if i.now().State != Stopped {
			return
		}
		c.pools.take(i.pool(), 1)
		c.transit(i, Pending, Reason{})
		c.boot(i)
	})
}

// Reboot restarts the systems of running instances.
func (c *Cloud) Reboot(ids []string) error {
	check := func(i *Instance) error {
		if i.now().State != Running {
			return incorrectState(i, "rebooted")
		}
		return nil
	}
	_, err := c.change(ids, check, func(i *Instance) {
		i.boots++
		c.emit(Power{Facts: &i.Facts, State: PowerOn, At: c.Now(), Boot: i.boots})
	})
	return err
}

func incorrectState(i *Instance, verb string) error {
	return query.Errorf("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be %s: it is %s.", i.ID, verb, i.now().State)
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
	resumed := i.hibernate
	i.hibernate = false
	if !resumed {
		i.boots++
	}
	c.later(i, c.cfg.Latencies.Pending, func() {
		c.transit(i, Running, Reason{})
		c.emit(Power{Facts: &i.Facts, State: PowerOn, At: c.Now(), Boot: i.boots, Resumed: resumed})
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

func (c *Cloud) transit(i *Instance, to State, reason Reason) {
	was := counts(i.now().State)
	i.set(c.Now(), to, reason)
	c.count(i, was, counts(to))
}

// counts says whether an instance in that state counts against the vCPU quota
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html: running instances).
func counts(s State) bool { return s == Pending || s == Running }

func (c *Cloud) count(i *Instance, was, is bool) {
	switch {
	case is && !was:
		c.usedVCPUs[i.CapacityType] += i.Type.VCPU
	case was && !is:
		c.usedVCPUs[i.CapacityType] -= i.Type.VCPU
	}
	if i.now().State == Terminated {
		c.subnets[i.SubnetID].release(i.addr)
	}
}

func (c *Cloud) notify(i *Instance, s PowerState) {
	c.emit(Power{Facts: &i.Facts, State: s, At: c.Now(), Boot: i.boots, Stopping: i.now().State == Stopping})
}

func (c *Cloud) emit(p Power) {
	if c.cfg.Notify != nil {
		c.cfg.Notify(p)
	}
}

func (i *Instance) pool() poolKey { return poolKey{i.Type.Name, i.Zone.ID, i.CapacityType} }
