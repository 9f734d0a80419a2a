package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/internal/catalog"
)

// maxPreferred is how many preferences of a class are looked at, those of most weight: each may cost one more try at
// buying.
const maxPreferred = 8

// preferences are preferred node affinities of a class. The scheduler only ranks nodes by them, so that they do not
// count where pods are put on nodes that exist; what is bought for the pods has them as far as it can be had: they are
// given up one by one, the one of least weight first.
type preferences struct {
	terms    []*corev1.PreferredSchedulingTerm // most weight first
	profiles []*profile                        // with the first so many of them required
	kept     int
}

// addPreferences reads a class's preferences and keeps those that some machine has that can be had now. A machine that
// probably can't (its offering is in back-off) is no reason to keep one.
func (p *plan) addPreferences(c *class) {
	spec := &c.sample.Spec
	c.bought = c.profile
	if spec.Affinity == nil || spec.Affinity.NodeAffinity == nil {
		return
	}
	var terms []*corev1.PreferredSchedulingTerm
	for i := range spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
		t := &spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution[i]
		if len(t.Preference.MatchExpressions)+len(t.Preference.MatchFields) > 0 { // an empty one says nothing
			terms = append(terms, t)
		}
	}
	if len(terms) == 0 {
		return
	}
	slices.SortStableFunc(terms, func(a, b *corev1.PreferredSchedulingTerm) int { return cmp.Compare(b.Weight, a.Weight) })
	f := &preferences{terms: terms, profiles: []*profile{c.profile}}
	required := spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	for _, t := range terms[:min(len(terms), maxPreferred)] {
		required = both(required, &t.Preference)
		f.profiles = append(f.profiles, p.profileOf(&corev1.PodSpec{
			NodeSelector: spec.NodeSelector, Tolerations: spec.Tolerations,
			Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: required}},
		}, c.volumes))
	}
	c.prefers = f
	for f.kept = len(f.profiles) - 1; f.kept > 0 && !p.canHave(c, f.profiles[f.kept]); f.kept-- {
	}
	c.bought = f.profiles[f.kept]
}

// both is a selector of the nodes that a selector, which may be nil, and a term select.
func both(required *corev1.NodeSelector, term *corev1.NodeSelectorTerm) *corev1.NodeSelector {
	if required == nil {
		return &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{*term}}
	}
	narrowed := &corev1.NodeSelector{}
	for _, t := range required.NodeSelectorTerms {
		if len(t.MatchExpressions)+len(t.MatchFields) == 0 {
			continue // selects nothing
		}
		narrowed.NodeSelectorTerms = append(narrowed.NodeSelectorTerms, corev1.NodeSelectorTerm{
			MatchExpressions: slices.Concat(t.MatchExpressions, term.MatchExpressions),
			MatchFields:      slices.Concat(t.MatchFields, term.MatchFields),
		})
	}
	return narrowed
}

// canHave reports whether some machine out of back-off holds a pod of the class under a profile.
func (p *plan) canHave(c *class, f *profile) bool {
	return slices.ContainsFunc(p.machines, func(m *machine) bool {
		return m.pool.Problem == "" && !f.on(m).and(m.fresh).empty() && fits(m.room, nil, c.req)
	})
}

// relax gives up one preference more of every class that found no place with them. It reports whether there was any.
func (p *plan) relax(items []*item) bool {
	relaxed := map[*class]bool{}
	short := func(c *class) {
		if c.prefers != nil && c.prefers.kept > 0 && !relaxed[c] {
			relaxed[c] = true
			c.prefers.kept--
			c.bought, c.slots = c.prefers.profiles[c.prefers.kept], nil
		}
	}
	placed := map[*class]int{}
	for _, it := range items {
		placed[it.class] += it.asked - it.left
	}
	for _, c := range p.classes {
		if placed[c] < c.left {
			short(c)
		}
	}
	return len(relaxed) > 0
}

// preferenceWords says what pods on bins go without that they prefer; nothing where they have it all.
func preferenceWords(bins []*bin) string {
	var words []string
	seen := map[*class]bool{}
	for _, b := range bins {
		for _, part := range b.parts {
			f := part.class.prefers
			if f == nil || seen[part.class] || f.kept == len(f.terms) {
				continue
			}
			seen[part.class] = true
			var without []string
			for _, t := range f.terms[f.kept:] {
				for _, r := range slices.Concat(t.Preference.MatchExpressions, t.Preference.MatchFields) {
					without = append(without, catalog.RequirementWords(r))
				}
			}
			words = append(words, fmt.Sprintf("%s and its like prefer, and go without, %s", podName(part.class.sample), strings.Join(without, ", ")))
		}
	}
	const most = 3
	if len(words) > most {
		words = append(words[:most], fmt.Sprintf("and %d kinds of pods more go without what they prefer", len(words)-most))
	}
	if len(words) == 0 {
		return ""
	}
	return "; " + strings.Join(words, "; ")
}
