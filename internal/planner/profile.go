package planner

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"

	"floe.dev/floe/api/v1alpha1"
)

// profile is what of a pod's constraints a node alone decides: node selector, required node affinity, tolerations.
// Classes share it.
type profile struct {
	number      int // from 1
	required    nodeaffinity.RequiredNodeAffinity
	selective   bool // it selects at all
	volumes     *volumes
	byPlace     bool // it selects by zone or capacity type, so that one type may match in one place and not in another
	tolerations []corev1.Toleration
	tolerates   map[*poolState]*corev1.Taint // the pool's first taint that is not tolerated; nil where all are
	offers      []*offer                     // by machine, once it was looked at
	nodes       []int8                       // by node: 0 not looked at, 1 yes, -1 no
}

// id is the profile's number, 0 for none.
func (f *profile) id() int {
	if f == nil {
		return 0
	}
	return f.number
}

// profileOf is the profile of a pod's spec and volumes, which may be nil; those alike are one.
func (p *plan) profileOf(spec *corev1.PodSpec, v *volumes) *profile {
	p.sig.buf = p.sig.buf[:0]
	p.sig.labels(spec.NodeSelector)
	var terms *corev1.NodeSelector
	if spec.Affinity != nil && spec.Affinity.NodeAffinity != nil {
		terms = spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	if terms != nil {
		p.sig.message(terms)
	}
	p.sig.text("tolerations")
	for _, t := range spec.Tolerations {
		p.sig.text(t.Key, string(t.Operator), t.Value, string(t.Effect))
	}
	p.sig.text("volumes", v.text())
	key := string(p.sig.buf)
	if known := p.profiles[key]; known != nil {
		return known
	}
	f := &profile{
		number:      len(p.profiles) + 1,
		required:    nodeaffinity.GetRequiredNodeAffinity(&corev1.Pod{Spec: *spec}),
		selective:   len(spec.NodeSelector) > 0 || terms != nil || v != nil && (len(v.where) > 0 || v.problem != ""),
		volumes:     v,
		byPlace:     v != nil && v.zonal,
		tolerations: spec.Tolerations,
		tolerates:   map[*poolState]*corev1.Taint{},
		offers:      make([]*offer, len(p.machines)),
		nodes:       make([]int8, len(p.nodes)),
	}
	for _, key := range selectedLabels(spec) {
		f.byPlace = f.byPlace || placeLabels[key]
	}
	p.profiles[key] = f
	return f
}

// placeLabels are the labels of catalog.Labels that one type carries with different values.
var placeLabels = map[string]bool{
	v1alpha1.LabelZone: true, v1alpha1.LabelZoneID: true, v1alpha1.LabelCapacityType: true,
	corev1.LabelFailureDomainBetaZone: true,
}

// selectedLabels are the keys that node selector and required node affinity look at.
func selectedLabels(spec *corev1.PodSpec) []string {
	var keys []string
	for key := range spec.NodeSelector {
		keys = append(keys, key)
	}
	if spec.Affinity == nil || spec.Affinity.NodeAffinity == nil {
		return keys
	}
	if terms := spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution; terms != nil {
		for _, term := range terms.NodeSelectorTerms {
			for _, r := range term.MatchExpressions {
				keys = append(keys, r.Key)
			}
		}
	}
	return keys
}

// on is the offerings of a machine that pods of the profile can run on.
func (f *profile) on(m *machine) offer {
	if known := f.offers[m.index]; known != nil {
		return *known
	}
	o := f.look(m)
	f.offers[m.index] = &o
	return o
}

func (f *profile) look(m *machine) offer {
	if f.untolerated(m.pool) != nil {
		return offer{}
	}
	if !f.selective {
		return m.avail
	}
	var o offer
	looked, matches := false, false
	m.avail.each(func(ct, zone int) {
		if !looked || f.byPlace {
			matches, looked = f.matches(unnamed, m.labelsOf(ct, zone)), true
		}
		if matches {
			o[ct] |= 1 << zone
		}
	})
	return o
}

// unnamed is the name of machines that do not exist yet: no Node has it. With an empty one, terms that select by name
// would not be looked at (component-helpers, nodeaffinity.LazyErrorNodeSelector).
const unnamed = "(not launched yet)"

// matches reports whether a node of that name and with those labels is selected. A selector that cannot be parsed
// selects nothing, as for the scheduler.
func (f *profile) matches(name string, labels map[string]string) bool {
	if !f.selective {
		return true
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	if v := f.volumes; v != nil && (v.problem != "" || slices.ContainsFunc(v.where, func(s *nodeaffinity.NodeSelector) bool { return !s.Match(node) })) {
		return false
	}
	ok, err := f.required.Match(node)
	return ok && err == nil
}

// untolerated is the pool's first taint that keeps the pods off its nodes. Startup taints go before pods come.
func (f *profile) untolerated(pool *poolState) *corev1.Taint {
	taint, known := f.tolerates[pool]
	if !known {
		taint = f.firstUntolerated(pool.Spec.Template.Taints)
		f.tolerates[pool] = taint
	}
	return taint
}

func (f *profile) firstUntolerated(taints []corev1.Taint) *corev1.Taint {
	for i := range taints {
		if t := &taints[i]; t.Effect != corev1.TaintEffectPreferNoSchedule && !f.tolerated(t) {
			return t
		}
	}
	return nil
}

func (f *profile) tolerated(t *corev1.Taint) bool {
	for i := range f.tolerations {
		// Comparison operators (Lt, Gt) are behind a feature gate of the API server's that is off by default
		// (TaintTolerationComparisonOperators): without it no such toleration can be stored.
		if f.tolerations[i].ToleratesTaint(klog.Logger{}, t, true) {
			return true
		}
	}
	return false
}
