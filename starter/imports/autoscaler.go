package imports

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"floe.dev/floe/api/v1alpha1"
)

const (
	// priorityConfigMap is the name that cluster-autoscaler looks for (its expander/priority/readme.md).
	priorityConfigMap = "cluster-autoscaler-priority-expander"
	kindGroup         = "AutoScalingGroup"
	// nodeTemplateTag begins the tags by which cluster-autoscaler learns what a group's nodes will look like
	// (its cloudprovider/aws/README.md, "Auto-Discovery Setup").
	nodeTemplateTag = "k8s.io/cluster-autoscaler/node-template/"
)

func newGroup(file string, content map[string]any) *object {
	o := &object{file: file, kind: kindGroup, content: content, told: map[string]bool{}}
	o.name = o.root().get("AutoScalingGroupName").text()
	return o
}

// group is what is read of an Auto Scaling group
// (docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AutoScalingGroup.html).
type group struct {
	o        *object
	priority int
	ranked   bool // the ConfigMap names it
	template v1alpha1.LaunchTemplate
	subnets  []string
	zones    []string
	nodes    v1alpha1.NodeTemplate
	most     int64    // MaxSize
	types    []string // sorted; empty: any
	named    []namedType
	sizes    []corev1.NodeSelectorRequirement
	arch     string
	buys     []v1alpha1.CapacityType
}

// namedType is a type, and where it is named.
type namedType struct {
	name  string
	place node
}

// autoscaler makes pools of the groups: see pool.
func (im *importer) autoscaler() {
	ranks := im.readPriorities()
	var groups []*group
	for _, o := range im.groups {
		g := im.readGroup(o)
		ranks.rank(g)
		groups = append(groups, g)
	}
	ranks.tellUnused()
	unranked := slices.DeleteFunc(slices.Clone(groups), func(g *group) bool { return g.ranked })
	if len(im.priorities) > 0 {
		for _, g := range unranked {
			im.choose("%s comes after all others: no expression of the ConfigMap matches its name, and cluster-autoscaler would not use it", g.o.source())
		}
	}
	// The highest priority first; among equals the order of the source.
	slices.SortStableFunc(groups, func(a, b *group) int {
		if a.ranked != b.ranked {
			return map[bool]int{true: -1, false: 1}[a.ranked]
		}
		return cmp.Compare(b.priority, a.priority)
	})
	im.pools(groups)
}

// rank is one expression of the ConfigMap.
type rank struct {
	priority   int
	expression *regexp.Regexp
	place      node
	used       bool
}

type ranks []*rank

// readPriorities reads the ConfigMap's priorities: a number, and expressions for the names of groups.
func (im *importer) readPriorities() (all ranks) {
	for _, o := range im.priorities {
		data := o.root().get("data")
		o.root().get("metadata", "name").carry("spec.fallback, spec.weight")
		text := data.get("priorities")
		var lists map[string][]string
		if err := yaml.Unmarshal([]byte(text.text()), &lists); err != nil {
			text.lose("not a map of numbers to lists of regular expressions", "correct it: cluster-autoscaler does not take it either")
			continue
		}
		for _, number := range slices.Sorted(maps.Keys(lists)) {
			priority, err := strconv.Atoi(number)
			for i, expression := range lists[number] {
				place := node{o: o, path: fmt.Sprintf("%s[%s][%d]", text.path, number, i), value: expression}
				compiled, compileErr := regexp.Compile(expression)
				if err != nil || compileErr != nil {
					place.lose("not a whole number with a regular expression", "correct it: cluster-autoscaler does not take the ConfigMap either")
					continue
				}
				all = append(all, &rank{priority: priority, expression: compiled, place: place})
			}
		}
		text.carry("spec.fallback, spec.weight")
	}
	slices.SortStableFunc(all, func(a, b *rank) int { return cmp.Compare(b.priority, a.priority) })
	return all
}

// rank gives a group the highest priority that has an expression for its name.
func (all ranks) rank(g *group) {
	for _, r := range all {
		if r.expression.MatchString(g.o.name) {
			r.used = true
			if !g.ranked {
				g.priority, g.ranked = r.priority, true
			}
		}
	}
}

