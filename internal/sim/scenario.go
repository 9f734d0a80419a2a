package sim

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/script"
)

// scenarioFile is a scenario as it is written: every field may be left out.
type scenarioFile struct {
	Description string           `json:"description"`
	Seed        int64            `json:"seed"`
	Speed       *float64         `json:"speed"`
	Account     string           `json:"account"`
	Others      []string         `json:"otherAccounts"`
	Region      string           `json:"region"`
	Zones       []zoneFile       `json:"zones"`
	Boot        bootFile         `json:"boot"`
	DescribeLag *metav1.Duration `json:"describeLag"`
	Latency     []latencyFile    `json:"latency"`
	FleetReplay string           `json:"fleetReplay"`
	Buckets     *bool            `json:"buckets"`
	Quotas      cloud.Quotas     `json:"quotas"`
	TagLag      *metav1.Duration `json:"tagLag"`
	Notice      *metav1.Duration `json:"notice"`
	Events      struct {
		Queue string `json:"queue"`
		Bring bool   `json:"bring"`
	} `json:"events"`
	Hibernation hibernationFile `json:"hibernation"`
	Capacity    capacityFile    `json:"capacity"`
	Images      *imagesFile     `json:"images"`
	NotOffered  []placeFile     `json:"notOffered"`
	UserData    string          `json:"userData"`
	Script      string          `json:"script"`
}

type zoneFile struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

type placeFile struct {
	Types string `json:"types"`
	Zone  string `json:"zone"`
}

type latencyFile struct {
	Actions string          `json:"actions"`
	Median  metav1.Duration `json:"median"`
	Sigma   float64         `json:"sigma"`
}

type bootFile struct {
	Pending      *metav1.Duration `json:"pending"`
	Register     *metav1.Duration `json:"register"`
	CNI          *metav1.Duration `json:"cni"`
	Ready        *metav1.Duration `json:"ready"`
	Stopping     *metav1.Duration `json:"stopping"`
	ShuttingDown *metav1.Duration `json:"shuttingDown"`
	Deletion     *metav1.Duration `json:"deletion"`
	Initialize   *metav1.Duration `json:"initialize"`
	Jitter       *float64         `json:"jitter"`
	Sigma        float64          `json:"sigma"`
}

// LoadScenario reads a scenario file (YAML; unknown fields are refused), or one of Scenarios by its name. All that it leaves out is as in the zero
// Options, and each boot phase and hibernation rule that it leaves out is DefaultBoot's or DefaultHibernation's; a ready
// without a cni is the time of both:
//
//	description: what it is like
//	seed: 7
//	speed: 10                 # divides boot and script times
//	region: eu-west-1
//	zones: [{name: eu-west-1a, id: euw1-az1}]
//	otherAccounts: ["210987654321"]
//	boot: {pending: 5s, register: 55s, cni: 9s, ready: 16s, stopping: 20s, shuttingDown: 30s, deletion: 50s, initialize: 2s, jitter: 0.1, sigma: 0}
//	describeLag: 2s
//	tagLag: 2s
//	latency: [{actions: CreateFleet, median: 1.2s, sigma: 0.4}, {actions: "*", median: 80ms}]
//	fleetReplay: anew         # or same
//	buckets: true             # AWS's published API budgets
//	quotas: {onDemandVCPUs: 256, spotVCPUs: 512, spotInstances: 100}
//	notOffered: [{types: "m7g.*", zone: eu-west-1c}]
//	notice: 2m                # of a reclaim
//	events: {queue: floe-events, bring: false}
//	hibernation: {minUptime: 2m, quiet: 30s, kept: 1440h, image: 1, fallback: 0.1}
//	capacity:
//	  models: [{types: "*", zone: "*", capacityType: spot, mean: 20, spread: 10, halfLife: 30m, every: 1m}]
//	  traces: [{file: trace.json, kind: preemption, types: "c5.*", zone: eu-west-1a, capacityType: spot}]
//	images: {mibPerSecond: 100, mib: 200, sizes: [{image: "registry.example/*", mib: 900}]}
//	userData: |               # of the default launch templates
//	  #!/bin/bash
//	  exec kubelet --node-labels=team=a
//	script: |                 # see package script
//	  at 0s c5.* spot *: 0
//	  lose answer of CreateFleet 1
func LoadScenario(path string) (Options, error) {
	data, err := readScenario(path)
	if err != nil {
		return Options{}, fmt.Errorf("read scenario %s: %w", path, err)
	}
	o, err := parseScenario(data, filepath.Dir(path))
	if err != nil {
		return Options{}, fmt.Errorf("scenario %s: %w", path, err)
	}
	return o, nil
}

