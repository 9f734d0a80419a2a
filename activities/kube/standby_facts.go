package kube

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// ReadStandby is what a pool says of its standby today, how large it is, and which Nodes are the standby's by their
// labels. That there is no such pool is an answer. It reads the informers.
func (a *Activities) ReadStandby(ctx context.Context, in contract.ReadStandbyInput) (contract.StandbyFacts, error) {
	c, err := a.cluster(in.Cluster)
	if err != nil {
		return contract.StandbyFacts{}, err
	}
	facts := c.standbyNodes(in.Pool)
	pool, err := c.pool(ctx, in.Pool)
	var app *temporal.ApplicationError
	if errors.As(err, &app) && app.Type() == contract.ErrPoolNotFound {
		facts.Gone = true
		return facts, nil
	}
	if err != nil {
		return contract.StandbyFacts{}, err
	}
	if pool.Problem != "" {
		return contract.StandbyFacts{}, poolInvalid(pool.Name, pool.Problem)
	}
	facts.Account, facts.Spec = c.accountOf(pool.NodePool), pool.Spec.Standby
	view, err := a.cloud.View(ctx, facts.Account)
	if err != nil {
		return contract.StandbyFacts{}, err
	}
	facts.Region = view.Region
	facts.Images = a.today(ctx, c, pool)
	// Without it nothing is renewed for its template; the rest goes on.
	if template, err := a.cloud.Template(ctx, facts.Account, pool.Spec.LaunchTemplate); err == nil {
		facts.ImageID = template.ImageID
	}
	return facts, nil
}

// factsTimeout bounds what a look at a standby waits for the ledger of images.
const factsTimeout = 2 * time.Second

// today is what would be prefetched onto a machine of the pool now. Where the ledger does not answer nothing is renewed for
// its images.
func (a *Activities) today(ctx context.Context, c *Cluster, pool *Pool) []contract.ChosenImage {
	how := pool.Spec.Standby
	if how == nil || how.Prefetch == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, factsTimeout)
	defer cancel()
	chosen, err := a.chosen(ctx, c, pool.Name, how.Prefetch.Disk.Value())
	if err != nil {
		c.log.Warn("nobody knows how far standby machines' images have drifted", "pool", pool.Name, "error", err)
	}
	return chosen
}

// standbyNodes counts a pool's Nodes in service and names the instances of those that are the standby's.
func (c *Cluster) standbyNodes(pool string) (facts contract.StandbyFacts) {
	for _, node := range list[*corev1.Node](c.nodes) {
		instance, ok := contract.InstanceOfProviderID(node.Spec.ProviderID)
		switch {
		case !ok || node.Labels[v1alpha1.LabelPool] != pool:
		case hasTaint(node.Spec.Taints, v1alpha1.TaintStandby):
			facts.Closed = append(facts.Closed, instance)
		case !node.Spec.Unschedulable && !hasTaint(node.Spec.Taints, v1alpha1.TaintLeaving):
			facts.Nodes++
		}
	}
	slices.Sort(facts.Closed)
	return facts
}

// StandbyTimes are a pool's durations for its standby machines.
func StandbyTimes(pool *v1alpha1.NodePool) (t contract.StandbyTimes) {
	if s := pool.Spec.Standby; s != nil {
		if s.MinUptime != nil {
			t.MinUptime = s.MinUptime.Duration
		}
		if s.ResumeTimeout != nil {
			t.ResumeTimeout = s.ResumeTimeout.Duration
		}
	}
	return t
}
