package v1alpha1

import (
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Bounds that the CRD sets too.
const (
	maxSubnets      = 50
	maxRequirements = 30
	maxSteps        = 20
	maxTaints       = 50
	maxLabels       = 100
	maxMaxPods      = 1000
	maxWeight       = 100
)

// minHedge is the least spec.hedgeAfter: sooner than that a healthy answer may not be there.
const minHedge = time.Second

// maxReclaimMargin is all the time that a spot interruption's notice gives.
const maxReclaimMargin = 2 * time.Minute

var (
	templateID      = regexp.MustCompile(`^lt-[0-9a-f]{8,32}$`)
	templateVersion = regexp.MustCompile(`^(\$Latest|\$Default|[1-9][0-9]*)$`)
	subnetID        = regexp.MustCompile(`^subnet-[0-9a-z]+$`)
)

// Validate says what of a pool is wrong, whatever cluster or account it is for. Each error names the field's path, its
// value, and what would be right. SetDefaults is called before. The API server holds most of these rules too, by the
// CRD; here are all of them, for pools that come from elsewhere and for rules that CEL can't hold.
func Validate(pool *NodePool) field.ErrorList {
	spec, path := &pool.Spec, field.NewPath("spec")
	errs := validateName(pool.Name)
	if spec.Weight < 0 || spec.Weight > maxWeight {
		errs = append(errs, field.Invalid(path.Child("weight"), spec.Weight, "want 0 to 100; the pool with the highest is asked first"))
	}
	errs = append(errs, validateLaunchTemplate(&spec.LaunchTemplate, path.Child("launchTemplate"))...)
	errs = append(errs, validateSubnets(spec.Subnets, path.Child("subnets"))...)
	errs = append(errs, validateRequirements(spec.Requirements, path.Child("requirements"))...)
	errs = append(errs, validateArch(spec.Requirements, path.Child("requirements"))...)
	errs = append(errs, validateNodeTemplate(&spec.Template, path.Child("template"))...)
	errs = append(errs, validateResources(spec.Reserved, path.Child("reserved"),
		corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage)...)
	if spec.MaxPods != nil && (*spec.MaxPods < 1 || *spec.MaxPods > maxMaxPods) {
		errs = append(errs, field.Invalid(path.Child("maxPods"), *spec.MaxPods, "want 1 to 1000, or leave it out for the ENI formula"))
	}
	errs = append(errs, validateResources(spec.Limits, path.Child("limits"),
		corev1.ResourceCPU, corev1.ResourceMemory, ResourceNodes)...)
	errs = append(errs, validateChain(spec, path)...)
	errs = append(errs, validateStandby(spec, path.Child("standby"))...)
	errs = append(errs, validateTimes(spec, path)...)
	errs = append(errs, validateBudgets(spec.Disruption.Budgets, path.Child("disruption", "budgets"))...)
	errs = append(errs, validateConditions(spec.Disruption.Conditions, path.Child("disruption", "conditions"))...)
	return append(errs, validateHeadroom(spec.Headroom, path.Child("headroom"))...)
}

func validateName(name string) (errs field.ErrorList) {
	path := field.NewPath("metadata", "name")
	if name == "" {
		return field.ErrorList{field.Required(path, "give the pool a name, such as general")}
	}
	for _, msg := range validation.IsDNS1123Subdomain(name) {
		errs = append(errs, field.Invalid(path, name, msg))
	}
	if len(name) > validation.LabelValueMaxLength {
		errs = append(errs, field.Invalid(path, name, "want at most 63 characters: the name is the value of the label "+LabelPool))
	}
	return errs
}

func validateLaunchTemplate(t *LaunchTemplate, path *field.Path) (errs field.ErrorList) {
	switch {
	case t.ID == "" && t.Name == "":
		errs = append(errs, field.Required(path, "set id (lt-…) or name of an EC2 launch template"))
	case t.ID != "" && t.Name != "":
		errs = append(errs, field.Invalid(path, t.ID+" and "+t.Name, "set exactly one of id and name"))
	case t.ID != "" && !templateID.MatchString(t.ID):
		errs = append(errs, field.Invalid(path.Child("id"), t.ID, "want a launch template's ID, such as lt-0123456789abcdef0; use name for a name"))
	case t.Name != "" && (len(t.Name) < 3 || len(t.Name) > 128):
		errs = append(errs, field.Invalid(path.Child("name"), t.Name, "want 3 to 128 characters, as EC2 does"))
	}
	if !templateVersion.MatchString(t.Version) {
		errs = append(errs, field.Invalid(path.Child("version"), t.Version, "want a number, $Latest or $Default"))
	}
	return errs
}

func validateSubnets(subnets []string, path *field.Path) (errs field.ErrorList) {
	if len(subnets) == 0 {
		errs = append(errs, field.Required(path, "name the subnets that machines may be launched in, such as subnet-0123456789abcdef0; their zones are the pool's zones"))
	}
	if len(subnets) > maxSubnets {
		errs = append(errs, field.TooMany(path, len(subnets), maxSubnets))
	}
	for i, id := range subnets {
		if !subnetID.MatchString(id) {
			errs = append(errs, field.Invalid(path.Index(i), id, "want a subnet's ID, such as subnet-0123456789abcdef0"))
		}
		if slices.Contains(subnets[:i], id) {
			errs = append(errs, field.Duplicate(path.Index(i), id))
		}
	}
	return errs
}

// validateResources checks a list of amounts: only these names, and nothing below zero.
func validateResources(list corev1.ResourceList, path *field.Path, names ...corev1.ResourceName) (errs field.ErrorList) {
	for _, name := range sortedKeys(list) {
		amount := list[name]
		if len(names) > 0 && !slices.Contains(names, name) {
			errs = append(errs, field.NotSupported(path, name, names))
			continue
		}
		if amount.Sign() < 0 {
			errs = append(errs, field.Invalid(path.Key(string(name)), amount.String(), "want zero or more"))
		}
	}
	return errs
}

func validateTimes(spec *NodePoolSpec, path *field.Path) (errs field.ErrorList) {
	if d := spec.RegistrationTimeout; d != nil && d.Duration <= 0 {
		errs = append(errs, field.Invalid(path.Child("registrationTimeout"), d.Duration.String(), "want more than zero, such as 15m: it includes the machine's boot"))
	}
	if d := spec.HedgeAfter; d != nil && d.Duration < minHedge {
		errs = append(errs, field.Invalid(path.Child("hedgeAfter"), d.Duration.String(), "want 1s or more, such as 20s, or leave it out: EC2 takes a second or two to answer when all is well"))
	}
	disruption := path.Child("disruption")
	for _, t := range []struct {
		name string
		d    *metav1.Duration
	}{
		{"emptyAfter", spec.Disruption.EmptyAfter},
		{"stabilization", spec.Disruption.Stabilization},
		{"drainTimeout", spec.Disruption.DrainTimeout},
		{"returnAfter", spec.Disruption.ReturnAfter},
		{"minimumAge", spec.Disruption.MinimumAge},
	} {
		if t.d != nil && t.d.Duration < 0 {
			errs = append(errs, field.Invalid(disruption.Child(t.name), t.d.Duration.String(), "want zero or more, such as 5m"))
		}
	}
	if d := spec.Disruption.ExpireAfter; d != nil && d.Duration <= 0 {
		errs = append(errs, field.Invalid(disruption.Child("expireAfter"), d.Duration.String(), "want more than zero, such as 720h, or leave it out: nodes do not expire then"))
	}
	if m := spec.Disruption.ReclaimMargin; m != nil && (m.Duration < 0 || m.Duration > maxReclaimMargin) {
		errs = append(errs, field.Invalid(disruption.Child("reclaimMargin"), m.Duration.String(), "want 0s to 2m: EC2's notice is two minutes"))
	}
	switch r := spec.Disruption.Rebalance; r {
	case "", RebalanceIgnore, RebalancePreSpin, RebalanceDrain:
	default:
		errs = append(errs, field.NotSupported(disruption.Child("rebalance"), r, []RebalancePolicy{RebalanceIgnore, RebalancePreSpin, RebalanceDrain}))
	}
	return errs
}

func validateHeadroom(h *Headroom, path *field.Path) (errs field.ErrorList) {
	if h == nil {
		return nil
	}
	if h.Replicas < 0 {
		errs = append(errs, field.Invalid(path.Child("replicas"), h.Replicas, "want zero or more"))
	}
	errs = append(errs, validateResources(h.Requests, path.Child("requests"))...)
	for _, amount := range h.Requests {
		if amount.Sign() > 0 {
			return errs
		}
	}
	return append(errs, field.Required(path.Child("requests"), "say how large one placeholder pod is, such as {cpu: 1, memory: 2Gi}"))
}

// sortedKeys are a resource list's names in order, so that errors come in the same order each time.
func sortedKeys(list corev1.ResourceList) []corev1.ResourceName {
	names := make([]corev1.ResourceName, 0, len(list))
	for name := range list {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b corev1.ResourceName) int { return strings.Compare(string(a), string(b)) })
	return names
}
