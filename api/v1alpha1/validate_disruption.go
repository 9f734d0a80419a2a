package v1alpha1

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxWindow is the longest window of a budget: longer ones are a budget without a schedule.
const maxWindow = 7 * 24 * time.Hour

func validateBudgets(budgets []DisruptionBudget, path *field.Path) (errs field.ErrorList) {
	for i, b := range budgets {
		at := path.Index(i)
		if _, _, ok := b.nodes(); !ok {
			errs = append(errs, field.Invalid(at.Child("nodes"), b.Nodes, `want a number such as "3", or a percentage of the pool's nodes from "0%" to "100%"`))
		}
		for j, reason := range b.Reasons {
			if !slices.Contains(DisruptionReasons, reason) {
				errs = append(errs, field.NotSupported(at.Child("reasons").Index(j), reason, DisruptionReasons))
			}
		}
		if _, err := time.LoadLocation(b.TimeZone); err != nil {
			errs = append(errs, field.Invalid(at.Child("timeZone"), b.TimeZone, "want a name of the IANA time zone database, such as Europe/Berlin"))
		}
		switch {
		case b.Schedule == "" && b.Duration != nil:
			errs = append(errs, field.Required(at.Child("schedule"), `say when the windows begin, such as "0 9 * * mon-fri"`))
		case b.Schedule == "":
		case b.Duration == nil:
			errs = append(errs, field.Required(at.Child("duration"), "say how long a window is, such as 8h"))
		case b.Duration.Duration < time.Minute || b.Duration.Duration > maxWindow:
			errs = append(errs, field.Invalid(at.Child("duration"), b.Duration.Duration.String(), "want 1m to 168h"))
		}
		if b.Schedule != "" {
			if _, err := parseCron(b.Schedule); err != nil {
				errs = append(errs, field.Invalid(at.Child("schedule"), b.Schedule, err.Error()))
			}
		}
	}
	return errs
}

func validateConditions(conditions []UnsoundCondition, path *field.Path) (errs field.ErrorList) {
	statuses := []corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionFalse, corev1.ConditionUnknown}
	for i, c := range conditions {
		at := path.Index(i)
		if c.Type == "" {
			errs = append(errs, field.Required(at.Child("type"), "name a condition of Nodes, such as KernelDeadlock"))
		} else {
			for _, msg := range validation.IsQualifiedName(c.Type) {
				errs = append(errs, field.Invalid(at.Child("type"), c.Type, msg))
			}
		}
		if !slices.Contains(statuses, c.Status) {
			errs = append(errs, field.NotSupported(at.Child("status"), c.Status, statuses))
		}
		if c.After != nil && c.After.Duration < 0 {
			errs = append(errs, field.Invalid(at.Child("after"), c.After.Duration.String(), "want zero or more, such as 5m"))
		}
	}
	return errs
}
