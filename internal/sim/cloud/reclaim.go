package cloud

import (
	"slices"
	"time"

	"floe.dev/floe/internal/sim/capacity"
	"floe.dev/floe/internal/sim/script"
)

// Running are the spot machines of an offering that run and are not being taken back.
func (c *Cloud) Running(o capacity.Offering) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, i := range c.order {
		if i.offering() == o && counts(i.now().State) && !i.marked {
			n++
		}
	}
	return n
}

// Reclaim takes up to n spot machines of an offering back, those first that were launched first: warned now, gone when the
// two minutes are over, whatever was done meanwhile.
func (c *Cloud) Reclaim(o capacity.Offering, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range c.order {
		if n == 0 {
			return
		}
		if i.offering() == o && counts(i.now().State) && !i.marked {
			c.reclaim(i, ReclaimCapacity)
			n--
		}
	}
}

// reclaim takes one spot machine back. c.mu is held.
func (c *Cloud) reclaim(i *Instance, code string) {
	if !i.spot() || i.marked || !counts(i.now().State) {
		return
	}
	i.marked = true
	i.revise(c.Now(), func(rev *Revision) { rev.Spot = spotState(spotMarked, rev.At) })
	c.tell(Interruption, i)
	c.cfg.Clock.AfterFunc(c.cfg.Notice, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.end(i, spotTermination, code)
	})
}

// retire schedules the end of the hardware under an instance: a spot machine is terminated then, another is stopped
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/schedevents_actions_retire.html). One that was stopped and started before
// is on other hardware. c.mu is held.
func (c *Cloud) retire(i *Instance, in time.Duration) {
	if !counts(i.now().State) || !i.now().Retires.IsZero() {
		return
	}
	i.revise(c.Now(), func(rev *Revision) { rev.Retires = rev.At.Add(c.scaled(in)) })
	c.tell(ScheduledChange, i)
	since := i.upSince
	c.after(in, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case i.now().State != Running || i.upSince != since:
		case i.spot():
			c.end(i, spotTermination, spotByService)
		default:
			c.stop(i, scheduledStop, c.cfg.Latencies.Stopping)
		}
	})
}

// hang takes the machine's power, or gives it back: EC2 calls it running all the while. c.mu is held.
func (c *Cloud) hang(i *Instance, hangs bool) {
	if i.now().State != Running || i.now().Impaired == hangs {
		return
	}
	i.revise(c.Now(), func(rev *Revision) { rev.Impaired = hangs })
	if hangs {
		c.notify(i, PowerOff)
		return
	}
	c.emit(Power{Facts: &i.Facts, State: PowerOn, At: c.Now(), Boot: i.boots, Resumed: true, Loaded: c.Now()})
}

// act does to machines what a script says. c.mu is held.
func (c *Cloud) act(a script.Act) {
	if slices.Contains(script.ForTheNext, a.Verb) {
		c.fates = append(c.fates, a)
		return
	}
	left := a.Count
	for _, i := range slices.Clone(c.order) {
		if left == 0 {
			return
		}
		if !counts(i.now().State) || !a.Matches(i.Type.Name, i.CapacityType, i.Zone.Name, i.Zone.ID) || !c.do(a, i) {
			continue
		}
		left--
	}
}

// do does it to one machine, and says whether it counts.
func (c *Cloud) do(a script.Act, i *Instance) bool {
	switch a.Verb {
	case script.Reclaim, script.ReclaimForPrice:
		if !i.spot() || i.marked {
			return false
		}
		code := ReclaimCapacity
		if a.Verb == script.ReclaimForPrice {
			code = ReclaimPrice
		}
		c.reclaim(i, code)
	case script.Rebalance:
		if !i.spot() {
			return false
		}
		c.tell(Rebalance, i)
	case script.Forge:
		if !i.spot() || i.marked {
			return false
		}
		c.forge(i, a.Account)
	case script.Retire:
		c.retire(i, a.By)
	case script.Silence:
		c.hang(i, true)
	case script.Restore:
		c.hang(i, false)
	}
	return true
}

// fate takes what a script holds ready for the next machine of an offering, and counts it. c.mu is held.
func (c *Cloud) fate(o capacity.Offering, z Zone, verb script.Verb) (script.Act, bool) {
	for n := range c.fates {
		a := &c.fates[n]
		if a.Verb != verb || a.Count == 0 || !a.Matches(o.InstanceType, o.CapacityType, z.Name, z.ID) {
			continue
		}
		if a.Count > 0 { // else it is for all that come
			a.Count--
		}
		return *a, true
	}
	return script.Act{}, false
}
