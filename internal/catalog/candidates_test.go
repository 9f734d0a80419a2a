package catalog

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// irelandView has every type of Facts in three zones; spot costs a third, and a little more zone by zone.
func irelandView() *View {
	v := &View{
		Account: "main", Region: "eu-west-1",
		Types:   map[string]contract.InstanceType{},
		Subnets: map[string]Subnet{},
		Offered: map[OfferedKey]bool{},
		SpotUSD: map[OfferedKey]float64{},
	}
	for _, t := range Facts() {
		v.Types[t.Name] = t
	}
	for i, letter := range []string{"a", "b", "c"} {
		zoneID := "euw1-az" + string("123"[i])
		v.Subnets["subnet-"+letter] = Subnet{ID: "subnet-" + letter, Zone: "eu-west-1" + letter, ZoneID: zoneID, FreeAddresses: 1000}
		for name, t := range v.Types {
			key := OfferedKey{InstanceType: name, ZoneID: zoneID}
			v.Offered[key] = true
			v.SpotUSD[key] = t.OnDemandUSD / 3 * (1 + float64(i)/100)
		}
	}
	return v
}

func in(key string, values ...string) corev1.NodeSelectorRequirement {
	return corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values}
}

func pool(reqs ...corev1.NodeSelectorRequirement) *v1alpha1.NodePool {
	p := &v1alpha1.NodePool{}
	p.Name = "general"
	p.Spec.Subnets = []string{"subnet-a", "subnet-b", "subnet-c"}
	p.Spec.Requirements = reqs
	p.Spec.Fallback = []v1alpha1.FallbackStep{{CapacityType: v1alpha1.Spot}, {CapacityType: v1alpha1.OnDemand}}
	return p
}

func names(candidates []Candidate) (names []string) {
	for _, c := range candidates {
		names = append(names, c.Type.Name)
	}
	return names
}

func TestCandidates(t *testing.T) {
	p := pool(in(v1alpha1.LabelInstanceFamily, "m5", "c5"), in(v1alpha1.LabelInstanceSize, "large", "xlarge"))
	v := irelandView()
	kept, rejected, problem := Candidates(p, v)
	require.Empty(t, problem)
	require.Equal(t, []string{"c5.large", "m5.large", "c5.xlarge", "m5.xlarge"}, names(kept))
	require.Len(t, kept[0].Overrides, 6)
	require.Equal(t, contract.Override{
		Offering: contract.Offering{Region: "eu-west-1", ZoneID: "euw1-az1", InstanceType: "c5.large", CapacityType: v1alpha1.Spot},
		Zone:     "eu-west-1a", Subnet: "subnet-a", USDPerHour: v.SpotUSD[OfferedKey{InstanceType: "c5.large", ZoneID: "euw1-az1"}],
	}, kept[0].Overrides[0])
	require.Equal(t, v1alpha1.OnDemand, kept[0].Overrides[5].CapacityType)

	total := 0
	for _, n := range rejected {
		total += n
	}
	require.Equal(t, 841-4, total, "every type is kept or told why not")
	require.Contains(t, rejected, "requirement floe.dev/instance-family In [m5 c5]")
}

func TestCandidatesByZoneAndCapacityType(t *testing.T) {
	kept, _, problem := Candidates(pool(in(v1alpha1.LabelInstanceType, "m5.large"), in(v1alpha1.LabelZone, "eu-west-1b"), in(v1alpha1.LabelCapacityType, "on-demand")), irelandView())
	require.Empty(t, problem)
	require.Len(t, kept, 1)
	require.Len(t, kept[0].Overrides, 1)
	require.Equal(t, "euw1-az2", kept[0].Overrides[0].ZoneID)
	require.Equal(t, v1alpha1.OnDemand, kept[0].Overrides[0].CapacityType)
}

