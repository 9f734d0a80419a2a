package catalog

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// CheckPool says what of a pool no machine can serve, whatever zones and prices there are: requirements that leave no
// type, a step that narrows to nothing, hibernated standby of types that can't hibernate, reserved resources that leave
// nothing for pods. types are those of an account's View, or Facts where there is none yet. It comes after
// v1alpha1.Validate, which needs no types; each error names the field's path, its value and a remedy.
func CheckPool(pool *v1alpha1.NodePool, types []contract.InstanceType) field.ErrorList {
	path := field.NewPath("spec")
	spec := &pool.Spec
	all := labelTypes(types)
	left := all.match(ofType(spec.Requirements))
	if len(left) == 0 {
		return field.ErrorList{all.nothingLeft(ofType(spec.Requirements), spec.Requirements, path.Child("requirements"))}
	}
	var errs field.ErrorList
	for i := range spec.Fallback {
		reqs := spec.Fallback[i].Requirements
		if len(left.match(ofType(reqs))) == 0 {
			errs = append(errs, left.nothingLeft(ofType(reqs), reqs, path.Child("fallback").Index(i).Child("requirements")))
		}
	}
	if s := spec.Standby; s != nil && s.Hibernated > 0 &&
		!slices.ContainsFunc(left, func(l labeled) bool { return l.t.Hibernation }) {
		errs = append(errs, field.Invalid(path.Child("standby", "hibernated"), s.Hibernated, fmt.Sprintf(
			"none of the %d types that spec.requirements leave can hibernate (less than 150 GiB of memory, no bare metal, not every family): widen them, or use standby.stopped", len(left))))
	}
	if !slices.ContainsFunc(left, func(l labeled) bool { return takesPods(pool, l.t) }) {
		errs = append(errs, field.Invalid(path.Child("reserved"), resourceWords(spec.Reserved), fmt.Sprintf(
			"nothing is left for pods on any of the %d types that spec.requirements leave: reserve less, or ask for larger types", len(left))))
	}
	return errs
}

// labeled is a type with the labels that it decides alone.
type labeled struct {
	t      contract.InstanceType
	labels map[string]string
}

type labeledTypes []labeled

func labelTypes(types []contract.InstanceType) labeledTypes {
	all := make(labeledTypes, len(types))
	for i, t := range types {
		all[i] = labeled{t: t, labels: typeLabels(t, "")}
	}
	return all
}

func (l labeledTypes) match(reqs []corev1.NodeSelectorRequirement) (left labeledTypes) {
	for _, t := range l {
		if ok, _ := Match(reqs, t.labels); ok {
			left = append(left, t)
		}
	}
	return left
}

// nothingLeft points at the requirement that leaves nothing by itself, or at all of them where it takes several.
// written are the requirements as they stand in the pool, of which reqs are those that the type decides.
func (l labeledTypes) nothingLeft(reqs, written []corev1.NodeSelectorRequirement, path *field.Path) *field.Error {
	for _, r := range reqs {
		if len(l.match([]corev1.NodeSelectorRequirement{r})) > 0 {
			continue
		}
		at := slices.IndexFunc(written, func(w corev1.NodeSelectorRequirement) bool {
			return w.Key == r.Key && w.Operator == r.Operator && slices.Equal(w.Values, r.Values)
		})
		return field.Invalid(path.Index(at), RequirementWords(r), fmt.Sprintf("none of the %d machine types here matches: correct the value or take the requirement out", len(l)))
	}
	words := make([]string, len(reqs))
	for i, r := range reqs {
		words[i] = RequirementWords(r)
	}
	return field.Invalid(path, words, fmt.Sprintf("each matches some of the %d machine types here, and none matches all of them: widen one", len(l)))
}

// ofType are the requirements that the type alone decides.
func ofType(reqs []corev1.NodeSelectorRequirement) (kept []corev1.NodeSelectorRequirement) {
	for _, r := range reqs {
		if !placed(r.Key) {
			kept = append(kept, r)
		}
	}
	return kept
}

// takesPods reports whether cpu and memory are left. Ephemeral storage is the launch template's to say.
func takesPods(pool *v1alpha1.NodePool, t contract.InstanceType) bool {
	left := Allocatable(pool, t)
	return left.Cpu().Sign() > 0 && left.Memory().Sign() > 0
}

func resourceWords(list corev1.ResourceList) map[string]string {
	words := map[string]string{}
	for name, amount := range list {
		words[string(name)] = amount.String()
	}
	return words
}
