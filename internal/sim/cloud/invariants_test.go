package cloud

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim/capacity"
	"floe.dev/floe/internal/sim/clock"
	"floe.dev/floe/internal/sim/query"
	"floe.dev/floe/internal/sim/script"
)

var testTypes = []contract.InstanceType{
	{Name: "m5.large", Arch: "amd64", VCPU: 2, MemoryMiB: 8192, ENIs: 3, IPv4PerENI: 10, OnDemandUSD: 0.1, Hibernation: true},
	{Name: "c5.xlarge", Arch: "amd64", VCPU: 4, MemoryMiB: 8192, ENIs: 4, IPv4PerENI: 15, OnDemandUSD: 0.17},
	{Name: "m7g.large", Arch: "arm64", VCPU: 2, MemoryMiB: 8192, ENIs: 3, IPv4PerENI: 10, OnDemandUSD: 0.08},
}

func newTestCloud(t require.TestingT, change func(*Config)) (*Cloud, *clock.Manual) {
	now := clock.NewManual(time.Date(2026, 7, 31, 12, 0, 0, 0, time.UTC))
	cfg := Config{
		Clock: now, Seed: 1, Speed: 1, Account: DefaultAccount, Region: DefaultRegion, Zones: DefaultZones, Types: testTypes,
		FleetReplay: ReplayAnew,
		Latencies:   Latencies{Pending: 5 * time.Second, Stopping: 20 * time.Second, ShuttingDown: 30 * time.Second},
	}
	if change != nil {
		change(&cfg)
	}
	return New(cfg), now
}

// TestInvariants lets anything happen in any order, and looks at what must hold always.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, now := newTestCloud(t, func(cfg *Config) {
			cfg.Quotas = Quotas{OnDemandVCPUs: rapid.SampledFrom([]int{0, 10, 40}).Draw(t, "quota"), SpotVCPUs: 24}
		})
		w := &watcher{c: c, allowed: map[capacity.Offering]int{}, launched: map[capacity.Offering]int{}, tokens: map[string][]string{}, cost: map[string]float64{}}
		t.Repeat(map[string]func(*rapid.T){
			"run":       w.run,
			"fleet":     w.fleet,
			"capacity":  w.capacity,
			"terminate": w.change(func(ids []string) error { _, err := c.Terminate(ids); return err }),
			"stop":      w.change(func(ids []string) error { _, err := c.Stop(ids, false, false); return err }),
			"hibernate": w.change(func(ids []string) error { _, err := c.Stop(ids, true, false); return err }),
			"reboot":    w.change(c.Reboot),
			"start":     w.start,
			"script":    w.script,
			"wait": func(t *rapid.T) {
				now.Advance(time.Duration(rapid.IntRange(1, 90).Draw(t, "seconds")) * time.Second)
			},
			"": w.check,
		})
	})
}

// watcher remembers what was allowed and what came of it.
type watcher struct {
	c        *Cloud
	allowed  map[capacity.Offering]int // by the script, since its last line
	launched map[capacity.Offering]int // since that line
	tokens   map[string][]string
	cost     map[string]float64
}

func (w *watcher) run(t *rapid.T) {
	subnet := rapid.SampledFrom([]string{SubnetA, SubnetB}).Draw(t, "subnet")
	count := rapid.IntRange(1, 4).Draw(t, "count")
	token := rapid.SampledFrom([]string{"", "one", "two"}).Draw(t, "token")
	before := len(w.c.order)
	list, err := w.c.Run(RunRequest{
		Data:     LaunchData{InstanceType: "m5.large", ImageID: ImageX86},
		SubnetID: subnet, MinCount: 1, MaxCount: count, Token: token, Digest: fmt.Sprint(subnet, count),
	})
	if err != nil {
		require.Len(t, w.c.order, before, "a refused call launches nothing")
		require.NotEqual(t, "InternalError", query.AsError(err).Code)
		return
	}
	w.note(w.c.order[before:])
	if token == "" {
		require.Len(t, w.c.order, before+len(list))
		return
	}
	var ids []string
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	key := token + subnet
	if known, used := w.tokens[key]; used {
		require.Equal(t, known, ids, "one token in one zone is one reservation for ever")
		require.Len(t, w.c.order, before)
	}
	w.tokens[key] = ids
}