func (all ranks) tellUnused() {
	for _, r := range all {
		if !r.used {
			r.place.lose("no Auto Scaling group here has a name that it matches", "import those groups too, if there are any")
		}
	}
}

// readGroup reads one group.
func (im *importer) readGroup(o *object) *group {
	g, root := &group{o: o}, o.root()
	root.get("AutoScalingGroupName").carry("metadata.name, spec.fallback")
	mixed := root.get("MixedInstancesPolicy")
	g.readTemplate(root.get("LaunchTemplate"))
	g.readTemplate(mixed.get("LaunchTemplate", "LaunchTemplateSpecification"))
	g.readSubnets(root)
	g.readTags(root.get("Tags"))
	for _, override := range mixed.get("LaunchTemplate", "Overrides").items() {
		g.readOverride(override)
	}
	g.readDistribution(mixed.get("InstancesDistribution"), mixed.exists())
	if most, ok := root.get("MaxSize").integer(); ok {
		root.get("MaxSize").carry("spec.limits.nodes")
		g.most = most
	}
	if least := root.get("MinSize"); least.text() == "0" {
		least.carry("spec (a pool has no least size)")
	} else {
		least.lose("a pool has no least size", "hold room by spec.headroom")
	}
	im.oneType(g, root.get("Instances"))
	g.oneArch()
	return g
}

// ofGroup are fields of a group that ask for nothing of a pool.
var ofGroup = func() []told {
	fields := []told{
		{"LaunchConfigurationName", "Floe launches from launch templates", "make a launch template of the launch configuration, and name it with --launch-template"},
		{"HealthCheckType", "Floe watches machines and their Nodes itself", "nothing"},
		{"HealthCheckGracePeriod", "Floe watches machines and their Nodes itself", "set spec.registrationTimeout where machines need longer than 15m to register"},
		{"TargetGroupARNs", "a pool has no load balancer", "register targets from within the cluster (AWS Load Balancer Controller)"},
		{"LoadBalancerNames", "a pool has no load balancer", "register targets from within the cluster (AWS Load Balancer Controller)"},
		{"TrafficSources", "a pool has no load balancer", "register targets from within the cluster (AWS Load Balancer Controller)"},
		{"MaxInstanceLifetime", "groups of one pool may differ in it", "set spec.disruption.expireAfter"},
		{"CapacityRebalance", "Floe acts on interruption notices, not by group", "nothing"},
		{"WarmPoolConfiguration", "a warm pool is spec.standby", "set spec.standby.stopped or spec.standby.hibernated, and a step for it in spec.fallback"},
		{"PlacementGroup", "the launch template says it", "set Placement"},
		{"AvailabilityZoneDistribution", "EC2 picks among the offerings of a step, zones in turn at one price", "nothing"},
		{"CapacityReservationSpecification", "the launch template says it", "set CapacityReservationSpecification"},
		{"NewInstancesProtectedFromScaleIn", "a pool does not protect its nodes", "annotate pods, or a node, with " + v1alpha1.AnnotationDoNotDisrupt},
	}
	for _, state := range []string{
		"AutoScalingGroupARN", "CreatedTime", "DesiredCapacity", "DefaultCooldown", "Instances", "SuspendedProcesses", "EnabledMetrics", "ServiceLinkedRoleARN",
		"TerminationPolicies", "PredictedCapacity", "WarmPoolSize", "Status", "DesiredCapacityType", "DefaultInstanceWarmup", "AvailabilityZones",
		"InstanceMaintenancePolicy", "AvailabilityZoneImpairmentPolicy", "DeletionProtection", "Context", "VPCZoneIdentifier",
	} {
		fields = append(fields, told{state, "it is the group's own state or way of working, and asks for nothing of a pool", "nothing"})
	}
	return fields
}()

func (g *group) readTemplate(t node) {
	if id := t.get("LaunchTemplateId"); id.text() != "" {
		id.carry("spec.launchTemplate.id")
		g.template.ID = id.text()
		t.get("LaunchTemplateName").lose("the ID says it already", "nothing")
	} else if name := t.get("LaunchTemplateName"); name.text() != "" {
		name.carry("spec.launchTemplate.name")
		g.template.Name = name.text()
	}
	if version := t.get("Version"); version.text() != "" {
		version.carry("spec.launchTemplate.version")
		g.template.Version = version.text()
	}
}

