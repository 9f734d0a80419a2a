package planner

import (
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	resourcehelper "k8s.io/component-helpers/resource"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// check holds a plan against its snapshot with none of the planner's own code: plain loops over pods, types and zones.
func check(s Snapshot, r Result) error {
	if err := checkOnce(s, r); err != nil {
		return err
	}
	for i := range r.Launches {
		if err := checkLaunch(s, &r.Launches[i]); err != nil {
			return fmt.Errorf("launch %d (%s): %w", i, r.Launches[i].Reason, err)
		}
	}
	if err := checkNodes(s, r); err != nil {
		return err
	}
	if err := checkLimits(s, r); err != nil {
		return err
	}
	if err := checkStandby(s, r); err != nil {
		return err
	}
	if r.USDPerHour < r.LowerBoundUSDPerHour-1e-6 {
		return fmt.Errorf("price %f is below the lower bound %f", r.USDPerHour, r.LowerBoundUSDPerHour)
	}
	return checkSpread(s, r)
}

// checkOnce: every pod that is planned for is in exactly one place.
func checkOnce(s Snapshot, r Result) error {
	seen := map[*corev1.Pod]int{}
	for _, byPlace := range []map[string][]*corev1.Pod{r.OnNodes, r.InFlight} {
		for _, pods := range byPlace {
			for _, p := range pods {
				seen[p]++
			}
		}
	}
	for _, l := range r.Launches {
		if len(l.Machines) != l.Count {
			return fmt.Errorf("%d machines in a launch of %d", len(l.Machines), l.Count)
		}
		for _, pods := range l.Machines {
			if len(pods) == 0 {
				return fmt.Errorf("an empty machine is bought: %s", l.Reason)
			}
			for _, p := range pods {
				seen[p]++
			}
		}
	}
	for _, p := range r.Unplaced {
		seen[p]++
	}
	n := 0
	for _, u := range r.Unplaceable {
		n += u.Count
		if len(u.Reasons) != len(s.Pools) {
			return fmt.Errorf("%d reasons for %d pools: %v", len(u.Reasons), len(s.Pools), u.Reasons)
		}
	}
	if n != len(r.Unplaced) {
		return fmt.Errorf("%d pods are explained, %d unplaced", n, len(r.Unplaced))
	}
	for _, p := range s.Pods {
		if seen[p] != 1 {
			return fmt.Errorf("pod %s is in %d places", p.Name, seen[p])
		}
	}
	if len(seen) != len(s.Pods) {
		return fmt.Errorf("%d pods are placed, %d were asked for", len(seen), len(s.Pods))
	}
	return nil
}

func poolOf(s Snapshot, name string) Pool {
	i := slices.IndexFunc(s.Pools, func(p Pool) bool { return p.Name == name })
	return s.Pools[i]
}

// offerings of a launch: every type in every zone and capacity type that it allows.
func offerings(s Snapshot, l *Launch) map[string][]contract.Override {
	all := map[string][]contract.Override{}
	for _, c := range poolOf(s, l.Pool).Candidates {
		if !slices.Contains(l.InstanceTypes, c.Type.Name) {
			continue
		}
		for _, o := range c.Overrides {
			wanted := len(l.CapacityTypes) == 0 || slices.Contains(l.CapacityTypes, o.CapacityType) ||
				o.CapacityType == v1alpha1.OnDemand && slices.ContainsFunc(l.CapacityTypes, isTier)
			if (len(l.Zones) == 0 || slices.Contains(l.Zones, o.Zone)) && wanted {
				all[c.Type.Name] = append(all[c.Type.Name], o)
			}
		}
	}
	return all
}

// isTier reports whether a capacity type is standby's: its machines run on demand.
func isTier(ct v1alpha1.CapacityType) bool {
	return ct == v1alpha1.Hibernated || ct == v1alpha1.Stopped
}

func typeOf(p Pool, name string) contract.InstanceType {
	for _, c := range p.Candidates {
		if c.Type.Name == name {
			return c.Type
		}
	}
	panic("no candidate " + name)
}

// checkLaunch: whatever type comes, wherever, holds every machine's pods, and they may run there.
func checkLaunch(s Snapshot, l *Launch) error {
	p := poolOf(s, l.Pool)
	if n := len(l.InstanceTypes); n == 0 || n > 60 {
		return fmt.Errorf("%d types", n)
	}
	if l.Count < 1 || l.Count > contract.MaxCount {
		return fmt.Errorf("count %d", l.Count)
	}
	all := offerings(s, l)
	for _, name := range l.InstanceTypes {
		t := typeOf(p, name)
		if len(all[name]) == 0 {
			return fmt.Errorf("type %s cannot be bought where the launch wants it", name)
		}
		if !covers(catalog.Allocatable(p.NodePool, t), l.Requests) {
			return fmt.Errorf("type %s does not hold the launch's requests", name)
		}
		for _, o := range all[name] {
			labels := catalog.Labels(p.NodePool, t, o.Zone, o.ZoneID, o.Region, o.CapacityType)
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: labels}}
			total := corev1.ResourceList{}
			for _, ds := range s.DaemonSets {
				if mayRun(&corev1.Pod{Spec: ds.Spec.Template.Spec}, node, p.Spec.Template.Taints) {
					addPod(total, &corev1.Pod{Spec: ds.Spec.Template.Spec})
				}
			}
			for _, pods := range l.Machines {
				sum := total.DeepCopy()
				for _, pod := range pods {
					if !mayRun(pod, node, p.Spec.Template.Taints) {
						return fmt.Errorf("pod %s may not run on %s in %s, %s", pod.Name, name, o.Zone, o.CapacityType)
					}
					addPod(sum, pod)
				}
				if !covers(catalog.Allocatable(p.NodePool, t), sum) {
					return fmt.Errorf("type %s is overfilled: %v", name, sum)
				}
			}
		}
	}
	for _, pods := range l.Machines {
		if err := errors.Join(checkTogether(pods), checkHostSpread(pods)); err != nil {
			return err
		}
	}
	return nil
}

