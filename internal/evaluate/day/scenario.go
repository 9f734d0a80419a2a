// Package day lives through a day of one pool in virtual time: pods come and go, spot dries up, machines are taken back,
// and the real planner, fallback chain, offering memory and disruption decisions answer, minute by minute. A day takes
// seconds. What it leaves out is said at Scenario.
package day

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/v1alpha1"
)

// Scenario is a day to live through. Times within it count from its start. Machines, prices and zones are synthetic: the
// catalog's types at AWS's on-demand list for us-east-1, one zone for each subnet of the pool, one price for spot. Nothing
// of a kubelet, a scheduler's delay or an API's budget is in it, and pods have no PodDisruptionBudgets.
type Scenario struct {
	// Description is the picture's title.
	Description string `json:"description,omitempty"`
	// Start is when it begins, by the clock on the wall: budgets have schedules.
	Start metav1.Time `json:"start"`
	// Length of it, at most two weeks, and Step, from one look to the next; a day and a minute unless given.
	Length metav1.Duration `json:"length,omitempty"`
	Step   metav1.Duration `json:"step,omitempty"`
	// Boot is the time from a launch until pods run on the machine; two minutes unless given.
	Boot metav1.Duration `json:"boot,omitempty"`
	// SpotDiscount is the share by which spot is cheaper than on-demand; 0.65 unless given.
	SpotDiscount float64 `json:"spotDiscount,omitempty"`
	// Pool is the NodePool as it would be applied. Standby machines are not lived through.
	Pool     v1alpha1.NodePool `json:"pool"`
	Services []Service         `json:"services"`
	Droughts []Drought         `json:"droughts,omitempty"`
	Failures []Failure         `json:"failures,omitempty"`
	Reclaims []Reclaim         `json:"reclaims,omitempty"`
}

// Service is a Deployment whose replicas follow a curve.
type Service struct {
	Name string `json:"name"`
	// Requests of one replica.
	Requests corev1.ResourceList `json:"requests"`
	// Replicas are straight lines from point to point, and level before the first and after the last.
	Replicas []Point `json:"replicas"`
}

// Point of a curve.
type Point struct {
	At    metav1.Duration `json:"at"`
	Count int             `json:"count"`
}

// Drought is a time in which no machine of a capacity type is to be had; spot unless said otherwise. What runs, runs on.
type Drought struct {
	From         metav1.Duration       `json:"from"`
	To           metav1.Duration       `json:"to"`
	CapacityType v1alpha1.CapacityType `json:"capacityType,omitempty"`
}

// Failure is a time in which a service's pods are not Ready.
type Failure struct {
	Service string          `json:"service"`
	From    metav1.Duration `json:"from"`
	To      metav1.Duration `json:"to"`
	// Scales are the replicas, by service, that others are scaled to meanwhile, because no traffic comes through.
	Scales map[string]int `json:"scales,omitempty"`
}

// Reclaim takes spot machines back, the oldest first.
type Reclaim struct {
	At       metav1.Duration `json:"at"`
	Machines int             `json:"machines"`
}

const (
	mostLength  = 14 * 24 * time.Hour
	mostPods    = 5000
	defaultSpot = 0.65
)

// Defaults fills in what was left out, in the pool too.
func (s *Scenario) Defaults() {
	fill := func(d *metav1.Duration, of time.Duration) {
		if d.Duration == 0 {
			d.Duration = of
		}
	}
	fill(&s.Length, 24*time.Hour)
	fill(&s.Step, time.Minute)
	fill(&s.Boot, 2*time.Minute)
	if s.SpotDiscount == 0 {
		s.SpotDiscount = defaultSpot
	}
	for i := range s.Droughts {
		if s.Droughts[i].CapacityType == "" {
			s.Droughts[i].CapacityType = v1alpha1.Spot
		}
	}
	v1alpha1.SetDefaults(&s.Pool)
}

