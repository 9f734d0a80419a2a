package cloud

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim/capacity"
	"floe.dev/floe/internal/sim/script"
)

// told remembers what a cloud tells, as "kind state".
type told struct{ events []Event }

func (l *told) tell(e Event) { l.events = append(l.events, e) }

func (l *told) of(kind EventKind) (list []Event) {
	for _, e := range l.events {
		if e.Kind == kind {
			list = append(list, e)
		}
	}
	return list
}

func play(t *testing.T, c *Cloud, text string) {
	t.Helper()
	lines, err := script.Parse(text)
	require.NoError(t, err)
	c.Play(lines)
}

func launchSpot(t *testing.T, c *Cloud, n int) []string {
	t.Helper()
	list, err := c.Run(RunRequest{
		Data:     LaunchData{InstanceType: "m5.large", ImageID: ImageX86, Market: &Market{MarketType: "spot"}},
		SubnetID: SubnetA, MinCount: n, MaxCount: n,
	})
	require.NoError(t, err)
	ids := make([]string, 0, n)
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids
}

func statusCode(t *testing.T, c *Cloud, n int) string {
	t.Helper()
	list, err := c.SpotRequests(nil)
	require.NoError(t, err)
	return list[n].Code
}

func TestAReclaimedMachineIsWarnedAndGoesWhateverWeDo(t *testing.T) {
	log := &told{}
	c, now := newTestCloud(t, func(cfg *Config) { cfg.Notice, cfg.Tell = 2*time.Minute, log.tell })
	ids := launchSpot(t, c, 3)
	now.Advance(10 * time.Second)
	require.Equal(t, spotFulfilled, statusCode(t, c, 0))
	play(t, c, "reclaim m5.* spot eu-west-1a: 2\nreclaim m5.* * *: 1 for price")
	warned := log.of(Interruption)
	require.Len(t, warned, 3)
	require.Equal(t, ids[0], warned[0].Instance, "the oldest first")
	require.Equal(t, spotMarked, statusCode(t, c, 0))
	require.Equal(t, Running, c.Records()[0].State)
	play(t, c, "reclaim m5.* spot eu-west-1a: all")
	require.Len(t, log.of(Interruption), 3, "nobody is warned twice")
	now.Advance(2*time.Minute - time.Second)
	require.Equal(t, Running, c.Records()[0].State)
	_, err := c.Terminate(ids[1:2])
	require.NoError(t, err)
	now.Advance(time.Second)
	require.Equal(t, ShuttingDown, c.Records()[0].State)
	require.Equal(t, "Server.SpotInstanceTermination", c.Records()[0].Reason.Code)
	require.Equal(t, ReclaimCapacity, statusCode(t, c, 0))
	require.Equal(t, spotByUser, statusCode(t, c, 1), "one that was ended before is its owner's doing")
	require.Equal(t, ReclaimPrice, statusCode(t, c, 2))
	now.Advance(time.Minute)
	require.Equal(t, Terminated, c.Records()[0].State)
	list, err := c.SpotRequests(nil)
	require.NoError(t, err)
	require.Equal(t, "closed", list[0].State)
	var states []State
	for _, e := range log.of(StateChange) {
		if e.Instance == ids[0] {
			states = append(states, e.State)
		}
	}
	require.Equal(t, []State{Pending, Running, ShuttingDown, Terminated}, states)
}

func TestForgedWarningsRebalancesAndRetirements(t *testing.T) {
	log := &told{}
	c, now := newTestCloud(t, func(cfg *Config) { cfg.Notice, cfg.Tell = 2*time.Minute, log.tell })
	spots := launchSpot(t, c, 2)
	id := launchOne(t, c)
	now.Advance(10 * time.Second)
	play(t, c, "forge * spot *: 1\nforge * spot *: 1 as 999999999999\nrebalance * spot *: all\nretire * on-demand *: 1 in 1h")
	forged := log.of(Interruption)
	require.Len(t, forged, 2)
	require.True(t, forged[0].Forged)
	require.Equal(t, DefaultAccount, forged[0].Account)
	require.Equal(t, "999999999999", forged[1].Account)
	require.Len(t, log.of(Rebalance), 2)
	require.Equal(t, spotFulfilled, statusCode(t, c, 0), "a forged warning is not EC2's")
	require.Equal(t, now.Now().Add(time.Hour), log.of(ScheduledChange)[0].Until)
	statuses, err := c.Statuses([]string{id}, false)
	require.NoError(t, err)
	require.Equal(t, "instance-retirement", statuses[0].Events[0].Code)
	now.Advance(time.Hour)
	require.Equal(t, Running, c.Records()[0].State, spots)
	require.Equal(t, Stopping, c.Records()[2].State)
	require.Equal(t, "Server.ScheduledStop", c.Records()[2].Reason.Code)
}