func covers(room, asked corev1.ResourceList) bool {
	for name, q := range asked {
		have := room[name]
		if have.Cmp(q) < 0 {
			return false
		}
	}
	return true
}

func addPod(sum corev1.ResourceList, pod *corev1.Pod) {
	for name, q := range resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{}) {
		s := sum[name]
		s.Add(q)
		sum[name] = s
	}
	n := sum[corev1.ResourcePods]
	n.Add(resource.MustParse("1"))
	sum[corev1.ResourcePods] = n
}

func mayRun(pod *corev1.Pod, node *corev1.Node, taints []corev1.Taint) bool {
	if ok, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(node); err != nil || !ok {
		return false
	}
	for i := range taints {
		if !slices.ContainsFunc(pod.Spec.Tolerations, func(t corev1.Toleration) bool { return t.Key == taints[i].Key }) {
			return false
		}
	}
	return true
}

func selected(sel *metav1.LabelSelector, pod *corev1.Pod) bool {
	s, err := metav1.LabelSelectorAsSelector(sel)
	return err == nil && s.Matches(labels.Set(pod.Labels))
}

// checkTogether: pods on one machine that keep apart by hostname, take one port, or want each other's company.
func checkTogether(pods []*corev1.Pod) error {
	ports := map[int32]bool{}
	for i, a := range pods {
		for _, p := range a.Spec.Containers[0].Ports {
			if ports[p.HostPort] {
				return fmt.Errorf("port %d is taken twice", p.HostPort)
			}
			ports[p.HostPort] = true
		}
		for _, t := range requiredAntiAffinity(a) {
			for j, b := range pods {
				if i != j && t.TopologyKey == corev1.LabelHostname && selected(t.LabelSelector, b) {
					return fmt.Errorf("%s keeps away from %s", a.Name, b.Name)
				}
			}
		}
		for _, t := range requiredAffinity(a) {
			if t.TopologyKey == corev1.LabelHostname && !slices.ContainsFunc(pods, func(b *corev1.Pod) bool { return selected(t.LabelSelector, b) }) {
				return fmt.Errorf("%s is alone", a.Name)
			}
		}
	}
	return nil
}

// checkHostSpread: on a new machine, no more pods than if some other machine were empty.
func checkHostSpread(pods []*corev1.Pod) error {
	for _, a := range pods {
		for _, c := range a.Spec.TopologySpreadConstraints {
			n := 0
			for _, b := range pods {
				if selected(c.LabelSelector, b) {
					n++
				}
			}
			if c.TopologyKey == corev1.LabelHostname && n > int(c.MaxSkew) {
				return fmt.Errorf("%d pods of %s on one machine, skew %d", n, a.Name, c.MaxSkew)
			}
		}
	}
	return nil
}

