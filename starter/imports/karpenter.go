package imports

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/v1alpha1"
)

// never is what stands for Karpenter's "Never" where Floe has a duration: ten years.
const never = 87600 * time.Hour

// karpenter makes a pool of each NodePool and Provisioner.
func (im *importer) karpenter() {
	for _, o := range im.nodePools {
		im.nodePool(o)
	}
	for _, o := range im.provisioners {
		im.provisioner(o)
	}
	for _, class := range im.classes {
		if class.used {
			continue
		}
		class.loseAll("no NodePool or Provisioner here names this "+class.kind, "import them together")
	}
}

// nodePool reads karpenter.sh/v1 NodePool (karpenter.sh/docs/concepts/nodepools).
func (im *importer) nodePool(o *object) {
	b, spec := im.builder(o), o.root().get("spec")
	o.root().get("status").idle()
	template := spec.get("template")
	b.labels(template.get("metadata", "labels"))
	annotations(template.get("metadata", "annotations"))
	inner := template.get("spec")
	b.requirements(inner.get("requirements"))
	b.pool.Spec.Template.Taints = b.taints(inner.get("taints"), "taints")
	b.pool.Spec.Template.StartupTaints = b.taints(inner.get("startupTaints"), "startupTaints")
	b.drainTimeout(inner.get("terminationGracePeriod"))
	b.expiry(inner.get("expireAfter"))
	b.limits(spec.get("limits"))
	b.weight(spec.get("weight"))
	b.disruption(spec.get("disruption"))
	spec.get("replicas").lose("a pool of Floe's has no fixed number of nodes", "hold room by spec.headroom, or launch by hand: floe pool scale-up POOL --count N")
	if !b.karpenterPool() {
		return
	}
	ref := inner.get("nodeClassRef")
	b.class(ref.get("name"), "EC2NodeClass", ref)
	im.add(b.pool, b.source)
}

// karpenterPool finishes the pool as Karpenter would shrink it: without a wait after a scale-up.
func (b *builder) karpenterPool() bool {
	b.pool.Spec.Disruption.Stabilization = &metav1.Duration{}
	return b.finish()
}

// annotations of nodes have no field.
func annotations(n node) {
	for _, a := range n.entries() {
		if a.key == "karpenter.sh/do-not-disrupt" {
			a.lose("a pool does not annotate its nodes", "annotate pods, or a node, with "+v1alpha1.AnnotationDoNotDisrupt)
			continue
		}
		a.lose("a pool does not annotate its nodes", "put it on as a label in spec.template.labels where that will do")
	}
}

// duration reads a duration, or Never.
func (n node) duration() (d time.Duration, isNever, ok bool) {
	if n.text() == "Never" {
		return 0, true, true
	}
	d, err := time.ParseDuration(n.text())
	return d, false, err == nil && d >= 0
}

func (b *builder) drainTimeout(n node) {
	d, isNever, ok := n.duration()
	if !ok {
		return
	}
	if isNever {
		d = never
	}
	n.carry("spec.disruption.drainTimeout")
	b.pool.Spec.Disruption.DrainTimeout = &metav1.Duration{Duration: d}
}

// expiry carries the age at which nodes are replaced; Never is the empty field.
func (b *builder) expiry(n node) {
	d, isNever, ok := n.duration()
	if !ok {
		return
	}
	n.carry("spec.disruption.expireAfter")
	if !isNever {
		b.pool.Spec.Disruption.ExpireAfter = &metav1.Duration{Duration: d}
	}
}

func (b *builder) disruption(n node) {
	if d, isNever, ok := n.get("consolidateAfter").duration(); ok {
		if isNever {
			d = never
		}
		b.emptyAfter(n.get("consolidateAfter"), d)
	}
	for _, budget := range n.get("budgets").items() {
		b.budget(budget)
	}
	switch policy := n.get("consolidationPolicy"); policy.text() {
	case "WhenEmpty":
		policy.carry("spec.disruption.budgets")
		b.keeps(v1alpha1.DisruptUnderused)
	case "WhenEmptyOrUnderutilized":
		policy.carry("spec.disruption (empty and underused nodes leave)")
	}
}

// disruptionReasons are Karpenter's words for why a node leaves (karpenter.sh/docs/concepts/disruption), and Floe's.
var disruptionReasons = map[string]v1alpha1.DisruptionReason{
	"Empty": v1alpha1.DisruptEmpty, "Underutilized": v1alpha1.DisruptUnderused, "Drifted": v1alpha1.DisruptDrifted,
}

