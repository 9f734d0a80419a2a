package v1alpha1

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What an empty field stands for.
const (
	DefaultTemplateVersion     = "$Default"
	DefaultArch                = "amd64"
	DefaultRegistrationTimeout = 15 * time.Minute
	DefaultEmptyAfter          = 5 * time.Minute
	DefaultStabilization       = 30 * time.Minute
	DefaultDrainTimeout        = 15 * time.Minute
	DefaultMinUptime           = 2 * time.Minute
	DefaultResumeTimeout       = 5 * time.Minute
	DefaultRenewAfter          = 50 * 24 * time.Hour
	DefaultRenewAtOnce         = 1
	DefaultReturnAfter         = 2 * time.Hour
	// DefaultBudget is the disruption budget of a pool that names none.
	DefaultBudget        = "10%"
	DefaultRebalance     = RebalanceIgnore
	DefaultReclaimMargin = 15 * time.Second
)

// SetDefaults fills empty fields with what they stand for. The API server fills most of them from the CRD; whoever reads
// a pool from elsewhere, or one that was stored before a default existed, calls this first. Calling it twice changes
// nothing.
//
// A pool that says nothing of kubernetes.io/arch gets the requirement In [amd64]: an image is of one architecture, and
// EC2 refuses a machine of the other.
func SetDefaults(pool *NodePool) {
	spec := &pool.Spec
	if spec.LaunchTemplate.Version == "" {
		spec.LaunchTemplate.Version = DefaultTemplateVersion
	}
	if !slices.ContainsFunc(spec.Requirements, func(r corev1.NodeSelectorRequirement) bool { return r.Key == LabelArch }) {
		// A new slice: the pool may be a shallow copy of one that others read.
		spec.Requirements = append(slices.Clip(spec.Requirements), corev1.NodeSelectorRequirement{
			Key: LabelArch, Operator: corev1.NodeSelectorOpIn, Values: []string{DefaultArch},
		})
	}
	setDuration(&spec.RegistrationTimeout, DefaultRegistrationTimeout)
	setDuration(&spec.Disruption.EmptyAfter, DefaultEmptyAfter)
	setDuration(&spec.Disruption.Stabilization, DefaultStabilization)
	setDuration(&spec.Disruption.DrainTimeout, DefaultDrainTimeout)
	setDuration(&spec.Disruption.ReclaimMargin, DefaultReclaimMargin)
	if spec.Disruption.Rebalance == "" {
		spec.Disruption.Rebalance = DefaultRebalance
	}
	setDuration(&spec.Disruption.ReturnAfter, DefaultReturnAfter)
	if len(spec.Disruption.Budgets) == 0 {
		spec.Disruption.Budgets = []DisruptionBudget{{Nodes: DefaultBudget}}
	}
	for i, c := range spec.Disruption.Conditions {
		if c.Status == "" {
			spec.Disruption.Conditions = slices.Clone(spec.Disruption.Conditions) // see above
			spec.Disruption.Conditions[i].Status = corev1.ConditionTrue
		}
	}
	if spec.Standby != nil {
		spec.Standby = withDefaults(spec.Standby)
	}
}

// withDefaults is a copy: the pool may be a shallow one of one that others read.
func withDefaults(standby *Standby) *Standby {
	standby = standby.DeepCopy()
	setDuration(&standby.MinUptime, DefaultMinUptime)
	setDuration(&standby.ResumeTimeout, DefaultResumeTimeout)
	setDuration(&standby.RenewAfter, DefaultRenewAfter)
	standby.RenewAtOnce = cmp.Or(standby.RenewAtOnce, DefaultRenewAtOnce)
	standby.NodeWhileFrozen = cmp.Or(standby.NodeWhileFrozen, KeepNode)
	for i := range standby.Targets {
		if f := standby.Targets[i].Forecast; f != nil {
			f.Percent = cmp.Or(f.Percent, DefaultForecastPercent)
		}
	}
	if p := standby.Prefetch; p != nil {
		p.Namespace = cmp.Or(p.Namespace, DefaultPrefetchNamespace)
		p.DriftPercent = cmp.Or(p.DriftPercent, DefaultDriftPercent)
	}
	return standby
}

func setDuration(d **metav1.Duration, value time.Duration) {
	if *d == nil {
		*d = &metav1.Duration{Duration: value}
	}
}
