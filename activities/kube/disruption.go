package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/disruption"
	"floe.dev/floe/internal/standby"
)

const (
	// mostRefused is how many refusals go through a workflow's history.
	mostRefused = 100
	// asking is how often a decision is made anew because nodes that it chose turned out to be held. Whatever is chosen
	// after that waits for the next look.
	asking = 5
	// lifeTimeout bounds the question to one Node workflow, and livesAtOnce how many are asked at the same time.
	lifeTimeout = 3 * time.Second
	livesAtOnce = 8
)

// Disrupt looks at the cluster and says which of its nodes are to leave voluntarily now, and why all others that would
// may not. Nodes that are chosen are asked whether a person holds them before they are granted. With DisruptInput.Why
// nothing is granted: the answer is that node's verdict.
//
// Errors: ErrNodeNotFound where Why names no node of a pool; ErrUnavailable while the informers have seen nothing.
func (a *Activities) Disrupt(ctx context.Context, in contract.DisruptInput) (contract.DisruptResult, error) {
	defer beat(ctx)()
	c, err := a.cluster(in.Cluster)
	if err != nil {
		return contract.DisruptResult{}, err
	}
	s := a.disruptionSnapshot(ctx, c, in)
	if err := ctx.Err(); err != nil {
		return contract.DisruptResult{}, err
	}
	if in.Why != "" {
		verdict, err := a.why(ctx, c, s, in.Why)
		return contract.DisruptResult{At: s.Now, Verdict: verdict, Memory: in.Memory, Next: in.Every}, err
	}
	s.Tried = a.tried.of(c.name)
	decision := a.chooseUnheld(ctx, c.name, s)
	a.tried.keep(c.name, decision.Tried)
	return contract.DisruptResult{
		At: s.Now, Grants: decision.Grants, Memory: decision.Memory, Next: decision.Next,
		Refused: first(decision.Refused, mostRefused), RefusedCount: len(decision.Refused), Gone: c.goneOf(in),
	}, nil
}

// disruptionSnapshot is the cluster as a decision wants it.
func (a *Activities) disruptionSnapshot(ctx context.Context, c *Cluster, in contract.DisruptInput) disruption.Snapshot {
	pools := a.poolsToPlan(ctx, c)
	s := disruption.Snapshot{
		Now: a.now(), Every: in.Every, Leaving: in.Leaving, NotBefore: in.NotBefore, Memory: in.Memory,
		Budgets: list[*policyv1.PodDisruptionBudget](c.budgets),
	}
	for i := range pools {
		if pools[i].Problem != "" {
			continue // what cannot be bought for is left as it is
		}
		p := disruption.Pool{NodePool: pools[i].NodePool}
		// Cached a moment ago. Where it cannot be had nothing drifts from it.
		if t, err := a.cloud.Template(ctx, c.accountOf(p.NodePool), p.Spec.LaunchTemplate); err == nil {
			p.Template = t
		}
		s.Pools = append(s.Pools, p)
	}
	inFlight, err := a.inFlight(ctx, c.name)
	if err != nil {
		s.Blind = err.Error()
	}
	s.Room, _ = c.snapshot(pools, inFlight, s.Now)
	for _, n := range s.Room.Nodes {
		obj, ok, err := c.nodes.GetStore().GetByKey(n.Name)
		node, isNode := obj.(*corev1.Node)
		if err != nil || !ok || !isNode || node.Labels[v1alpha1.LabelPool] == "" {
			continue
		}
		s.Nodes = append(s.Nodes, disruption.Node{Node: node, Pods: n.Pods, Settled: n.Settled, USDPerHour: n.USDPerHour})
	}
	return s
}

// inFlight are the launches that the cluster's Provisioner waits for. Where there is none yet, nothing was ever bought.
func (a *Activities) inFlight(ctx context.Context, cluster string) ([]contract.LedgerEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, lifeTimeout)
	defer cancel()
	view, err := a.provisioners(ctx, contract.ProvisionerID(cluster))
	if errors.Is(err, errNotRunning) {
		return nil, nil
	}
	return view.Ledger, err
}

