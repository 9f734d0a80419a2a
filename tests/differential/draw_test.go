package differential

import (
	"fmt"
	"math/rand/v2"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"floe.dev/floe/api/v1alpha1"
)

// draw makes one trial.
type draw struct {
	*rapid.T
	*trial
	label int
}

// pick one of the options.
func pick[V any](d *draw, options ...V) V {
	d.label++
	return rapid.SampledFrom(options).Draw(d.T, fmt.Sprint(d.label))
}

func (d *draw) number(from, to int) int {
	d.label++
	return rapid.IntRange(from, to).Draw(d.T, fmt.Sprint(d.label))
}

func (d *draw) often(percent int) bool { return d.number(1, 100) <= percent }

// drawn is the trial of a seed. The first of its predicates goes through all of them in turn, and mostly there are a few
// more.
func drawn(seed int) *trial {
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	chosen := []int{seed % len(predicates)}
	for range random.IntN(5) {
		i := random.IntN(len(predicates))
		if !slices.Contains(chosen, i) && !slices.ContainsFunc(chosen, func(j int) bool { return apart(predicates[i].name, predicates[j].name) }) {
			chosen = append(chosen, i)
		}
	}
	slices.Sort(chosen) // some look at what those before them did
	t := trials(chosen).Example(seed)
	t.Seed, t.Pick = seed, random.Uint64()
	return t
}

// apart are predicates that no trial has both of. Once a startup taint goes, the scheduler may preempt there, and no plan
// made before knows. And a claim that pending pods share is counted for each of them against what a node can attach.
func apart(a, b string) bool {
	pairs := [][2]string{{startupTaints, preemption}, {sharedClaims, attachLimits}}
	return slices.Contains(pairs, [2]string{a, b}) || slices.Contains(pairs, [2]string{b, a})
}

// trials draws trials that exercise these predicates.
func trials(chosen []int) *rapid.Generator[*trial] {
	return rapid.Custom(func(t *rapid.T) *trial {
		d := &draw{T: t, trial: &trial{}}
		d.base()
		for _, i := range chosen {
			d.Predicates = append(d.Predicates, predicates[i].name)
			predicates[i].add(d)
		}
		return d.trial
	})
}

// apps are the labels that pods' rules look at.
var apps = []string{here + "-web", here + "-db", here + "-job"}

func (d *draw) base() {
	for i := range pick(d, 1, 1, 2) {
		d.Pools = append(d.Pools, d.pool(fmt.Sprintf("pool-%d", i)))
	}
	for i := range d.number(0, 3) {
		d.addNode(i)
	}
	for i := range d.number(1, 3) {
		d.addKind(fmt.Sprintf("%c", 'k'+i))
	}
}

func (d *draw) pool(name string) *v1alpha1.NodePool {
	np := &v1alpha1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, zone := range zones {
		np.Spec.Subnets = append(np.Spec.Subnets, "subnet-"+zone)
	}
	np.Spec.Fallback = pick(d,
		[]v1alpha1.FallbackStep{{CapacityType: v1alpha1.OnDemand}},
		[]v1alpha1.FallbackStep{{CapacityType: v1alpha1.Spot}, {CapacityType: v1alpha1.OnDemand}})
	np.Spec.Reserved = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("300Mi")}
	np.Spec.Template.Labels = map[string]string{labelCase: here, "team": name}
	return np
}

func (d *draw) addNode(i int) {
	n := standing{
		Name: fmt.Sprintf("%s-n%d", here, i), Pool: d.Pools[d.number(0, len(d.Pools)-1)].Name,
		Type: pick(d, "m5.large", "m5.xlarge", "c6i.xlarge", "r6g.large"), Zone: pick(d, zones...), Spot: d.often(20),
	}
	for j := range d.number(0, 2) {
		n.Bound = append(n.Bound, pod(fmt.Sprintf("bound%d-%d", i, j), pick(d, "100m", "500m", "1"), pick(d, "128Mi", "1Gi"), pick(d, apps...)))
	}
	d.Nodes = append(d.Nodes, n)
}

// someNodes makes sure that there are nodes.
func (d *draw) someNodes(n int) {
	for len(d.Nodes) < n {
		d.addNode(len(d.Nodes))
	}
}

// aNode is one of the nodes, made if there is none.
func (d *draw) aNode() *standing {
	d.someNodes(1)
	return &d.Nodes[d.number(0, len(d.Nodes)-1)]
}

func (d *draw) addKind(name string) {
	cpu, memory, app := pick(d, "100m", "400m", "900m", "1500m", "3"), pick(d, "128Mi", "700Mi", "2Gi", "6Gi"), pick(d, apps...)
	for i := range d.number(1, 3) {
		d.Pods = append(d.Pods, pod(fmt.Sprintf("%s-%d", name, i), cpu, memory, app))
	}
}

// pod that asks for that much and may run on the case's nodes.
func pod(name, cpu, memory, app string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: space + "-a", Labels: map[string]string{"app": app}},
		Spec: corev1.PodSpec{
			NodeSelector: map[string]string{labelCase: here},
			Containers: []corev1.Container{{
				Name: "main", Image: "none",
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
					corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
				}},
			}},
		},
	}
}

// kind changes all pods of one kind.
func (d *draw) kind(change func(*corev1.Pod)) {
	kinds := kindsOf(d.Pods)
	d.each(kinds[d.number(0, len(kinds)-1)], change)
}

func (d *draw) each(kind string, change func(*corev1.Pod)) {
	for _, p := range d.Pods {
		if kindOf(p) == kind {
			change(p)
		}
	}
}

// more makes sure that a kind has n pods.
func (d *draw) more(kind string, n int) {
	var last *corev1.Pod
	have := 0
	for _, p := range d.Pods {
		if kindOf(p) == kind {
			last = p
			have++
		}
	}
	for ; have < n; have++ {
		p := last.DeepCopy()
		p.Spec.Volumes = nil // claims are a pod's own
		p.Name = fmt.Sprintf("%s-%d", kind, have)
		d.Pods = append(d.Pods, p)
	}
}

// aKind is one of the kinds, by name.
func (d *draw) aKind() string { return pick(d, kindsOf(d.Pods)...) }

func affinityOf(p *corev1.Pod) *corev1.Affinity {
	if p.Spec.Affinity == nil {
		p.Spec.Affinity = &corev1.Affinity{}
	}
	return p.Spec.Affinity
}

func nodeAffinityOf(p *corev1.Pod) *corev1.NodeAffinity {
	a := affinityOf(p)
	if a.NodeAffinity == nil {
		a.NodeAffinity = &corev1.NodeAffinity{}
	}
	return a.NodeAffinity
}

func selector(app string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
}

func set(list *corev1.ResourceList, name corev1.ResourceName, amount string) {
	if *list == nil {
		*list = corev1.ResourceList{}
	}
	(*list)[name] = resource.MustParse(amount)
}
