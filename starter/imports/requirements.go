package imports

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// Karpenter's labels (karpenter.sh/docs/concepts/scheduling, "Well-Known Labels").
const (
	karpenterCapacityType = "karpenter.sh/capacity-type"
	karpenterCategory     = "karpenter.k8s.aws/instance-category"
	karpenterGeneration   = "karpenter.k8s.aws/instance-generation"
)

// sameLabels are the labels that Floe has too, by Karpenter's name. Units agree: vCPUs, and MiB.
var sameLabels = map[string]string{
	v1alpha1.LabelInstanceType:          v1alpha1.LabelInstanceType,
	v1alpha1.LabelZone:                  v1alpha1.LabelZone,
	v1alpha1.LabelZoneID:                v1alpha1.LabelZoneID,
	"karpenter.k8s.aws/instance-family": v1alpha1.LabelInstanceFamily,
	"karpenter.k8s.aws/instance-size":   v1alpha1.LabelInstanceSize,
	"karpenter.k8s.aws/instance-cpu":    v1alpha1.LabelInstanceCPU,
	"karpenter.k8s.aws/instance-memory": v1alpha1.LabelInstanceMemory,
}

// builder makes one pool.
type builder struct {
	im     *importer
	source string
	pool   *v1alpha1.NodePool

	spot, onDemand, amd64, arm64, linux bool
	// families are conditions on a family's category and generation.
	families []func(category, generation string) bool
	// narrowed are the labels that a requirement is on.
	narrowed map[string]bool
}

func (im *importer) builder(o *object) *builder {
	b := &builder{
		im: im, source: o.source(), pool: &v1alpha1.NodePool{}, narrowed: map[string]bool{},
		spot: true, onDemand: true, amd64: true, arm64: true, linux: true,
	}
	b.pool.Name = o.name
	o.root().get("metadata", "name").carry("metadata.name")
	return b
}

// requirement is one of Karpenter's, with the places that it was read from.
type requirement struct {
	node     node // whole
	key      string
	operator corev1.NodeSelectorOperator
	values   []string
}

// requirements carries a list of Karpenter's requirements.
func (b *builder) requirements(list node) {
	for _, n := range list.items() {
		r := requirement{node: n, key: n.get("key").text(), operator: corev1.NodeSelectorOperator(n.get("operator").text()), values: n.get("values").texts()}
		n.get("minValues").lose("Floe asks for up to 60 offerings of a step at once as it is, and has no least number of kinds",
			"keep the requirements wide")
		b.require(r)
	}
}

// carry marks what makes up a requirement.
func (r requirement) carry(into string) {
	for _, field := range []string{"key", "operator", "values"} {
		r.node.get(field).carry(into)
	}
	if r.node.get("key").value == nil { // a label, written key: value
		r.node.carry(into)
	}
}

// bounds turns the operators that count the bound in, Gte and Lte, into Gt and Lt.
func (r requirement) bounds() requirement {
	step := int64(0)
	switch r.operator {
	case "Gte":
		r.operator, step = corev1.NodeSelectorOpGt, -1
	case "Lte":
		r.operator, step = corev1.NodeSelectorOpLt, 1
	default:
		return r
	}
	if n, err := strconv.ParseInt(strings.Join(r.values, ","), 10, 64); err == nil {
		r.values = []string{strconv.FormatInt(n+step, 10)}
	}
	return r
}

// allows reports whether a requirement allows a value of its label.
func (r requirement) allows(value string) bool {
	ok, _ := catalog.Match([]corev1.NodeSelectorRequirement{{Key: r.key, Operator: r.operator, Values: r.values}}, map[string]string{r.key: value})
	return ok
}