// checkNodes: existing nodes are not overfilled by what is put there, and pods may run there.
func checkNodes(s Snapshot, r Result) error {
	for _, n := range s.Nodes {
		pods := r.OnNodes[n.Name]
		if len(pods) == 0 {
			continue
		}
		sum := corev1.ResourceList{}
		for _, pod := range slices.Concat(n.Pods, pods) {
			addPod(sum, pod)
		}
		if !covers(n.Allocatable, sum) {
			return fmt.Errorf("node %s is overfilled: %v", n.Name, sum)
		}
		for _, pod := range pods {
			if !mayRun(pod, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: n.Labels}}, n.Taints) {
				return fmt.Errorf("pod %s may not run on node %s", pod.Name, n.Name)
			}
		}
		if err := checkTogether(slices.Concat(n.Pods, pods)); err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
	}
	return nil
}

// checkLimits: no limit is passed even if every launch ends with the largest of its types.
func checkLimits(s Snapshot, r Result) error {
	for _, p := range s.Pools {
		used := p.Used.DeepCopy()
		if used == nil {
			used = corev1.ResourceList{}
		}
		add := func(name corev1.ResourceName, n int64) {
			q := used[name]
			q.Add(*resource.NewQuantity(n, resource.DecimalSI))
			used[name] = q
		}
		for _, l := range r.Launches {
			if l.Pool != p.Name || len(l.CapacityTypes) > 0 && !slices.ContainsFunc(l.CapacityTypes, func(ct v1alpha1.CapacityType) bool { return !isTier(ct) }) {
				continue // standby machines count already
			}
			var cpu, memory int64
			for _, name := range l.InstanceTypes {
				t := typeOf(p, name)
				cpu, memory = max(cpu, int64(t.VCPU)), max(memory, int64(t.MemoryMiB)<<20)
			}
			add(corev1.ResourceCPU, cpu*int64(l.Count))
			add(corev1.ResourceMemory, memory*int64(l.Count))
			add(v1alpha1.ResourceNodes, int64(l.Count))
		}
		for name, limit := range p.Spec.Limits {
			if q := used[name]; q.Cmp(limit) > 0 {
				return fmt.Errorf("pool %s: limit %s %s is passed: %s", p.Name, name, limit.String(), q.String())
			}
		}
	}
	return nil
}

// checkSpread: over zones, pods that are spread are within their skew once all are bound, and those that keep apart are.
func checkSpread(s Snapshot, r Result) error {
	type placed struct {
		pod  *corev1.Pod
		zone string // empty: not known
		here bool   // on a machine that is bought
	}
	var all []placed
	zones := map[string]bool{}
	for _, n := range s.Nodes {
		zones[n.Labels[v1alpha1.LabelZone]] = true
		for _, p := range n.Pods {
			all = append(all, placed{p, n.Labels[v1alpha1.LabelZone], false})
		}
		for _, p := range r.OnNodes[n.Name] {
			all = append(all, placed{p, n.Labels[v1alpha1.LabelZone], false})
		}
	}
	for i := range r.Launches {
		l := &r.Launches[i]
		zone := ""
		if len(l.Zones) == 1 {
			zone = l.Zones[0]
			zones[zone] = true
		}
		for _, pods := range l.Machines {
			for _, p := range pods {
				all = append(all, placed{p, zone, true})
			}
		}
	}
	for _, a := range all {
		if !a.here {
			continue
		}
		for _, c := range a.pod.Spec.TopologySpreadConstraints {
			if c.TopologyKey != v1alpha1.LabelZone {
				continue
			}
			n := map[string]int{}
			for zone := range zones {
				n[zone] = 0
			}
			for _, b := range all {
				if selected(c.LabelSelector, b.pod) {
					if b.zone == "" {
						return fmt.Errorf("%s is spread, and nobody knows %s's zone", a.pod.Name, b.pod.Name)
					}
					n[b.zone]++
				}
			}
			least := n[a.zone]
			for _, k := range n {
				least = min(least, k)
			}
			if n[a.zone]-least > int(c.MaxSkew) {
				return fmt.Errorf("%s: skew %d is passed: %v", a.pod.Name, c.MaxSkew, n)
			}
		}
		for _, t := range requiredAntiAffinity(a.pod) {
			for _, b := range all {
				if t.TopologyKey == v1alpha1.LabelZone && b.pod != a.pod && selected(t.LabelSelector, b.pod) && (b.zone == "" || b.zone == a.zone) {
					return fmt.Errorf("%s keeps away from %s in %s", a.pod.Name, b.pod.Name, a.zone)
				}
			}
		}
	}
	return nil
}
