package disruption

import (
	"fmt"
	"math/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// draw makes a cluster of any shape.
func draw(t *rapid.T) *cluster {
	budget := rapid.Custom(func(t *rapid.T) v1alpha1.DisruptionBudget {
		b := v1alpha1.DisruptionBudget{Nodes: rapid.SampledFrom([]string{"0", "1", "2", "10%", "50%", "100%"}).Draw(t, "nodes")}
		if rapid.Bool().Draw(t, "for some reasons") {
			b.Reasons = rapid.SliceOfNDistinct(rapid.SampledFrom(v1alpha1.DisruptionReasons), 1, 3, rapid.ID).Draw(t, "reasons")
		}
		if rapid.Bool().Draw(t, "in a window") {
			b.Schedule, b.Duration = rapid.SampledFrom([]string{"0 9 * * *", "0 20 * * *"}).Draw(t, "schedule"), after(8*time.Hour)
		}
		return b
	})
	var pools []*v1alpha1.NodePool
	for _, name := range []string{"p", "q"} {
		pools = append(pools, aPool(name, disruption(func(d *v1alpha1.Disruption) {
			d.Budgets = rapid.SliceOfN(budget, 1, 3).Draw(t, "budgets")
			if rapid.Bool().Draw(t, "expires") {
				d.ExpireAfter = after(10 * time.Hour)
			}
			d.Stabilization = after(rapid.SampledFrom([]time.Duration{0, 30 * time.Minute}).Draw(t, "stabilization"))
		})))
	}
	c := newCluster(pools...)
	n := rapid.IntRange(0, 12).Draw(t, "nodes")
	for i := range n {
		changes := []func(*Node){aged(time.Duration(rapid.IntRange(0, 24).Draw(t, "hours")) * time.Hour)}
		for name, change := range map[string]func(*Node){
			"not ready": unready, "on-demand": onDemand, "forbidden": annotated(v1alpha1.AnnotationDoNotDisrupt, "true"),
			"drifted": annotated(v1alpha1.AnnotationLaunchTemplate, "lt-1/1/ami-1"),
			"held":    func(n *Node) { n.Hold = &contract.Hold{By: "x"} },
			"leaving": func(n *Node) { n.Spec.Taints = []corev1.Taint{{Key: v1alpha1.TaintLeaving}} },
			"standby": func(n *Node) { n.Labels[v1alpha1.LabelStandby] = "stopped" },
		} {
			if rapid.IntRange(0, 5).Draw(t, name) == 0 {
				changes = append(changes, change)
			}
		}
		for k := range rapid.IntRange(0, 3).Draw(t, "pods") {
			p := aPod(fmt.Sprintf("x-%d-%d", i, k), rapid.SampledFrom([]string{"100m", "500m", "1"}).Draw(t, "cpu"))
			if rapid.IntRange(0, 5).Draw(t, "pod forbidden") == 0 {
				p.Annotations = map[string]string{v1alpha1.AnnotationDoNotDisrupt: "true"}
			}
			changes = append(changes, running(p))
		}
		name := fmt.Sprint(i)
		c.node(rapid.SampledFrom([]string{"p", "q"}).Draw(t, "pool"), name, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "zone"), changes...)
		if rapid.IntRange(0, 6).Draw(t, "granted") == 0 {
			c.s.Leaving = append(c.s.Leaving, contract.Leaving{Instance: "i-" + name})
		}
	}
	return c
}

