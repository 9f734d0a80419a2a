package fallback

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// dryPool buys one type of spot in two zones of three.
func dryPool() *v1alpha1.NodePool {
	p := testPool()
	p.Spec.Subnets = []string{"subnet-a", "subnet-b"}
	p.Spec.Requirements = []corev1.NodeSelectorRequirement{
		{Key: v1alpha1.LabelArch, Operator: corev1.NodeSelectorOpIn, Values: []string{"amd64"}},
		{Key: v1alpha1.LabelInstanceFamily, Operator: corev1.NodeSelectorOpIn, Values: []string{"m5"}},
		{Key: v1alpha1.LabelInstanceSize, Operator: corev1.NodeSelectorOpIn, Values: []string{"large"}},
		{Key: v1alpha1.LabelInstanceCPU, Operator: corev1.NodeSelectorOpLt, Values: []string{"3"}},
	}
	p.Spec.Fallback = []v1alpha1.FallbackStep{{CapacityType: v1alpha1.Spot}}
	return p
}

// fewTypes is a view of three families alone.
func fewTypes() *catalog.View {
	v := testView()
	for name := range v.Types {
		if family, _ := catalog.FamilyAndSize(name); family != "m5" && family != "c5" && family != "r5" {
			delete(v.Types, name)
		}
	}
	return v
}

func TestHelp(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*v1alpha1.NodePool, *catalog.View, *contract.ScaleUpInput)
		want   []string
	}{
		"families, zone, capacity type": {nil, []string{
			"allow the family c5 (2 more offerings, from $0.0425/h)",
			"allow the family r5 (2 more offerings, from $0.0630/h)",
			"allow the zone eu-west-1c, with a subnet there (1 more offerings, from $0.0480/h)",
			"add a step with capacityType on-demand (2 more offerings, from $0.0960/h)",
		}},
		"requests narrow": {func(_ *v1alpha1.NodePool, _ *catalog.View, in *contract.ScaleUpInput) {
			in.Requests = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("6Gi")}
			in.Zones = []string{"eu-west-1a"}
			in.CapacityTypes = []v1alpha1.CapacityType{v1alpha1.Spot}
		}, []string{"allow the family r5 (1 more offerings, from $0.0630/h)"}},
		"the plan's types don't": {func(_ *v1alpha1.NodePool, _ *catalog.View, in *contract.ScaleUpInput) {
			in.InstanceTypes, in.Zones = []string{"m5.large"}, []string{"eu-west-1a"}
			in.CapacityTypes = []v1alpha1.CapacityType{v1alpha1.Spot}
		}, []string{
			"allow the family c5 (1 more offerings, from $0.0425/h)",
			"allow the family r5 (1 more offerings, from $0.0630/h)",
		}},
		"what is in back-off or risky comes later or not": {func(_ *v1alpha1.NodePool, v *catalog.View, in *contract.ScaleUpInput) {
			in.CapacityTypes = []v1alpha1.CapacityType{v1alpha1.Spot}
			in.Zones = []string{"eu-west-1a", "eu-west-1b"}
			offering := func(zone, instanceType string) contract.Offering {
				return contract.Offering{Region: "eu-west-1", ZoneID: "id-" + zone, InstanceType: instanceType, CapacityType: v1alpha1.Spot}
			}
			v.BackOff[offering("a", "r5.large")] = noon.Add(time.Minute)
			v.BackOff[offering("b", "r5.large")] = noon
			v.Reclaims = map[contract.Offering]float64{offering("a", "c5.large"): 3, offering("b", "c5.large"): 3}
		}, []string{
			"allow the family r5 (1 more offerings, from $0.0630/h)",
			"allow the family c5 (2 more offerings, from $0.0425/h)",
		}},
		"a limit": {func(_ *v1alpha1.NodePool, v *catalog.View, in *contract.ScaleUpInput) {
			in.CapacityTypes = []v1alpha1.CapacityType{v1alpha1.Spot}
			in.Zones = []string{"eu-west-1a"}
			v.Quotas = []contract.Quota{{
				Account: "main", Region: "eu-west-1", Code: "MaxSpotInstanceCountExceeded", CapacityType: v1alpha1.Spot, At: noon, Until: noon.Add(time.Hour),
			}}
		}, []string{"have AWS raise the limit MaxSpotInstanceCountExceeded on spot of account main in eu-west-1, met last at 2026-07-01T12:00:00Z"}},
		"a zone without a subnet": {func(p *v1alpha1.NodePool, v *catalog.View, _ *contract.ScaleUpInput) {
			delete(v.Subnets, "subnet-c")
			p.Spec.Requirements[1].Values = []string{"c5", "m5", "r5"}
			p.Spec.Fallback = []v1alpha1.FallbackStep{{CapacityType: v1alpha1.OnDemand}, {CapacityType: v1alpha1.Spot}}
		}, []string{"allow the zone id-c, with a subnet there (6 more offerings, from $0.0425/h)"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, v, launch := dryPool(), fewTypes(), contract.ScaleUpInput{Purpose: contract.PurposeDemand}
			if tc.change != nil {
				tc.change(p, v, &launch)
			}
			before := p.DeepCopy()
			require.Equal(t, tc.want, Help(p, v, launch, noon))
			require.Equal(t, before, p, "the pool is not changed")
		})
	}
	p := dryPool()
	p.Spec.Subnets = []string{"subnet-x"}
	require.Len(t, Help(p, testView(), contract.ScaleUpInput{}, noon), 1)
	require.Empty(t, Help(p, nil, contract.ScaleUpInput{}, noon))
}

func BenchmarkHelp(b *testing.B) {
	p, v := testPool(), testView()
	for b.Loop() {
		Help(p, v, contract.ScaleUpInput{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}}, noon)
	}
}
