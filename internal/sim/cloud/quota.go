package cloud

import (
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim/capacity"
	"floe.dev/floe/internal/sim/query"
)

// Quotas bound what an account may run at a time; 0 is no bound. They have nothing to do with capacity: a launch beyond
// them is refused with VcpuLimitExceeded or MaxSpotInstanceCountExceeded, wherever it goes.
type Quotas struct {
	OnDemandVCPUs int `json:"onDemandVCPUs,omitempty"`
	SpotVCPUs     int `json:"spotVCPUs,omitempty"`
	// SpotInstances bounds how many spot instances there may be, whatever their size.
	SpotInstances int `json:"spotInstances,omitempty"`
}

// Quotas are the account's.
func (c *Cloud) Quotas() Quotas { return c.cfg.Quotas }

// usage is what an account runs.
type usage struct{ vcpus, instances int }

// allowed is how many machines of want the account may still run.
func (c *Cloud) allowed(ct v1alpha1.CapacityType, vcpus, want int) int {
	used, bound := c.used[ct], c.cfg.Quotas.OnDemandVCPUs
	if ct == v1alpha1.Spot {
		bound = c.cfg.Quotas.SpotVCPUs
		if most := c.cfg.Quotas.SpotInstances; most > 0 {
			want = min(want, max(0, most-used.instances))
		}
	}
	if bound == 0 {
		return want
	}
	return min(want, max(0, (bound-used.vcpus)/vcpus))
}

func quotaExceeded(ct v1alpha1.CapacityType, q Quotas) *query.Error {
	if ct == v1alpha1.Spot {
		return query.Errorf("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
	}
	return query.Errorf("VcpuLimitExceeded", "You have requested more vCPU capacity than your current vCPU limit of %d allows for the instance bucket that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.", q.OnDemandVCPUs)
}

// counts says whether an instance in that state counts against the quota, and takes up capacity
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html: running instances).
func counts(s State) bool { return s == Pending || s == Running }

// SpotFree is how many spot machines of a type a zone could give now, at most want.
func (c *Cloud) SpotFree(instanceType, zoneID string, want int) int {
	if !c.Offered(instanceType, zoneID) {
		return 0
	}
	return c.market.Free(capacity.Offering{InstanceType: instanceType, ZoneID: zoneID, CapacityType: v1alpha1.Spot}, want)
}