func TestAMachineThatHangsIsImpaired(t *testing.T) {
	var power []Power
	c, now := newTestCloud(t, func(cfg *Config) { cfg.Notify = func(p Power) { power = append(power, p) } })
	id := launchOne(t, c)
	check := func() Status {
		list, err := c.Statuses([]string{id}, true)
		require.NoError(t, err)
		return list[0]
	}
	require.Equal(t, "not-applicable", check().System)
	now.Advance(10 * time.Second)
	require.Equal(t, "initializing", check().System)
	now.Advance(time.Minute)
	require.Equal(t, "ok", check().System)
	play(t, c, "silence * * *: all")
	require.Equal(t, "impaired", check().Instance)
	require.Equal(t, Running, check().State)
	require.Equal(t, PowerOff, power[len(power)-1].State)
	require.False(t, power[len(power)-1].Stopping)
	play(t, c, "restore * * *: all")
	require.Equal(t, "ok", check().Instance)
	require.Equal(t, PowerOn, power[len(power)-1].State)
	require.Equal(t, 1, power[len(power)-1].Boot)
	require.NoError(t, c.Reboot([]string{id}))
	require.Equal(t, 2, power[len(power)-1].Boot)
	require.Equal(t, Running, check().State)
}

func TestTheNextMachines(t *testing.T) {
	c, now := newTestCloud(t, func(cfg *Config) { cfg.Latencies = Latencies{} })
	play(t, c, "mute m5.* on-demand *: 1\nslow * * *: 2 by 10m\nreuse * * eu-west-1a: 1")
	first, second, third := launchOne(t, c), launchOne(t, c), launchOne(t, c)
	records := c.Records()
	require.Equal(t, []bool{true, false, false}, []bool{records[0].Mute, records[1].Mute, records[2].Mute}, first)
	require.Equal(t, []time.Duration{10 * time.Minute, 10 * time.Minute, 0}, []time.Duration{records[0].Late, records[1].Late, records[2].Late})
	_, err := c.Terminate([]string{second})
	require.NoError(t, err)
	now.Advance(time.Minute)
	heir := launchOne(t, c)
	records = c.Records()
	require.Equal(t, records[1].PrivateDNS, records[3].PrivateDNS, "%s has the name of %s", heir, second)
	launchOne(t, c)
	require.NotEqual(t, records[1].PrivateIP, c.Records()[4].PrivateIP, third)
}

func TestAccountsShareTheRegionsHardware(t *testing.T) {
	log := &told{}
	theirs, now := newTestCloud(t, func(cfg *Config) { cfg.Notice, cfg.Tell = 2*time.Minute, log.tell })
	mine, _ := newTestCloud(t, func(cfg *Config) {
		cfg.Clock, cfg.Account, cfg.Market = now, "210987654321", theirs.market
	})
	play(t, theirs, "share m5.* * eu-west-1a: 4")
	spots := launchSpot(t, theirs, 4)
	now.Advance(10 * time.Second)
	_, err := mine.Run(RunRequest{
		Data:     LaunchData{InstanceType: "m5.large", ImageID: ImageX86, Market: &Market{MarketType: "spot"}},
		SubnetID: SubnetA, MinCount: 1, MaxCount: 1,
	})
	require.Equal(t, "InsufficientInstanceCapacity", codeOf(err))
	launchOne(t, mine)
	now.Advance(0)
	require.Len(t, log.of(Interruption), 1, "an on-demand launch of one account takes another's spot machine")
	require.Equal(t, spots[0], log.of(Interruption)[0].Instance)
	now.Advance(3 * time.Minute)
	require.Equal(t, Terminated, theirs.Records()[0].State)
	require.Equal(t, Running, theirs.Records()[1].State)
	_, err = mine.Terminate([]string{mine.Records()[0].ID})
	require.NoError(t, err)
	launchSpot(t, theirs, 1) // the hardware is free again
}

