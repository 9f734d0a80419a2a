package v1alpha1

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Bounds that the CRD sets too.
const (
	maxTargets     = 20
	maxLadder      = 20
	maxKept        = 1000
	maxPullSecrets = 10
	maxRenewAfter  = 59 * 24 * time.Hour
	maxRenewAtOnce = 100
)

func validateStandby(spec *NodePoolSpec, path *field.Path) (errs field.ErrorList) {
	s := spec.Standby
	if s == nil {
		return nil
	}
	for _, tier := range []struct {
		name CapacityType
		want int32
	}{{Hibernated, s.Hibernated}, {Stopped, s.Stopped}} {
		if tier.want < 0 {
			errs = append(errs, field.Invalid(path.Child(string(tier.name)), tier.want, "want zero or more"))
		}
	}
	if (s.Hibernated > 0 || s.Stopped > 0 || len(s.Targets) > 0) && !hasStep(spec, OnDemand) {
		errs = append(errs, field.Invalid(path, fmt.Sprintf("hibernated %d, stopped %d, %d targets", s.Hibernated, s.Stopped, len(s.Targets)),
			"standby machines are bought on-demand (a spot machine can be neither hibernated on request nor kept): add a step with capacityType on-demand to spec.fallback"))
	}
	targets := path.Child("targets")
	if len(s.Targets) > maxTargets {
		errs = append(errs, field.TooMany(targets, len(s.Targets), maxTargets))
	}
	for i := range s.Targets {
		errs = append(errs, validateTarget(&s.Targets[i], targets.Index(i))...)
	}
	if nodes := []NodeWhileFrozen{KeepNode, DeleteNode}; s.NodeWhileFrozen != "" && !slices.Contains(nodes, s.NodeWhileFrozen) {
		errs = append(errs, field.NotSupported(path.Child("nodeWhileFrozen"), s.NodeWhileFrozen, nodes))
	}
	errs = append(errs, validateResources(s.Requests, path.Child("requests"))...)
	errs = append(errs, validateStandbyTimes(s, path)...)
	if over := s.OverResume; over != nil && !validOverResume(over) {
		errs = append(errs, field.Invalid(path.Child("overResume"), over.String(), "want a number from 0 to 1000, or a percentage of the claim from 0% to 100%, such as 20%"))
	}
	if most := s.MaxDiskUSDPerMonth; most != nil && most.Sign() < 0 {
		errs = append(errs, field.Invalid(path.Child("maxDiskUSDPerMonth"), most.String(), "want zero or more, or leave it out for no bound"))
	}
	return append(errs, validatePrefetch(s.Prefetch, path.Child("prefetch"))...)
}

// percentage is what overResume may be as a word.
var percentage = regexp.MustCompile(`^(100|[0-9]{1,2})%$`)

func validOverResume(over *intstr.IntOrString) bool {
	if over.Type == intstr.String {
		return percentage.MatchString(over.StrVal)
	}
	return over.IntVal >= 0 && over.IntVal <= maxKept
}

func validateStandbyTimes(s *Standby, path *field.Path) (errs field.ErrorList) {
	if d := s.MinUptime; d != nil && d.Duration < 0 {
		errs = append(errs, field.Invalid(path.Child("minUptime"), d.Duration.String(), "want zero or more, such as 2m"))
	}
	if d := s.ResumeTimeout; d != nil && d.Duration <= 0 {
		errs = append(errs, field.Invalid(path.Child("resumeTimeout"), d.Duration.String(), "want more than zero, such as 5m"))
	}
	if d := s.RenewAfter; d != nil && (d.Duration <= 0 || d.Duration > maxRenewAfter) {
		errs = append(errs, field.Invalid(path.Child("renewAfter"), d.Duration.String(), "want more than zero and at most 59 days (1416h): EC2 keeps no hibernated machine beyond 60"))
	}
	if d := s.RaceAfter; d != nil && d.Duration < 0 {
		errs = append(errs, field.Invalid(path.Child("raceAfter"), d.Duration.String(), "want zero or more, such as 30s, or leave it out for no race"))
	}
	if s.RenewAtOnce < 0 || s.RenewAtOnce > maxRenewAtOnce {
		errs = append(errs, field.Invalid(path.Child("renewAtOnce"), s.RenewAtOnce, "want 1 to 100"))
	}
	return errs
}

