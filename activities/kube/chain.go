package kube

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/fallback"
)

// OpenChain says how a launch is to be filled: in which account, from what template, and the steps of the pool's chain
// expanded to offerings. Errors: ErrInvalidInput names the field of the launch, ErrPoolNotFound the pools there are,
// ErrPoolInvalid the field of the pool and the remedy.
func (a *Activities) OpenChain(ctx context.Context, in contract.OpenChainInput) (contract.Chain, error) {
	launch := in.Launch
	if err := checkLaunch(launch); err != nil {
		return contract.Chain{}, err
	}
	c, err := a.cluster(launch.Cluster)
	if err != nil {
		return contract.Chain{}, err
	}
	pool, err := c.pool(ctx, launch.Pool)
	if err != nil {
		return contract.Chain{}, err
	}
	if pool.Problem != "" {
		return contract.Chain{}, poolInvalid(pool.Name, pool.Problem)
	}
	account := c.accountOf(pool.NodePool)
	view, err := a.cloud.View(ctx, account)
	if err != nil {
		return contract.Chain{}, err
	}
	if _, _, problem := catalog.Candidates(pool.NodePool, view); problem != "" {
		return contract.Chain{}, poolInvalid(pool.Name, problem)
	}
	if err := checkNarrowing(launch, pool.NodePool, view); err != nil {
		return contract.Chain{}, err
	}
	template, err := a.cloud.Template(ctx, account, pool.Spec.LaunchTemplate)
	if err != nil {
		return contract.Chain{}, err
	}
	now := a.now()
	chain := contract.Chain{
		Account: cmp.Or(account, view.Account), Region: view.Region, Template: template, Version: contract.ChainVersion,
		Steps: fallback.Steps(pool.NodePool, view, launch, now),
	}
	markProbes(chain.Steps, view)
	if pool.Spec.RegistrationTimeout != nil {
		chain.RegistrationTimeout = pool.Spec.RegistrationTimeout.Duration
	}
	chain.Standby = StandbyTimes(pool.NodePool)
	if pool.Spec.HedgeAfter != nil {
		chain.HedgeAfter = pool.Spec.HedgeAfter.Duration
	}
	if needsHelp(launch, chain.Steps) {
		chain.Help = fallback.Help(pool.NodePool, view, launch, now)
	}
	return chain, nil
}

// markProbes names the probes that a hop has to claim before it asks.
func markProbes(steps []contract.Step, view *catalog.View) {
	for _, step := range steps {
		for i := range step.Overrides {
			o := &step.Overrides[i]
			if since, ok := view.Probes[o.Offering]; ok {
				o.Probe = fallback.ProbeID(o.Offering, since)
			}
		}
	}
}

// needsHelp reports whether it is likely enough that the chain brings nothing. To say what would help takes as long as to
// open the chain, which most launches need not wait for.
func needsHelp(launch contract.ScaleUpInput, steps []contract.Step) bool {
	return launch.Drought || launch.Purpose == "" || launch.Purpose == contract.PurposeHand ||
		!slices.ContainsFunc(steps, func(s contract.Step) bool { return s.Skipped == "" })
}

// checkLaunch looks at what can be judged without the pool.
func checkLaunch(launch contract.ScaleUpInput) error {
	if err := launch.Validate(); err != nil {
		return invalid("%v", err)
	}
	all := []v1alpha1.CapacityType{v1alpha1.Spot, v1alpha1.OnDemand, v1alpha1.Hibernated, v1alpha1.Stopped}
	for i, ct := range launch.CapacityTypes {
		if !slices.Contains(all, ct) {
			return invalid("capacityTypes[%d]: %q is none of %s", i, ct, joined(all))
		}
	}
	for name, quantity := range launch.Requests {
		if quantity.Sign() < 0 {
			return invalid("requests[%s]: is %s; it must not be negative", name, quantity.String())
		}
	}
	return nil
}

// checkNarrowing refuses names that the account or the pool does not know: a misspelt type would silently leave a
// chain with nothing to try.
func checkNarrowing(launch contract.ScaleUpInput, pool *v1alpha1.NodePool, view *catalog.View) error {
	for i, name := range launch.InstanceTypes {
		if _, ok := view.Types[name]; !ok {
			return invalid("instanceTypes[%d]: account %s has no machine type %q in %s", i, view.Account, name, view.Region)
		}
	}
	if len(launch.Zones) == 0 {
		return nil
	}
	zones := map[string]bool{}
	for _, id := range pool.Spec.Subnets {
		if subnet, ok := view.Subnets[id]; ok {
			zones[subnet.Zone] = true
		}
	}
	for i, zone := range launch.Zones {
		if !zones[zone] {
			return invalid("zones[%d]: pool %s has no subnet in %q; its zones are %s", i, pool.Name, zone, joinedKeys(zones))
		}
	}
	return nil
}

func joined[T ~string](items []T) string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = fmt.Sprintf("%q", string(item))
	}
	return strings.Join(words, ", ")
}

func joinedKeys(set map[string]bool) string {
	keys := make([]string, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return joined(keys)
}