// Whatever the cluster: no budget is exceeded, nothing that is forbidden is chosen, no node twice, none that leaves
// already; and what is told to come first is for exactly the pods that find no place.
func TestDecisionsKeepTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := draw(t)
		r := Decide(c.s)
		nodes := map[string]*Node{}
		all, away := map[string]int{}, map[string]int{}
		leaving := map[string]bool{}
		for _, l := range c.s.Leaving {
			leaving[l.Instance] = true
		}
		for i := range c.s.Nodes {
			n := &c.s.Nodes[i]
			nodes[n.Name] = n
			if n.Labels[v1alpha1.LabelStandby] != "" {
				continue
			}
			all[n.Labels[v1alpha1.LabelPool]]++
			if leaving["i-"+n.Name] || tainted(n.Node, v1alpha1.TaintLeaving) || !ready(n.Node) {
				away[n.Labels[v1alpha1.LabelPool]]++
			}
		}
		chosen := map[string]bool{}
		for _, g := range r.Grants {
			n := nodes[g.Node]
			require.False(t, chosen[g.Node], "twice: %s", g.Node)
			chosen[g.Node] = true
			require.False(t, leaving[g.Instance] || tainted(n.Node, v1alpha1.TaintLeaving), "it leaves already")
			require.True(t, ready(n.Node), "none of these pools names conditions")
			require.Empty(t, forbids(n.Annotations))
			require.Nil(t, n.Hold)
			require.Empty(t, n.Labels[v1alpha1.LabelStandby])
			moved := 0
			for _, p := range moving(n.Pods) {
				require.Empty(t, forbids(p.Annotations))
				moved++
			}
			for _, l := range g.Launches {
				require.LessOrEqual(t, l.PodCount, moved)
				require.Positive(t, l.Count)
			}
			away[g.Pool]++
			for _, p := range c.s.Pools {
				for _, b := range p.Spec.Disruption.Budgets {
					if applies, _ := b.Applies(c.s.Now); applies && b.For(g.Reason) && p.Name == g.Pool {
						require.LessOrEqual(t, away[g.Pool], b.Allows(all[g.Pool]), "budget %+v of %d nodes", b, all[g.Pool])
					}
				}
			}
		}
		for _, f := range r.Refused {
			require.False(t, chosen[f.Node], "refused and chosen")
			require.NotEmpty(t, f.Why)
		}
		require.True(t, r.Next >= c.s.Every && r.Next <= idle, r.Next)
	})
}

// Informers keep objects in no order: the decision does not depend on it. Nor does asking why change it.
func TestDecisionsDoNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := draw(t)
		first := Decide(c.s)
		r := rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed")))
		r.Shuffle(len(c.s.Nodes), func(i, k int) { c.s.Nodes[i], c.s.Nodes[k] = c.s.Nodes[k], c.s.Nodes[i] })
		r.Shuffle(len(c.s.Room.Nodes), func(i, k int) {
			c.s.Room.Nodes[i], c.s.Room.Nodes[k] = c.s.Room.Nodes[k], c.s.Room.Nodes[i]
		})
		r.Shuffle(len(c.s.Pools), func(i, k int) { c.s.Pools[i], c.s.Pools[k] = c.s.Pools[k], c.s.Pools[i] })
		require.Equal(t, first, Decide(c.s))
		for _, n := range c.s.Nodes {
			v, ok := Explain(c.s, n.Name)
			require.True(t, ok)
			for _, g := range first.Grants {
				if g.Node == n.Name {
					require.Equal(t, g.Words, v.Leaves)
				}
			}
		}
		require.Equal(t, first, Decide(c.s))
	})
}

// Where a budget lets only some of a pool's empty nodes go, what is left is spread over the zones as evenly as any choice
// of as many could leave it.
func TestShrinkingLeavesZonesAsEvenAsCanBe(t *testing.T) {
	zones := []string{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(0, 12).Draw(t, "budget")
		c := newCluster(aPool("p", disruption(func(d *v1alpha1.Disruption) { d.Budgets = []v1alpha1.DisruptionBudget{{Nodes: fmt.Sprint(most)}} })))
		left, free := map[string]int{}, map[string]int{}
		for _, zone := range zones {
			for i := range rapid.IntRange(0, 5).Draw(t, "nodes in "+zone) {
				left[zone]++
				if rapid.Bool().Draw(t, "may go") {
					free[zone]++
					c.node("p", fmt.Sprint(zone, i), zone)
				} else {
					c.node("p", fmt.Sprint(zone, i), zone, annotated(v1alpha1.AnnotationDoNotDisrupt, "true"))
				}
			}
		}
		unevenness := func(gone map[string]int) (sum int) {
			for _, zone := range zones {
				n := left[zone] - gone[zone]
				sum += n * n
			}
			return sum
		}
		gone := map[string]int{}
		grants := Decide(c.s).Grants
		for _, g := range grants {
			gone[g.Node[:1]]++
		}
		require.Len(t, grants, min(most, free["a"]+free["b"]+free["c"]))
		best := unevenness(gone)
		for a := range free["a"] + 1 {
			for b := range free["b"] + 1 {
				if rest := len(grants) - a - b; rest >= 0 && rest <= free["c"] {
					best = min(best, unevenness(map[string]int{"a": a, "b": b, "c": rest}))
				}
			}
		}
		require.Equal(t, best, unevenness(gone), "%v of %v, and %v may go", gone, left, free)
	})
}
