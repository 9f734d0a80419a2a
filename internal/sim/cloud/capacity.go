package cloud

import (
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim/script"
)

// pools is how many machines each offering can still give; one that is not in it never runs dry. A machine that is
// taken lowers it. One that leaves does not raise it: its place goes to somebody else, so that a drought of a script
// stays a drought until the script ends it.
type pools map[poolKey]int

type poolKey struct {
	instanceType, zoneID string
	capacityType         v1alpha1.CapacityType
}

func (p pools) set(key poolKey, free int) {
	if free == script.Unlimited {
		delete(p, key)
		return
	}
	p[key] = free
}

// free is how many machines of want the offering has.
func (p pools) free(key poolKey, want int) int {
	if free, limited := p[key]; limited {
		return min(free, want)
	}
	return want
}

// take takes up to want machines, and says how many it got.
func (p pools) take(key poolKey, want int) int {
	got := p.free(key, want)
	if _, limited := p[key]; limited {
		p[key] -= got
	}
	return got
}

// Quotas bound how many vCPUs an account may run at a time; 0 is no bound.
type Quotas struct {
	OnDemandVCPUs int `json:"onDemandVCPUs,omitempty"`
	SpotVCPUs     int `json:"spotVCPUs,omitempty"`
	// SpotInstances bounds how many spot instances there may be, whatever their size.
	SpotInstances int `json:"spotInstances,omitempty"`
}

// Quotas are the account's.
func (c *Cloud) Quotas() Quotas { return c.cfg.Quotas }

// SpotFree is how many spot machines of a type a zone could give now, at most want.
func (c *Cloud) SpotFree(instanceType, zoneID string, want int) int {
	if !c.Offered(instanceType, zoneID) {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pools.free(poolKey{instanceType, zoneID, v1alpha1.Spot}, want)
}

// allowed is how many machines of want the account may still run.
func (c *Cloud) allowed(ct v1alpha1.CapacityType, vcpus, want int) int {
	quota := c.cfg.Quotas.OnDemandVCPUs
	if ct == v1alpha1.Spot {
		quota = c.cfg.Quotas.SpotVCPUs
	}
	if quota == 0 {
		return want
	}
	return min(want, max(0, (quota-c.usedVCPUs[ct])/vcpus))
}
