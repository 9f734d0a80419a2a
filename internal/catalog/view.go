package catalog

import (
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// Subnet is where machines can be launched.
type Subnet struct {
	ID     string
	Zone   string // eu-west-1a: differs from account to account
	ZoneID string // euw1-az1: the same everywhere
	// FreeAddresses that the subnet has left. A subnet without any takes no machine.
	FreeAddresses int
}

// OfferedKey is a type in a place.
type OfferedKey struct{ InstanceType, ZoneID string }

// View is what is known of one account and region at one moment. Nothing here changes it, so one View may be shared.
type View struct {
	Account, Region string
	// At is when it was asked from AWS: the oldest of its parts.
	At    time.Time
	Types map[string]contract.InstanceType // by name
	// Subnets by ID.
	Subnets map[string]Subnet
	// Offered is DescribeInstanceTypeOfferings by zone ID.
	Offered map[OfferedKey]bool
	// SpotUSD is the current spot price per hour.
	SpotUSD map[OfferedKey]float64
	// BackOff is the offering memory's word on offerings that are to be left alone, and until when. May be nil.
	BackOff map[contract.Offering]time.Time
	// Rides are those of BackOff whose wait is half over: where others of their step are asked anyway they are asked too,
	// since a fleet that names one offering more costs no call. May be nil.
	Rides map[contract.Offering]bool
	// Probes are offerings whose back-off is over, and which only who claims the probe may ask. The time is the one that the
	// claim's id is made of (fallback.ProbeID). May be nil.
	Probes map[contract.Offering]time.Time
	// Reclaims is the offering memory's word on how often a spot machine of the offering is taken back: reclaims per
	// machine-hour. An offering that it does not name has no history. May be nil.
	Reclaims map[contract.Offering]float64
	// Quotas are the limits of the account that launches met and that still count, sorted by code and capacity type.
	Quotas []contract.Quota
}

// ReclaimHours is what a reclaim is taken to cost, in hours of the machine: the pods' work that is lost and done again,
// and the replacement that runs beside the old machine until it leaves.
const ReclaimHours = 0.25

// RiskedUSD is what an offering costs an hour when its reclaims are counted: its price and, for spot, a premium of
// ReclaimHours for each reclaim that is to be expected in that hour. Offerings are ranked and plans are made by it; what is
// shown as a price is the price.
func (v *View) RiskedUSD(o contract.Override) float64 {
	return o.USDPerHour * (1 + ReclaimHours*v.Reclaims[o.Offering])
}

// USDPerHour is the price of a type in a place, in US dollars an hour. ok is false where none is known. Standby
// machines cost the on-demand price once they run: a resumed machine is on-demand.
func (v *View) USDPerHour(instanceType, zoneID string, ct v1alpha1.CapacityType) (usd float64, ok bool) {
	if ct == v1alpha1.Spot {
		usd = v.SpotUSD[OfferedKey{InstanceType: instanceType, ZoneID: zoneID}]
	} else {
		usd = v.Types[instanceType].OnDemandUSD
	}
	return usd, usd > 0
}
