package fallback

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func testView() *catalog.View {
	v := &catalog.View{
		Account: "main", Region: "eu-west-1",
		Types: map[string]contract.InstanceType{}, Subnets: map[string]catalog.Subnet{},
		Offered: map[catalog.OfferedKey]bool{}, SpotUSD: map[catalog.OfferedKey]float64{},
		BackOff: map[contract.Offering]time.Time{},
	}
	for _, t := range catalog.Facts() {
		v.Types[t.Name] = t
	}
	for _, letter := range []string{"a", "b", "c"} {
		zone := "eu-west-1" + letter
		v.Subnets["subnet-"+letter] = catalog.Subnet{ID: "subnet-" + letter, Zone: zone, ZoneID: "id-" + letter, FreeAddresses: 100}
		for name, t := range v.Types {
			key := catalog.OfferedKey{InstanceType: name, ZoneID: "id-" + letter}
			v.Offered[key] = true
			v.SpotUSD[key] = t.OnDemandUSD / 2
		}
	}
	return v
}

func testPool() *v1alpha1.NodePool {
	p := &v1alpha1.NodePool{}
	p.Name = "general"
	p.Spec.Subnets = []string{"subnet-a", "subnet-b", "subnet-c"}
	p.Spec.Requirements = []corev1.NodeSelectorRequirement{
		{Key: v1alpha1.LabelArch, Operator: corev1.NodeSelectorOpIn, Values: []string{"amd64"}},
		{Key: v1alpha1.LabelInstanceFamily, Operator: corev1.NodeSelectorOpIn, Values: []string{"m5", "c5"}},
	}
	p.Spec.Fallback = []v1alpha1.FallbackStep{
		{CapacityType: v1alpha1.Spot, Requirements: []corev1.NodeSelectorRequirement{
			{Key: v1alpha1.LabelInstanceFamily, Operator: corev1.NodeSelectorOpIn, Values: []string{"c5"}},
		}},
		{CapacityType: v1alpha1.Spot},
		{CapacityType: v1alpha1.OnDemand},
	}
	return p
}

func types(s contract.Step) (names []string) {
	for _, o := range s.Overrides {
		if !slices.Contains(names, o.InstanceType) {
			names = append(names, o.InstanceType)
		}
	}
	return names
}

// Who knocks anyway knocks for those too that wait and may ride along; they never make a step worth a call, nor take the
// room of one that is free.
func TestOfferingsRideAlong(t *testing.T) {
	v, pool := testView(), testPool()
	v.Rides = map[contract.Offering]bool{}
	pool.Spec.Fallback = []v1alpha1.FallbackStep{{CapacityType: v1alpha1.Spot}, {CapacityType: v1alpha1.OnDemand}}
	launch := contract.ScaleUpInput{InstanceTypes: []string{"m5.large", "c5.large"}, Purpose: contract.PurposeDemand}
	for key := range v.Offered {
		o := contract.Offering{Region: v.Region, ZoneID: key.ZoneID, InstanceType: key.InstanceType, CapacityType: v1alpha1.Spot}
		v.BackOff[o], v.Rides[o] = noon.Add(time.Minute), key.InstanceType == "m5.large"
	}
	require.Empty(t, Steps(pool, v, launch, noon)[0].Overrides, "nothing is free")

	free := contract.Offering{Region: v.Region, ZoneID: "id-a", InstanceType: "c5.large", CapacityType: v1alpha1.Spot}
	delete(v.BackOff, free)
	var asked []string
	for _, o := range Steps(pool, v, launch, noon)[0].Overrides {
		asked = append(asked, o.InstanceType+" "+o.ZoneID)
	}
	require.ElementsMatch(t, []string{"c5.large id-a", "m5.large id-a", "m5.large id-b", "m5.large id-c"}, asked)

	full := stepOfferings{free: make([]contract.Override, MaxOverrides-1), rides: make([]contract.Override, 3)}
	require.Len(t, full.riding(), 1)
	full.free = make([]contract.Override, MaxOverrides+5)
	require.Empty(t, full.riding())
}

