package aws

import (
	"context"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/fallback"
)

// How old the parts of a view may be before they are asked for again. Types and offerings change when AWS launches
// machines; a spot price moves a few times an hour; a subnet's free addresses move with every launch.
const (
	freshTypes   = 12 * time.Hour
	freshPrices  = 5 * time.Minute
	freshSubnets = 30 * time.Second
	// keepEvery is how often Run looks for parts that have aged.
	keepEvery = 10 * time.Second
)

// View is what EC2 offers in an account: kept in memory, refreshed in the background when it has aged, so that only the
// first call waits. View.At is when the parts that move, spot prices and subnets, were asked for; types and offerings
// may be 12 hours older. On-demand prices are those of catalog.Facts: AWS's list for us-east-1. The View is shared: it
// must not be changed.
func (a *Activities) View(ctx context.Context, accountName string) (*catalog.View, error) {
	acc, err := a.account(accountName, "")
	if err != nil {
		return nil, err
	}
	var (
		view   catalog.View
		known  fallback.Known
		quotas []contract.Quota
		group  errgroup.Group
	)
	group.Go(func() (err error) { view, err = acc.catalog.view(ctx); return err })
	group.Go(func() error { known, quotas = a.memories[acc.cfg.Region].recall(ctx, acc.cfg.Name); return nil })
	if err := group.Wait(); err != nil {
		return nil, acc.fail(err)
	}
	view.BackOff, view.Rides, view.Probes = known.BackOff, known.Rides, known.Probes
	view.Reclaims, view.Quotas = known.Reclaims, quotas
	return &view, nil
}

// Run keeps the views of all accounts fresh until ctx ends, so that no plan waits for one or is made with an old one.
// Accounts that cannot be read are logged, and tried again.
func (a *Activities) Run(ctx context.Context) {
	for {
		for name, acc := range a.accounts {
			if _, err := a.View(ctx, name); err != nil && ctx.Err() == nil {
				acc.log.Warn("cannot read what EC2 offers; trying again", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(keepEvery):
		}
	}
}

// catalogCache is what is kept of an account's region, each part with an age of its own.
type catalogCache struct {
	account, region string

	types   aged[map[string]contract.InstanceType]
	offered aged[map[catalog.OfferedKey]bool]
	prices  aged[[]spotPrice]
	subnets aged[map[string]catalog.Subnet]

	mu    sync.Mutex
	made  catalog.View // of parts with these ages
	parts [4]time.Time
}

func newCatalogCache(acc *account) *catalogCache {
	c := &catalogCache{account: acc.cfg.Name, region: acc.cfg.Region}
	old := func(what string) func(error) {
		return func(err error) {
			acc.log.Warn("cannot refresh "+what+"; going on with what was read before", "error", err)
		}
	}
	c.types = aged[map[string]contract.InstanceType]{fresh: freshTypes, load: acc.loadTypes, failed: old("instance types"), now: time.Now}
	c.offered = aged[map[catalog.OfferedKey]bool]{fresh: freshTypes, load: acc.loadOffered, failed: old("offerings"), now: time.Now}
	c.prices = aged[[]spotPrice]{fresh: freshPrices, load: acc.loadPrices, failed: old("spot prices"), now: time.Now}
	c.subnets = aged[map[string]catalog.Subnet]{fresh: freshSubnets, load: acc.loadSubnets, failed: old("subnets"), now: time.Now}
	return c
}

// view puts the parts together, anew only where one has changed. The error is the SDK's.
func (c *catalogCache) view(ctx context.Context) (catalog.View, error) {
	var (
		types   map[string]contract.InstanceType
		offered map[catalog.OfferedKey]bool
		prices  []spotPrice
		subnets map[string]catalog.Subnet
		ages    [4]time.Time
		group   errgroup.Group
	)
	group.Go(func() (err error) { types, ages[0], err = c.types.get(ctx); return err })
	group.Go(func() (err error) { offered, ages[1], err = c.offered.get(ctx); return err })
	group.Go(func() (err error) { prices, ages[2], err = c.prices.get(ctx); return err })
	group.Go(func() (err error) { subnets, ages[3], err = c.subnets.get(ctx); return err })
	if err := group.Wait(); err != nil {
		return catalog.View{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made.Types == nil || ages != c.parts {
		c.parts = ages
		c.made = catalog.View{
			Account: c.account,
			Region:  c.region,
			At:      earlier(ages[2], ages[3]),
			Types:   types,
			Subnets: subnets,
			Offered: offered,
			SpotUSD: byZoneID(prices, subnets),
		}
	}
	return c.made, nil
}

// byZoneID keys prices by zone ID. Where EC2 told only the name of a price's zone, the account's subnets tell its ID;
// a zone without a subnet is of no use.
func byZoneID(prices []spotPrice, subnets map[string]catalog.Subnet) map[catalog.OfferedKey]float64 {
	ids := map[string]string{}
	for subnet := range maps.Values(subnets) {
		ids[subnet.Zone] = subnet.ZoneID
	}
	usd := make(map[catalog.OfferedKey]float64, len(prices))
	for _, p := range prices {
		zoneID := p.zoneID
		if zoneID == "" {
			zoneID = ids[p.zone]
		}
		if zoneID != "" {
			usd[catalog.OfferedKey{InstanceType: p.instanceType, ZoneID: zoneID}] = p.usd
		}
	}
	return usd
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