func TestCandidatesOnlyWhatSomeStepAllows(t *testing.T) {
	p := pool(in(v1alpha1.LabelInstanceSize, "large"), in(v1alpha1.LabelInstanceFamily, "m5", "c5", "r5"))
	p.Spec.Fallback = []v1alpha1.FallbackStep{
		{CapacityType: v1alpha1.Hibernated},
		{CapacityType: v1alpha1.Spot, Requirements: []corev1.NodeSelectorRequirement{in(v1alpha1.LabelInstanceFamily, "m5")}},
		{CapacityType: v1alpha1.OnDemand, Requirements: []corev1.NodeSelectorRequirement{in(v1alpha1.LabelInstanceFamily, "c5"), in(v1alpha1.LabelZoneID, "euw1-az3")}},
	}
	kept, rejected, _ := Candidates(p, irelandView())
	require.Equal(t, []string{"m5.large", "c5.large"}, names(kept))
	require.Len(t, kept[0].Overrides, 3)
	require.Len(t, kept[1].Overrides, 1)
	require.Equal(t, 1, rejected["no step of fallback allows it"])
}

func TestCandidatesLeavesBurstableMachinesUnlessTheyAreNamed(t *testing.T) {
	view := irelandView()
	has := func(p *v1alpha1.NodePool, name string) bool {
		kept, _, _ := Candidates(p, view)
		return slices.Contains(names(kept), name)
	}
	require.False(t, has(pool(), "t3.large"))
	require.True(t, has(pool(in(v1alpha1.LabelInstanceFamily, "t3", "m5")), "t3.large"))
	require.True(t, has(pool(in(v1alpha1.LabelInstanceType, "t3.large")), "t3.large"))
	require.False(t, has(pool(in(v1alpha1.LabelInstanceSize, "large")), "t3.large"))
	require.True(t, has(pool(in(v1alpha1.LabelInstanceSize, "large")), "m5.large"), "the rule is of machines, not of sizes")
}

func TestCandidatesLeavesBareMetalUnlessItIsNamed(t *testing.T) {
	family := in(v1alpha1.LabelInstanceFamily, "c5")
	kept, rejected, _ := Candidates(pool(family), irelandView())
	require.NotContains(t, names(kept), "c5.metal")
	require.Equal(t, 1, rejected["bare metal, which is bought only where an In requirement names its instance type or size"])

	kept, _, _ = Candidates(pool(family, in(v1alpha1.LabelInstanceSize, "metal")), irelandView())
	require.Equal(t, []string{"c5.metal"}, names(kept))

	p := pool(family)
	p.Spec.Fallback[1].Requirements = []corev1.NodeSelectorRequirement{in(v1alpha1.LabelInstanceType, "c5.metal", "c5.large")}
	kept, _, _ = Candidates(p, irelandView())
	metal := kept[slices.Index(names(kept), "c5.metal")]
	require.Len(t, metal.Overrides, 3, "on-demand only: the spot step does not name it")
}

func TestCandidatesTakesTheSubnetWithMostAddresses(t *testing.T) {
	v := irelandView()
	v.Subnets["subnet-a2"] = Subnet{ID: "subnet-a2", Zone: "eu-west-1a", ZoneID: "euw1-az1", FreeAddresses: 4000}
	v.Subnets["subnet-b"] = Subnet{ID: "subnet-b", Zone: "eu-west-1b", ZoneID: "euw1-az2"}
	p := pool(in(v1alpha1.LabelInstanceType, "m5.large"))
	p.Spec.Subnets = append(p.Spec.Subnets, "subnet-a2", "subnet-lost")
	kept, rejected, problem := Candidates(p, v)
	require.Empty(t, problem)
	var subnets []string
	for _, o := range kept[0].Overrides {
		subnets = append(subnets, o.Subnet)
	}
	require.Equal(t, []string{"subnet-a2", "subnet-c", "subnet-a2", "subnet-c"}, subnets)
	require.Equal(t, 1, rejected["subnet subnet-b has no free address"])
	require.Equal(t, 1, rejected["subnet subnet-lost is not known in account main, region eu-west-1"])
}

