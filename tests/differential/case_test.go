package differential

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"sigs.k8s.io/yaml"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// Placeholders in a case's texts. Cases run side by side in one cluster, and none may see another's pods and nodes.
const (
	// here is replaced by a text that this run of the case alone has: every pod selects, and every node carries, the
	// label labelCase with it.
	here = "$RUN"
	// space is replaced by the start of the lane's namespaces, which are $SPACE-a and $SPACE-b.
	space = "$SPACE"

	labelCase = "floe.dev/case"
)

// trial is one random cluster and what is asked of it, as plain data: whoever runs it replaces the placeholders.
type trial struct {
	Seed       int                       `json:"seed"`
	Predicates []string                  `json:"predicates"`
	Pools      []*v1alpha1.NodePool      `json:"pools"`
	Nodes      []standing                `json:"nodes,omitempty"`
	DaemonSets []*appsv1.DaemonSet       `json:"daemonSets,omitempty"`
	Pods       []*corev1.Pod             `json:"pods"`
	Claims     []claim                   `json:"claims,omitempty"`
	Classes    []*storagev1.StorageClass `json:"classes,omitempty"`
	// Pick chooses which of the machines that a launch may bring it brings.
	Pick uint64 `json:"pick"`
}

// standing is a node that exists before the plan.
type standing struct {
	Name  string            `json:"name"`
	Pool  string            `json:"pool"`
	Type  string            `json:"type"`
	Zone  string            `json:"zone"`
	Spot  bool              `json:"spot,omitempty"`
	Label map[string]string `json:"label,omitempty"`
	Taint []corev1.Taint    `json:"taint,omitempty"`
	// Startup taints are on the node while the plan is made, and go before any pod is to be bound there.
	Startup  []corev1.Taint      `json:"startup,omitempty"`
	Cordoned bool                `json:"cordoned,omitempty"`
	Extra    corev1.ResourceList `json:"extra,omitempty"` // allocatable besides its type's
	// Attach is how many volumes the node takes; 0 says nothing.
	Attach int32         `json:"attach,omitempty"`
	Bound  []*corev1.Pod `json:"bound,omitempty"`
}

// claim is a volume claim and, if it is bound, its volume.
type claim struct {
	PVC *corev1.PersistentVolumeClaim `json:"pvc"`
	PV  *corev1.PersistentVolume      `json:"pv,omitempty"`
}

// in is the trial with its placeholders replaced.
func (t *trial) in(run, lane string) *trial {
	b, err := json.Marshal(t)
	if err != nil {
		panic(err) // it is made of API types
	}
	text := strings.NewReplacer(here, run, space, lane).Replace(string(b))
	out := &trial{}
	if err := json.Unmarshal([]byte(text), out); err != nil {
		panic(err)
	}
	return out
}

// String is the trial for people.
func (t *trial) String() string {
	b, err := yaml.Marshal(t)
	if err != nil {
		return fmt.Sprintf("seed %d: %v", t.Seed, err)
	}
	var lines []string
	for line := range strings.Lines(string(b)) {
		if !slices.ContainsFunc([]string{"creationTimestamp: null", "status: {}", "resources: {}", "image: none", "strategy: {}"}, func(s string) bool {
			return strings.Contains(line, s)
		}) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// smaller are trials that leave something of this one out, the largest cuts first.
func (t *trial) smaller() []*trial {
	var all []*trial
	cut := func(f func(*trial)) {
		c := t.in(here, space) // a deep copy
		f(c)
		all = append(all, c)
	}
	for _, kind := range kindsOf(t.Pods) {
		if len(kindsOf(t.Pods)) > 1 {
			cut(func(c *trial) {
				c.Pods = slices.DeleteFunc(c.Pods, func(p *corev1.Pod) bool { return kindOf(p) == kind })
			})
		}
	}
	for i := range t.Nodes {
		cut(func(c *trial) { c.Nodes = slices.Delete(c.Nodes, i, i+1) })
	}
	for i := range t.DaemonSets {
		cut(func(c *trial) { c.DaemonSets = slices.Delete(c.DaemonSets, i, i+1) })
	}
	for i := range t.Pools {
		if len(t.Pools) > 1 && !slices.ContainsFunc(t.Nodes, func(n standing) bool { return n.Pool == t.Pools[i].Name }) {
			cut(func(c *trial) { c.Pools = slices.Delete(c.Pools, i, i+1) })
		}
	}
	for i := range t.Nodes {
		for j := range t.Nodes[i].Bound {
			cut(func(c *trial) { c.Nodes[i].Bound = slices.Delete(c.Nodes[i].Bound, j, j+1) })
		}
	}
	for i := range t.Pods {
		if len(t.Pods) > 1 {
			cut(func(c *trial) { c.Pods = slices.Delete(c.Pods, i, i+1) })
		}
	}
	for _, kind := range kindsOf(t.Pods) {
		each := func(c *trial, f func(*corev1.PodSpec)) {
			for _, p := range c.Pods {
				if kindOf(p) == kind {
					f(&p.Spec)
				}
			}
		}
		spec := t.Pods[slices.IndexFunc(t.Pods, func(p *corev1.Pod) bool { return kindOf(p) == kind })].Spec
		if spec.Affinity != nil {
			cut(func(c *trial) { each(c, func(s *corev1.PodSpec) { s.Affinity = nil }) })
		}
		if len(spec.TopologySpreadConstraints) > 0 {
			cut(func(c *trial) {
				each(c, func(s *corev1.PodSpec) { s.TopologySpreadConstraints = s.TopologySpreadConstraints[1:] })
			})
		}
		if len(spec.InitContainers) > 0 {
			cut(func(c *trial) { each(c, func(s *corev1.PodSpec) { s.InitContainers = nil }) })
		}
	}
	return all
}

// kindOf is the kind of pod that a pod is one of: its name less its number.
func kindOf(p *corev1.Pod) string { return p.Name[:strings.LastIndex(p.Name, "-")] }

func kindsOf(pods []*corev1.Pod) []string {
	var kinds []string
	for _, p := range pods {
		kinds = append(kinds, kindOf(p))
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// candidate of a pool for a node of that type.
func candidate(np *v1alpha1.NodePool, name string) (catalog.Candidate, bool) {
	all, _, _ := catalog.Candidates(np, view)
	i := slices.IndexFunc(all, func(c catalog.Candidate) bool { return c.Type.Name == name })
	if i < 0 {
		return catalog.Candidate{}, false
	}
	return all[i], true
}