// require carries one requirement.
func (b *builder) require(r requirement) {
	r = r.bounds()
	b.narrowed[r.key] = true
	into := "spec.requirements"
	switch {
	case r.operator == corev1.NodeSelectorOpDoesNotExist || r.key == "":
		r.node.lose("every machine has such a label, and a pool's labels are its own", "nothing, unless pods rely on it")
	case sameLabels[r.key] != "":
		r.carry(into)
		b.pool.Spec.Requirements = append(b.pool.Spec.Requirements, corev1.NodeSelectorRequirement{
			Key: sameLabels[r.key], Operator: r.operator, Values: r.values,
		})
	case r.key == karpenterCapacityType:
		b.spot, b.onDemand = b.spot && r.allows("spot"), b.onDemand && r.allows("on-demand")
		b.tellReserved(r)
		r.carry("spec.fallback")
	case r.key == v1alpha1.LabelArch:
		b.amd64, b.arm64 = b.amd64 && r.allows("amd64"), b.arm64 && r.allows("arm64")
		b.tellArm(r)
		r.carry(into)
	case r.key == v1alpha1.LabelOS:
		b.linux = b.linux && r.allows("linux")
		r.carry(into + " (Floe's machines run Linux)")
	case r.key == karpenterCategory:
		b.families = append(b.families, func(category, _ string) bool { return r.allows(category) })
		r.carry(into + " (" + v1alpha1.LabelInstanceFamily + ")")
	case r.key == karpenterGeneration:
		b.families = append(b.families, func(_, generation string) bool { return r.allows(generation) })
		r.carry(into + " (" + v1alpha1.LabelInstanceFamily + ")")
	case r.key == corev1.LabelTopologyRegion:
		r.node.lose("the account of Floe's configuration says the region", "name that account in spec.account")
	case karpenters(r.key):
		r.node.lose("Floe does not choose machines by this label", "name the families or types that have it, in a requirement on "+v1alpha1.LabelInstanceFamily+" or "+v1alpha1.LabelInstanceType)
	default:
		b.ownLabel(r)
	}
}

// tellReserved tells that capacity reservations are not a capacity type.
func (b *builder) tellReserved(r requirement) {
	for _, item := range r.node.get("values").items() {
		if item.text() == "reserved" {
			item.lose("Floe has no step for capacity reservations", "set CapacityReservationSpecification in the launch template of a pool of its own")
		}
	}
}

// tellArm tells of the second architecture where both are asked for.
func (b *builder) tellArm(r requirement) {
	if !b.amd64 || !b.arm64 {
		return
	}
	for _, item := range r.node.get("values").items() {
		if item.text() == "arm64" {
			b.arm64 = false
			item.lose("a pool is of one architecture, as its launch template's image is", "make a second pool whose launch template has an arm64 image, with kubernetes.io/arch In [arm64]")
		}
	}
}

// ownLabel carries a requirement on a label of the user's own: one value becomes the nodes' label.
func (b *builder) ownLabel(r requirement) {
	if r.operator != corev1.NodeSelectorOpIn || len(r.values) != 1 {
		r.node.lose("a label of your own has one value on all nodes of a pool", "make a pool for each value, with the label in spec.template.labels")
		return
	}
	r.carry("spec.template.labels")
	b.label(r.key, r.values[0])
}

func (b *builder) label(key, value string) {
	if b.pool.Spec.Template.Labels == nil {
		b.pool.Spec.Template.Labels = map[string]string{}
	}
	b.pool.Spec.Template.Labels[key] = value
}

// labels carries labels of nodes. One that Floe or Karpenter chooses machines by is a requirement.
func (b *builder) labels(labels node) {
	for _, n := range labels.entries() {
		value, isText := n.value.(string)
		switch {
		case !isText:
			continue // no label: the tally tells of it
		case n.key == corev1.LabelHostname || n.key == corev1.LabelTopologyRegion || strings.HasPrefix(n.key, "floe.dev/"):
			n.lose("it is not for a pool to set", "nothing")
		case sameLabels[n.key] != "" || n.key == v1alpha1.LabelArch || n.key == v1alpha1.LabelOS || karpenters(n.key):
			b.require(requirement{node: n, key: n.key, operator: corev1.NodeSelectorOpIn, values: []string{value}})
		default:
			n.carry("spec.template.labels")
			b.label(n.key, value)
		}
	}
}

// karpenters reports whether only Karpenter gives a label its meaning.
func karpenters(key string) bool {
	domain, _, _ := strings.Cut(key, "/")
	return domain == "karpenter.sh" || domain == "karpenter.k8s.aws" || key == corev1.LabelWindowsBuild
}

