// Package fallback decides where a launch is tried and in what order: the chain's steps expanded to offerings, the walk
// along them, and the offering memory with its back-off. It is pure: the clock and what is known come in as arguments.
package fallback

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

const (
	// MaxOverrides is the most offerings that one step asks for: enough for EC2 to choose among, and few enough to keep a
	// chain small in the workflow's history.
	MaxOverrides = 60
	// Patience is how long demand waits for an offering's back-off to end where nothing else is to be had. Where it would
	// be longer, the offerings are tried nevertheless: a try that may fail is better than a long wait.
	Patience = time.Minute
)

// Steps expands a pool's chain for one launch: for each step of spec.fallback the offerings to ask for, the best first
// (see Rank), at most MaxOverrides. Steps of standby machines have none: they say what of standby will do.
//
// The launch's instance types, zones and capacity types narrow the pool's, and types that can't hold its requests are
// left out. So are offerings in back-off at now, and those beyond a limit of the account that a launch has met. Only
// where no step has any other they are tried after all: by a launch that a person opened all of them, by any other those
// in back-off, and only if none of them is free within Patience. Beside a step's free offerings those in back-off that may
// ride along (catalog.View.Rides) fill the room that is left, the cheapest first. A step for which nothing is left says why in Skipped.
func Steps(pool *v1alpha1.NodePool, v *catalog.View, launch contract.ScaleUpInput, now time.Time) []contract.Step {
	if launch.Tier != "" {
		launch.CapacityTypes = []v1alpha1.CapacityType{v1alpha1.OnDemand} // a spot machine can be neither hibernated nor stopped
	}
	candidates, rejected, problem := catalog.Candidates(pool, v)
	fitting := narrow(pool, candidates, launch, rejected)

	open := make([]stepOfferings, len(pool.Spec.Fallback))
	for i := range pool.Spec.Fallback {
		if step := &pool.Spec.Fallback[i]; wanted(launch, step.CapacityType) && !standby(step.CapacityType) {
			open[i] = offeringsOf(pool, step, fitting, v, now)
		}
	}
	after := lastResort(open, launch, now)

	steps := make([]contract.Step, len(pool.Spec.Fallback))
	for i := range pool.Spec.Fallback {
		ct := pool.Spec.Fallback[i].CapacityType
		steps[i] = contract.Step{Index: i, CapacityType: ct}
		overrides := slices.Concat(open[i].free, open[i].riding(), after(&open[i]))
		switch {
		case !wanted(launch, ct):
			steps[i].Skipped = fmt.Sprintf("the launch asks for %s only", words(launch.CapacityTypes))
		case standby(ct):
			claim(&steps[i], pool, candidates, fitting, launch)
		case problem != "":
			steps[i].Skipped = problem
		case len(overrides) > 0:
			steps[i].Overrides, steps[i].FreeAt = Rank(overrides, v.RiskedUSD), open[i].until
		case !open[i].until.IsZero():
			steps[i].Skipped, steps[i].FreeAt = open[i].words(), open[i].until
		default:
			steps[i].Skipped = "no offering fits the step and the launch"
			if len(rejected) > 0 {
				steps[i].Skipped += " (" + catalog.RejectedWords(rejected) + ")"
			}
		}
	}
	if launch.Tier != "" {
		return single(steps)
	}
	return steps
}

// mostSingle is how many offerings are asked for one by one, for machines that nobody waits for.
const mostSingle = 8

// single splits steps into steps of one offering each, the best first: machines for standby are launched by
// RunInstances, which asks for one.
func single(steps []contract.Step) (split []contract.Step) {
	left := mostSingle
	for _, step := range steps {
		if len(step.Overrides) == 0 {
			split = append(split, step)
			continue
		}
		some := step.Overrides[:min(left, len(step.Overrides))]
		left -= len(some)
		for _, o := range some {
			step.Overrides = []contract.Override{o}
			split = append(split, step)
		}
	}
	return split
}