func (g *group) readSubnets(root node) {
	if list := root.get("VPCZoneIdentifier"); list.text() != "" {
		list.carry("spec.subnets")
		for id := range strings.SplitSeq(list.text(), ",") {
			g.subnets = append(g.subnets, strings.TrimSpace(id))
		}
	}
	g.zones = root.get("AvailabilityZones").texts()
	slices.Sort(g.zones)
}

// readTags reads what cluster-autoscaler is told of the group's nodes.
func (g *group) readTags(tags node) {
	for _, tag := range tags.items() {
		for _, field := range []string{"PropagateAtLaunch", "ResourceId", "ResourceType"} {
			tag.get(field).idle()
		}
		key, value := tag.get("Key").text(), tag.get("Value").text()
		inner, ours := strings.CutPrefix(key, nodeTemplateTag)
		what, name, _ := strings.Cut(inner, "/")
		switch {
		case ours && what == "label" && name == v1alpha1.LabelArch:
			g.arch = value
			carryTag(tag, "spec.requirements")
		case ours && what == "label" && name == v1alpha1.LabelInstanceType:
			g.named = append(g.named, namedType{value, tag.get("Value")})
			tag.get("Key").carry("spec.requirements")
		case ours && what == "label" && (name == v1alpha1.LabelZone || name == v1alpha1.LabelOS || name == corev1.LabelTopologyRegion || name == corev1.LabelHostname):
			loseTag(tag, "the machine decides this label", "nothing")
		case ours && what == "label" && name != "":
			if g.nodes.Labels == nil {
				g.nodes.Labels = map[string]string{}
			}
			g.nodes.Labels[name] = value
			carryTag(tag, "spec.template.labels")
		case ours && what == "taint" && name != "":
			taintValue, effect, _ := strings.Cut(value, ":")
			g.nodes.Taints = append(g.nodes.Taints, corev1.Taint{Key: name, Value: taintValue, Effect: corev1.TaintEffect(effect)})
			carryTag(tag, "spec.template.taints")
		case ours && what == "resources":
			loseTag(tag, "Floe learns from the first Ready node of a type what it has for pods", "nothing")
		case ours:
			loseTag(tag, "an option of cluster-autoscaler for this group", "set spec.disruption where it is a time to scale down by")
		case strings.HasPrefix(key, "k8s.io/cluster-autoscaler/"):
			loseTag(tag, "it makes cluster-autoscaler find the group", "take it off when Floe takes over, so that not both scale")
		default:
			loseTag(tag, "the launch template says it", "set TagSpecifications; Floe adds its own tags")
		}
	}
	slices.SortFunc(g.nodes.Taints, func(a, b corev1.Taint) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Effect, b.Effect))
	})
}

func loseTag(tag node, why, do string) {
	tag.get("Key").lose(why, do)
	tag.get("Value").lose(why, do)
}

func carryTag(tag node, into string) {
	tag.get("Key").carry(into)
	tag.get("Value").carry(into)
}

// readOverride reads one override of a mixed-instances policy.
func (g *group) readOverride(override node) {
	if t := override.get("InstanceType"); t.text() != "" {
		g.named = append(g.named, namedType{t.text(), t})
	}
	override.get("WeightedCapacity").lose("Floe plans with what each machine holds, and needs no weights", "nothing")
	override.get("LaunchTemplateSpecification").lose("a pool has one launch template", "make a pool of its own for the types with another template")
	wanted := override.get("InstanceRequirements")
	g.size(wanted.get("VCpuCount", "Min"), v1alpha1.LabelInstanceCPU, corev1.NodeSelectorOpGt, -1)
	g.size(wanted.get("VCpuCount", "Max"), v1alpha1.LabelInstanceCPU, corev1.NodeSelectorOpLt, 1)
	g.size(wanted.get("MemoryMiB", "Min"), v1alpha1.LabelInstanceMemory, corev1.NodeSelectorOpGt, -1)
	g.size(wanted.get("MemoryMiB", "Max"), v1alpha1.LabelInstanceMemory, corev1.NodeSelectorOpLt, 1)
	for _, attribute := range wanted.entries() {
		if attribute.key == "VCpuCount" || attribute.key == "MemoryMiB" {
			continue // its bounds are carried
		}
		attribute.lose("Floe does not choose machines by this attribute", "name the families or types that have it, in a requirement on "+v1alpha1.LabelInstanceFamily+" or "+v1alpha1.LabelInstanceType)
	}
}

