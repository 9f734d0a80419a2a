package sweep

import (
	"context"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/activities/kube"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sweep"
)

// Find says what is to be repaired, from one look at every account, the cluster's informers and Temporal.
func (a *Activities) Find(ctx context.Context, in contract.FindInput) (contract.FindResult, error) {
	c, err := a.cluster(in.Cluster)
	if err != nil {
		return contract.FindResult{}, err
	}
	f := finder{cluster: c, temporal: a.temporal(ctx), looks: in.Looks, live: map[string]bool{}}
	f.facts = sweep.Facts{Cluster: in.Cluster, Now: a.now(), Lag: a.lag}
	for _, look := range in.Looks {
		for _, id := range look.Live {
			f.live[id] = true
		}
		for _, o := range look.Orphans {
			f.live[o.ID] = true
		}
	}
	for _, gather := range []func(context.Context) error{f.orphans, f.bereft, f.nodes} {
		if err := gather(ctx); err != nil {
			return contract.FindResult{}, unavailable(err)
		}
	}
	var result contract.FindResult
	result.Repairs, result.Left = sweep.Decide(f.facts)
	return result, nil
}

// finder gathers the facts of one look.
type finder struct {
	cluster  *kube.Cluster
	temporal Temporal
	looks    []contract.LookResult
	live     map[string]bool // instances that live
	facts    sweep.Facts
}

func (f *finder) orphans(ctx context.Context) error {
	for _, look := range f.looks {
		for _, o := range look.Orphans {
			orphan := sweep.Orphan{Orphan: o, AccountRegion: look.AccountRegion}
			if node, ok := f.cluster.NodeOfInstance(o.ID); ok {
				view := kube.ViewNode(node)
				orphan.Node = &view
			}
			if pool, ok := f.pool(o.Pool); ok {
				orphan.PoolExists, orphan.Standby = true, kube.StandbyTimes(pool.NodePool)
				if timeout := pool.Spec.RegistrationTimeout; timeout != nil {
					orphan.RegistrationTimeout = timeout.Duration
				}
			}
			var err error
			if orphan.Drains, err = f.drains(ctx, o.ID); err != nil {
				return err
			}
			f.facts.Orphans = append(f.facts.Orphans, orphan)
		}
	}
	return nil
}

func (f *finder) pool(name string) (*kube.Pool, bool) {
	obj, ok, err := f.cluster.Pools().GetStore().GetByKey(name)
	if err != nil || !ok {
		return nil, false
	}
	pool, ok := obj.(*kube.Pool)
	return pool, ok
}

// drains counts the drains that a machine had: the next one needs an id of its own.
func (f *finder) drains(ctx context.Context, instance string) (int, error) {
	for n := 0; ; n++ {
		drain, err := Describe(ctx, f.temporal, contract.DrainID(f.facts.Cluster, instance, n+1))
		if err != nil || !drain.Known {
			return n, err
		}
	}
}

// bereft are the open Node workflows whose machine is terminated or not to be seen.
func (f *finder) bereft(ctx context.Context) error {
	ended := map[string]string{} // by instance: the account
	looked := map[string]bool{}
	for _, look := range f.looks {
		looked[look.Account] = true
		for _, id := range look.Ended {
			ended[id] = look.Account
		}
	}
	open, err := OpenNodes(ctx, f.temporal, f.facts.Cluster)
	if err != nil {
		return err
	}
	for id := range ended {
		if !slices.Contains(open, id) {
			open = append(open, id)
		}
	}
	open = slices.DeleteFunc(open, func(id string) bool { return f.live[id] })
	var mu sync.Mutex
	return each(ctx, open, func(ctx context.Context, id string) error {
		node, err := Describe(ctx, f.temporal, contract.NodeID(f.facts.Cluster, id))
		if err != nil || !node.Open {
			return err
		}
		in, err := NodeInputOf(ctx, f.temporal, f.facts.Cluster, id)
		if err != nil {
			return err
		}
		b := sweep.Bereft{Instance: id, Account: in.Account, Launched: in.Instance.LaunchTime, Looked: looked[in.Account]}
		_, b.Terminated = ended[id]
		if k, ok := f.cluster.NodeOfInstance(id); ok {
			b.NodeReady = kube.ViewNode(k).Ready
		}
		if life, err := Life(ctx, f.temporal, f.facts.Cluster, id); err == nil {
			b.Knows = life.Instance.State
		}
		mu.Lock()
		defer mu.Unlock()
		f.facts.Bereft = append(f.facts.Bereft, b)
		return nil
	})
}

// nodes are the Node objects of ours without a machine and without an open Node workflow.
func (f *finder) nodes(ctx context.Context) error {
	for _, obj := range f.cluster.Nodes().GetStore().List() {
		node, ok := obj.(*corev1.Node)
		if !ok {
			continue
		}
		instance, ours := Ours(node)
		if !ours || f.live[instance] {
			continue
		}
		owner, err := Describe(ctx, f.temporal, contract.NodeID(f.facts.Cluster, instance))
		if err != nil {
			return err
		}
		if !owner.Open {
			f.facts.Nodes = append(f.facts.Nodes, sweep.Node{
				Name: node.Name, UID: string(node.UID), Instance: instance,
				Created: node.CreationTimestamp.Time, Ready: kube.ViewNode(node).Ready,
			})
		}
	}
	return nil
}

// Ours reports whether a Node is one of Floe's, by its own word: it is an EC2 instance's, it is registered with a pool
// or waits to be, and no other tool owns it.
func Ours(node *corev1.Node) (instance string, ours bool) {
	instance, ok := contract.InstanceOfProviderID(node.Spec.ProviderID)
	if !ok || sweep.ForeignMark(node.Labels) != "" {
		return instance, false
	}
	unregistered := slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == v1alpha1.TaintUnregistered })
	return instance, unregistered || node.Labels[v1alpha1.LabelPool] != ""
}
