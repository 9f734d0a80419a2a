package contract

import (
	"time"

	"floe.dev/floe/api/v1alpha1"
)

// Offering is the unit that can be out of capacity. Zone IDs, because zone names differ between accounts.
type Offering struct {
	Region       string                `json:"region"`
	ZoneID       string                `json:"zoneID"`
	InstanceType string                `json:"instanceType"`
	CapacityType v1alpha1.CapacityType `json:"capacityType"`
}

// Key is the offering as one string, for the store and for logs.
func (o Offering) Key() string {
	return o.Region + "/" + o.ZoneID + "/" + o.InstanceType + "/" + string(o.CapacityType)
}

// InstanceType is what EC2 says of a machine type (DescribeInstanceTypes), and its price.
type InstanceType struct {
	Name      string `json:"name"`
	Arch      string `json:"arch"` // amd64, arm64: Kubernetes' words
	VCPU      int    `json:"vcpu"`
	MemoryMiB int    `json:"memoryMiB"`
	// ENIs and IPv4PerENI give the most pods: enis × (addresses per ENI − 1) + 2.
	ENIs        int  `json:"enis"`
	IPv4PerENI  int  `json:"ipv4PerENI"`
	Hibernation bool `json:"hibernation,omitempty"`
	BareMetal   bool `json:"bareMetal,omitempty"`
	// OnDemandUSD is the Linux on-demand price per hour.
	OnDemandUSD float64 `json:"onDemandUSD"`
}

// Override is one offering as a launch can ask for it: in a subnet, at a price.
type Override struct {
	Offering
	Zone       string  `json:"zone"`
	Subnet     string  `json:"subnet"`
	USDPerHour float64 `json:"usdPerHour"`
	// Probe is the id under which the offering's probe is to be claimed before it is asked; empty where it may be asked as it
	// is. Its back-off is over, and one launch at a time finds out whether it has capacity again.
	Probe string `json:"probe,omitempty"`
}

// Answer is what EC2 said of an offering.
type Answer string

// The answers. Quota is told apart from ICE: it says something of the account, and nothing of the offering.
const (
	AnswerLaunched  Answer = "launched"
	AnswerICE       Answer = "insufficient-capacity"
	AnswerQuota     Answer = "quota"
	AnswerThrottled Answer = "throttled"
	AnswerRefused   Answer = "refused" // any other error; see Code and Message
	// AnswerReclaimed is no answer to a hop: what EC2 did later, when it took a spot machine of the offering back.
	AnswerReclaimed Answer = "reclaimed"
	// AnswerProbing is no answer either: a process has claimed the probe of an offering whose back-off is over, and is about
	// to ask.
	AnswerProbing Answer = "probing"
	// AnswerYielded is EC2's neither: the offering was not asked, since another launch has claimed its probe and finds out.
	AnswerYielded Answer = "yielded"
)

// Quota is a limit of an account that a launch met: EC2 counts machines or vCPUs of a kind in an account and region, and
// the answer says nothing of the offering's capacity.
type Quota struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	// Code is EC2's: VcpuLimitExceeded, MaxSpotInstanceCountExceeded, …
	Code         string                `json:"code"`
	CapacityType v1alpha1.CapacityType `json:"capacityType"`
	// Types are what was asked for when the limit was met, sorted: EC2 keeps a limit for each group of families.
	Types []string `json:"types,omitempty"`
	// At is when the limit was met last, Until when it is worth trying again.
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`
}

// Outcome is what one hop learned of one offering.
type Outcome struct {
	Offering Offering `json:"offering"`
	Answer   Answer   `json:"answer"`
	// Count of instances launched.
	Count int `json:"count,omitempty"`
	// Code and Message are EC2's, where it refused.
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

// Instance is one EC2 instance of ours.
type Instance struct {
	ID           string                `json:"id"`
	InstanceType string                `json:"instanceType"`
	Zone         string                `json:"zone"`
	ZoneID       string                `json:"zoneID"`
	Subnet       string                `json:"subnet,omitempty"`
	CapacityType v1alpha1.CapacityType `json:"capacityType"`
	ImageID      string                `json:"imageID,omitempty"`
	PrivateDNS   string                `json:"privateDNS,omitempty"`
	LaunchTime   time.Time             `json:"launchTime"`
	USDPerHour   float64               `json:"usdPerHour"`
	// State is EC2's word: pending, running, shutting-down, terminated, stopping, stopped.
	State string `json:"state"`
	Token string `json:"token,omitempty"`
	// RootGiB is the size of its root volume; 0 where it is not known: only a machine made for standby says it.
	RootGiB int `json:"rootGiB,omitempty"`
	// Hibernatable: it was launched with HibernationOptions.Configured, without which it never can be hibernated. False
	// where that is not known: a fleet's answer does not say it.
	Hibernatable bool `json:"hibernatable,omitempty"`
}

// ProviderID is the spec.providerID of the instance's Node.
func (i Instance) ProviderID() string { return ProviderID(i.Zone, i.ID) }

// Live reports whether the instance exists and is not on its way out.
func (i Instance) Live() bool { return i.State != "shutting-down" && i.State != "terminated" }
