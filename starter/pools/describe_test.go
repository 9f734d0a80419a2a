package pools

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/starter/fleet"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// known is a pool of m6a machines, with spot in one zone and on-demand behind it.
func known(t *testing.T) facts {
	t.Helper()
	pools, err := v1alpha1.Decode(manifest("one", "m6a", "10"))
	require.NoError(t, err)
	v1alpha1.SetDefaults(pools[0])
	large := contract.InstanceType{Name: "m6a.large", Arch: "amd64", VCPU: 2, MemoryMiB: 8192, ENIs: 3, IPv4PerENI: 10, OnDemandUSD: 0.1}
	place := catalog.OfferedKey{InstanceType: "m6a.large", ZoneID: "euw1-az1"}
	return facts{
		pool: pools[0], now: noon,
		view: &catalog.View{
			Account: "main", Region: "eu-west-1", Types: map[string]contract.InstanceType{"m6a.large": large},
			Subnets: map[string]catalog.Subnet{"subnet-0123456789abcdef0": {ID: "subnet-0123456789abcdef0", Zone: "eu-west-1a", ZoneID: "euw1-az1", FreeAddresses: 9}},
			Offered: map[catalog.OfferedKey]bool{place: true}, SpotUSD: map[catalog.OfferedKey]float64{place: 0.04},
		},
	}
}

func offering(ct v1alpha1.CapacityType) contract.Offering {
	return contract.Offering{Region: "eu-west-1", ZoneID: "euw1-az1", InstanceType: "m6a.large", CapacityType: ct}
}

func TestDescribeExpandsTheChainAsItIsNow(t *testing.T) {
	f := known(t)
	elsewhere := offering(v1alpha1.Spot)
	elsewhere.ZoneID = "euw1-az3"
	f.view.BackOff = map[contract.Offering]time.Time{
		offering(v1alpha1.Spot): noon.Add(time.Minute), offering(v1alpha1.OnDemand): noon.Add(-time.Minute), elsewhere: noon.Add(time.Hour),
	}
	var d Description
	f.describe(&d)
	require.Len(t, d.Steps, 2)
	require.Contains(t, d.Steps[0].Skipped, "all 1 offerings are in back-off")
	require.Len(t, d.Steps[1].Overrides, 1)
	require.Equal(t, []BackOff{{offering(v1alpha1.Spot), noon.Add(time.Minute)}}, d.BackOff, "of the pool's offerings, and not over yet")
	require.Empty(t, d.Problems)
}

func TestDescribeNamesQuotasOfTheChain(t *testing.T) {
	f := known(t)
	quota := func(code string, ct v1alpha1.CapacityType, until time.Time) contract.Quota {
		return contract.Quota{Account: "main", Region: "eu-west-1", Code: code, CapacityType: ct, Types: []string{"m6a.large"}, Until: until}
	}
	binds := quota("VcpuLimitExceeded", v1alpha1.OnDemand, noon.Add(time.Minute))
	f.view.Quotas = []contract.Quota{quota("MaxSpotInstanceCountExceeded", v1alpha1.Spot, noon), binds}
	var d Description
	f.describe(&d)
	require.Equal(t, []contract.Quota{binds}, d.Quotas)
	require.Contains(t, d.Steps[1].Skipped, "(VcpuLimitExceeded)", "a step that a quota blocks names it")
}

func TestDescribeCountsWhatThereIs(t *testing.T) {
	f := known(t)
	node := func(id, pool, instanceType string, phase contract.Phase, usd float64) fleet.Node {
		return fleet.Node{Instance: id, Pool: pool, InstanceType: instanceType, Zone: "eu-west-1a", CapacityType: v1alpha1.Spot, Phase: phase, USDPerHour: usd}
	}
	f.nodes = []fleet.Node{
		node("i-1", "one", "m6a.large", contract.PhaseReady, 0.04), node("i-2", "one", "m6a.large", contract.PhaseReady, 0.05),
		node("i-3", "one", "m6a.xlarge", contract.PhaseLaunching, 0), // not in the view: AWS's list tells its size
		node("i-4", "one", "z9.huge", contract.PhaseReady, 0), node("i-5", "two", "m6a.large", contract.PhaseReady, 1),
	}
	var d Description
	f.describe(&d)
	require.Equal(t, []Group{
		{contract.PhaseLaunching, v1alpha1.Spot, "eu-west-1a", 1, 0}, {contract.PhaseReady, v1alpha1.Spot, "eu-west-1a", 3, 0.09},
	}, d.Nodes)
	require.InDelta(t, 0.09, d.USDPerHour, 1e-9)
	cpu, memory, nodes := d.Use["cpu"], d.Use["memory"], d.Use[v1alpha1.ResourceNodes]
	require.Equal(t, []string{"8", "32Gi", "4"}, []string{cpu.String(), memory.String(), nodes.String()})
	require.Equal(t, []string{`the size of i-4: nothing is known of type "z9.huge"; its cpu and memory are not counted`}, d.Unchecked)
}

func TestDescribeTellsOfThisPoolAlone(t *testing.T) {
	f := known(t)
	f.provisioner = &contract.ProvisionerView{ProvisionerState: contract.ProvisionerState{
		Ledger: []contract.LedgerEntry{{ScaleUp: "scaleup/c/p/0", Pool: "one", PodCount: 7}, {ScaleUp: "scaleup/c/p/1", Pool: "two", PodCount: 9}},
		LastPlan: &contract.PlanDigest{
			Problems: []string{"pool one: launch template web not found", "pool one-more: no", "pool one: launch template web not found"},
			Unplaceable: []contract.Unplaceable{
				{Pod: "shop/whale", Count: 2, Reasons: []string{"pool one: 24 types too small for 96 CPU", "pool two: taint"}},
				{Pod: "shop/cat", Count: 1, Reasons: []string{"pool two: taint"}},
			},
		},
	}}
	var d Description
	f.describe(&d)
	require.Len(t, d.Launches, 1)
	require.Equal(t, 7, d.PodsInFlight)
	require.Equal(t, []contract.Unplaceable{{Pod: "shop/whale", Count: 2, Reasons: []string{"24 types too small for 96 CPU"}}}, d.Unplaceable)
	require.Equal(t, []string{"launch template web not found"}, d.Problems)
}

func TestDescribeNamesWhatIsWrong(t *testing.T) {
	f := known(t)
	f.view.Subnets = nil
	var d Description
	f.describe(&d)
	require.Len(t, d.Problems, 1)
	require.Contains(t, d.Problems[0], "spec.subnets: none of subnet-0123456789abcdef0 is known in account main")

	f = known(t)
	f.pool.Spec.Subnets = nil
	d = Description{}
	f.describe(&d)
	require.Len(t, d.Problems, 1)
	require.Contains(t, d.Problems[0], "spec.subnets")
	require.Empty(t, d.Steps, "a pool that is wrong has no chain to expand")

	f = known(t)
	f.view = nil
	d = Description{}
	f.describe(&d)
	require.Empty(t, d.Steps)
	require.Empty(t, d.Problems, "that EC2 does not answer is not the pool's fault")
}
