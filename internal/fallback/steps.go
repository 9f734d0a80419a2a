// Package fallback decides where a launch is tried and in what order: the chain's steps expanded to offerings, and the
// offering memory with its back-off. It is pure: the clock and what is known come in as arguments.
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

// MaxOverrides is the most offerings that one step asks for: enough for EC2 to choose among, and few enough to keep a
// chain small in the workflow's history.
const MaxOverrides = 60

// Steps expands a pool's chain for one launch: for each step of spec.fallback the offerings to ask for, the best first
// (see Rank), at most MaxOverrides.
//
// The launch's instance types, zones and capacity types narrow the pool's, and types that can't hold its requests are
// left out. Offerings in back-off at now are left out too, unless no step has any other: then all of them are tried,
// since a try that may fail is better than none. A step for which nothing is left says why in Skipped.
func Steps(pool *v1alpha1.NodePool, v *catalog.View, launch contract.ScaleUpInput, now time.Time) []contract.Step {
	candidates, rejected, problem := catalog.Candidates(pool, v)
	fitting := narrow(pool, candidates, launch, rejected)

	open := make([]stepOfferings, len(pool.Spec.Fallback))
	anyFree := false
	for i := range pool.Spec.Fallback {
		if wanted(launch, pool.Spec.Fallback[i].CapacityType) {
			open[i] = offeringsOf(pool, &pool.Spec.Fallback[i], fitting, v, now)
			anyFree = anyFree || len(open[i].free) > 0
		}
	}

	steps := make([]contract.Step, len(pool.Spec.Fallback))
	for i := range pool.Spec.Fallback {
		ct := pool.Spec.Fallback[i].CapacityType
		steps[i] = contract.Step{Index: i, CapacityType: ct}
		overrides := open[i].free
		if !anyFree {
			overrides = open[i].backedOff
		}
		switch {
		case !wanted(launch, ct):
			steps[i].Skipped = fmt.Sprintf("the launch asks for %s only", words(launch.CapacityTypes))
		case standby(ct):
			steps[i].Skipped = skippedStandby(pool, ct)
		case problem != "":
			steps[i].Skipped = problem
		case len(overrides) > 0:
			steps[i].Overrides = Rank(overrides)
		case len(open[i].backedOff) > 0:
			steps[i].Skipped = fmt.Sprintf("all %d offerings are in back-off; the next is tried again after %s",
				len(open[i].backedOff), open[i].until.UTC().Format(time.RFC3339))
		default:
			steps[i].Skipped = "no offering fits the step and the launch"
			if len(rejected) > 0 {
				steps[i].Skipped += " (" + catalog.RejectedWords(rejected) + ")"
			}
		}
	}
	return steps
}

// stepOfferings are a step's offerings, told apart by the offering memory.
type stepOfferings struct {
	free, backedOff []contract.Override
	until           time.Time // when the first of backedOff is free again
}

func offeringsOf(pool *v1alpha1.NodePool, step *v1alpha1.FallbackStep, candidates []catalog.Candidate, v *catalog.View, now time.Time) (s stepOfferings) {
	for _, c := range candidates {
		for _, o := range c.Overrides {
			if !catalog.StepAllows(pool, step, c.Type, o) {
				continue
			}
			until := v.BackOff[o.Offering]
			if !until.After(now) {
				s.free = append(s.free, o)
				continue
			}
			s.backedOff = append(s.backedOff, o)
			if s.until.IsZero() || until.Before(s.until) {
				s.until = until
			}
		}
	}
	return s
}

// narrow keeps what the launch asks for, and counts in rejected the types it leaves out.
func narrow(pool *v1alpha1.NodePool, candidates []catalog.Candidate, launch contract.ScaleUpInput, rejected map[string]int) (kept []catalog.Candidate) {
	for _, c := range candidates {
		if len(launch.InstanceTypes) > 0 && !slices.Contains(launch.InstanceTypes, c.Type.Name) {
			rejected["not among the launch's instance types"]++
			continue
		}
		if short := lacks(catalog.Allocatable(pool, c.Type), launch.Requests); short != "" {
			rejected[short]++
			continue
		}
		if len(launch.Zones) > 0 {
			c.Overrides = slices.DeleteFunc(c.Overrides, func(o contract.Override) bool {
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
	for _, name := range sortedNames(requests) {
		need := requests[name]
		if have := allocatable[name]; need.Cmp(have) > 0 {
			return fmt.Sprintf("too small for %s %s", need.String(), name)
		}
	}
	return ""
}

func sortedNames(list corev1.ResourceList) []corev1.ResourceName {
	names := make([]corev1.ResourceName, 0, len(list))
	for name := range list {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func wanted(launch contract.ScaleUpInput, ct v1alpha1.CapacityType) bool {
	return len(launch.CapacityTypes) == 0 || slices.Contains(launch.CapacityTypes, ct)
}

func standby(ct v1alpha1.CapacityType) bool {
	return ct == v1alpha1.Hibernated || ct == v1alpha1.Stopped
}

func skippedStandby(pool *v1alpha1.NodePool, ct v1alpha1.CapacityType) string {
	wanted := int32(0)
	if s := pool.Spec.Standby; s != nil {
		wanted = s.Stopped
		if ct == v1alpha1.Hibernated {
			wanted = s.Hibernated
		}
	}
	if wanted == 0 {
		return fmt.Sprintf("the pool keeps no standby: spec.standby.%s is 0", ct)
	}
	return "the pool's standby has no machine to hand over"
}

func words(types []v1alpha1.CapacityType) string {
	list := make([]string, len(types))
	for i, t := range types {
		list[i] = string(t)
	}
	return strings.Join(list, ", ")
}
