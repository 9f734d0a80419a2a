package disruption

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

func TestBudgets(t *testing.T) {
	with := func(budgets ...v1alpha1.DisruptionBudget) func(*v1alpha1.NodePoolSpec) {
		return disruption(func(d *v1alpha1.Disruption) { d.Budgets = budgets })
	}
	window := after(8 * time.Hour)
	for name, c := range map[string]struct {
		pool   func(*v1alpha1.NodePoolSpec)
		change func(*cluster)
		grants int
		why    string
	}{
		"the default is a tenth, rounded up": {with(), nil, 1, "lets 10% leave at the same time, and of its 5 nodes 1 leave or are not Ready"},
		"a number":                           {with(v1alpha1.DisruptionBudget{Nodes: "2"}), nil, 2, "lets 2 leave"},
		"the least counts":                   {with(v1alpha1.DisruptionBudget{Nodes: "4"}, v1alpha1.DisruptionBudget{Nodes: "40%"}), nil, 2, "lets 40% leave"},
		"none":                               {with(v1alpha1.DisruptionBudget{Nodes: "0"}), nil, 0, "lets no node leave"},
		"for another reason":                 {with(v1alpha1.DisruptionBudget{Nodes: "0", Reasons: []v1alpha1.DisruptionReason{"drifted"}}), nil, 5, ""},
		"for this reason":                    {with(v1alpha1.DisruptionBudget{Nodes: "1", Reasons: []v1alpha1.DisruptionReason{"drifted", "empty"}}), nil, 1, "lets 1 leave"},
		"within its window":                  {with(v1alpha1.DisruptionBudget{Nodes: "0", Schedule: "0 9 * * mon-fri", Duration: window}), nil, 0, `until 2026-07-01T17:00:00Z (schedule "0 9 * * mon-fri")`},
		"beside its window":                  {with(v1alpha1.DisruptionBudget{Nodes: "0", Schedule: "0 20 * * *", Duration: window}), nil, 5, ""},
		"one leaves already":                 {with(v1alpha1.DisruptionBudget{Nodes: "2"}), func(c *cluster) { c.s.Leaving = []contract.Leaving{{Instance: "i-0"}} }, 1, "2 leave"},
		"one drains, by hand":                {with(v1alpha1.DisruptionBudget{Nodes: "2"}), func(c *cluster) { c.s.Nodes[0].Spec.Taints = []corev1.Taint{{Key: v1alpha1.TaintLeaving}} }, 1, "2 leave"},
		"one is not Ready":                   {with(v1alpha1.DisruptionBudget{Nodes: "2"}), func(c *cluster) { unready(&c.s.Nodes[0]) }, 1, "2 leave"},
		"one is about to be Ready":           {with(v1alpha1.DisruptionBudget{Nodes: "2"}), func(c *cluster) { unready(&c.s.Nodes[0]); c.s.Nodes[0].Settled = false }, 2, "2 leave"},
	} {
		t.Run(name, func(t *testing.T) {
			world := newCluster(aPool("p", c.pool))
			for _, name := range []string{"0", "1", "2", "3", "4"} {
				world.node("p", name, "a")
			}
			if c.change != nil {
				c.change(world)
			}
			r := Decide(world.s)
			require.Len(t, r.Grants, c.grants, "%v", granted(r))
			if c.why != "" {
				require.Contains(t, refused(t, r, "4").Why, c.why)
				v, ok := Explain(world.s, "4")
				require.True(t, ok)
				require.Contains(t, v.Reasons[1].Refused, c.why)
			}
		})
	}
}

// Nodes of one drought do not come back in one stroke.
func TestReturnsAreSpread(t *testing.T) {
	at := map[time.Duration]bool{}
	for _, instance := range []string{"i-1", "i-2", "i-3", "i-4", "i-5", "i-6"} {
		d := Spread(instance, time.Hour)
		require.True(t, d >= 0 && d < time.Hour, d)
		require.Equal(t, d, Spread(instance, time.Hour))
		at[d.Truncate(time.Minute)] = true
	}
	require.Greater(t, len(at), 3)
}

func TestNext(t *testing.T) {
	require.Equal(t, 10*time.Minute, Decide(newCluster(aPool("p")).s).Next, "nothing stands")
	busy := newCluster(aPool("p")).node("p", "n", "a", running(aPod("x", "3500m")))
	require.Equal(t, time.Minute, Decide(busy.s).Next, "a node may become empty")
	soon := newCluster(aPool("p", disruption(func(d *v1alpha1.Disruption) { d.EmptyAfter = after(35 * time.Second) }))).node("p", "n", "a")
	require.Equal(t, 35*time.Second, Decide(soon.s).Next, "it may go then")
	sooner := newCluster(aPool("p", disruption(func(d *v1alpha1.Disruption) { d.EmptyAfter = after(time.Second) }))).node("p", "n", "a")
	require.Equal(t, 20*time.Second, Decide(sooner.s).Next, "not more often than that")
}

func TestWhatWasTriedIsNotPlannedAgainAtOnce(t *testing.T) {
	c := newCluster(aPool("p")).node("p", "n", "a", running(aPod("x", "3500m")))
	r := Decide(c.s)
	require.Equal(t, map[string]time.Time{"i-n": now}, r.Tried)
	c.s.Tried = r.Tried
	c.s.Now = now.Add(time.Minute)
	require.Equal(t, r.Tried, Decide(c.s).Tried)
	c.s.Now = now.Add(tryAgain)
	require.Equal(t, c.s.Now, Decide(c.s).Tried["i-n"])
}

// One look plans for some nodes only: in the next it is the others' turn, and nobody's twice before everybody's once.
func TestEveryNodeHasItsTurn(t *testing.T) {
	c := newCluster(aPool("p"))
	const n = 2*mostPlans + mostPlans/2
	for i := range n {
		name := fmt.Sprintf("%03d", i)
		c.node("p", name, "a", running(aPod("x-"+name, "3500m")))
	}
	for look := range 3 {
		c.s.Now = now.Add(time.Duration(look) * tryAgain)
		c.s.Tried = Decide(c.s).Tried
	}
	require.Len(t, c.s.Tried, n)
	again := 0
	for _, at := range c.s.Tried {
		require.False(t, at.Before(now))
		if at.Equal(c.s.Now) {
			again++
		}
	}
	require.Equal(t, mostPlans, again)
}
