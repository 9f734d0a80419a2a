package sim

import (
	"fmt"
	"path"
	"time"

	"floe.dev/floe/internal/sim/capacity"
	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/machine"
)

// checkWorld checks how machines hibernate, pull images and are short.
func (o Options) checkWorld() error {
	switch h := o.Hibernation; {
	case h.MinUptime < 0 || h.Quiet < 0 || h.Kept < 0:
		return fmt.Errorf("hibernation: times must not be negative; kept: 0 is for ever")
	case h.Image < 0 || h.Image > 1:
		return fmt.Errorf("hibernation.image: %g is not a part of the memory: it must be from 0 to 1", h.Image)
	case h.Fallback < 0 || h.Fallback > 1:
		return fmt.Errorf("hibernation.fallback: %g is not a probability: it must be from 0 to 1", h.Fallback)
	}
	for n, m := range o.Models {
		if err := m.Check(); err != nil {
			return fmt.Errorf("capacity.models[%d].%w", n, err)
		}
	}
	for n, t := range o.Traces {
		if t.Kind != capacity.Availability && t.Kind != capacity.Preemption {
			return fmt.Errorf("capacity.traces[%d].kind: %q is unknown: %s and %s are possible", n, t.Kind, capacity.Availability, capacity.Preemption)
		}
	}
	if o.Images == nil {
		return nil
	}
	if o.Images.MiBs <= 0 {
		return fmt.Errorf("images.mibPerSecond: %g is not possible: it must be above 0", o.Images.MiBs)
	}
	for n, s := range append([]machine.ImageSize{{Image: "*", MiB: o.Images.MiB}}, o.Images.Sizes...) {
		if _, err := path.Match(s.Image, ""); err != nil || s.Image == "" {
			return fmt.Errorf("images.sizes[%d].image: %q is no pattern of images: such as registry.example/* is wanted", n-1, s.Image)
		}
		if s.MiB < 0 {
			return fmt.Errorf("images: %g MiB is not possible: a size must not be negative", s.MiB)
		}
	}
	return nil
}

// market is the region's capacity.
func (o Options) market() *capacity.Market {
	zones := map[string]string{}
	for _, z := range o.Zones {
		zones[z.ID] = z.Name
	}
	return capacity.New(capacity.Config{Clock: o.Clock, Seed: o.Seed, Speed: o.Speed, Zones: zones, Models: o.Models})
}

// cloudConfig is the first account's world.
func (o Options) cloudConfig(market *capacity.Market) cloud.Config {
	return cloud.Config{
		Clock: o.Clock, Seed: o.Seed, Speed: o.Speed, Account: o.Account, Region: o.Region, Zones: o.Zones,
		Types: o.Types, NotOffered: o.NotOffered, DescribeLag: o.DescribeLag, TagLag: o.TagLag, FleetReplay: o.FleetReplay,
		Quotas: o.Quotas, UserData: o.UserData, Notice: o.Notice, Hibernation: *o.Hibernation, Market: market,
		Latencies: cloud.Latencies{
			Pending: o.Boot.Pending, Stopping: o.Boot.Stopping, ShuttingDown: o.Boot.ShuttingDown,
			Jitter: o.Boot.Jitter, Sigma: o.Boot.Sigma,
		},
	}
}

// machineConfig is how machines behave in the cluster.
func (o Options) machineConfig() machine.Config {
	scaled := func(d time.Duration) time.Duration { return time.Duration(float64(d) / o.Speed) }
	return machine.Config{
		Kube: o.Kube, Log: o.Log, Seed: o.Seed, Speed: o.Speed, Jitter: o.Boot.Jitter, Sigma: o.Boot.Sigma, Images: o.Images,
		Register: scaled(o.Boot.Register), CNI: scaled(o.Boot.CNI), Ready: scaled(o.Boot.Ready), Deletion: scaled(o.Boot.Deletion),
		Initialize: scaled(o.Boot.Initialize),
	}
}