func TestCandidatesSaysWhyNothingCanBeBought(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*v1alpha1.NodePool, *View)
		says   []string
	}{
		{
			"unknown subnets", func(p *v1alpha1.NodePool, _ *View) { p.Spec.Subnets = []string{"subnet-x", "subnet-y"} },
			[]string{"spec.subnets: none of subnet-x, subnet-y is known in account main, region eu-west-1", "name subnets that exist there"},
		},
		{"no addresses", func(_ *v1alpha1.NodePool, v *View) {
			for id, s := range v.Subnets {
				s.FreeAddresses = 0
				v.Subnets[id] = s
			}
		}, []string{"spec.subnets: no subnet has a free address left"}},
		{"no types", func(_ *v1alpha1.NodePool, v *View) { v.Types = nil }, []string{"ec2:DescribeInstanceTypes"}},
		{
			"only standby", func(p *v1alpha1.NodePool, _ *View) { p.Spec.Fallback = p.Spec.Fallback[:0] },
			[]string{"spec.fallback: no step buys machines", "spot or on-demand"},
		},
		{
			"not offered", func(_ *v1alpha1.NodePool, v *View) { v.Offered = nil },
			[]string{"spec.requirements: none of the 841 machine types", "1: not offered in the zones of the pool's subnets"},
		},
		{"no price", func(p *v1alpha1.NodePool, v *View) {
			v.SpotUSD = nil
			p.Spec.Fallback = p.Spec.Fallback[:1]
		}, []string{"1: no spot price is known"}},
		{"reserved", func(p *v1alpha1.NodePool, _ *View) {
			p.Spec.Reserved = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}
		}, []string{"1: too small for what spec.reserved keeps from pods"}},
		{"wrong zone", func(p *v1alpha1.NodePool, _ *View) {
			p.Spec.Requirements = append(p.Spec.Requirements, in(v1alpha1.LabelZone, "us-east-1a"))
		}, []string{"1: requirement topology.kubernetes.io/zone In [us-east-1a]", "widen"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, v := pool(in(v1alpha1.LabelInstanceType, "m5.large")), irelandView()
			c.change(p, v)
			kept, _, problem := Candidates(p, v)
			require.Empty(t, kept)
			for _, says := range c.says {
				require.Contains(t, problem, says)
			}
		})
	}
	_, _, problem := Candidates(pool(), nil)
	require.Contains(t, problem, "spec.account")
}

// Each override that is kept satisfies the pool and a step, can be had where it says, and is cheaper than the next.
func TestCandidatesKeepOnlyWhatIsRight(t *testing.T) {
	v := irelandView()
	requirement := rapid.SampledFrom([]corev1.NodeSelectorRequirement{
		in(v1alpha1.LabelArch, "arm64"), in(v1alpha1.LabelInstanceFamily, "m5", "c5", "m6g", "r6g"), in(v1alpha1.LabelZone, "eu-west-1a", "eu-west-1c"),
		in(v1alpha1.LabelZoneID, "euw1-az2"), in(v1alpha1.LabelInstanceSize, "large", "2xlarge", "metal"), in(v1alpha1.LabelCapacityType, "spot"),
		{Key: v1alpha1.LabelInstanceCPU, Operator: corev1.NodeSelectorOpGt, Values: []string{"3"}},
		{Key: v1alpha1.LabelInstanceMemory, Operator: corev1.NodeSelectorOpLt, Values: []string{"65536"}},
		{Key: v1alpha1.LabelInstanceType, Operator: corev1.NodeSelectorOpNotIn, Values: []string{"m5.large"}},
	})
	rapid.Check(t, func(t *rapid.T) {
		p := pool(rapid.SliceOfN(requirement, 0, 4).Draw(t, "pool")...)
		p.Spec.Fallback[0].Requirements = rapid.SliceOfN(requirement, 0, 2).Draw(t, "step")
		kept, rejected, problem := Candidates(p, v)
		if (len(kept) == 0) != (problem != "") {
			t.Fatalf("%d kept, problem %q", len(kept), problem)
		}
		count := len(kept)
		for _, n := range rejected {
			count += n
		}
		if count != len(v.Types) {
			t.Fatalf("%d kept or rejected, of %d", count, len(v.Types))
		}
		for i, c := range kept {
			for j, o := range c.Overrides {
				labels := Labels(p, c.Type, o.Zone, o.ZoneID, o.Region, o.CapacityType)
				if ok, failed := Match(p.Spec.Requirements, labels); !ok {
					t.Fatalf("%s against %v", o.Key(), failed)
				}
				if !StepAllows(p, &p.Spec.Fallback[0], c.Type, o) && !StepAllows(p, &p.Spec.Fallback[1], c.Type, o) {
					t.Fatalf("no step allows %s", o.Key())
				}
				if usd, ok := v.USDPerHour(c.Type.Name, o.ZoneID, o.CapacityType); !ok || usd != o.USDPerHour {
					t.Fatalf("%s at %v, not %v", o.Key(), o.USDPerHour, usd)
				}
				if j > 0 && o.USDPerHour < c.Overrides[j-1].USDPerHour {
					t.Fatalf("%s is not in order", o.Key())
				}
			}
			if i > 0 && c.Overrides[0].USDPerHour < kept[i-1].Overrides[0].USDPerHour {
				t.Fatalf("%s is not in order", c.Type.Name)
			}
		}
	})
}

