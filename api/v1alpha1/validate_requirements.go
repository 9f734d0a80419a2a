package v1alpha1

import (
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// RequirementKeys are the labels that requirements may narrow by: those that tell one offering from another.
var RequirementKeys = []string{
	LabelInstanceType, LabelZone, LabelZoneID, LabelArch,
	LabelCapacityType, LabelInstanceFamily, LabelInstanceSize, LabelInstanceCPU, LabelInstanceMemory,
}

var (
	operators = []corev1.NodeSelectorOperator{
		corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn, corev1.NodeSelectorOpExists,
		corev1.NodeSelectorOpDoesNotExist, corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt,
	}
	architectures   = []string{"amd64", "arm64"}
	capacityTypes   = []CapacityType{Spot, OnDemand, Hibernated, Stopped}
	boughtAs        = []CapacityType{Spot, OnDemand}
	numericKeys     = []string{LabelInstanceCPU, LabelInstanceMemory}
	wholeNumberHint = "want a whole number: vCPUs for " + LabelInstanceCPU + ", MiB for " + LabelInstanceMemory
)

func validateRequirements(reqs []corev1.NodeSelectorRequirement, path *field.Path) (errs field.ErrorList) {
	if len(reqs) > maxRequirements {
		errs = append(errs, field.TooMany(path, len(reqs), maxRequirements))
	}
	for i := range reqs {
		errs = append(errs, validateRequirement(&reqs[i], path.Index(i))...)
	}
	if len(errs) > 0 {
		return errs
	}
	return validateNotEmpty(reqs, path)
}

func validateRequirement(r *corev1.NodeSelectorRequirement, path *field.Path) (errs field.ErrorList) {
	if !slices.Contains(RequirementKeys, r.Key) {
		errs = append(errs, field.NotSupported(path.Child("key"), r.Key, RequirementKeys))
	}
	values := path.Child("values")
	switch r.Operator {
	case corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn:
		if len(r.Values) == 0 {
			errs = append(errs, field.Required(values, fmt.Sprintf("%s wants one value or more", r.Operator)))
		}
		for i, value := range r.Values {
			errs = append(errs, validateValue(r.Key, value, values.Index(i))...)
		}
	case corev1.NodeSelectorOpExists:
		if len(r.Values) > 0 {
			errs = append(errs, field.Invalid(values, r.Values, "Exists takes no values; use In for some values only"))
		}
	case corev1.NodeSelectorOpDoesNotExist:
		errs = append(errs, field.Invalid(path.Child("operator"), r.Operator, "every machine has this label, so that nothing could be bought; use NotIn to leave some values out"))
	case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
		if !slices.Contains(numericKeys, r.Key) {
			errs = append(errs, field.Invalid(path.Child("operator"), r.Operator, fmt.Sprintf("compares numbers, which only %s and %s are; use In or NotIn", LabelInstanceCPU, LabelInstanceMemory)))
		} else if len(r.Values) != 1 {
			errs = append(errs, field.Invalid(values, r.Values, fmt.Sprintf("%s wants exactly one value", r.Operator)))
		} else if !wholeNumber(r.Values[0]) {
			errs = append(errs, field.Invalid(values.Index(0), r.Values[0], wholeNumberHint))
		}
	default:
		errs = append(errs, field.NotSupported(path.Child("operator"), r.Operator, operators))
	}
	return errs
}

// validateValue checks one value of In or NotIn.
func validateValue(key, value string, path *field.Path) (errs field.ErrorList) {
	switch {
	case key == LabelCapacityType:
		if !slices.Contains(boughtAs, CapacityType(value)) {
			errs = append(errs, field.NotSupported(path, CapacityType(value), boughtAs))
		}
	case key == LabelArch:
		if !slices.Contains(architectures, value) {
			errs = append(errs, field.NotSupported(path, value, architectures))
		}
	case slices.Contains(numericKeys, key):
		if !wholeNumber(value) {
			errs = append(errs, field.Invalid(path, value, wholeNumberHint))
		}
	case value == "":
		errs = append(errs, field.Required(path, "an empty value matches no machine"))
	default:
		for _, msg := range validation.IsValidLabelValue(value) {
			errs = append(errs, field.Invalid(path, value, msg))
		}
	}
	return errs
}

// validateNotEmpty refuses In and NotIn of one key that together leave no value.
func validateNotEmpty(reqs []corev1.NodeSelectorRequirement, path *field.Path) (errs field.ErrorList) {
	told := map[string]bool{}
	for i, r := range reqs {
		if r.Operator != corev1.NodeSelectorOpIn || told[r.Key] {
			continue
		}
		if !slices.ContainsFunc(r.Values, func(value string) bool { return allowsValue(reqs, r.Key, value) }) {
			told[r.Key] = true
			errs = append(errs, field.Invalid(path.Index(i), r.Values, fmt.Sprintf("together with the other requirements on %s this leaves no value: take one of them out", r.Key)))
		}
	}
	return errs
}

// validateArch wants one architecture: an image is of one, and EC2 refuses a machine of the other.
func validateArch(reqs []corev1.NodeSelectorRequirement, path *field.Path) field.ErrorList {
	var left []string
	for _, arch := range architectures {
		if allowsValue(reqs, LabelArch, arch) {
			left = append(left, arch)
		}
	}
	if len(left) < len(architectures) {
		return nil // none at all is told by validateNotEmpty
	}
	return field.ErrorList{field.Invalid(path, left, fmt.Sprintf("both architectures are left, and a launch template's image is of one: add {key: %s, operator: In, values: [%s]}", LabelArch, DefaultArch))}
}

// allowsValue reports whether the In, NotIn, Gt and Lt requirements on a key allow a value.
func allowsValue(reqs []corev1.NodeSelectorRequirement, key, value string) bool {
	for _, r := range reqs {
		if r.Key != key {
			continue
		}
		allowed := true
		switch r.Operator {
		case corev1.NodeSelectorOpIn:
			allowed = slices.Contains(r.Values, value)
		case corev1.NodeSelectorOpNotIn:
			allowed = !slices.Contains(r.Values, value)
		case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
			have, err := strconv.ParseInt(value, 10, 64)
			bound, err2 := strconv.ParseInt(slices.Concat(r.Values, []string{""})[0], 10, 64)
			allowed = err == nil && err2 == nil && (r.Operator == corev1.NodeSelectorOpGt && have > bound || r.Operator == corev1.NodeSelectorOpLt && have < bound)
		}
		if !allowed {
			return false
		}
	}
	return true
}

func wholeNumber(value string) bool {
	n, err := strconv.ParseInt(value, 10, 64)
	return err == nil && n >= 0
}
