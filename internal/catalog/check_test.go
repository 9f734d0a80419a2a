package catalog

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"floe.dev/floe/api/v1alpha1"
)

func TestCheckPool(t *testing.T) {
	narrowed := func(p *v1alpha1.NodePool, reqs ...corev1.NodeSelectorRequirement) {
		p.Spec.Fallback[1].Requirements = reqs
	}
	for _, c := range []struct {
		name   string
		reqs   []corev1.NodeSelectorRequirement
		change func(*v1alpha1.NodePool)
		path   string // empty: nothing is wrong
		says   string
	}{
		{name: "anything"},
		{name: "zones are not judged", reqs: []corev1.NodeSelectorRequirement{in(v1alpha1.LabelZone, "mars-1a"), in(v1alpha1.LabelCapacityType, "spot")}},
		{
			name: "no such type", reqs: []corev1.NodeSelectorRequirement{in(v1alpha1.LabelArch, "amd64"), in(v1alpha1.LabelInstanceType, "m5.lrage")},
			path: "spec.requirements[1]", says: "none of the 841 machine types",
		},
		{
			name: "a mix that no type has", reqs: []corev1.NodeSelectorRequirement{in(v1alpha1.LabelZone, "a"), in(v1alpha1.LabelArch, "arm64"), in(v1alpha1.LabelInstanceFamily, "m5")},
			path: "spec.requirements", says: "none matches all of them",
		},
		{
			name: "a step that leaves nothing", reqs: []corev1.NodeSelectorRequirement{in(v1alpha1.LabelInstanceFamily, "t3")},
			change: func(p *v1alpha1.NodePool) {
				narrowed(p, in(v1alpha1.LabelZone, "a"), corev1.NodeSelectorRequirement{Key: v1alpha1.LabelInstanceCPU, Operator: corev1.NodeSelectorOpGt, Values: []string{"64"}})
			},
			path: "spec.fallback[1].requirements[1]", says: "floe.dev/instance-cpu Gt [64]",
		},
		{
			name: "hibernation that no type does", reqs: []corev1.NodeSelectorRequirement{in(v1alpha1.LabelInstanceType, "m5.24xlarge")},
			change: func(p *v1alpha1.NodePool) { p.Spec.Standby = &v1alpha1.Standby{Hibernated: 1} },
			path:   "spec.standby.hibernated", says: "use standby.stopped",
		},
		{
			name: "hibernation that some do", reqs: []corev1.NodeSelectorRequirement{in(v1alpha1.LabelInstanceFamily, "m5")},
			change: func(p *v1alpha1.NodePool) { p.Spec.Standby = &v1alpha1.Standby{Hibernated: 1} },
		},
		{
			name: "all is reserved", reqs: []corev1.NodeSelectorRequirement{in(v1alpha1.LabelInstanceSize, "large")},
			change: func(p *v1alpha1.NodePool) {
				p.Spec.Reserved = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}
			},
			path: "spec.reserved", says: "reserve less",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := pool(c.reqs...)
			if c.change != nil {
				c.change(p)
			}
			errs := CheckPool(p, Facts())
			if c.path == "" {
				require.Empty(t, errs)
				return
			}
			require.Len(t, errs, 1)
			require.Equal(t, c.path, errs[0].Field)
			require.ErrorContains(t, errs[0], c.says)
		})
	}
}
