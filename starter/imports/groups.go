package imports

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"floe.dev/floe/api/v1alpha1"
)

// step is one step of a chain as it comes of groups.
type step struct {
	capacity v1alpha1.CapacityType
	priority int
	types    []string
	zones    []string
	sizes    []corev1.NodeSelectorRequirement
}

// pools puts groups, the highest priority first, into as few pools as can be: groups of one launch template, with the
// same labels and taints and of one architecture, become one pool, whose chain walks them in the order of their
// priorities. What differs makes a pool of its own; their weights keep the order of priorities.
func (im *importer) pools(groups []*group) {
	var pools [][]*group
	for _, g := range groups {
		at := slices.IndexFunc(pools, func(members []*group) bool { return im.alike(members[0], g) })
		if at < 0 {
			pools = append(pools, nil)
			at = len(pools) - 1
		}
		pools[at] = append(pools[at], g)
	}
	weights := weigh(pools)
	for i, members := range pools {
		im.groupPool(members, weights[i])
	}
}

// alike reports whether one pool can hold both.
func (im *importer) alike(a, b *group) bool {
	sameTemplate := a.template == b.template || im.options.LaunchTemplate != ""
	sameLabels := fmt.Sprint(a.nodes.Labels) == fmt.Sprint(b.nodes.Labels) // fmt sorts a map's keys
	return sameTemplate && sameLabels && slices.Equal(a.nodes.Taints, b.nodes.Taints) && a.arch == b.arch
}

// weigh gives pools, the first the most preferred, weights: the priorities themselves where they are weights, else steps
// of equal size. A single pool needs none.
func weigh(pools [][]*group) []int32 {
	weights := make([]int32, len(pools))
	if len(pools) < 2 {
		return weights
	}
	fits := true
	var levels []int // priorities, the highest first
	for _, members := range pools {
		p := members[0].priority
		fits = fits && p >= 0 && p <= 100
		if members[0].ranked && !slices.Contains(levels, p) {
			levels = append(levels, p)
		}
	}
	for i, members := range pools {
		switch {
		case !members[0].ranked:
			weights[i] = 0
		case fits:
			weights[i] = int32(members[0].priority)
		default:
			weights[i] = int32(100 * (len(levels) - slices.Index(levels, members[0].priority)) / len(levels))
		}
	}
	return weights
}

// groupPool makes one pool.
func (im *importer) groupPool(members []*group, weight int32) {
	pool := &v1alpha1.NodePool{}
	pool.Name = poolName(members)
	spec := &pool.Spec
	spec.Weight, spec.LaunchTemplate, spec.Template = weight, members[0].template, members[0].nodes
	most := int64(0)
	var names []string
	for _, g := range members {
		most += g.most
		names = append(names, g.o.name+g.rankWords())
		for _, id := range g.subnets {
			if !slices.Contains(spec.Subnets, id) {
				spec.Subnets = append(spec.Subnets, id)
			}
		}
	}
	spec.Limits = corev1.ResourceList{v1alpha1.ResourceNodes: *resource.NewQuantity(most, resource.DecimalSI)}
	spec.Requirements = []corev1.NodeSelectorRequirement{in(v1alpha1.LabelArch, []string{members[0].arch})}
	steps := mergeSteps(members)
	zones, byZone := narrow(spec, steps)
	for _, g := range members {
		if byZone && len(g.zones) < len(zones) {
			g.o.root().get("AvailabilityZones").carry("spec.fallback.requirements")
		}
		g.o.root().loseEach(ofGroup)
	}
	im.choose("pool %s comes of %s: %s; its limit of nodes is the sum of their MaxSize", pool.Name, strings.Join(names, ", "), stepWords(steps))
	im.add(pool, "AutoScalingGroups "+strings.Join(names, ", "))
}

func (g *group) rankWords() string {
	if !g.ranked {
		return ""
	}
	return " (priority " + strconv.Itoa(g.priority) + ")"
}