// size carries a bound that counts itself in.
func (g *group) size(n node, label string, operator corev1.NodeSelectorOperator, step int64) {
	bound, ok := n.integer()
	if !ok || bound < 0 {
		return
	}
	n.carry("spec.fallback.requirements")
	if bound+step >= 0 { // more than -1 is everything
		g.sizes = append(g.sizes, corev1.NodeSelectorRequirement{Key: label, Operator: operator, Values: []string{strconv.FormatInt(bound+step, 10)}})
	}
}

// readDistribution says how the group buys
// (docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstancesDistribution.html): on-demand, unless the share above
// the base is below 100.
func (g *group) readDistribution(d node, mixed bool) {
	g.buys = []v1alpha1.CapacityType{v1alpha1.OnDemand}
	share := d.get("OnDemandPercentageAboveBaseCapacity")
	percent, ok := share.integer()
	switch {
	case !mixed || !ok && !share.exists():
	case ok && percent <= 0:
		share.carry("spec.fallback")
		g.buys = []v1alpha1.CapacityType{v1alpha1.Spot}
	case ok && percent < 100:
		g.buys = []v1alpha1.CapacityType{v1alpha1.Spot, v1alpha1.OnDemand}
		share.lose("a chain has no shares: it buys spot, and on-demand where there is none", "make a second pool that buys on-demand only, with a limit, for the pods that want it")
	default:
		share.carry("spec.fallback")
	}
	if base := d.get("OnDemandBaseCapacity"); base.text() == "0" {
		base.carry("spec.fallback")
	} else {
		base.lose("a chain has no base of on-demand machines", "make a second pool that buys on-demand only, with a limit and a higher weight")
	}
	const why, do = "one fleet of Floe's covers all offerings of a step: spot price-capacity-optimized, on-demand lowest-price", "nothing"
	d.loseEach([]told{
		{"OnDemandAllocationStrategy", why, do},
		{"SpotAllocationStrategy", why, do},
		{"SpotInstancePools", why, do},
		{"SpotMaxPrice", "Floe bids no price of its own: a spot machine costs the spot price", "nothing"},
	})
}

// oneType takes the types of the group's machines where nothing else names one: the launch template has it, which the
// description does not tell.
func (im *importer) oneType(g *group, instances node) {
	if len(g.named) > 0 || len(g.sizes) > 0 {
		return
	}
	for _, instance := range instances.items() {
		if t := instance.get("InstanceType"); t.text() != "" {
			g.named = append(g.named, namedType{t.text(), t})
		}
	}
	if len(g.named) == 0 {
		im.choose("%s: its launch template names the instance type, which the description does not tell: the pool allows every type; narrow it by a requirement on %s", g.o.source(), v1alpha1.LabelInstanceType)
		return
	}
	im.choose("%s: the types of its machines are taken: its launch template names one, which the description does not tell", g.o.source())
}

// oneArch finds out the group's architecture by its first type, and tells of types of another.
func (g *group) oneArch() {
	arches := map[string]string{}
	for _, t := range facts() {
		arches[t.Name] = t.Arch
	}
	for _, t := range g.named {
		g.arch = cmp.Or(g.arch, arches[t.name])
	}
	g.arch = cmp.Or(g.arch, v1alpha1.DefaultArch)
	for _, t := range g.named {
		if arch := arches[t.name]; arch != "" && arch != g.arch {
			t.place.lose("a pool is of one architecture, as its launch template's image is", "make a second pool with the types of "+arch+" and a launch template with such an image")
			continue
		}
		t.place.carry("spec.requirements")
		g.types = append(g.types, t.name)
	}
	slices.Sort(g.types)
	g.types = slices.Compact(g.types)
}