// Validate says all that is wrong of it: which field, what it is, and what would be right. Defaults is called before.
func (s *Scenario) Validate() error {
	var wrong []error
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if s.Start.IsZero() {
		say("start: missing; give a time such as 2026-07-01T00:00:00Z")
	}
	if s.Step.Duration < 10*time.Second || s.Step.Duration > time.Hour {
		say("step: %s; give 10s to 1h", s.Step.Duration)
	}
	if s.Length.Duration < s.Step.Duration || s.Length.Duration > mostLength {
		say("length: %s; give from one step to %s", s.Length.Duration, mostLength)
	}
	if s.Boot.Duration < 0 || s.Boot.Duration > time.Hour {
		say("boot: %s; give 0s to 1h", s.Boot.Duration)
	}
	if s.SpotDiscount < 0 || s.SpotDiscount >= 1 {
		say("spotDiscount: %v; give a share from 0 to less than 1", s.SpotDiscount)
	}
	for _, err := range v1alpha1.Validate(&s.Pool) {
		say("pool.%w", err)
	}
	for i, step := range s.Pool.Spec.Fallback {
		if step.CapacityType != v1alpha1.Spot && step.CapacityType != v1alpha1.OnDemand {
			say("pool.spec.fallback[%d].capacityType: %s; a day has no standby machines, leave the step out", i, step.CapacityType)
		}
	}
	known := s.services(say)
	span := func(field string, from, to metav1.Duration) {
		if from.Duration < 0 || to.Duration <= from.Duration {
			say("%s: from %s to %s; give a time that ends after it begins", field, from.Duration, to.Duration)
		}
	}
	for i, d := range s.Droughts {
		span(fmt.Sprintf("droughts[%d]", i), d.From, d.To)
		if d.CapacityType != v1alpha1.Spot && d.CapacityType != v1alpha1.OnDemand {
			say("droughts[%d].capacityType: %s; use spot or on-demand", i, d.CapacityType)
		}
	}
	for i, f := range s.Failures {
		span(fmt.Sprintf("failures[%d]", i), f.From, f.To)
		if !known[f.Service] {
			say("failures[%d].service: %q; name one of the services", i, f.Service)
		}
		for name, n := range f.Scales {
			if !known[name] || n < 0 || n > mostPods {
				say("failures[%d].scales: %s: %d; name services, and 0 to %d replicas of each", i, name, n, mostPods)
			}
		}
	}
	for i, r := range s.Reclaims {
		if r.At.Duration < 0 || r.Machines < 1 {
			say("reclaims[%d]: %d machines at %s; give at least one, and a time from the start on", i, r.Machines, r.At.Duration)
		}
	}
	return errors.Join(wrong...)
}

// services checks the services and says which names there are.
func (s *Scenario) services(say func(string, ...any)) map[string]bool {
	known := map[string]bool{}
	if len(s.Services) == 0 {
		say("services: none; a day without pods buys nothing")
	}
	most := 0
	for i, service := range s.Services {
		field := fmt.Sprintf("services[%d]", i)
		if service.Name == "" || known[service.Name] {
			say("%s.name: %q; give each a name of its own", field, service.Name)
		}
		known[service.Name] = true
		if len(service.Replicas) == 0 {
			say("%s.replicas: none; give at least one point, such as {at: 0s, count: 3}", field)
		}
		peak := 0
		for k, p := range service.Replicas {
			if p.Count < 0 || p.At.Duration < 0 || k > 0 && p.At.Duration <= service.Replicas[k-1].At.Duration {
				say("%s.replicas[%d]: %d at %s; give counts from 0 on, at times that rise", field, k, p.Count, p.At.Duration)
			}
			peak = max(peak, min(p.Count, mostPods+1))
		}
		most += peak
		for name, amount := range service.Requests {
			if amount.Sign() < 0 {
				say("%s.requests[%s]: %s; give no less than 0", field, name, amount.String())
			}
		}
	}
	if most > mostPods {
		say("services: %d replicas at the peaks; a day bears %d", most, mostPods)
	}
	return known
}

// replicas of a service at a moment of the day.
func (s *Scenario) replicas(of *Service, at time.Duration) int {
	for _, f := range s.Failures {
		if n, ok := f.Scales[of.Name]; ok && within(at, f.From, f.To) {
			return n
		}
	}
	next := slices.IndexFunc(of.Replicas, func(p Point) bool { return p.At.Duration > at })
	switch next {
	case -1:
		return of.Replicas[len(of.Replicas)-1].Count
	case 0:
		return of.Replicas[0].Count
	}
	a, b := of.Replicas[next-1], of.Replicas[next]
	part := float64(at-a.At.Duration) / float64(b.At.Duration-a.At.Duration)
	return a.Count + int(math.Round(part*float64(b.Count-a.Count)))
}

// fails says since when a service's pods are not Ready.
func (s *Scenario) fails(service string, at time.Duration) (since time.Duration, failing bool) {
	for _, f := range s.Failures {
		if f.Service == service && within(at, f.From, f.To) {
			return f.From.Duration, true
		}
	}
	return 0, false
}

func (s *Scenario) dry(ct v1alpha1.CapacityType, at time.Duration) bool {
	return slices.ContainsFunc(s.Droughts, func(d Drought) bool { return d.CapacityType == ct && within(at, d.From, d.To) })
}

func within(at time.Duration, from, to metav1.Duration) bool {
	return at >= from.Duration && at < to.Duration
}
