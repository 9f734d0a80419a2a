package planner

import (
	"encoding/csv"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// testZones are the zones that test pools have a subnet in.
var testZones = []string{"eu-west-1a", "eu-west-1b", "eu-west-1c"}

var views = map[string]*catalog.View{}

// view of the families' types, all where none is named, in every zone; spot costs a third of on-demand, a little more in each later zone.
func view(families ...string) *catalog.View {
	name := strings.Join(families, " ")
	if v := views[name]; v != nil {
		return v
	}
	v := &catalog.View{
		Account: "main", Region: "eu-west-1", Types: map[string]contract.InstanceType{},
		Subnets: map[string]catalog.Subnet{}, Offered: map[catalog.OfferedKey]bool{}, SpotUSD: map[catalog.OfferedKey]float64{},
	}
	for i, zone := range testZones {
		id := fmt.Sprintf("euw1-az%d", i+1)
		v.Subnets["subnet-"+zone] = catalog.Subnet{ID: "subnet-" + zone, Zone: zone, ZoneID: id, FreeAddresses: 4000}
		for _, t := range catalog.Facts() {
			family, _ := catalog.FamilyAndSize(t.Name)
			if len(families) > 0 && !slices.Contains(families, family) {
				continue
			}
			v.Types[t.Name] = t
			key := catalog.OfferedKey{InstanceType: t.Name, ZoneID: id}
			v.Offered[key] = true
			v.SpotUSD[key] = t.OnDemandUSD * (0.33 + 0.01*float64(i))
		}
	}
	views[name] = v
	return v
}

// nine are the families that Karpenter's price was measured with.
var nine = []string{"m5", "c5", "r5", "m6i", "c6i", "r6i", "m7i", "c7i", "r7i"}

// pool of all types of the view, on-demand unless changed.
func pool(t testing.TB, v *catalog.View, name string, change ...func(*v1alpha1.NodePool)) Pool {
	t.Helper()
	np := &v1alpha1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, zone := range testZones {
		np.Spec.Subnets = append(np.Spec.Subnets, "subnet-"+zone)
	}
	np.Spec.Fallback = []v1alpha1.FallbackStep{{CapacityType: v1alpha1.OnDemand}}
	for _, f := range change {
		f(np)
	}
	p := Pool{NodePool: np}
	p.Candidates, p.Rejected, p.Problem = catalog.Candidates(np, v)
	return p
}

func pod(name string, requests map[corev1.ResourceName]string, change ...func(*corev1.Pod)) *corev1.Pod {
	list := corev1.ResourceList{}
	for k, v := range requests {
		list[k] = resource.MustParse(v)
	}
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	p.Spec.Containers = []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{Requests: list}}}
	for _, f := range change {
		f(p)
	}
	return p
}

func cpuMem(cpu, memory string) map[corev1.ResourceName]string {
	return map[corev1.ResourceName]string{"cpu": cpu, "memory": memory}
}

// trace is the pods of the production trace; the caller skips where it is not at hand.
func trace(t testing.TB, n int) []*corev1.Pod {
	t.Helper()
	const file = "../../../shared/data/openb_pod_list_cpu100.csv"
	f, err := os.Open(file)
	if err != nil {
		t.Skipf("%s is not at hand: the trace is left out", file)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	var pods []*corev1.Pod
	for _, row := range rows[1:] {
		if len(pods) == n {
			break
		}
		cpu, err := strconv.ParseInt(row[1], 10, 64)
		require.NoError(t, err)
		mem, err := strconv.ParseInt(row[2], 10, 64)
		require.NoError(t, err)
		pods = append(pods, pod(strings.ToLower(row[0]), map[corev1.ResourceName]string{
			"cpu": fmt.Sprintf("%dm", cpu), "memory": fmt.Sprintf("%dMi", mem),
		}))
	}
	return pods
}

// labeled, selecting and the like change a pod.
func labeled(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		if p.Labels == nil {
			p.Labels = map[string]string{}
		}
		p.Labels[key] = value
	}
}

func selecting(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		if p.Spec.NodeSelector == nil {
			p.Spec.NodeSelector = map[string]string{}
		}
		p.Spec.NodeSelector[key] = value
	}
}

func tolerating(key string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists})
	}
}

func appSelector(app string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
}

func spreading(topologyKey, app string, maxSkew int32) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.TopologySpreadConstraints = append(p.Spec.TopologySpreadConstraints, corev1.TopologySpreadConstraint{
			MaxSkew: maxSkew, TopologyKey: topologyKey, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: appSelector(app),
		})
	}
}

func affinity(p *corev1.Pod) *corev1.Affinity {
	if p.Spec.Affinity == nil {
		p.Spec.Affinity = &corev1.Affinity{}
	}
	return p.Spec.Affinity
}

func avoiding(topologyKey, app string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		affinity(p).PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
			{TopologyKey: topologyKey, LabelSelector: appSelector(app)},
		}}
	}
}

func near(topologyKey, app string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		affinity(p).PodAffinity = &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
			{TopologyKey: topologyKey, LabelSelector: appSelector(app)},
		}}
	}
}

func onPort(port int32) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: port, HostPort: port}}
	}
}

// many pods alike, name-0 to name-(n-1).
func many(n int, name string, requests map[corev1.ResourceName]string, change ...func(*corev1.Pod)) []*corev1.Pod {
	var pods []*corev1.Pod
	for i := range n {
		pods = append(pods, pod(fmt.Sprintf("%s-%d", name, i), requests, change...))
	}
	return pods
}

// node of a pool: a machine of that type, as it would have come.
func node(p Pool, name, instanceType, zone string, pods ...*corev1.Pod) Node {
	for _, c := range p.Candidates {
		if c.Type.Name != instanceType {
			continue
		}
		for _, o := range c.Overrides {
			if o.Zone == zone {
				labels := catalog.Labels(p.NodePool, c.Type, zone, o.ZoneID, o.Region, o.CapacityType)
				labels[corev1.LabelHostname] = name
				return Node{
					Name: name, Pool: p.Name, Settled: true, Labels: labels, Taints: p.Spec.Template.Taints, Pods: pods,
					Allocatable: catalog.Allocatable(p.NodePool, c.Type), USDPerHour: o.USDPerHour,
				}
			}
		}
	}
	panic("no such candidate: " + instanceType + " in " + zone)
}

func machines(r Result) int {
	n := 0
	for _, l := range r.Launches {
		n += l.Count
	}
	return n
}