// chooseUnheld decides, asks the workflows of those chosen, and decides anew where one is held or silent.
func (a *Activities) chooseUnheld(ctx context.Context, cluster string, s disruption.Snapshot) disruption.Result {
	asked := map[string]bool{}
	for round := 1; ; round++ {
		decision := disruption.Decide(s)
		var unasked []string
		for _, g := range decision.Grants {
			if !asked[g.Instance] {
				unasked = append(unasked, g.Instance)
			}
		}
		if len(unasked) == 0 {
			return decision
		}
		if round > asking {
			var sure []contract.Grant
			for _, g := range decision.Grants {
				if !asked[g.Instance] {
					break // what is chosen after it may rely on its leaving
				}
				sure = append(sure, g)
			}
			decision.Grants = sure
			return decision
		}
		if !a.ask(ctx, cluster, &s, unasked) {
			return decision
		}
		for _, instance := range unasked {
			asked[instance] = true
		}
	}
}

// ask takes the holds of instances into the snapshot and reports whether any of them changes what may be chosen.
func (a *Activities) ask(ctx context.Context, cluster string, s *disruption.Snapshot, instances []string) (changed bool) {
	byInstance := map[string]*disruption.Node{}
	for i := range s.Nodes {
		if id, ok := contract.InstanceOfProviderID(s.Nodes[i].Spec.ProviderID); ok {
			byInstance[id] = &s.Nodes[i]
		}
	}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(livesAtOnce)
	for _, instance := range instances {
		n := byInstance[instance]
		if n == nil {
			continue
		}
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, lifeTimeout)
			defer cancel()
			life, err := a.lives(ctx, contract.NodeID(cluster, instance))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, errNotRunning):
				n.Silent = "no " + contract.NodeID(cluster, instance) + " runs; the sweep starts it again"
			case err != nil:
				n.Silent = err.Error()
			default:
				n.Hold = life.Hold
			}
			changed = changed || n.Silent != "" || n.Hold.Lasts(s.Now)
			return nil
		})
	}
	_ = group.Wait() // none fails
	return changed
}

// why is the verdict of one node.
func (a *Activities) why(ctx context.Context, c *Cluster, s disruption.Snapshot, name string) (*contract.NodeVerdict, error) {
	instance := name
	if obj, ok, err := c.nodes.GetStore().GetByKey(name); err == nil && ok {
		if id, ok := contract.InstanceOfProviderID(obj.(*corev1.Node).Spec.ProviderID); ok {
			instance = id
		}
	}
	a.ask(ctx, c.name, &s, []string{instance})
	verdict, ok := disruption.Explain(s, instance)
	if verdict.Keep {
		verdict.Fate = a.fate(ctx, c.name, verdict.Pool, instance)
	}
	if !ok {
		return nil, temporal.NewNonRetryableApplicationError(fmt.Sprintf(
			"node: cluster %s has no registered node %q of a pool that there is and that can be planned with: floe node list shows the nodes there are, floe pool list the pools", c.name, name), contract.ErrNodeNotFound, nil)
	}
	return &verdict, nil
}

// fate is what a pool's Standby would say of a machine that left now, in words: by the same rule, and by what it has. The
// machine itself is asked for by the Node's workflow, which alone knows how it was launched.
func (a *Activities) fate(ctx context.Context, cluster, pool, instance string) string {
	ctx, cancel := context.WithTimeout(ctx, lifeTimeout)
	defer cancel()
	life, err := a.lives(ctx, contract.NodeID(cluster, instance))
	if err != nil {
		return "not known: its Node workflow does not answer: " + err.Error()
	}
	view, err := a.standbys(ctx, contract.StandbyID(cluster, pool))
	switch {
	case errors.Is(err, errNotRunning):
		return "terminated: its pool has no standby that could be asked"
	case err != nil:
		return "not known: its pool's Standby does not answer: " + err.Error()
	}
	return standby.Foresee(life, view, a.now()).Reason
}

// goneOf are the instances that the workflow asks about and that have no Node any more.
func (c *Cluster) goneOf(in contract.DisruptInput) (gone []string) {
	about := map[string]bool{}
	for _, l := range in.Leaving {
		about[l.Instance] = true
	}
	for instance := range in.NotBefore {
		about[instance] = true
	}
	for instance := range about {
		if _, ok := c.NodeOfInstance(instance); !ok {
			gone = append(gone, instance)
		}
	}
	return sorted(gone)
}

// tried is what decisions found out lately of nodes whose pods fit nowhere else: planning is dear, and it is asked again
// every few minutes only. A worker that knows nothing of it plans once more.
type tried struct {
	mu        sync.Mutex
	byCluster map[string]map[string]time.Time
}

func (t *tried) of(cluster string) map[string]time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.byCluster[cluster])
}

func (t *tried) keep(cluster string, nodes map[string]time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byCluster == nil {
		t.byCluster = map[string]map[string]time.Time{}
	}
	t.byCluster[cluster] = nodes
}
