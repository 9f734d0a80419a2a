package differential

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/v1alpha1"
)

// predicate is one thing that the scheduler holds against a placement, and how a trial comes to exercise it.
type predicate struct {
	name string
	add  func(*draw)
}

const (
	extended = corev1.ResourceName("example.com/widget")

	startupTaints = "startup taints"
	preemption    = "preemption"
	sharedClaims  = "shared claims"
	attachLimits  = "attach limits"
)

var predicates = []predicate{
	{"init containers", func(d *draw) {
		cpu, memory := pick(d, "200m", "1800m"), pick(d, "64Mi", "3Gi")
		d.kind(func(p *corev1.Pod) {
			p.Spec.InitContainers = append(p.Spec.InitContainers, pod("x", cpu, memory, "").Spec.Containers...)
			p.Spec.InitContainers[len(p.Spec.InitContainers)-1].Name = "init"
		})
	}},
	{"sidecars", func(d *draw) {
		cpu := pick(d, "100m", "700m")
		always := corev1.ContainerRestartPolicyAlways
		d.kind(func(p *corev1.Pod) {
			c := pod("x", cpu, "64Mi", "").Spec.Containers[0]
			c.Name, c.RestartPolicy = "sidecar", &always
			p.Spec.InitContainers = append([]corev1.Container{c}, p.Spec.InitContainers...)
		})
	}},
	{"overhead", func(d *draw) {
		d.kind(func(p *corev1.Pod) {
			name := heavy
			p.Spec.RuntimeClassName, p.Spec.Overhead = &name, heavyOverhead
		})
	}},
	{"extended resources", func(d *draw) {
		of, amount := d.aNode(), pick(d, "1", "2", "4")
		all := d.often(70) // nodes alike: then new ones are taken to have it, too
		for i := range d.Nodes {
			if n := &d.Nodes[i]; n == of || all && n.Pool == of.Pool && n.Type == of.Type {
				set(&n.Extra, extended, amount)
			}
		}
		asked := pick(d, "1", "2")
		d.kind(func(p *corev1.Pod) {
			set(&p.Spec.Containers[0].Resources.Requests, extended, asked)
			set(&p.Spec.Containers[0].Resources.Limits, extended, asked)
		})
	}},
	{"pod-level resources", func(d *draw) {
		cpu := pick(d, "4", "5")
		d.kind(func(p *corev1.Pod) {
			p.Spec.Resources = &corev1.ResourceRequirements{}
			set(&p.Spec.Resources.Requests, corev1.ResourceCPU, cpu)
		})
	}},
	{"node selector", func(d *draw) {
		s := pick(d, [2]string{v1alpha1.LabelZone, zones[1]}, [2]string{v1alpha1.LabelArch, "arm64"}, [2]string{v1alpha1.LabelInstanceType, "m5.xlarge"},
			[2]string{v1alpha1.LabelCapacityType, "on-demand"}, [2]string{v1alpha1.LabelCapacityType, "spot"}, [2]string{v1alpha1.LabelInstanceFamily, "c6i"}, [2]string{"team", "pool-0"}, [2]string{"team", "nobody"})
		d.kind(func(p *corev1.Pod) { p.Spec.NodeSelector[s[0]] = s[1] })
	}},
	{"required node affinity", func(d *draw) {
		var terms []corev1.NodeSelectorTerm
		for range d.number(1, 2) {
			t := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{d.requirement()}}
			if d.often(40) {
				t.MatchExpressions = append(t.MatchExpressions, d.requirement())
			}
			terms = append(terms, t)
		}
		if len(d.Nodes) > 0 && d.often(20) {
			terms[0].MatchExpressions = nil
			terms[0].MatchFields = []corev1.NodeSelectorRequirement{{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{d.Nodes[0].Name}}}
		}
		d.kind(func(p *corev1.Pod) {
			nodeAffinityOf(p).RequiredDuringSchedulingIgnoredDuringExecution = &corev1.NodeSelector{NodeSelectorTerms: terms}
		})
	}},
	{"preferred node affinity", func(d *draw) {
		var terms []corev1.PreferredSchedulingTerm
		for range d.number(1, 3) {
			terms = append(terms, corev1.PreferredSchedulingTerm{
				Weight: int32(d.number(1, 100)), Preference: corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{d.requirement()}},
			})
		}
		d.kind(func(p *corev1.Pod) { nodeAffinityOf(p).PreferredDuringSchedulingIgnoredDuringExecution = terms })
	}},
	{"taints", func(d *draw) {
		d.someNodes(1)
		for i := range d.Nodes {
			if d.often(70) {
				d.Nodes[i].Taint = append(d.Nodes[i].Taint, corev1.Taint{
					Key: "key", Value: pick(d, "one", "two"),
					Effect: pick(d, corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute, corev1.TaintEffectPreferNoSchedule),
				})
			}
		}
		if d.often(70) {
			d.kind(func(p *corev1.Pod) { p.Spec.Tolerations = append(p.Spec.Tolerations, d.toleration()) })
		}
	}},
	{startupTaints, func(d *draw) {
		taint := corev1.Taint{Key: "agent.example.com/not-ready", Effect: corev1.TaintEffectNoSchedule}
		for _, np := range d.Pools {
			np.Spec.Template.StartupTaints = []corev1.Taint{taint}
		}
		n := d.aNode()
		n.Startup = []corev1.Taint{taint, {Key: v1alpha1.TaintUnregistered, Effect: corev1.TaintEffectNoExecute}}
	}},
	{"pod affinity", func(d *draw) {
		key, app := pick(d, v1alpha1.LabelZone, corev1.LabelHostname), pick(d, apps...)
		d.kind(func(p *corev1.Pod) {
			affinityOf(p).PodAffinity = &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
				{TopologyKey: key, LabelSelector: selector(app)},
			}}
		})
	}},
	{"pod anti-affinity", func(d *draw) {
		key, app := pick(d, v1alpha1.LabelZone, corev1.LabelHostname, corev1.LabelHostname), pick(d, apps...)
		term := corev1.PodAffinityTerm{TopologyKey: key, LabelSelector: selector(app)}
		against := func(p *corev1.Pod) {
			affinityOf(p).PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{term}}
		}
		if n := d.number(0, len(d.Nodes)); n < len(d.Nodes) && len(d.Nodes[n].Bound) > 0 {
			against(d.Nodes[n].Bound[0])
			return
		}
		d.kind(against)
	}},
	{"topology spread", func(d *draw) {
		c := corev1.TopologySpreadConstraint{
			TopologyKey: pick(d, v1alpha1.LabelZone, corev1.LabelHostname), MaxSkew: int32(d.number(1, 2)), WhenUnsatisfiable: corev1.DoNotSchedule,
		}
		d.spread(c, 3)
	}},
	{"minDomains", func(d *draw) {
		n := int32(d.number(2, 4))
		d.spread(corev1.TopologySpreadConstraint{
			TopologyKey: pick(d, v1alpha1.LabelZone, corev1.LabelHostname), MaxSkew: 1, WhenUnsatisfiable: corev1.DoNotSchedule, MinDomains: &n,
		}, 3)
	}},
	{"node inclusion policies", func(d *draw) {
		honor, ignore := corev1.NodeInclusionPolicyHonor, corev1.NodeInclusionPolicyIgnore
		// A topology key that no other case has: with Ignore the scheduler looks at every node of the cluster.
		for i, np := range d.Pools {
			np.Spec.Template.Labels[here+".example.com/rack"] = fmt.Sprintf("rack-%d", i)
		}
		d.someNodes(2)
		if d.often(50) {
			d.Nodes[0].Taint = append(d.Nodes[0].Taint, corev1.Taint{Key: "rack", Value: "old", Effect: corev1.TaintEffectNoSchedule})
		}
		d.Nodes[0].Label = map[string]string{here + ".example.com/rack": "rack-old"}
		d.spread(corev1.TopologySpreadConstraint{
			TopologyKey: here + ".example.com/rack", MaxSkew: int32(d.number(1, 2)), WhenUnsatisfiable: corev1.DoNotSchedule,
			NodeAffinityPolicy: pick(d, nil, &honor, &ignore), NodeTaintsPolicy: pick(d, nil, &honor, &ignore),
		}, 2)
	}},
	{"matchLabelKeys", func(d *draw) {
		c := corev1.TopologySpreadConstraint{
			TopologyKey: pick(d, v1alpha1.LabelZone, corev1.LabelHostname), MaxSkew: 1, WhenUnsatisfiable: corev1.DoNotSchedule,
			MatchLabelKeys: []string{"hash"},
		}
		d.someNodes(1)
		for i := range d.Nodes {
			for _, p := range d.Nodes[i].Bound {
				p.Labels["hash"] = pick(d, "new", "old")
			}
		}
		for _, p := range d.Pods {
			p.Labels["hash"] = "new"
		}
		d.spread(c, 2)
	}},
	{"host ports", func(d *draw) {
		port := corev1.ContainerPort{ContainerPort: 8080, HostPort: 8080, Protocol: pick(d, corev1.ProtocolTCP, corev1.ProtocolUDP), HostIP: pick(d, "", "", "127.0.0.1")}
		for i := range d.Nodes {
			if len(d.Nodes[i].Bound) > 0 && d.often(50) {
				d.Nodes[i].Bound[0].Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 8080, HostPort: 8080, HostIP: pick(d, "", "127.0.0.2")}}
			}
		}
		d.kind(func(p *corev1.Pod) { p.Spec.Containers[0].Ports = []corev1.ContainerPort{port} })
	}},
	{"max pods", func(d *draw) {
		for _, np := range d.Pools {
			n := int32(d.number(1, 4))
			np.Spec.MaxPods = &n
		}
		d.more(d.aKind(), 4)
	}},
	{"daemonsets", func(d *draw) {
		for i := range d.number(1, 2) {
			ds := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("daemon-%d", i), Namespace: space + "-a"}}
			p := pod("x", pick(d, "50m", "400m"), "200Mi", "daemon")
			ds.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"daemon": fmt.Sprint(i)}}
			p.Labels["daemon"] = fmt.Sprint(i)
			if d.often(30) {
				p.Spec.NodeSelector[v1alpha1.LabelZone] = zones[0]
			}
			if d.often(30) {
				p.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
			}
			if d.often(30) {
				p.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 8080, HostPort: 8080}}
			}
			ds.Spec.Template = corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: p.Labels}, Spec: p.Spec}
			d.DaemonSets = append(d.DaemonSets, ds)
		}
	}},
	{"priority", func(d *draw) {
		d.aNode()
		for _, kind := range kindsOf(d.Pods) {
			class := pick(d, "", prioLow, prioHigh)
			d.each(kind, func(p *corev1.Pod) { prioritize(p, class) })
		}
	}},
	{preemption, func(d *draw) {
		n := d.aNode()
		for i := range 2 {
			p := pod(fmt.Sprintf("victim-%s-%d", n.Name, i), "700m", "1Gi", apps[0])
			prioritize(p, prioLow)
			n.Bound = append(n.Bound, p)
		}
		// One pod: the scheduler nominates several to the same room, and takes that back only when it comes to it.
		for _, p := range d.Pods {
			prioritize(p, prioHigh)
		}
		prioritize(d.Pods[d.number(0, len(d.Pods)-1)], prioPreempting)
	}},
	{"scheduling gates", func(d *draw) {
		d.kind(func(p *corev1.Pod) { p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: gateHeld}} })
		d.addKind("free")
	}},
	{"namespaces", func(d *draw) {
		app := pick(d, apps...)
		term := corev1.PodAffinityTerm{
			TopologyKey: pick(d, v1alpha1.LabelZone, corev1.LabelHostname), LabelSelector: selector(app),
		}
		switch d.number(0, 2) {
		case 0:
			term.Namespaces = []string{space + "-b"}
		case 1:
			term.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "b", "lane": space}}
		case 2:
			term.NamespaceSelector = &metav1.LabelSelector{}
		}
		for i := range d.Nodes {
			for _, p := range d.Nodes[i].Bound {
				p.Namespace = space + pick(d, "-a", "-b")
			}
		}
		against := d.often(60)
		d.kind(func(p *corev1.Pod) {
			if against {
				affinityOf(p).PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{term}}
			} else {
				affinityOf(p).PodAffinity = &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{term}}
			}
		})
		d.kind(func(p *corev1.Pod) { p.Namespace = space + "-b" })
	}},
	{"pool limits", func(d *draw) {
		np := d.Pools[d.number(0, len(d.Pools)-1)]
		np.Spec.Limits = corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(int64(d.number(2, 12)), resource.DecimalSI)}
		if d.often(50) {
			np.Spec.Limits[v1alpha1.ResourceNodes] = *resource.NewQuantity(int64(d.number(1, 4)), resource.DecimalSI)
		}
	}},
	{"dedicated pools", func(d *draw) {
		np := d.Pools[d.number(0, len(d.Pools)-1)]
		np.Spec.Template.Taints = []corev1.Taint{{Key: "dedicated", Value: np.Name, Effect: corev1.TaintEffectNoSchedule}}
		d.kind(func(p *corev1.Pod) {
			p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: "dedicated", Operator: corev1.TolerationOpEqual, Value: np.Name, Effect: corev1.TaintEffectNoSchedule})
		})
	}},
	{"pool weight", func(d *draw) {
		if len(d.Pools) < 2 {
			d.Pools = append(d.Pools, d.pool("pool-1"))
		}
		d.Pools[d.number(0, len(d.Pools)-1)].Spec.Weight = int32(d.number(1, 50))
		d.Pools[1].Spec.Requirements = []corev1.NodeSelectorRequirement{d.requirement()}
	}},
	{"volume zones", func(d *draw) {
		d.waiting()
		for _, p := range d.Pods {
			if kindOf(p) == kindOf(d.Pods[0]) {
				d.claimFor(p, "data-"+p.Name, pick(d, "", zones[0], zones[1], zones[2]))
			}
		}
	}},
	{sharedClaims, func(d *draw) {
		d.waiting()
		d.share(pick(d, "", "", zones[1]), corev1.ReadWriteMany)
	}},
	{"ReadWriteOncePod", func(d *draw) {
		d.waiting()
		n := d.aNode()
		zone := pick(d, "", n.Zone, n.Zone)
		claim := d.share(zone, corev1.ReadWriteOncePod)
		if zone != "" && d.often(60) {
			holder := pod("holder-0", "100m", "128Mi", apps[0])
			holder.Namespace, holder.Spec.Volumes = claim.Namespace, []corev1.Volume{volumeOf(claim.Name)}
			n.Bound = append(n.Bound, holder)
		}
	}},
	{attachLimits, func(d *draw) {
		d.waiting()
		d.someNodes(2)
		limit := map[string]int32{} // a type's nodes are alike
		for i := range d.Nodes {
			n := &d.Nodes[i]
			if limit[n.Type] == 0 {
				limit[n.Type] = int32(d.number(1, 3))
			}
			n.Attach = limit[n.Type]
			for j, p := range n.Bound {
				if j == 0 {
					d.claimFor(p, "bound-"+p.Name, n.Zone)
				}
			}
		}
		kind := d.aKind()
		d.more(kind, 3)
		for _, p := range d.Pods {
			if kindOf(p) == kind {
				d.claimFor(p, "one-"+p.Name, "")
			}
		}
	}},
	{"cordoned nodes", func(d *draw) { d.aNode().Cordoned = true }},
}

