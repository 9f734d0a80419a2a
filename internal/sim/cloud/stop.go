package cloud

import (
	"time"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim/capacity"
	"floe.dev/floe/internal/sim/query"
	"floe.dev/floe/internal/sim/script"
)

// HibernationRules are how EC2 hibernates. Its times are not divided by Speed: what has to wait them out knows them from its
// own configuration.
type HibernationRules struct {
	// MinUptime is how long after its boot a machine may be asked to.
	MinUptime time.Duration
	// Quiet is how long after a resume requests are ignored.
	Quiet time.Duration
	// Kept is how long memory is kept; 0 is for ever.
	Kept time.Duration
	// Image is the part of a machine's memory that is in use, and so is written and read again: 1 is all of it.
	Image float64
	// Fallback is the probability that a machine shuts down instead, without a word.
	Fallback float64
}

// Stop stops instances. Where hibernate is true, their memory is kept, which only those can do that were launched for it;
// force cuts the power, and so what a hibernation would have kept is lost.
func (c *Cloud) Stop(ids []string, hibernate, force bool) ([]Change, error) {
	check := func(i *Instance) error {
		switch {
		case i.spot():
			// docs.aws.amazon.com/AWSEC2/latest/UserGuide/stop-spot-instances.html: only persistent requests.
			return query.Errorf("UnsupportedOperation", "You can't stop the Spot Instance '%s' because it is associated with a one-time Spot Instance request. You can only stop Spot Instances associated with persistent Spot Instance requests.", i.ID)
		case hibernate && !i.Hibernation:
			// The words are EC2's (github.com/aws-solutions/instance-scheduler-on-aws/issues/510).
			return query.Errorf("UnsupportedHibernationConfiguration", "The instance can't be hibernated because it was not configured at launch for hibernation: %s", i.ID)
		}
		switch i.now().State {
		case Running:
			// "If you try to hibernate an instance too quickly after you've launched it, you get an error"
			// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshoot-instance-hibernate.html); which one, is what
			// drone-runner-aws meets (github.com/drone-runners/drone-runner-aws).
			if hibernate && c.Now().Sub(i.booted) < c.cfg.Hibernation.MinUptime {
				return query.Errorf("UnsupportedOperation", "Instance is not ready to hibernate yet, retry in a few minutes")
			}
			return nil
		case Stopping, Stopped:
			return nil
		default:
			return incorrectState(i, "stopped")
		}
	}
	return c.change(ids, check, func(i *Instance) {
		if i.now().State != Running || (hibernate && c.Now().Before(i.resumed.Add(c.cfg.Hibernation.Quiet)) && !i.resumed.IsZero()) {
			return
		}
		reason, needs := userShutdown, c.cfg.Latencies.Stopping
		if hibernate {
			// Whether it comes off is not told: the reason says what was asked for.
			reason = userHibernate
			if i.memory = !force && c.rand.Float64() >= c.cfg.Hibernation.Fallback; i.memory {
				needs += c.imageTime(i)
			}
		}
		c.stop(i, reason, needs)
	})
}

// stop stops an instance, which needs so long. c.mu is held.
func (c *Cloud) stop(i *Instance, reason Reason, needs time.Duration) {
	c.transit(i, Stopping, reason)
	c.notify(i, PowerOff)
	c.later(i, needs, func() {
		i.frozen = c.Now()
		c.transit(i, Stopped, reason)
	})
}

// imageTime is how long a machine's memory takes to or from its root volume, by the world's time: 13 GiB take 106 s at
// gp3's 125 MiB/s.
func (c *Cloud) imageTime(i *Instance) time.Duration {
	return time.Duration(float64(i.Type.MemoryMiB) * c.cfg.Hibernation.Image / float64(i.RootMiBs) * float64(time.Second))
}

// keeps says whether the memory of a stopped instance is still there: for 60 days on AWS
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/hibernating-prerequisites.html, "Limitations"). What comes after that is
// not documented; here it boots, as after a plain stop.
func (c *Cloud) keeps(i *Instance) bool {
	return c.cfg.Hibernation.Kept == 0 || c.Now().Sub(i.frozen) <= c.cfg.Hibernation.Kept
}

// Start starts stopped instances. All of them start or none does.
func (c *Cloud) Start(ids []string) ([]Change, error) {
	used := map[v1alpha1.CapacityType]usage{}
	wanted := map[capacity.Offering]int{}
	check := func(i *Instance) error {
		switch i.now().State {
		case Pending, Running:
			return nil
		case Stopped:
		default:
			return incorrectState(i, "started")
		}
		all := used[i.CapacityType]
		all.vcpus += i.Type.VCPU
		used[i.CapacityType] = all
		if c.allowed(i.CapacityType, all.vcpus, 1) == 0 {
			return quotaExceeded(i.CapacityType, c.cfg.Quotas)
		}
		wanted[i.offering()]++
		if c.market.Free(i.offering(), wanted[i.offering()]) < wanted[i.offering()] {
			return insufficientCapacity(i.Type.Name, i.Zone)
		}
		return nil
	}
	defer c.market.Trade()()
	return c.change(ids, check, func(i *Instance) {
		if i.now().State != Stopped {
			return
		}
		c.market.Take(i.offering(), 1)
		c.transit(i, Pending, Reason{})
		_, i.sleepy = c.fate(i.offering(), i.Zone, script.Oversleep)
		c.boot(i)
	})
}

// Reboot restarts the systems of running instances; an instance stays running all the while, and keeps its addresses.
func (c *Cloud) Reboot(ids []string) error {
	check := func(i *Instance) error {
		if i.now().State != Running {
			return incorrectState(i, "rebooted")
		}
		return nil
	}
	_, err := c.change(ids, check, func(i *Instance) {
		i.boots++
		i.booted, i.upSince = c.Now(), c.Now()
		i.revise(c.Now(), func(rev *Revision) { rev.Impaired = false })
		c.notify(i, PowerOff)
		c.notify(i, PowerOn)
	})
	return err
}

func incorrectState(i *Instance, verb string) error {
	return query.Errorf("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be %s: it is %s.", i.ID, verb, i.now().State)
}

func (i *Instance) offering() capacity.Offering {
	return capacity.Offering{InstanceType: i.Type.Name, ZoneID: i.Zone.ID, CapacityType: i.CapacityType}
}
