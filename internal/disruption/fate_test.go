package disruption

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/v1alpha1"
)

// A standby is asked only where nothing that is known here speaks against the machine; else it is said what does.
func TestWhichMachinesAreOfferedToStandby(t *testing.T) {
	keeps := func(s *v1alpha1.NodePoolSpec) {
		s.Standby = &v1alpha1.Standby{Hibernated: 1, Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("3")}}
	}
	holds := func(cpu string) func(*Node) {
		return func(n *Node) {
			n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}
		}
	}
	unsound := func(n *Node) {
		n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: "Bad", Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(now.Add(-time.Hour))})
	}
	watches := disruption(func(d *v1alpha1.Disruption) { d.Conditions = []v1alpha1.UnsoundCondition{{Type: "Bad"}} })
	expires := disruption(func(d *v1alpha1.Disruption) { d.ExpireAfter = after(12 * time.Hour) })
	for name, c := range map[string]struct {
		pool []func(*v1alpha1.NodePoolSpec)
		node []func(*Node)
		keep bool
		fate string
	}{
		"on-demand":               {pool: []func(*v1alpha1.NodePoolSpec){keeps}, node: []func(*Node){onDemand}, keep: true},
		"large enough":            {pool: []func(*v1alpha1.NodePoolSpec){keeps}, node: []func(*Node){onDemand, holds("3")}, keep: true},
		"too small":               {pool: []func(*v1alpha1.NodePoolSpec){keeps}, node: []func(*Node){onDemand, holds("2900m")}, fate: "terminated: it holds 2900m of cpu, and the standby's machines are to hold 3 (standby.requests)"},
		"spot":                    {pool: []func(*v1alpha1.NodePoolSpec){keeps}, fate: "terminated: a spot machine can be neither stopped nor kept"},
		"no standby":              {node: []func(*Node){onDemand}},
		"drifted":                 {pool: []func(*v1alpha1.NodePoolSpec){keeps}, node: []func(*Node){onDemand, annotated(v1alpha1.AnnotationLaunchTemplate, "lt-1/3/ami-0")}, fate: "terminated: it runs image ami-0, the template's is ami-1 now"},
		"expired":                 {pool: []func(*v1alpha1.NodePoolSpec){keeps, expires}, node: []func(*Node){onDemand}, fate: "terminated: it is of 2026-06-30T12:00:00Z, older than expireAfter 12h0m0s"},
		"unsound":                 {pool: []func(*v1alpha1.NodePoolSpec){keeps, watches}, node: []func(*Node){onDemand, unsound}, fate: "terminated: it is not sound"},
		"unsound, but no standby": {pool: []func(*v1alpha1.NodePoolSpec){watches}, node: []func(*Node){onDemand, unsound}},
	} {
		t.Run(name, func(t *testing.T) {
			world := newCluster(aPool("p", c.pool...)).node("p", "n", "a", c.node...)
			r := Decide(world.s)
			require.Len(t, r.Grants, 1, "%+v", r.Refused)
			require.Equal(t, c.keep, r.Grants[0].Keep)
			require.Equal(t, c.fate, r.Grants[0].Fate)
			v, ok := Explain(world.s, "n")
			require.True(t, ok)
			require.Equal(t, c.keep, v.Keep)
			require.Equal(t, c.fate, v.Fate)
		})
	}
}