func (w *watcher) fleet(t *rapid.T) {
	ct := rapid.SampledFrom([]v1alpha1.CapacityType{v1alpha1.Spot, v1alpha1.OnDemand}).Draw(t, "capacity type")
	count := rapid.IntRange(1, 8).Draw(t, "count")
	config := FleetConfig{Template: TemplateRef{ID: LaunchTemplateID}, Overrides: []FleetOverride{
		{InstanceType: "m5.large", SubnetID: SubnetA},
		{InstanceType: "c5.xlarge", SubnetID: SubnetA},
		{InstanceType: "c5.xlarge", SubnetID: SubnetC},
		{InstanceType: "m7g.large", SubnetID: SubnetA},
	}}
	before := len(w.c.order)
	answer, err := w.c.CreateFleet(FleetRequest{
		CapacityType: ct, Count: count, Strategy: LowestPrice, Configs: []FleetConfig{config}, Token: "fleet",
	})
	require.NoError(t, err)
	w.note(w.c.order[before:])
	got := 0
	for _, group := range answer.Instances {
		got += len(group.IDs)
	}
	require.Equal(t, len(w.c.order)-before, got, "the answer names what was launched")
	require.LessOrEqual(t, got, count)
	require.NotEmpty(t, answer.Errors, "the arm64 type does not fit the image")
	if got < count {
		require.Len(t, answer.Errors, len(config.Overrides), "a fleet that is short says why of each override")
	}
}

func (w *watcher) capacity(t *rapid.T) {
	key := capacity.Offering{
		InstanceType: rapid.SampledFrom([]string{"m5.large", "c5.xlarge"}).Draw(t, "type"), ZoneID: "euw1-az1", CapacityType: v1alpha1.OnDemand,
	}
	free := rapid.IntRange(script.Unlimited, 5).Draw(t, "free")
	w.c.Play([]script.Line{{Capacity: &script.Capacity{
		Where: script.Where{Type: key.InstanceType, CapacityType: key.CapacityType, Zone: key.ZoneID}, Free: free,
	}}})
	w.launched[key] = 0
	w.allowed[key] = free
	if free == script.Unlimited {
		delete(w.allowed, key)
	}
}

func (w *watcher) change(do func([]string) error) func(*rapid.T) {
	return func(t *rapid.T) {
		if len(w.c.order) == 0 {
			t.Skip("nothing to change yet")
		}
		if err := do([]string{rapid.SampledFrom(w.c.order).Draw(t, "instance").ID}); err != nil {
			require.NotEqual(t, "InternalError", query.AsError(err).Code)
		}
	}
}

func (w *watcher) start(t *rapid.T) {
	if len(w.c.order) == 0 {
		t.Skip("nothing to start yet")
	}
	i := rapid.SampledFrom(w.c.order).Draw(t, "instance")
	was := i.now().State
	_, err := w.c.Start([]string{i.ID})
	if err == nil && was == Stopped {
		w.launched[i.offering()]++ // a start takes capacity as a launch does
	}
}

// script lets something happen that nobody asked for.
func (w *watcher) script(t *rapid.T) {
	lines, err := script.Parse(rapid.SampledFrom([]string{
		"reclaim * spot *: 2", "reclaim m5.* spot *: all for price", "retire * * *: 1 in 1m", "silence * * *: 1", "restore * * *: all",
		"rebalance * spot *: 1", "forge * spot *: 1", "mute * * *: 1", "slow * * *: 1 by 1m", "reuse * * *: 3", "oversleep * * *: 1",
		"share c5.* * eu-west-1c: 3", "share c5.* * eu-west-1c: unlimited",
	}).Draw(t, "line"))
	require.NoError(t, err)
	w.c.Play(lines)
}

func (w *watcher) note(launched []*Instance) {
	for _, i := range launched {
		w.launched[i.offering()]++
	}
}

func (w *watcher) check(t *rapid.T) {
	used := map[v1alpha1.CapacityType]int{}
	held := map[string]int{}
	var addresses []string
	for _, r := range w.c.Records() {
		if r.State == Pending || r.State == Running {
			used[r.CapacityType] += r.Type.VCPU
		}
		if r.State != Terminated {
			held[r.SubnetID]++
			addresses = append(addresses, r.PrivateIP)
		}
		require.GreaterOrEqual(t, r.CostUSD, w.cost[r.ID], "nothing is ever paid back")
		w.cost[r.ID] = r.CostUSD
	}
	for ct, n := range w.c.used {
		require.Equal(t, used[ct], n.vcpus, "vCPUs are counted right")
	}
	if quota := w.c.cfg.Quotas.OnDemandVCPUs; quota > 0 {
		require.LessOrEqual(t, used[v1alpha1.OnDemand], quota)
	}
	require.LessOrEqual(t, used[v1alpha1.Spot], w.c.cfg.Quotas.SpotVCPUs)
	for id, s := range w.c.subnets {
		require.Equal(t, 1<<12-reservedAddresses-held[id], s.Free, "addresses are counted right")
	}
	slices.Sort(addresses)
	require.Len(t, slices.Compact(slices.Clone(addresses)), len(addresses), "no address is given twice")
	for key, allowed := range w.allowed {
		require.LessOrEqual(t, w.launched[key], allowed, "no offering gives more than it has")
		require.GreaterOrEqual(t, w.c.market.Free(key, 1), 0)
	}
}