// budget carries one budget. One whose reasons are not all known here is not carried: it would be for other reasons.
func (b *builder) budget(n node) {
	budget := v1alpha1.DisruptionBudget{Nodes: n.get("nodes").text(), Schedule: n.get("schedule").text()}
	for _, reason := range n.get("reasons").texts() {
		ours, ok := disruptionReasons[reason]
		if !ok {
			n.lose("a budget for a reason that Floe does not know", "add one to spec.disruption.budgets by hand")
			return
		}
		budget.Reasons = append(budget.Reasons, ours)
	}
	if duration := n.get("duration"); duration.exists() {
		d, _, ok := duration.duration()
		if !ok {
			return // no duration: the tally tells of it
		}
		budget.Duration = &metav1.Duration{Duration: d}
	}
	for _, field := range []string{"nodes", "reasons", "schedule", "duration"} {
		n.get(field).carry("spec.disruption.budgets")
	}
	b.pool.Spec.Disruption.Budgets = append(b.pool.Spec.Disruption.Budgets, budget)
}

// keeps has no node leave for these reasons. A pool without budgets has one of 10 %, in Karpenter and here: it is named
// beside.
func (b *builder) keeps(reasons ...v1alpha1.DisruptionReason) {
	d := &b.pool.Spec.Disruption
	if len(d.Budgets) == 0 {
		d.Budgets = []v1alpha1.DisruptionBudget{{Nodes: "10%"}}
	}
	d.Budgets = append(d.Budgets, v1alpha1.DisruptionBudget{Nodes: "0", Reasons: reasons})
}

func (b *builder) emptyAfter(n node, d time.Duration) {
	n.carry("spec.disruption.emptyAfter")
	b.pool.Spec.Disruption.EmptyAfter = &metav1.Duration{Duration: d}
}

// provisioner reads karpenter.sh/v1alpha5 Provisioner (karpenter.sh/v0.32/concepts/provisioners).
func (im *importer) provisioner(o *object) {
	b, spec := im.builder(o), o.root().get("spec")
	o.root().get("status").idle()
	b.labels(spec.get("labels"))
	annotations(spec.get("annotations"))
	b.requirements(spec.get("requirements"))
	b.provisionerDefaults()
	b.pool.Spec.Template.Taints = b.taints(spec.get("taints"), "taints")
	b.pool.Spec.Template.StartupTaints = b.taints(spec.get("startupTaints"), "startupTaints")
	b.kubelet(spec.get("kubeletConfiguration"))
	b.limits(spec.get("limits", "resources"))
	b.weight(spec.get("weight"))
	b.timesToLive(spec)
	if !b.karpenterPool() {
		return
	}
	if inline := spec.get("provider"); inline.exists() {
		b.nodeTemplate(inline)
	}
	b.class(spec.get("providerRef", "name"), "AWSNodeTemplate", spec.get("providerRef"))
	im.add(b.pool, b.source)
}

// timesToLive carries when a Provisioner's nodes leave: for being empty and for their age where it says so, and for being
// underused where consolidation is on.
func (b *builder) timesToLive(spec node) {
	if seconds, ok := spec.get("ttlSecondsUntilExpired").integer(); ok && seconds >= 0 {
		spec.get("ttlSecondsUntilExpired").carry("spec.disruption.expireAfter")
		b.pool.Spec.Disruption.ExpireAfter = &metav1.Duration{Duration: time.Duration(seconds) * time.Second}
	}
	seconds, empty := spec.get("ttlSecondsAfterEmpty").integer()
	empty = empty && seconds >= 0
	if empty {
		b.emptyAfter(spec.get("ttlSecondsAfterEmpty"), time.Duration(seconds)*time.Second)
	}
	enabled := spec.get("consolidation", "enabled")
	switch {
	case enabled.text() == "true":
		enabled.carry("spec.disruption (empty and underused nodes leave)")
		return
	case enabled.text() == "false":
		enabled.carry("spec.disruption.budgets")
	}
	if empty {
		b.keeps(v1alpha1.DisruptUnderused)
		return
	}
	b.keeps(v1alpha1.DisruptEmpty, v1alpha1.DisruptUnderused)
}

// provisionerDefaults are what Karpenter's webhook put into a Provisioner that did not say
// (github.com/aws/karpenter-provider-aws v0.32, pkg/apis/v1alpha5, SetDefaults).
func (b *builder) provisionerDefaults() {
	if !b.narrowed[v1alpha1.LabelArch] {
		b.arm64 = false
	}
	if !b.narrowed[karpenterCapacityType] {
		b.spot = false
		b.im.choose("pool %s buys on-demand: that is the default of a Provisioner that does not name %s", b.pool.Name, karpenterCapacityType)
	}
	for _, key := range []string{corev1.LabelInstanceTypeStable, "karpenter.k8s.aws/instance-family", karpenterCategory, karpenterGeneration} {
		if b.narrowed[key] {
			return
		}
	}
	categories := requirement{key: karpenterCategory, operator: corev1.NodeSelectorOpIn, values: []string{"c", "m", "r"}}
	generations := requirement{key: karpenterGeneration, operator: corev1.NodeSelectorOpGt, values: []string{"2"}}
	b.families = append(b.families, func(category, generation string) bool {
		return categories.allows(category) && generations.allows(generation)
	})
}