// FreeAt is when the first of the offerings that a chain left out is worth a try again; zero where it left none out.
func FreeAt(steps []contract.Step) (at time.Time) {
	for _, s := range steps {
		if !s.FreeAt.IsZero() && (at.IsZero() || s.FreeAt.Before(at)) {
			at = s.FreeAt
		}
	}
	return at
}

// stepOfferings are a step's offerings, told apart by what is known of them.
type stepOfferings struct {
	free, backedOff, limited []contract.Override
	rides                    []contract.Override // of backedOff
	until                    time.Time           // when the first of those that are not free is free again
	quota                    *contract.Quota
}

func offeringsOf(pool *v1alpha1.NodePool, step *v1alpha1.FallbackStep, candidates []catalog.Candidate, v *catalog.View, now time.Time) (s stepOfferings) {
	for _, c := range candidates {
		for _, o := range c.Overrides {
			if !catalog.StepAllows(pool, step, c.Type, o) {
				continue
			}
			until := v.BackOff[o.Offering]
			quota := limitOf(v, o.Offering, now)
			switch {
			case quota != nil:
				s.limited, s.quota, until = append(s.limited, o), quota, later(until, quota.Until)
			case until.After(now):
				s.backedOff = append(s.backedOff, o)
				if v.Rides[o.Offering] {
					s.rides = append(s.rides, o)
				}
			default:
				s.free = append(s.free, o)
				continue
			}
			if s.until.IsZero() || until.Before(s.until) {
				s.until = until
			}
		}
	}
	return s
}

// riding are the offerings that are asked beside the free ones; candidates come the cheapest first, and so do these.
func (s *stepOfferings) riding() []contract.Override {
	if len(s.free) == 0 {
		return nil
	}
	return s.rides[:min(len(s.rides), max(MaxOverrides-len(s.free), 0))]
}

// lastResort chooses what of a step's offerings is tried although it is not free.
func lastResort(open []stepOfferings, launch contract.ScaleUpInput, now time.Time) func(*stepOfferings) []contract.Override {
	hand := launch.Purpose == "" || launch.Purpose == contract.PurposeHand
	for _, s := range open {
		if len(s.free) > 0 || (!hand && len(s.backedOff) > 0 && s.until.Sub(now) <= Patience) {
			return func(*stepOfferings) []contract.Override { return nil }
		}
	}
	return func(s *stepOfferings) []contract.Override {
		if hand {
			return slices.Concat(s.backedOff, s.limited)
		}
		return s.backedOff
	}
}

// words say why none of the offerings is free.
func (s *stepOfferings) words() string {
	n, over := len(s.backedOff), len(s.limited)
	why := fmt.Sprintf("all %d offerings are in back-off", n)
	switch {
	case n == 0:
		why = fmt.Sprintf("all %d offerings are beyond a limit of the account (%s)", over, s.quota.Code)
	case over > 0:
		why = fmt.Sprintf("%d offerings are in back-off and %d beyond a limit of the account (%s)", n, over, s.quota.Code)
	}
	return why + "; the next is tried again after " + s.until.UTC().Format(time.RFC3339)
}

// limitOf is the limit of the account that an offering is beyond, by what launches have met; nil where none is known. A
// limit speaks for the types that were asked for when it was met: a smaller one may be within it still.
func limitOf(v *catalog.View, o contract.Offering, now time.Time) *contract.Quota {
	for i := range v.Quotas {
		if q := &v.Quotas[i]; q.CapacityType == o.CapacityType && q.Until.After(now) &&
			(len(q.Types) == 0 || slices.Contains(q.Types, o.InstanceType)) {
			return q
		}
	}
	return nil
}

