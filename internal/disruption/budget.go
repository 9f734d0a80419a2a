package disruption

import (
	"fmt"

	"floe.dev/floe/api/v1alpha1"
)

// overBudget refuses where one of the pool's budgets is used up. Of those that apply the least counts. What leaves for
// whatever reason, and what is not Ready, uses it up.
func (j *judge) overBudget(n *node, reason v1alpha1.DisruptionReason) *refusal {
	away := n.pool.away
	if n.away {
		away-- // itself
	}
	for _, b := range n.pool.Spec.Disruption.Budgets {
		if !b.For(reason) {
			continue
		}
		applies, until := b.Applies(j.Now)
		if !applies || away < b.Allows(n.pool.nodes) {
			continue
		}
		j.clock(until)
		words := fmt.Sprintf("a budget of pool %s lets %s leave at the same time", n.pool.name, b.Nodes)
		switch {
		case b.Allows(n.pool.nodes) == 0 && until.IsZero():
			words = fmt.Sprintf("a budget of pool %s lets no node leave", n.pool.name)
		case b.Allows(n.pool.nodes) == 0:
			words = fmt.Sprintf("a budget of pool %s lets no node leave until %s (schedule %q)", n.pool.name, stamp(until), b.Schedule)
		default:
			words += fmt.Sprintf(", and of its %s %d leave or are not Ready", plural(n.pool.nodes, "node"), away)
		}
		return &refusal{"budget", words}
	}
	return nil
}
