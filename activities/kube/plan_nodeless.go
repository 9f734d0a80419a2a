package kube

import (
	"context"
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/planner"
)

// nodelessTimeout bounds what a plan waits for a pool's Standby. It answers from memory, in milliseconds.
const nodelessTimeout = 500 * time.Millisecond

// addNodeless adds the frozen machines that no Node tells of, because the pool wants the Nodes of stopped machines deleted:
// the pool's Standby knows them. Where it does not answer the plan goes without them, and the launches that it makes ask
// Standby all the same, where their chain says so.
func (a *Activities) addNodeless(ctx context.Context, c *Cluster, p *planned) {
	if !c.deletesNodes(p.Name) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, nodelessTimeout)
	defer cancel()
	view, err := a.standbys(ctx, contract.StandbyID(c.name, p.Name))
	if err != nil {
		c.log.Warn("a plan does without a pool's stopped machines: its Standby does not answer", "pool", p.Name, "error", err)
		return
	}
	for _, m := range view.Machines {
		_, told := c.NodeOfInstance(m.Instance.ID)
		if told || m.Phase != contract.StandbyFrozen || m.Tier != v1alpha1.Stopped {
			continue
		}
		p.Standby = append(p.Standby, planner.Standby{Tier: m.Tier, InstanceType: m.Instance.InstanceType, Zone: m.Instance.Zone})
		p.use(p.view.Types[m.Instance.InstanceType], nil)
	}
}