// claim says what of the pool's standby will do for a step, or why it has none.
func claim(step *contract.Step, pool *v1alpha1.NodePool, candidates, fitting []catalog.Candidate, launch contract.ScaleUpInput) {
	if step.Skipped = skippedStandby(pool, step.CapacityType, launch); step.Skipped != "" {
		return
	}
	// A standby machine is on-demand: what the step's requirements say of zones and types holds of on-demand offerings.
	asBought := pool.Spec.Fallback[step.Index]
	asBought.CapacityType = v1alpha1.OnDemand
	zones, every := map[string]bool{}, map[string]bool{}
	for _, c := range candidates {
		for _, o := range c.Overrides {
			every[o.Zone] = true
		}
	}
	for _, c := range fitting {
		fits := false
		for _, o := range c.Overrides {
			if catalog.StepAllows(pool, &asBought, c.Type, o) {
				fits, zones[o.Zone] = true, true
			}
		}
		if fits {
			step.InstanceTypes = append(step.InstanceTypes, c.Type.Name)
		}
	}
	switch {
	case len(step.InstanceTypes) == 0:
		step.Skipped = "no machine type of the pool fits the step and the launch"
		return
	case len(step.InstanceTypes) == len(candidates):
		step.InstanceTypes = nil
	}
	if len(zones) < len(every) {
		step.Zones = sortedKeys(zones)
	}
}

// narrow keeps what the launch asks for, and counts in rejected the types it leaves out.
func narrow(pool *v1alpha1.NodePool, candidates []catalog.Candidate, launch contract.ScaleUpInput, rejected map[string]int) (kept []catalog.Candidate) {
	for _, c := range candidates {
		if len(launch.InstanceTypes) > 0 && !slices.Contains(launch.InstanceTypes, c.Type.Name) {
			rejected["not among the launch's instance types"]++
			continue
		}
		if launch.Tier == v1alpha1.Hibernated && !c.Type.Hibernation {
			rejected["not able to hibernate"]++
			continue
		}
		if short := lacks(catalog.Allocatable(pool, c.Type), launch.Requests); short != "" {
			rejected[short]++
			continue
		}
		if len(launch.Zones) > 0 {
			c.Overrides = slices.DeleteFunc(slices.Clone(c.Overrides), func(o contract.Override) bool {
				return !slices.Contains(launch.Zones, o.Zone)
			})
		}
		if len(c.Overrides) == 0 {
			rejected["not to be had in the launch's zones"]++
			continue
		}
		kept = append(kept, c)
	}
	return kept
}

// lacks says in words what of the requests a machine cannot give, the first by name; empty where it holds them all.
func lacks(allocatable, requests corev1.ResourceList) string {
	for _, name := range sortedKeys(requests) {
		need := requests[name]
		if have := allocatable[name]; need.Cmp(have) > 0 {
			return fmt.Sprintf("too small for %s %s", need.String(), name)
		}
	}
	return ""
}

func sortedKeys[K ~string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func wanted(launch contract.ScaleUpInput, ct v1alpha1.CapacityType) bool {
	return len(launch.CapacityTypes) == 0 || slices.Contains(launch.CapacityTypes, ct)
}

func standby(ct v1alpha1.CapacityType) bool {
	return ct == v1alpha1.Hibernated || ct == v1alpha1.Stopped
}

// skippedStandby says why a step claims nothing; empty where it does.
func skippedStandby(pool *v1alpha1.NodePool, ct v1alpha1.CapacityType, launch contract.ScaleUpInput) string {
	if launch.Purpose == contract.PurposeStandby {
		return "machines for standby are bought, and not taken from it"
	}
	kept := int32(0)
	if s := pool.Spec.Standby; s != nil {
		if len(s.Targets) > 0 {
			return ""
		}
		kept = s.Stopped
		if ct == v1alpha1.Hibernated {
			kept = s.Hibernated
		}
	}
	if kept == 0 {
		return fmt.Sprintf("the pool keeps no standby: spec.standby.%s is 0", ct)
	}
	return ""
}

func words(types []v1alpha1.CapacityType) string {
	list := make([]string, len(types))
	for i, t := range types {
		list[i] = string(t)
	}
	return strings.Join(list, ", ")
}