// finish writes what was gathered: steps, architecture and families. It reports false where the pool's machines would
// not run Linux.
func (b *builder) finish() bool {
	spec := &b.pool.Spec
	if !b.linux {
		b.im.result.Refused = append(b.im.result.Refused, Refused{
			Source: b.source, Pool: b.pool.Name, Errors: []string{v1alpha1.LabelOS + ": Linux is left out, and Floe's machines run Linux: keep Windows nodes with the tool that they have"},
		})
		return false
	}
	if b.spot {
		spec.Fallback = append(spec.Fallback, v1alpha1.FallbackStep{CapacityType: v1alpha1.Spot})
	}
	if b.onDemand {
		spec.Fallback = append(spec.Fallback, v1alpha1.FallbackStep{CapacityType: v1alpha1.OnDemand})
	}
	var arch []string
	if b.amd64 {
		arch = append(arch, "amd64")
		if b.arm64 {
			b.im.choose("pool %s is of amd64: the source leaves the architecture open, and a launch template's image is of one", b.pool.Name)
		}
	} else if b.arm64 {
		arch = append(arch, "arm64")
	}
	spec.Requirements = append(spec.Requirements, corev1.NodeSelectorRequirement{Key: v1alpha1.LabelArch, Operator: corev1.NodeSelectorOpIn, Values: arch})
	if len(b.families) > 0 {
		named := b.namedFamilies()
		spec.Requirements = append(spec.Requirements, corev1.NodeSelectorRequirement{Key: v1alpha1.LabelInstanceFamily, Operator: corev1.NodeSelectorOpIn, Values: named})
		b.im.choose("pool %s names %d families for what the source asks of category and generation: those that there were when this version of Floe was made; add newer ones by hand", b.pool.Name, len(named))
	}
	return true
}

// familyParts are a family's category and generation, as Karpenter tells them apart (its pkg/providers/instancetype,
// instanceTypeScheme): m5dn is of category m and generation 5.
var familyParts = regexp.MustCompile(`^([a-z]+)(?:-[0-9]+tb)?([0-9]+)`)

// namedFamilies are the families that all conditions allow.
func (b *builder) namedFamilies() []string {
	kept := map[string]bool{}
	for _, t := range facts() {
		family, _ := catalog.FamilyAndSize(t.Name)
		parts := familyParts.FindStringSubmatch(family)
		if parts == nil || t.Arch != "amd64" && !b.arm64 || t.Arch != "arm64" && !b.amd64 {
			continue
		}
		if !slices.ContainsFunc(b.families, func(allows func(string, string) bool) bool { return !allows(parts[1], parts[2]) }) {
			kept[family] = true
		}
	}
	return slices.Sorted(maps.Keys(kept))
}

// taints carries a list of taints; into is the field of spec.template.
func (b *builder) taints(list node, into string) (taints []corev1.Taint) {
	for _, n := range list.items() {
		t := corev1.Taint{Key: n.get("key").text(), Value: n.get("value").text(), Effect: corev1.TaintEffect(n.get("effect").text())}
		for _, field := range []string{"key", "value", "effect"} {
			n.get(field).carry("spec.template." + into)
		}
		if t.Key != "" {
			taints = append(taints, t)
		}
	}
	return taints
}

// bounds carries limits on cpu, memory and nodes.
func (b *builder) limits(list node) {
	for _, n := range list.entries() {
		amount, ok := n.quantity()
		name := corev1.ResourceName(n.key)
		if !ok || name != corev1.ResourceCPU && name != corev1.ResourceMemory && name != v1alpha1.ResourceNodes {
			n.lose("a pool is limited by cpu, memory and nodes", fmt.Sprintf("say the same by spec.limits.%s", v1alpha1.ResourceNodes))
			continue
		}
		n.carry("spec.limits." + n.key)
		if b.pool.Spec.Limits == nil {
			b.pool.Spec.Limits = corev1.ResourceList{}
		}
		b.pool.Spec.Limits[name] = amount
	}
}

// weight carries the pool's weight.
func (b *builder) weight(n node) {
	if w, ok := n.integer(); ok {
		n.carry("spec.weight")
		b.pool.Spec.Weight = int32(w)
	}
}