func validateTarget(t *StandbyTarget, path *field.Path) (errs field.ErrorList) {
	if !slices.Contains(StandbyTiers, t.Tier) {
		errs = append(errs, field.NotSupported(path.Child("tier"), t.Tier, StandbyTiers))
	}
	kinds := 0
	if len(t.Ladder) > 0 {
		kinds++
		errs = append(errs, validateLadder(t.Ladder, path.Child("ladder"))...)
	}
	if t.Schedule != nil {
		kinds++
		errs = append(errs, validateSchedule(t.Schedule, path.Child("schedule"))...)
	}
	if f := t.Forecast; f != nil {
		kinds++
		at := path.Child("forecast")
		if f.Percent < 1 || f.Percent > 99 {
			errs = append(errs, field.Invalid(at.Child("percent"), f.Percent, "want 1 to 99: the percent of the hours that the machines are to be enough for"))
		}
		if f.Max < 1 || f.Max > maxKept {
			errs = append(errs, field.Invalid(at.Child("max"), f.Max, "want 1 to 1000: the most machines that are kept, whatever is foretold"))
		}
		errs = append(errs, validateZone(f.TimeZone, at.Child("timeZone"))...)
	}
	if kinds != 1 {
		errs = append(errs, field.Invalid(path, t.Tier, "set exactly one of ladder, schedule and forecast; a second reason is a target of its own"))
	}
	return errs
}

func validateLadder(steps []StandbyStep, path *field.Path) (errs field.ErrorList) {
	if len(steps) > maxLadder {
		errs = append(errs, field.TooMany(path, len(steps), maxLadder))
	}
	for i, step := range steps {
		if step.Nodes < 0 {
			errs = append(errs, field.Invalid(path.Index(i).Child("nodes"), step.Nodes, "want zero or more: the size of the pool from which on the step holds"))
		}
		errs = append(errs, validateKept(step.Count, path.Index(i).Child("count"))...)
		if slices.ContainsFunc(steps[:i], func(other StandbyStep) bool { return other.Nodes == step.Nodes }) {
			errs = append(errs, field.Duplicate(path.Index(i).Child("nodes"), step.Nodes))
		}
	}
	return errs
}

func validateSchedule(s *StandbySchedule, path *field.Path) (errs field.ErrorList) {
	if _, err := s.Starts(); err != nil {
		errs = append(errs, field.Invalid(path.Child("start"), s.Start, err.Error()))
	}
	if d := s.Duration.Duration; d < time.Minute || d > MaxWindow {
		errs = append(errs, field.Invalid(path.Child("duration"), d.String(), "want at least 1m and at most 168h, such as 3h"))
	}
	errs = append(errs, validateZone(s.TimeZone, path.Child("timeZone"))...)
	return append(errs, validateKept(s.Count, path.Child("count"))...)
}

func validateKept(count int32, path *field.Path) field.ErrorList {
	if count < 0 || count > maxKept {
		return field.ErrorList{field.Invalid(path, count, "want 0 to 1000 machines")}
	}
	return nil
}

func validateZone(name string, path *field.Path) field.ErrorList {
	if name == "Local" {
		return field.ErrorList{field.Invalid(path, name, "name a time zone: the worker's own differs from machine to machine")}
	}
	if _, err := time.LoadLocation(name); err != nil {
		return field.ErrorList{field.Invalid(path, name, "is no time zone: want an IANA name, such as Europe/Berlin or UTC")}
	}
	return nil
}

func validatePrefetch(p *Prefetch, path *field.Path) (errs field.ErrorList) {
	if p == nil {
		return nil
	}
	if p.Disk.Sign() < 0 {
		errs = append(errs, field.Invalid(path.Child("disk"), p.Disk.String(), "want zero or more, such as 20Gi"))
	}
	for _, msg := range validation.IsDNS1123Label(p.Namespace) {
		errs = append(errs, field.Invalid(path.Child("namespace"), p.Namespace, msg))
	}
	if p.DriftPercent < 1 || p.DriftPercent > 100 {
		errs = append(errs, field.Invalid(path.Child("driftPercent"), p.DriftPercent, "want 1 to 100: how much of what would be prefetched today a machine may lack"))
	}
	secrets := path.Child("pullSecrets")
	if len(p.PullSecrets) > maxPullSecrets {
		errs = append(errs, field.TooMany(secrets, len(p.PullSecrets), maxPullSecrets))
	}
	for i, name := range p.PullSecrets {
		for _, msg := range validation.IsDNS1123Subdomain(name) {
			errs = append(errs, field.Invalid(secrets.Index(i), name, msg))
		}
		if slices.Contains(p.PullSecrets[:i], name) {
			errs = append(errs, field.Duplicate(secrets.Index(i), name))
		}
	}
	return errs
}
