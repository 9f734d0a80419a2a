package disruption

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/planner"
)

// now is a Wednesday noon.
var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// view has m5 machines in three zones; spot costs 40 % of on-demand.
func view() *catalog.View {
	v := &catalog.View{
		Account: "main", Region: "eu-west-1", Types: map[string]contract.InstanceType{}, Subnets: map[string]catalog.Subnet{},
		Offered: map[catalog.OfferedKey]bool{}, SpotUSD: map[catalog.OfferedKey]float64{},
	}
	for _, z := range []string{"a", "b", "c"} {
		v.Subnets["subnet-"+z] = catalog.Subnet{ID: "subnet-" + z, Zone: "eu-west-1" + z, ZoneID: "euw1-az" + z, FreeAddresses: 250}
	}
	for _, t := range catalog.Facts() {
		if family, _ := catalog.FamilyAndSize(t.Name); family != "m5" || t.BareMetal {
			continue
		}
		v.Types[t.Name] = t
		for _, s := range v.Subnets {
			key := catalog.OfferedKey{InstanceType: t.Name, ZoneID: s.ZoneID}
			v.Offered[key], v.SpotUSD[key] = true, 0.4*t.OnDemandUSD
		}
	}
	return v
}

// aPool of spot, then on-demand, which shrinks at once and lets all nodes go at the same time.
func aPool(name string, change ...func(*v1alpha1.NodePoolSpec)) *v1alpha1.NodePool {
	p := &v1alpha1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.NodePoolSpec{
		LaunchTemplate: v1alpha1.LaunchTemplate{ID: "lt-0123456789abcdef0"},
		Subnets:        []string{"subnet-a", "subnet-b", "subnet-c"},
		Fallback:       []v1alpha1.FallbackStep{{CapacityType: v1alpha1.Spot}, {CapacityType: v1alpha1.OnDemand}},
		Disruption: v1alpha1.Disruption{
			EmptyAfter: &metav1.Duration{}, Stabilization: &metav1.Duration{}, Budgets: []v1alpha1.DisruptionBudget{{Nodes: "100%"}},
		},
	}}
	for _, f := range change {
		f(&p.Spec)
	}
	v1alpha1.SetDefaults(p)
	return p
}

func disruption(change func(*v1alpha1.Disruption)) func(*v1alpha1.NodePoolSpec) {
	return func(s *v1alpha1.NodePoolSpec) { change(&s.Disruption) }
}

func after(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }

// cluster builds a snapshot.
type cluster struct {
	s    Snapshot
	view *catalog.View
}

func newCluster(pools ...*v1alpha1.NodePool) *cluster {
	c := &cluster{view: view()}
	c.s = Snapshot{Now: now, Memory: contract.DisruptionMemory{EmptySince: map[string]time.Time{}}, Every: DefaultEvery}
	c.s.Room.Now = now
	for _, p := range pools {
		pp := planner.Pool{NodePool: p, BackOff: map[contract.Offering]time.Time{}, Used: corev1.ResourceList{}}
		pp.Candidates, pp.Rejected, pp.Problem = catalog.Candidates(p, c.view)
		c.s.Pools = append(c.s.Pools, Pool{NodePool: p, Template: contract.ResolvedTemplate{ID: "lt-1", Version: "3", ImageID: "ami-1"}})
		c.s.Room.Pools = append(c.s.Room.Pools, pp)
	}
	return c
}