func TestQuotasAreNotCapacity(t *testing.T) {
	c, _ := newTestCloud(t, func(cfg *Config) { cfg.Quotas = Quotas{OnDemandVCPUs: 4, SpotInstances: 2} })
	run := func(spot bool, n int) error {
		data := LaunchData{InstanceType: "m5.large", ImageID: ImageX86}
		if spot {
			data.Market = &Market{MarketType: "spot"}
		}
		_, err := c.Run(RunRequest{Data: data, SubnetID: SubnetA, MinCount: n, MaxCount: n})
		return err
	}
	require.Equal(t, "VcpuLimitExceeded", codeOf(run(false, 3)))
	require.NoError(t, run(false, 2))
	require.NoError(t, run(true, 2))
	require.Equal(t, "MaxSpotInstanceCountExceeded", codeOf(run(true, 1)))
	play(t, c, "m5.* * *: 0")
	require.Equal(t, "VcpuLimitExceeded", codeOf(run(false, 1)), "the quota is looked at first")
}

// TestAFleetTellsOfICEBesideItsInstances is what was seen in the field: an instance and an ICE error in one answer.
func TestAFleetTellsOfICEBesideItsInstances(t *testing.T) {
	c, _ := newTestCloud(t, nil)
	play(t, c, "m5.large spot eu-west-1a: 1\nc5.xlarge spot eu-west-1a: 5")
	answer, err := c.CreateFleet(FleetRequest{
		CapacityType: "spot", Count: 2, Strategy: LowestPrice, Configs: []FleetConfig{{
			Template: TemplateRef{ID: LaunchTemplateID},
			Overrides: []FleetOverride{
				{InstanceType: "m5.large", SubnetID: SubnetA}, {InstanceType: "c5.xlarge", SubnetID: SubnetA},
			},
		}},
	})
	require.NoError(t, err)
	require.Len(t, answer.Instances, 2, "the cheapest as far as it goes, then the next")
	require.Equal(t, "m5.large", answer.Instances[0].InstanceType)
	require.Len(t, answer.Errors, 1)
	require.Equal(t, "InsufficientInstanceCapacity", answer.Errors[0].Err.Code)
	fleets, err := c.Fleets([]string{answer.ID})
	require.NoError(t, err)
	require.Equal(t, answer, fleets[0].Answer)
	_, err = c.Fleets([]string{"fleet-0"})
	require.Equal(t, "InvalidFleetId.NotFound", codeOf(err))
}

func TestStrategies(t *testing.T) {
	for strategy, want := range map[Strategy]string{
		LowestPrice:            "[m5.large m5.large m5.large]",
		CapacityOptimized:      "[c5.xlarge c5.xlarge c5.xlarge]",
		PriceCapacityOptimized: "[c5.xlarge c5.xlarge c5.xlarge]",
	} {
		c, _ := newTestCloud(t, nil)
		// The cheap one has room for two of three only: who looks at capacity goes where all can be had.
		play(t, c, "m5.large spot eu-west-1a: 2\nm5.large spot eu-west-1b: 1")
		answer, err := c.CreateFleet(FleetRequest{
			CapacityType: "spot", Count: 3, Strategy: strategy, Configs: []FleetConfig{{
				Template: TemplateRef{ID: LaunchTemplateID},
				Overrides: []FleetOverride{
					{InstanceType: "m5.large", SubnetID: SubnetA}, {InstanceType: "m5.large", SubnetID: SubnetB}, {InstanceType: "c5.xlarge", SubnetID: SubnetA},
				},
			}},
		})
		require.NoError(t, err)
		var got []string
		for _, group := range answer.Instances {
			for range group.IDs {
				got = append(got, group.InstanceType)
			}
		}
		require.Equal(t, want, fmt.Sprint(got), strategy)
	}
}

func TestSpotFreeIsWhatTheMarketSays(t *testing.T) {
	c, _ := newTestCloud(t, nil)
	play(t, c, "m5.large spot eu-west-1a: 3")
	require.Equal(t, 3, c.SpotFree("m5.large", "euw1-az1", 10))
	require.Equal(t, 10, c.SpotFree("m5.large", "euw1-az2", 10))
	require.Zero(t, c.SpotFree("m5.huge", "euw1-az1", 10))
	require.Len(t, c.Offerings(), len(testTypes)*3*2)
	require.Contains(t, c.Offerings(), capacity.Offering{InstanceType: "m5.large", ZoneID: "euw1-az1", CapacityType: "spot"})
}