// parseScenario reads a scenario; the files that it names are sought in dir.
func parseScenario(data []byte, dir string) (Options, error) {
	var f scenarioFile
	if err := checkFields(data, reflect.TypeOf(f)); err != nil {
		return Options{}, err
	}
	if err := yaml.UnmarshalStrict(data, &f); err != nil {
		return Options{}, err
	}
	o := Options{
		Seed: f.Seed, Account: f.Account, OtherAccounts: f.Others, Region: f.Region, FleetReplay: cloud.FleetReplay(f.FleetReplay),
		Quotas: f.Quotas, UserData: f.UserData, Boot: f.Boot.boot(), Unthrottled: f.Buckets != nil && !*f.Buckets,
	}
	if f.Speed != nil {
		if o.Speed = *f.Speed; o.Speed == 0 {
			return o, fmt.Errorf("speed: 0 is not possible: it must be above 0, 1 for real latencies")
		}
	}
	into(&o.DescribeLag, f.DescribeLag)
	for _, l := range f.Latency {
		o.Latency = append(o.Latency, Latency{Actions: l.Actions, Median: l.Median.Duration, Sigma: l.Sigma})
	}
	for n, z := range f.Zones {
		if z.Name == "" || z.ID == "" {
			return o, fmt.Errorf("zones[%d]: name and id are both needed, such as eu-west-1a and euw1-az1", n)
		}
		o.Zones = append(o.Zones, cloud.Zone{Name: z.Name, ID: z.ID})
	}
	if f.Region != "" && len(f.Zones) == 0 && f.Region != DefaultRegion {
		return o, fmt.Errorf("zones: region %s needs its zones, such as [{name: %sa, id: …-az1}]", f.Region, f.Region)
	}
	for n, p := range f.NotOffered {
		if p.Types == "" || p.Zone == "" {
			return o, fmt.Errorf("notOffered[%d]: types and zone are both needed; both may hold * and ?", n)
		}
		o.NotOffered = append(o.NotOffered, script.Where{Type: p.Types, Zone: p.Zone, CapacityType: v1alpha1.CapacityType("")})
	}
	if err := f.world(&o, dir); err != nil {
		return o, err
	}
	lines, err := script.Parse(strings.TrimRight(f.Script, "\n"))
	if err != nil {
		return o, fmt.Errorf("script: %w", err)
	}
	o.Script = lines
	full, err := o.withDefaults()
	if err != nil {
		return o, err
	}
	return o, checkScript(full.Script, full.accounts())
}

// boot is DefaultBoot with what the file says. A ready without a cni is the time of both.
func (f bootFile) boot() *Boot {
	b := DefaultBoot()
	into(&b.Pending, f.Pending)
	into(&b.Register, f.Register)
	if f.Ready != nil && f.CNI == nil {
		b.CNI = 0
	}
	into(&b.CNI, f.CNI)
	into(&b.Ready, f.Ready)
	into(&b.Stopping, f.Stopping)
	into(&b.ShuttingDown, f.ShuttingDown)
	into(&b.Deletion, f.Deletion)
	into(&b.Initialize, f.Initialize)
	if f.Jitter != nil {
		b.Jitter = *f.Jitter
	}
	b.Sigma = f.Sigma
	return &b
}
