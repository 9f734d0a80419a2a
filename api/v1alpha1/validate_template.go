package v1alpha1

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var (
	taintEffects = []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute}
	// ownedLabels are set by the kubelet or the cloud provider from what the machine is.
	ownedLabels = []string{
		LabelInstanceType, LabelZone, LabelZoneID, LabelArch, LabelOS, corev1.LabelTopologyRegion, corev1.LabelHostname,
	}
)

// ownDomain is the prefix of the labels and taints that only Floe sets.
const ownDomain = "floe.dev/"

func validateNodeTemplate(t *NodeTemplate, path *field.Path) field.ErrorList {
	errs := validateLabels(t.Labels, path.Child("labels"))
	errs = append(errs, validateTaints(t.Taints, nil, path.Child("taints"))...)
	return append(errs, validateTaints(t.StartupTaints, t.Taints, path.Child("startupTaints"))...)
}

func validateLabels(labels map[string]string, path *field.Path) (errs field.ErrorList) {
	if len(labels) > maxLabels {
		errs = append(errs, field.TooMany(path, len(labels), maxLabels))
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		switch {
		case strings.HasPrefix(key, ownDomain):
			errs = append(errs, field.Forbidden(path.Key(key), "labels under floe.dev/ are Floe's: choose a prefix of your own"))
		case slices.Contains(ownedLabels, key):
			errs = append(errs, field.Forbidden(path.Key(key), "the machine decides this label: use spec.requirements to choose machines by it"))
		}
		for _, msg := range validation.IsQualifiedName(key) {
			errs = append(errs, field.Invalid(path, key, msg))
		}
		for _, msg := range validation.IsValidLabelValue(labels[key]) {
			errs = append(errs, field.Invalid(path.Key(key), labels[key], msg))
		}
	}
	return errs
}

// validateTaints checks one list; others are the taints that are on the Node at the same time.
func validateTaints(taints, others []corev1.Taint, path *field.Path) (errs field.ErrorList) {
	if len(taints) > maxTaints {
		errs = append(errs, field.TooMany(path, len(taints), maxTaints))
	}
	for i, t := range taints {
		at := path.Index(i)
		if t.Key == "" {
			errs = append(errs, field.Required(at.Child("key"), "a taint needs a key, such as dedicated"))
		} else {
			for _, msg := range validation.IsQualifiedName(t.Key) {
				errs = append(errs, field.Invalid(at.Child("key"), t.Key, msg))
			}
		}
		if strings.HasPrefix(t.Key, ownDomain) {
			errs = append(errs, field.Forbidden(at.Child("key"), "taints under floe.dev/ are Floe's: choose a prefix of your own"))
		}
		for _, msg := range validation.IsValidLabelValue(t.Value) {
			errs = append(errs, field.Invalid(at.Child("value"), t.Value, msg))
		}
		if !slices.Contains(taintEffects, t.Effect) {
			errs = append(errs, field.NotSupported(at.Child("effect"), t.Effect, taintEffects))
		}
		same := func(o corev1.Taint) bool { return o.Key == t.Key && o.Effect == t.Effect }
		if slices.ContainsFunc(taints[:i], same) || slices.ContainsFunc(others, same) {
			errs = append(errs, field.Duplicate(at, fmt.Sprintf("%s:%s", t.Key, t.Effect)))
		}
	}
	return errs
}
