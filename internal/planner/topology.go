package planner

import (
	"fmt"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// term is a selection of pods over the domains of a topology key: what spread constraints, affinity and anti-affinity
// are made of.
type term struct {
	key        string // topology key
	selector   labels.Selector
	namespaces map[string]bool // nil: all
	also       []*term         // the other terms of one affinity: only pods that all of them select count
	claim      string          // instead of a selector: the pods that use this claim, by namespace/name
}

func (t *term) matches(pod *corev1.Pod) bool {
	if t.claim != "" {
		return uses(pod, t.claim)
	}
	return (t.namespaces == nil || t.namespaces[pod.Namespace]) && t.selector.Matches(labels.Set(pod.Labels)) &&
		!slices.ContainsFunc(t.also, func(o *term) bool { return !o.matches(pod) })
}

// counter counts a term's pods by domain. All the rules that look at the same pods in the same way share it.
type counter struct {
	term   *term
	spread *spreadScope // nil for affinity and anti-affinity
	n      map[string]int
	total  int
	owners map[string]int // pods that keep the term's pods out of their domain: its anti-affinity's owners
}

// spreadScope is which nodes a spread constraint looks at.
type spreadScope struct {
	selects   *profile // nodes that it does not select do not count; nil: all do
	tolerates *profile // nodes with taints that it does not tolerate do not count; nil: all do
}

// topology is what a class has to do with counters.
type topology struct {
	spreads []spreadRule
	without []*counter // required anti-affinity
	with    []*counter // required affinity
	matched []*counter // counters that count its pods
	self    map[*counter]bool
}

type spreadRule struct {
	*counter
	maxSkew    int
	minDomains int
}

// any reports whether the class has to do with any counter.
func (t *topology) any() bool {
	return len(t.spreads)+len(t.without)+len(t.with)+len(t.matched) > 0
}

// strictness orders classes that are spread: those that others' pods can put out of balance come last, so that they can
// answer to where the others went.
func (t *topology) strictness() int {
	strictest := 0
	for _, r := range t.spreads {
		strictest = max(strictest, math.MaxInt32-r.maxSkew)
	}
	return strictest
}

// labelKeys are the labels that any selector of the snapshot looks at, sorted: pods that differ in others only are alike.
func labelKeys(s *Snapshot) []string {
	keys := map[string]bool{}
	selector := func(sel *metav1.LabelSelector) {
		if sel == nil {
			return
		}
		for key := range sel.MatchLabels {
			keys[key] = true
		}
		for i := range sel.MatchExpressions {
			keys[sel.MatchExpressions[i].Key] = true
		}
	}
	terms := func(terms []corev1.PodAffinityTerm) {
		for i := range terms {
			selector(terms[i].LabelSelector)
			for _, key := range slices.Concat(terms[i].MatchLabelKeys, terms[i].MismatchLabelKeys) {
				keys[key] = true
			}
		}
	}
	for _, pod := range s.Pods {
		for i := range pod.Spec.TopologySpreadConstraints {
			c := &pod.Spec.TopologySpreadConstraints[i]
			if c.WhenUnsatisfiable == corev1.DoNotSchedule {
				selector(c.LabelSelector)
				for _, key := range c.MatchLabelKeys {
					keys[key] = true
				}
			}
		}
		terms(requiredAffinity(pod))
		terms(requiredAntiAffinity(pod))
	}
	for i := range s.Nodes {
		for _, pod := range s.Nodes[i].Pods {
			terms(requiredAntiAffinity(pod))
		}
	}
	sorted := make([]string, 0, len(keys))
	for key := range keys {
		sorted = append(sorted, key)
	}
	slices.Sort(sorted)
	return sorted
}

func requiredAffinity(pod *corev1.Pod) []corev1.PodAffinityTerm {
	if a := pod.Spec.Affinity; a != nil && a.PodAffinity != nil {
		return a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	return nil
}

func requiredAntiAffinity(pod *corev1.Pod) []corev1.PodAffinityTerm {
	if a := pod.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		return a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	return nil
}

// addTopology reads every class's rules, and those of bound pods that keep classes out.
func (p *plan) addTopology(nodes []Node) {
	for _, c := range p.classes {
		p.addRules(c)
		p.addClaims(c)
	}
	// Bound pods' anti-affinity counts only where it selects pods that are planned for.
	for i := range nodes {
		for _, pod := range nodes[i].Pods {
			for j := range requiredAntiAffinity(pod) {
				p.foreignTerm(pod, &requiredAntiAffinity(pod)[j])
			}
		}
	}
	for _, c := range p.classes {
		for _, k := range p.counters {
			if k.term.matches(c.sample) {
				c.topology.matched = append(c.topology.matched, k)
				c.topology.self[k] = true
			}
		}
	}
}

func (p *plan) addRules(c *class) {
	pod := c.sample
	t := &c.topology
	t.self = map[*counter]bool{}
	for i := range pod.Spec.TopologySpreadConstraints {
		s := &pod.Spec.TopologySpreadConstraints[i]
		if s.WhenUnsatisfiable != corev1.DoNotSchedule {
			continue
		}
		tm := &term{
			key: s.TopologyKey, namespaces: map[string]bool{pod.Namespace: true},
			selector: narrowed(s.LabelSelector, pod, s.MatchLabelKeys, nil),
		}
		scope := &spreadScope{}
		if s.NodeAffinityPolicy == nil || *s.NodeAffinityPolicy == corev1.NodeInclusionPolicyHonor {
			scope.selects = p.profileOf(&pod.Spec, nil)
		}
		if s.NodeTaintsPolicy != nil && *s.NodeTaintsPolicy == corev1.NodeInclusionPolicyHonor {
			scope.tolerates = p.profileOf(&pod.Spec, nil)
		}
		rule := spreadRule{counter: p.counter(tm, pod.Namespace, scope), maxSkew: int(s.MaxSkew), minDomains: 1}
		if s.MinDomains != nil {
			rule.minDomains = int(*s.MinDomains)
		}
		t.spreads = append(t.spreads, rule)
	}
	// Several terms of affinity count only pods that all of them select (InterPodAffinity, podMatchesAllAffinityTerms).
	var also []*term
	all := ""
	for i := range requiredAffinity(pod) {
		tm, scope := p.affinityTerm(pod, &requiredAffinity(pod)[i])
		also = append(also, tm)
		all += " and " + counterKey(tm, scope, nil)
	}
	for _, tm := range also {
		one := *tm
		one.also = also
		t.with = append(t.with, p.counter(&one, all, nil))
	}
	for i := range requiredAntiAffinity(pod) {
		tm, scope := p.affinityTerm(pod, &requiredAntiAffinity(pod)[i])
		t.without = append(t.without, p.counter(tm, scope, nil))
	}
}

// foreignTerm enters a bound pod's anti-affinity, if it selects any pod that is planned for.
func (p *plan) foreignTerm(pod *corev1.Pod, a *corev1.PodAffinityTerm) {
	tm, scope := p.affinityTerm(pod, a)
	key := counterKey(tm, scope, nil)
	if _, known := p.counterByKey[key]; known {
		return
	}
	if !slices.ContainsFunc(p.classes, func(c *class) bool { return tm.matches(c.sample) }) {
		p.counterByKey[key] = nil
		return
	}
	p.counter(tm, scope, nil)
}

// affinityTerm is a term of (anti-)affinity and the text of the namespaces that it looks at.
func (p *plan) affinityTerm(pod *corev1.Pod, a *corev1.PodAffinityTerm) (*term, string) {
	t := &term{key: a.TopologyKey, selector: narrowed(a.LabelSelector, pod, a.MatchLabelKeys, a.MismatchLabelKeys)}
	names := slices.Clone(a.Namespaces)
	if a.NamespaceSelector == nil {
		if len(names) == 0 {
			names = []string{pod.Namespace}
		}
	} else {
		selector := selectorOf(a.NamespaceSelector)
		if selector.Empty() {
			return t, "*"
		}
		for _, ns := range p.namespaces {
			if selector.Matches(labels.Set(ns.Labels)) {
				names = append(names, ns.Name)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	t.namespaces = make(map[string]bool, len(names))
	scope := ""
	for _, name := range names {
		t.namespaces[name] = true
		scope += name + ","
	}
	return t, scope
}

func selectorOf(s *metav1.LabelSelector) labels.Selector {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		// The API server refuses such a selector; it selects nothing.
		return labels.Nothing()
	}
	return selector
}

// narrowed is a selector with matchLabelKeys and mismatchLabelKeys worked in: newer API servers have done so already
// when the pod was created, and doing it again changes nothing.
func narrowed(s *metav1.LabelSelector, pod *corev1.Pod, match, mismatch []string) labels.Selector {
	selector := selectorOf(s)
	add := func(keys []string, op selection.Operator) {
		for _, key := range keys {
			value, ok := pod.Labels[key]
			if !ok {
				continue
			}
			if r, err := labels.NewRequirement(key, op, []string{value}); err == nil {
				selector = selector.Add(*r)
			}
		}
	}
	add(match, selection.In)
	add(mismatch, selection.NotIn)
	return selector
}

func counterKey(t *term, namespaces string, scope *spreadScope) string {
	key := t.key + "\x00" + namespaces
	if t.claim == "" {
		key += "\x00" + t.selector.String()
	}
	if scope != nil {
		key += fmt.Sprintf("\x00spread %d %d", scope.selects.id(), scope.tolerates.id())
	}
	return key
}

// counter of a term; those that count alike are one.
func (p *plan) counter(t *term, namespaces string, scope *spreadScope) *counter {
	key := counterKey(t, namespaces, scope)
	if known := p.counterByKey[key]; known != nil {
		return known
	}
	k := &counter{term: t, spread: scope, n: map[string]int{}, owners: map[string]int{}}
	p.counters = append(p.counters, k)
	p.counterByKey[key] = k
	return k
}

// put counts a pod of the class in a domain, or takes it off with n < 0.
func (k *counter) put(domain string, n int) {
	k.n[domain] += n
	k.total += n
}

// least is the fewest pods in any domain. Where there are fewer domains than the rule wants, it is 0.
func (r *spreadRule) least() int {
	if len(r.n) < r.minDomains || len(r.n) == 0 {
		return 0
	}
	least := -1
	for _, n := range r.n {
		if least < 0 || n < least {
			least = n
		}
	}
	return least
}

// allows reports whether one pod more may go to a domain with n pods.
func (r *spreadRule) allows(n int, self bool, least int) bool {
	if self {
		n++
	}
	return n-least <= r.maxSkew
}