func TestSteps(t *testing.T) {
	launch := contract.ScaleUpInput{InstanceTypes: []string{"m5.large", "c5.large", "c5.xlarge"}}
	steps := Steps(testPool(), testView(), launch, noon)
	require.Len(t, steps, 3)
	require.Equal(t, []string{"c5.large", "c5.xlarge"}, types(steps[0]))
	require.Equal(t, []string{"c5.large", "m5.large", "c5.xlarge"}, types(steps[1]))
	for i, s := range steps {
		require.Equal(t, i, s.Index)
		require.Empty(t, s.Skipped)
		for _, o := range s.Overrides {
			require.Equal(t, s.CapacityType, o.CapacityType)
		}
	}
	require.Equal(t, v1alpha1.OnDemand, steps[2].CapacityType)
	require.Len(t, steps[2].Overrides, 9)
	require.InDelta(t, 0.085, steps[2].Overrides[0].USDPerHour, 1e-9)
}

func TestStepsKeepToTheLaunch(t *testing.T) {
	steps := Steps(testPool(), testView(), contract.ScaleUpInput{
		Zones:         []string{"eu-west-1b"},
		CapacityTypes: []v1alpha1.CapacityType{v1alpha1.OnDemand},
		Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("3"), corev1.ResourceMemory: resource.MustParse("10Gi"), corev1.ResourcePods: resource.MustParse("20"),
		},
	}, noon)
	require.Equal(t, "the launch asks for on-demand only", steps[0].Skipped)
	require.Empty(t, steps[0].Overrides)
	require.Equal(t, "m5.xlarge", steps[2].Overrides[0].InstanceType, "c5.xlarge has 8 GiB")
	for _, o := range steps[2].Overrides {
		require.Equal(t, "eu-west-1b", o.Zone)
	}
}

func TestStepsSayWhyTheyAreSkipped(t *testing.T) {
	p := testPool()
	p.Spec.Fallback = append([]v1alpha1.FallbackStep{{CapacityType: v1alpha1.Hibernated}, {CapacityType: v1alpha1.Stopped}}, p.Spec.Fallback...)
	p.Spec.Standby = &v1alpha1.Standby{Hibernated: 2}
	steps := Steps(p, testView(), contract.ScaleUpInput{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("200")}}, noon)
	require.Equal(t, "no machine type of the pool fits the step and the launch", steps[0].Skipped)
	require.Equal(t, "the pool keeps no standby: spec.standby.stopped is 0", steps[1].Skipped)
	require.Contains(t, steps[2].Skipped, "too small for 200 cpu")
	require.Contains(t, steps[4].Skipped, "no offering fits")

	steps = Steps(p, testView(), contract.ScaleUpInput{InstanceTypes: []string{"r5.large"}}, noon)
	require.Contains(t, steps[4].Skipped, "not among the launch's instance types")

	steps = Steps(p, testView(), contract.ScaleUpInput{Zones: []string{"eu-west-1d"}}, noon)
	require.Contains(t, steps[4].Skipped, "not to be had in the launch's zones")

	p.Spec.Subnets = []string{"subnet-x"}
	steps = Steps(p, testView(), contract.ScaleUpInput{}, noon)
	require.Contains(t, steps[4].Skipped, "spec.subnets: none of subnet-x is known")
	require.NotContains(t, steps[0].Skipped, "subnet", "standby is not bought anywhere")

	steps = Steps(p, nil, contract.ScaleUpInput{}, noon)
	require.Contains(t, steps[4].Skipped, "spec.account")
}

func TestStepsLeaveOfferingsInBackOffAlone(t *testing.T) {
	v, launch := testView(), contract.ScaleUpInput{InstanceTypes: []string{"c5.large"}}
	offering := func(zone string, ct v1alpha1.CapacityType) contract.Offering {
		return contract.Offering{Region: "eu-west-1", ZoneID: "id-" + zone, InstanceType: "c5.large", CapacityType: ct}
	}
	v.BackOff[offering("a", v1alpha1.Spot)] = noon.Add(time.Minute)
	v.BackOff[offering("b", v1alpha1.Spot)] = noon // over: the probe's turn
	steps := Steps(testPool(), v, launch, noon)
	require.Len(t, steps[0].Overrides, 2)
	require.NotContains(t, []string{steps[0].Overrides[0].ZoneID, steps[0].Overrides[1].ZoneID}, "id-a")
	require.Len(t, steps[2].Overrides, 3)

	v.BackOff[offering("b", v1alpha1.Spot)] = noon.Add(2 * time.Minute)
	v.BackOff[offering("c", v1alpha1.Spot)] = noon.Add(3 * time.Minute)
	steps = Steps(testPool(), v, launch, noon)
	require.Equal(t, "all 3 offerings are in back-off; the next is tried again after 2026-07-01T12:01:00Z", steps[0].Skipped)
	require.Len(t, steps[2].Overrides, 3)

	launch.CapacityTypes = []v1alpha1.CapacityType{v1alpha1.Spot}
	steps = Steps(testPool(), v, launch, noon)
	require.Len(t, steps[0].Overrides, 3, "nothing else is left of this launch: try them all")
	require.Len(t, steps[1].Overrides, 3)
}