func (d *draw) requirement() corev1.NodeSelectorRequirement {
	return pick(d,
		corev1.NodeSelectorRequirement{Key: v1alpha1.LabelZone, Operator: corev1.NodeSelectorOpIn, Values: zones[:2]},
		corev1.NodeSelectorRequirement{Key: v1alpha1.LabelZone, Operator: corev1.NodeSelectorOpNotIn, Values: zones[:1]},
		corev1.NodeSelectorRequirement{Key: v1alpha1.LabelInstanceCPU, Operator: corev1.NodeSelectorOpGt, Values: []string{"3"}},
		corev1.NodeSelectorRequirement{Key: v1alpha1.LabelArch, Operator: corev1.NodeSelectorOpIn, Values: []string{"arm64"}},
		corev1.NodeSelectorRequirement{Key: v1alpha1.LabelInstanceFamily, Operator: corev1.NodeSelectorOpIn, Values: []string{"c6i"}},
		corev1.NodeSelectorRequirement{Key: v1alpha1.LabelCapacityType, Operator: corev1.NodeSelectorOpIn, Values: []string{"on-demand"}},
		corev1.NodeSelectorRequirement{Key: v1alpha1.LabelInstanceType, Operator: corev1.NodeSelectorOpExists},
	)
}

func (d *draw) toleration() corev1.Toleration {
	return pick(d,
		corev1.Toleration{Key: "key", Operator: corev1.TolerationOpExists},
		corev1.Toleration{Key: "key", Operator: corev1.TolerationOpEqual, Value: "one"},
		corev1.Toleration{Key: "key", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
		corev1.Toleration{Operator: corev1.TolerationOpExists},
	)
}

// spread puts a constraint on a kind of at least n pods, mostly on its own app.
func (d *draw) spread(c corev1.TopologySpreadConstraint, n int) {
	kind := d.aKind()
	d.more(kind, n)
	other := ""
	if d.often(15) {
		other = pick(d, apps...)
	}
	d.each(kind, func(p *corev1.Pod) {
		c.LabelSelector = selector(p.Labels["app"])
		if other != "" {
			c.LabelSelector = selector(other)
		}
		for _, have := range p.Spec.TopologySpreadConstraints {
			if have.TopologyKey == c.TopologyKey {
				return // the API server wants them to differ
			}
		}
		p.Spec.TopologySpreadConstraints = append(p.Spec.TopologySpreadConstraints, c)
	})
}

func prioritize(p *corev1.Pod, class string) {
	p.Spec.PriorityClassName = class
}
