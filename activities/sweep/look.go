package sweep

import (
	"context"
	"slices"
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/catalog"
)

// Look lists a cluster's machines in one account and asks Temporal for the workflow of each. It runs on the account's
// read queue: it makes one paged DescribeInstances.
func (a *Activities) Look(ctx context.Context, in contract.LookInput) (contract.LookResult, error) {
	result := contract.LookResult{AccountRegion: in.AccountRegion}
	instances, err := a.ec2.Owned(ctx, in.Account, in.Region, in.Cluster)
	if err != nil {
		return result, err
	}
	t := a.temporal(ctx)
	ids := make([]string, len(instances))
	for i, instance := range instances {
		ids[i] = contract.NodeID(in.Cluster, instance.ID)
	}
	nodes, err := DescribeAll(ctx, t, ids)
	if err != nil {
		return result, unavailable(err)
	}
	for i, instance := range instances {
		node := nodes[ids[i]]
		switch {
		case instance.Live() && node.Open:
			result.Live = append(result.Live, instance.ID)
		case instance.Live():
			orphan := contract.Orphan{OwnedInstance: instance, Ended: node.Closed, Completed: node.Completed}
			if instance.ScaleUp != "" {
				owner, err := Describe(ctx, t, instance.ScaleUp)
				if err != nil {
					return result, unavailable(err)
				}
				orphan.Owned = owner.Open
			}
			result.Orphans = append(result.Orphans, orphan)
		case instance.State == "terminated" && node.Open:
			result.Ended = append(result.Ended, instance.ID)
		}
	}
	a.price(ctx, in.Account, result.Orphans)
	slices.Sort(result.Live)
	return result, nil
}

// priceTimeout bounds the wait for an account's prices, which are loaded once in a while.
const priceTimeout = 2 * time.Second

// price fills in what orphans cost, for whoever reads their Node's life. It is not worth failing for.
func (a *Activities) price(ctx context.Context, account string, orphans []contract.Orphan) {
	if len(orphans) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, priceTimeout)
	defer cancel()
	view, err := a.ec2.View(ctx, account)
	if err != nil {
		return
	}
	for n, o := range orphans {
		orphans[n].USDPerHour = usd(view, o)
	}
}

func usd(view *catalog.View, o contract.Orphan) float64 {
	price, _ := view.USDPerHour(o.InstanceType, o.ZoneID, o.CapacityType)
	return price
}
