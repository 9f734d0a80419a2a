package planner

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// TestReclaimsMakeSpotDearer: of two types the one that is a little dearer is bought if the other is taken back often.
// What is told is the price.
func TestReclaimsMakeSpotDearer(t *testing.T) {
	p := pool(t, view("m5", "m6i"), "general", func(np *v1alpha1.NodePool) {
		np.Spec.Fallback = []v1alpha1.FallbackStep{{CapacityType: v1alpha1.Spot}}
	})
	s := Snapshot{Pods: []*corev1.Pod{pod("p", cpuMem("1500m", "6Gi"))}, Pools: []Pool{p}}
	before := sound(t, s)
	won := before.Launches[0]
	s.Pools[0].Reclaims = map[contract.Offering]float64{}
	for _, c := range p.Candidates {
		for _, o := range c.Overrides {
			if c.Type.Name == won.InstanceTypes[0] {
				s.Pools[0].Reclaims[o.Offering] = 0.9
			}
		}
	}
	r, e := Explain(s, "p")
	require.NoError(t, check(s, r))
	require.NotEqual(t, won.InstanceTypes[0], r.Launches[0].InstanceTypes[0])
	require.GreaterOrEqual(t, r.USDPerHour, before.USDPerHour)
	require.Zero(t, e.Winner.RiskUSDPerHour)
	require.NotContains(t, r.Launches[0].Reason, "taken back")
	i := 0
	for e.Next[i].InstanceType != won.InstanceTypes[0] {
		i++
	}
	require.InDelta(t, won.USDPerHour, e.Next[i].USDPerHour, 1e-9, "the price is told without the premium")
	require.InDelta(t, won.USDPerHour*0.9*0.25, e.Next[i].RiskUSDPerHour, 1e-9)

	// Where all are taken back as often, the cheapest is bought again, and the plan says so.
	for _, c := range p.Candidates {
		for _, o := range c.Overrides {
			s.Pools[0].Reclaims[o.Offering] = 0.9
		}
	}
	again := sound(t, s)
	require.Equal(t, won.InstanceTypes[0], again.Launches[0].InstanceTypes[0])
	require.InDelta(t, won.USDPerHour, again.USDPerHour, 1e-9)
	require.Contains(t, again.Launches[0].Reason, "taken back")
}