func stepWords(steps []step) string {
	if len(steps) == 1 {
		return "its chain has one step"
	}
	return fmt.Sprintf("its chain has %d steps, in the order of priorities and, where these are equal, spot before on-demand", len(steps))
}

// mergeSteps are the groups' steps in order. Groups of one priority and capacity type that differ in types only, or in
// zones only, are one step: one fleet covers them.
func mergeSteps(members []*group) (steps []step) {
	for i := 0; i < len(members); {
		level := members[i:]
		for j, g := range level {
			if g.priority != members[i].priority || g.ranked != members[i].ranked {
				level = level[:j]
				break
			}
		}
		i += len(level)
		for _, capacity := range []v1alpha1.CapacityType{v1alpha1.Spot, v1alpha1.OnDemand} {
			var ofLevel []step
			for _, g := range level {
				if slices.Contains(g.buys, capacity) {
					ofLevel = append(ofLevel, step{capacity, g.priority, g.types, g.zones, g.sizes})
				}
			}
			steps = append(steps, merged(merged(ofLevel, sameTypes), sameZones)...)
		}
	}
	return steps
}

func sameTypes(a, b step) bool { return slices.Equal(a.types, b.types) }
func sameZones(a, b step) bool { return slices.Equal(a.zones, b.zones) }

// merged puts steps together that are the same but for one thing.
func merged(steps []step, same func(a, b step) bool) (kept []step) {
	for _, s := range steps {
		at := slices.IndexFunc(kept, func(k step) bool {
			return same(k, s) && (len(k.types) == 0) == (len(s.types) == 0) && fmt.Sprint(k.sizes) == fmt.Sprint(s.sizes)
		})
		if at < 0 {
			kept = append(kept, s)
			continue
		}
		kept[at].types, kept[at].zones = union(kept[at].types, s.types), union(kept[at].zones, s.zones)
	}
	return kept
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// narrow writes the chain: what all steps share is a requirement of the pool, what differs one of the step. zones are
// those of all steps, and byZone tells that a step is narrowed to some of them.
func narrow(spec *v1alpha1.NodePoolSpec, steps []step) (zones []string, byZone bool) {
	var types []string
	anyType := false
	for _, s := range steps {
		types, zones = union(types, s.types), union(zones, s.zones)
		anyType = anyType || len(s.types) == 0
	}
	if len(types) > 0 && !anyType {
		spec.Requirements = append(spec.Requirements, in(v1alpha1.LabelInstanceType, types))
	}
	for _, s := range steps {
		written := v1alpha1.FallbackStep{CapacityType: s.capacity, Requirements: slices.Clone(s.sizes)}
		if len(s.types) > 0 && (anyType || len(s.types) < len(types)) {
			written.Requirements = append(written.Requirements, in(v1alpha1.LabelInstanceType, s.types))
		}
		if len(s.zones) > 0 && len(s.zones) < len(zones) {
			written.Requirements = append(written.Requirements, in(v1alpha1.LabelZone, s.zones))
			byZone = true
		}
		spec.Fallback = append(spec.Fallback, written)
	}
	return zones, byZone
}

func in(key string, values []string) corev1.NodeSelectorRequirement {
	return corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values}
}

var notName = regexp.MustCompile(`[^a-z0-9-]+`)

// poolName is what the groups' names have in common, word by word, or else the first one's name.
func poolName(members []*group) string {
	common := strings.Split(members[0].o.name, "-")
	for _, g := range members[1:] {
		words := strings.Split(g.o.name, "-")
		n := 0
		for n < len(common) && n < len(words) && common[n] == words[n] {
			n++
		}
		common = common[:n]
	}
	name := strings.Join(common, "-")
	if name == "" {
		name = members[0].o.name
	}
	name = notName.ReplaceAllString(strings.ToLower(name), "-")
	if len(name) > 63 {
		name = name[:63]
	}
	name = strings.Trim(name, "-")
	if name == "" {
		return "imported"
	}
	return name
}
