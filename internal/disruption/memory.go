package disruption

import (
	"maps"
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// remember brings the memory up to this moment. The snapshot's own is not changed.
func (j *judge) remember() {
	before := j.Memory
	m := contract.DisruptionMemory{
		EmptySince: map[string]time.Time{}, ScaledUp: map[string]time.Time{}, Serving: map[string]contract.Serving{},
	}
	for _, n := range j.nodes {
		if n.standby {
			continue
		}
		if len(n.moving) == 0 {
			n.emptyAt = j.Now
			if since, ok := before.EmptySince[n.instance]; ok && !since.After(j.Now) {
				n.emptyAt = since
			}
			m.EmptySince[n.instance] = n.emptyAt
		}
		// The machines tell when the pool grew. What replaces others, and what a person or Standby asked for, says nothing
		// of demand.
		if at, _ := n.taken(); n.Annotations[v1alpha1.AnnotationPurpose] == string(contract.PurposeDemand) && at.After(m.ScaledUp[n.pool.name]) {
			m.ScaledUp[n.pool.name] = at
		}
	}
	// So does a launch whose machine is not here yet: else a pool could shrink while what it grows by boots.
	for _, l := range j.Room.Ledger {
		if l.Purpose == contract.PurposeDemand && j.pools[l.Pool] != nil && l.Opened.After(m.ScaledUp[l.Pool]) {
			m.ScaledUp[l.Pool] = l.Opened
		}
	}
	for name, p := range j.pools {
		if at, ok := before.ScaledUp[name]; ok && at.After(m.ScaledUp[name]) {
			m.ScaledUp[name] = at // by a machine that has left since
		}
		hold := p.Spec.Disruption.Stabilization.Duration
		serving := observe(before.Serving[name], j.Now, p.pods.serving, hold)
		if len(serving.Samples) > 0 {
			m.Serving[name] = serving
		}
		if hold > 0 {
			p.holding = p.pods.failingWords(name)
			if p.holding == "" {
				p.holding = collapseWords(name, serving, p.pods.serving, hold)
			}
		}
	}
	maps.DeleteFunc(m.ScaledUp, func(_ string, at time.Time) bool { return at.IsZero() })
	j.Memory = m
}
