package v1alpha1

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func validateChain(spec *NodePoolSpec, path *field.Path) (errs field.ErrorList) {
	fallback := path.Child("fallback")
	if len(spec.Fallback) == 0 {
		return field.ErrorList{field.Required(fallback, "name one step or more, such as [{capacityType: spot}, {capacityType: on-demand}]")}
	}
	if len(spec.Fallback) > maxSteps {
		errs = append(errs, field.TooMany(fallback, len(spec.Fallback), maxSteps))
	}
	if !hasStep(spec, Spot) && !hasStep(spec, OnDemand) {
		errs = append(errs, field.Invalid(fallback, stepWords(spec), "no step buys machines: add one with capacityType spot or on-demand"))
	}
	for i := range spec.Fallback {
		errs = append(errs, validateStep(spec, &spec.Fallback[i], fallback.Index(i))...)
	}
	return errs
}

func validateStep(spec *NodePoolSpec, step *FallbackStep, path *field.Path) (errs field.ErrorList) {
	if !slices.Contains(capacityTypes, step.CapacityType) {
		return field.ErrorList{field.NotSupported(path.Child("capacityType"), step.CapacityType, capacityTypes)}
	}
	// A standby machine is on-demand once it runs.
	label := step.CapacityType
	if label != Spot {
		label = OnDemand
	}
	if !allowsValue(spec.Requirements, LabelCapacityType, string(label)) {
		errs = append(errs, field.Invalid(path.Child("capacityType"), step.CapacityType,
			fmt.Sprintf("spec.requirements leave out %s %s, so that this step could never bring a machine: take the step out or widen the requirement", LabelCapacityType, label)))
	}
	reqs := path.Child("requirements")
	own := validateRequirements(step.Requirements, reqs)
	for i, r := range step.Requirements {
		if r.Key == LabelCapacityType {
			own = append(own, field.Forbidden(reqs.Index(i).Child("key"), "the step's capacityType says it already: leave it out, or make it a step of its own"))
		}
	}
	if len(own) == 0 {
		own = validateNarrows(spec.Requirements, step.Requirements, reqs)
	}
	return append(errs, own...)
}

// validateNarrows refuses a step whose In values the pool's own requirements all leave out.
func validateNarrows(pool, step []corev1.NodeSelectorRequirement, path *field.Path) (errs field.ErrorList) {
	for i, r := range step {
		if r.Operator == corev1.NodeSelectorOpIn &&
			!slices.ContainsFunc(r.Values, func(value string) bool { return allowsValue(pool, r.Key, value) }) {
			errs = append(errs, field.Invalid(path.Index(i), r.Values,
				fmt.Sprintf("spec.requirements leave out all of these for %s, so that this step could never bring a machine: a step only narrows", r.Key)))
		}
	}
	return errs
}

func hasStep(spec *NodePoolSpec, ct CapacityType) bool {
	return slices.ContainsFunc(spec.Fallback, func(f FallbackStep) bool { return f.CapacityType == ct })
}

func stepWords(spec *NodePoolSpec) []CapacityType {
	types := make([]CapacityType, len(spec.Fallback))
	for i, step := range spec.Fallback {
		types[i] = step.CapacityType
	}
	return types
}