func TestLabels(t *testing.T) {
	p := pool()
	p.Spec.Template.Labels = map[string]string{"team": "core", v1alpha1.LabelArch: "other"}
	labels := Labels(p, irelandView().Types["m5.large"], "eu-west-1a", "euw1-az1", "eu-west-1", v1alpha1.Hibernated)
	require.Equal(t, map[string]string{
		"floe.dev/pool": "general", "floe.dev/capacity-type": "on-demand", "team": "core",
		"floe.dev/instance-family": "m5", "floe.dev/instance-size": "large", "floe.dev/instance-cpu": "2", "floe.dev/instance-memory": "8192",
		"node.kubernetes.io/instance-type": "m5.large", "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux",
		"topology.kubernetes.io/zone": "eu-west-1a", "topology.kubernetes.io/region": "eu-west-1", "topology.k8s.aws/zone-id": "euw1-az1",
		"beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "linux", "beta.kubernetes.io/instance-type": "m5.large",
		"failure-domain.beta.kubernetes.io/region": "eu-west-1", "failure-domain.beta.kubernetes.io/zone": "eu-west-1a",
	}, labels)
	for _, key := range v1alpha1.RequirementKeys {
		require.Contains(t, slices.Collect(maps.Keys(labels)), key, "what requirements may select by is on the Node")
	}
}

func TestAllocatable(t *testing.T) {
	m5 := irelandView().Types["m5.large"]
	p := pool()
	got := Allocatable(p, m5)
	require.Equal(t, "2", got.Cpu().String())
	require.Equal(t, "7577Mi", got.Memory().String(), "8192 MiB less 7.5 %")
	require.Equal(t, int64(29), got.Pods().Value(), "3 × 9 + 2")
	require.Equal(t, "20Gi", got.StorageEphemeral().String())

	five := int32(5)
	p.Spec.MaxPods = &five
	p.Spec.Reserved = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("70m"), corev1.ResourceMemory: resource.MustParse("577Mi"),
		corev1.ResourceEphemeralStorage: resource.MustParse("30Gi"), "nvidia.com/gpu": resource.MustParse("1"),
	}
	got = Allocatable(p, m5)
	require.Equal(t, "1930m", got.Cpu().String())
	require.Equal(t, "7000Mi", got.Memory().String())
	require.Equal(t, int64(5), got.Pods().Value())
	require.True(t, got.StorageEphemeral().IsZero(), "never below zero")
	require.NotContains(t, got, corev1.ResourceName("nvidia.com/gpu"))
}

func BenchmarkCandidates(b *testing.B) {
	v := irelandView()
	p := pool(in(v1alpha1.LabelArch, "amd64"))
	for b.Loop() {
		Candidates(p, v)
	}
}