// Demand does not knock at a door that is going to be free soon; a person's launch does, and so does demand where the
// wait would be long.
func TestStepsTryWhatIsNotFreeAsALastResort(t *testing.T) {
	p := testPool()
	p.Spec.Fallback = p.Spec.Fallback[:1]
	all := contract.ScaleUpInput{InstanceTypes: []string{"c5.large"}}
	for name, tc := range map[string]struct {
		purpose contract.Purpose
		first   time.Duration // until the first is free
		want    int
	}{
		"by hand":                {contract.PurposeHand, Patience, 3},
		"demand, soon":           {contract.PurposeDemand, Patience, 0},
		"demand, a long way off": {contract.PurposeDemand, Patience + time.Second, 3},
	} {
		t.Run(name, func(t *testing.T) {
			v, launch := testView(), all
			launch.Purpose = tc.purpose
			for i, zone := range []string{"a", "b", "c"} {
				o := contract.Offering{Region: "eu-west-1", ZoneID: "id-" + zone, InstanceType: "c5.large", CapacityType: v1alpha1.Spot}
				v.BackOff[o] = noon.Add(tc.first + time.Duration(i)*time.Hour)
			}
			steps := Steps(p, v, launch, noon)
			require.Len(t, steps[0].Overrides, tc.want)
			require.Equal(t, noon.Add(tc.first), FreeAt(steps))
		})
	}
	require.Zero(t, FreeAt(Steps(p, testView(), all, noon)), "nothing is left out")
}

func TestStepsKnowTheAccountsLimits(t *testing.T) {
	v, p := testView(), testPool()
	until := noon.Add(10 * time.Minute)
	v.Quotas = []contract.Quota{
		{Code: "MaxSpotInstanceCountExceeded", CapacityType: v1alpha1.Spot, Types: []string{"c5.large"}, Until: until},
		{Code: "VcpuLimitExceeded", CapacityType: v1alpha1.OnDemand, Until: noon}, // over
	}
	launch := contract.ScaleUpInput{InstanceTypes: []string{"c5.large"}, Purpose: contract.PurposeDemand}
	steps := Steps(p, v, launch, noon)
	require.Equal(t, "all 3 offerings are beyond a limit of the account (MaxSpotInstanceCountExceeded); the next is tried again after 2026-07-01T12:10:00Z", steps[0].Skipped)
	require.Len(t, steps[2].Overrides, 3)
	require.Equal(t, until, FreeAt(steps))

	v.BackOff[contract.Offering{Region: "eu-west-1", ZoneID: "id-a", InstanceType: "c5.xlarge", CapacityType: v1alpha1.Spot}] = noon.Add(time.Hour)
	launch.InstanceTypes = []string{"c5.large", "c5.xlarge"}
	launch.Zones = []string{"eu-west-1a"}
	steps = Steps(p, v, launch, noon)
	require.Equal(t, "1 offerings are in back-off and 1 beyond a limit of the account (MaxSpotInstanceCountExceeded); the next is tried again after 2026-07-01T12:10:00Z", steps[0].Skipped)

	p.Spec.Fallback = p.Spec.Fallback[:1]
	require.Equal(t, []string{"c5.xlarge"}, types(Steps(p, v, launch, noon)[0]), "a limit is not run against")
	launch.Purpose = contract.PurposeHand
	require.Equal(t, []string{"c5.large", "c5.xlarge"}, types(Steps(p, v, launch, noon)[0]), "but by hand")
}