// node adds a Ready m5.xlarge of a pool in a zone: spot, a day old, bought for demand.
func (c *cluster) node(pool, name, zone string, change ...func(*Node)) *cluster {
	i := slices.IndexFunc(c.s.Pools, func(p Pool) bool { return p.Name == pool })
	p := c.s.Pools[i].NodePool
	n := Node{Node: &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: types.UID("uid-" + name), CreationTimestamp: metav1.NewTime(now.Add(-24 * time.Hour)),
			Labels: catalog.Labels(p, c.view.Types["m5.xlarge"], "eu-west-1"+zone, "euw1-az"+zone, "eu-west-1", v1alpha1.Spot),
			Annotations: map[string]string{
				v1alpha1.AnnotationPurpose: "demand", v1alpha1.AnnotationLaunchTemplate: "lt-1/3/ami-1", v1alpha1.AnnotationTemplateHash: TemplateHash(p),
			},
		},
		Spec:   corev1.NodeSpec{ProviderID: contract.ProviderID("eu-west-1"+zone, "i-"+name)},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
	}, Settled: true, USDPerHour: 0.4 * c.view.Types["m5.xlarge"].OnDemandUSD}
	n.Labels[corev1.LabelHostname] = name
	for _, f := range change {
		f(&n)
	}
	c.s.Nodes = append(c.s.Nodes, n)
	c.s.Room.Nodes = append(c.s.Room.Nodes, planner.Node{
		Name: name, Pool: pool, Labels: n.Labels, Taints: n.Spec.Taints, Settled: n.Settled, Unschedulable: n.Spec.Unschedulable, Pods: n.Pods,
		Allocatable: catalog.Allocatable(p, c.view.Types["m5.xlarge"]), USDPerHour: n.USDPerHour,
	})
	return c
}

func onDemand(n *Node) {
	n.Labels[v1alpha1.LabelCapacityType] = string(v1alpha1.OnDemand)
	n.USDPerHour /= 0.4
}

func aged(d time.Duration) func(*Node) {
	return func(n *Node) { n.CreationTimestamp = metav1.NewTime(now.Add(-d)) }
}

func annotated(key, value string) func(*Node) {
	return func(n *Node) { n.Annotations[key] = value }
}

func unready(n *Node) { n.Status.Conditions[0].Status = corev1.ConditionFalse }

func running(pods ...*corev1.Pod) func(*Node) {
	return func(n *Node) {
		for _, p := range pods {
			p.Spec.NodeName = n.Name
		}
		n.Pods = append(n.Pods, pods...)
	}
}

// aPod of a ReplicaSet, a day old and Ready.
func aPod(name, cpu string, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: name, Labels: map[string]string{"app": strings.TrimRight(name, "0123456789-")}, CreationTimestamp: metav1.NewTime(now.Add(-24 * time.Hour)),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "r", Controller: ptr.To(true)}},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse("256Mi"),
		}}}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
	for _, f := range change {
		f(p)
	}
	return p
}

func pods(n int, name, cpu string, change ...func(*corev1.Pod)) (all []*corev1.Pod) {
	for i := range n {
		all = append(all, aPod(fmt.Sprintf("%s-%d", name, i), cpu, change...))
	}
	return all
}

func owned(kind string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.OwnerReferences[0].Kind = kind }
}

func failing(since time.Duration) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Conditions[0] = corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(now.Add(-since))}
	}
}

// emptyFor says that all nodes have been empty for so long.
func (c *cluster) emptyFor(d time.Duration) *cluster {
	for _, n := range c.s.Nodes {
		instance, _ := contract.InstanceOfProviderID(n.Spec.ProviderID)
		c.s.Memory.EmptySince[instance] = now.Add(-d)
	}
	return c
}

func budget(name, app string, allowed int32, change ...func(*policyv1.PodDisruptionBudget)) *policyv1.PodDisruptionBudget {
	b := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}},
		Status:     policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: allowed},
	}
	for _, f := range change {
		f(b)
	}
	return b
}

// granted are the grants as "node: reason", in order.
func granted(r Result) (all []string) {
	for _, g := range r.Grants {
		all = append(all, g.Node+": "+string(g.Reason))
	}
	return all
}

// refused is the refusal of a node, as "reason code".
func refused(t *testing.T, r Result, node string) contract.Refusal {
	t.Helper()
	for _, f := range r.Refused {
		if f.Node == node {
			return f
		}
	}
	require.Fail(t, "not refused", "%s: %+v", node, r.Refused)
	return contract.Refusal{}
}