func TestStandbyStepsSayWhatWillDo(t *testing.T) {
	p := testPool()
	p.Spec.Standby = &v1alpha1.Standby{Hibernated: 2, Stopped: 1}
	p.Spec.Fallback = append([]v1alpha1.FallbackStep{
		{CapacityType: v1alpha1.Hibernated},
		{CapacityType: v1alpha1.Stopped, Requirements: []corev1.NodeSelectorRequirement{
			{Key: v1alpha1.LabelInstanceType, Operator: corev1.NodeSelectorOpIn, Values: []string{"c5.large", "m5.large"}},
			{Key: v1alpha1.LabelZone, Operator: corev1.NodeSelectorOpIn, Values: []string{"eu-west-1b"}},
		}},
	}, p.Spec.Fallback...)
	steps := Steps(p, testView(), contract.ScaleUpInput{}, noon)
	require.True(t, steps[0].Claims())
	require.Empty(t, steps[0].InstanceTypes, "any of the pool's")
	require.Empty(t, steps[0].Zones)
	require.True(t, steps[1].Claims())
	require.Equal(t, []string{"c5.large", "m5.large"}, steps[1].InstanceTypes)
	require.Equal(t, []string{"eu-west-1b"}, steps[1].Zones)
	require.False(t, steps[2].Claims())

	steps = Steps(p, testView(), contract.ScaleUpInput{
		Zones: []string{"eu-west-1c"}, Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("90")},
	}, noon)
	require.Equal(t, []string{"c5.24xlarge", "m5.24xlarge"}, steps[0].InstanceTypes)
	require.Equal(t, []string{"eu-west-1c"}, steps[0].Zones)
	require.Equal(t, "no machine type of the pool fits the step and the launch", steps[1].Skipped)

	steps = Steps(p, testView(), contract.ScaleUpInput{Purpose: contract.PurposeStandby}, noon)
	require.Equal(t, "machines for standby are bought, and not taken from it", steps[0].Skipped)
}

// Whatever is asked, a step holds either offerings that may be bought for this launch or words.
func TestStepsHoldOnlyWhatMayBeBought(t *testing.T) {
	v := testView()
	rapid.Check(t, func(t *rapid.T) {
		p := testPool()
		p.Spec.Requirements = p.Spec.Requirements[:rapid.IntRange(0, 2).Draw(t, "requirements")]
		cpu := rapid.Int64Range(0, 200).Draw(t, "cpu")
		launch := contract.ScaleUpInput{
			Zones:         rapid.SliceOfDistinct(rapid.SampledFrom([]string{"eu-west-1a", "eu-west-1b", "eu-west-1x"}), rapid.ID).Draw(t, "zones"),
			CapacityTypes: rapid.SliceOfDistinct(rapid.SampledFrom([]v1alpha1.CapacityType{v1alpha1.Spot, v1alpha1.OnDemand}), rapid.ID).Draw(t, "capacity types"),
			Requests:      corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(cpu, resource.DecimalSI)},
		}
		for i, s := range Steps(p, v, launch, noon) {
			if (len(s.Overrides) == 0) != (s.Skipped != "") {
				t.Fatalf("step %d: %d overrides, skipped %q", i, len(s.Overrides), s.Skipped)
			}
			if len(s.Overrides) > MaxOverrides {
				t.Fatalf("step %d: %d overrides", i, len(s.Overrides))
			}
			for _, o := range s.Overrides {
				switch {
				case o.CapacityType != p.Spec.Fallback[i].CapacityType,
					len(launch.CapacityTypes) > 0 && !slices.Contains(launch.CapacityTypes, o.CapacityType),
					len(launch.Zones) > 0 && !slices.Contains(launch.Zones, o.Zone),
					int64(v.Types[o.InstanceType].VCPU) < cpu,
					!catalog.StepAllows(p, &p.Spec.Fallback[i], v.Types[o.InstanceType], o):
					t.Fatalf("step %d holds %s", i, o.Key())
				}
			}
		}
	})
}

func BenchmarkSteps(b *testing.B) {
	p, v := testPool(), testView()
	p.Spec.Requirements = p.Spec.Requirements[:1]
	for b.Loop() {
		Steps(p, v, contract.ScaleUpInput{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}}, noon)
	}
}
