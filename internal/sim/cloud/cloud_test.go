package cloud

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/sim/query"
)

func launchOne(t *testing.T, c *Cloud) string {
	t.Helper()
	list, err := c.Run(RunRequest{Data: LaunchData{InstanceType: "m5.large", ImageID: ImageX86}, SubnetID: SubnetA, MinCount: 1, MaxCount: 1})
	require.NoError(t, err)
	return list[0].ID
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return query.AsError(err).Code
}

func TestCostIsBySecondWithAMinuteAtLeast(t *testing.T) {
	c, now := newTestCloud(t, nil)
	id := launchOne(t, c)
	cost := func() float64 { return c.Records()[0].CostUSD }
	now.Advance(4 * time.Second)
	require.Zero(t, cost(), "pending costs nothing")
	now.Advance(2 * time.Second)
	require.InDelta(t, 0.1/60, cost(), 1e-9, "the first minute is paid at once")
	now.Advance(89 * time.Second)
	require.InDelta(t, 0.1*90/3600, cost(), 1e-9)
	_, err := c.Stop([]string{id}, false, false)
	require.NoError(t, err)
	now.Advance(time.Hour)
	require.InDelta(t, 0.1*90/3600, cost(), 1e-9, "a stopped machine costs nothing")
	_, err = c.Start([]string{id})
	require.NoError(t, err)
	now.Advance(6 * time.Second)
	require.InDelta(t, 0.1*150/3600, cost(), 1e-9, "each start pays its minute")
	_, err = c.Terminate([]string{id})
	require.NoError(t, err)
	now.Advance(time.Hour)
	require.InDelta(t, 0.1*150/3600, cost(), 1e-9)
}

func TestTaggingARunningInstanceDoesNotBillItTwice(t *testing.T) {
	c, now := newTestCloud(t, nil)
	id := launchOne(t, c)
	now.Advance(65 * time.Second)
	require.NoError(t, c.Tag([]string{id}, []Tag{{"a", "b"}}))
	now.Advance(time.Minute)
	require.InDelta(t, 0.1*120/3600, c.Records()[0].CostUSD, 1e-9)
}

func TestStatesFollowEachOther(t *testing.T) {
	c, now := newTestCloud(t, nil)
	id := launchOne(t, c)
	is := func(want State) {
		t.Helper()
		require.Equal(t, want, c.Records()[0].State)
	}
	is(Pending)
	_, err := c.Stop([]string{id}, false, false)
	require.Equal(t, "IncorrectInstanceState", codeOf(err), "a pending instance cannot be stopped")
	now.Advance(5 * time.Second)
	is(Running)
	changes, err := c.Stop([]string{id}, false, false)
	require.NoError(t, err)
	require.Equal(t, []Change{{id, Running, Stopping}}, changes)
	_, err = c.Start([]string{id})
	require.Equal(t, "IncorrectInstanceState", codeOf(err), "a stopping instance cannot be started")
	now.Advance(20 * time.Second)
	is(Stopped)
	_, err = c.Start([]string{id})
	require.NoError(t, err)
	is(Pending)
	// A termination while it comes up must not be undone by the boot that was under way.
	_, err = c.Terminate([]string{id})
	require.NoError(t, err)
	now.Advance(10 * time.Second)
	is(ShuttingDown)
	now.Advance(20 * time.Second)
	is(Terminated)
	_, err = c.Terminate([]string{id})
	require.NoError(t, err, "terminating twice is no error")
	now.Advance(2 * time.Hour)
	_, err = c.Terminate([]string{id})
	require.Equal(t, "InvalidInstanceID.NotFound", codeOf(err), "EC2 forgets in the end")
}

func TestDescribeLags(t *testing.T) {
	c, now := newTestCloud(t, func(cfg *Config) { cfg.DescribeLag = 3 * time.Second })
	id := launchOne(t, c)
	seen := func() []Snapshot {
		list, err := c.Instances(nil)
		require.NoError(t, err)
		return list
	}
	require.Empty(t, seen())
	_, err := c.Instances([]string{id})
	require.Equal(t, "InvalidInstanceID.NotFound", codeOf(err))
	now.Advance(3 * time.Second)
	require.Equal(t, Pending, seen()[0].State)
	now.Advance(2 * time.Second)
	require.Equal(t, Pending, seen()[0].State, "it runs, but nobody is told yet")
	require.Equal(t, Running, c.Records()[0].State)
	require.NoError(t, c.Tag([]string{id}, []Tag{{"late", "yes"}}))
	require.NotContains(t, seen()[0].Tags, "late")
	now.Advance(3 * time.Second)
	require.Equal(t, Running, seen()[0].State)
	require.Equal(t, "yes", seen()[0].Tags["late"])
	_, err = c.Terminate([]string{id})
	require.NoError(t, err)
	require.Equal(t, Running, seen()[0].State)
}

func TestHibernation(t *testing.T) {
	yes := true
	root := func(gib int, encrypted *bool) []BlockDevice {
		return []BlockDevice{{RootDevice, &EBS{VolumeSize: gib, Encrypted: encrypted}}}
	}
	spot := &Market{MarketType: "spot"}
	for name, data := range map[string]LaunchData{
		"type":       {InstanceType: "c5.xlarge", BlockDevices: root(30, &yes)},
		"size":       {InstanceType: "m5.large", BlockDevices: []BlockDevice{{RootDevice, &EBS{VolumeSize: 30}}}},
		"encryption": {InstanceType: "m5.large", BlockDevices: root(30, nil)},
		"market":     {InstanceType: "m5.large", BlockDevices: root(30, &yes), Market: spot},
	} {
		c, _ := newTestCloud(t, nil)
		data.ImageID, data.Hibernation = ImageX86, &Hibernation{Configured: true}
		_, err := c.Run(RunRequest{Data: data, MinCount: 1, MaxCount: 1})
		require.Equal(t, "UnsupportedHibernationConfiguration", codeOf(err), name)
	}

	var power []Power
	c, now := newTestCloud(t, func(cfg *Config) { cfg.Notify = func(p Power) { power = append(power, p) } })
	list, err := c.Run(RunRequest{MinCount: 1, MaxCount: 1, Data: LaunchData{
		InstanceType: "m5.large", ImageID: ImageX86, Hibernation: &Hibernation{Configured: true}, BlockDevices: root(30, &yes),
	}})
	require.NoError(t, err)
	id := list[0].ID
	now.Advance(time.Minute)
	_, err = c.Stop([]string{id}, true, false)
	require.NoError(t, err)
	now.Advance(time.Minute)
	require.Equal(t, "Client.UserInitiatedHibernate", c.Records()[0].Reason.Code)
	_, err = c.Start([]string{id})
	require.NoError(t, err)
	now.Advance(time.Minute)
	require.Equal(t, 1, c.Records()[0].Boots, "it was resumed, not booted")
	require.Len(t, power, 3)
	require.True(t, power[1].Stopping)
	require.True(t, power[2].Resumed)
	_, err = c.Stop([]string{launchOne(t, c)}, true, false)
	require.Error(t, err, "one that is not configured for it cannot be hibernated")
}

func TestSpotPricesDependOnSeedTypeAndZoneAlone(t *testing.T) {
	facts := catalog.Facts()
	a := DefaultZones[0]
	discounts := 0.0
	differ := 0
	for _, f := range facts {
		price := spotPrice(7, f, a)
		require.Equal(t, price, spotPrice(7, f, a))
		require.Greater(t, price, 0.0)
		require.Less(t, price, f.OnDemandUSD, f.Name)
		discounts += 1 - price/f.OnDemandUSD
		if price != spotPrice(7, f, DefaultZones[1]) {
			differ++
		}
	}
	require.InDelta(t, meanSpotDiscount, discounts/float64(len(facts)), 0.02)
	require.Greater(t, differ, len(facts)*9/10, "zones differ")
	require.NotEqual(t, spotPrice(7, facts[0], a), spotPrice(8, facts[0], a))
}

func TestAddressesAreTakenInTurnAndRunOut(t *testing.T) {
	c, _ := newTestCloud(t, func(cfg *Config) { cfg.Latencies = Latencies{} })
	run := func(n int) ([]Snapshot, error) {
		return c.Run(RunRequest{Data: LaunchData{InstanceType: "m5.large", ImageID: ImageX86}, SubnetID: SubnetB, MinCount: 1, MaxCount: n})
	}
	first, err := run(1)
	require.NoError(t, err)
	require.Equal(t, "10.0.16.4", first[0].PrivateIP, "the first four addresses are AWS's")
	require.Equal(t, "ip-10-0-16-4.eu-west-1.compute.internal", first[0].PrivateDNS)
	_, err = c.Terminate([]string{first[0].ID})
	require.NoError(t, err)
	second, err := run(1)
	require.NoError(t, err)
	require.Equal(t, "10.0.16.5", second[0].PrivateIP, "an address is not given again at once")
	for _, want := range []int{1000, 1000, 1000, 1000, 90} {
		list, err := run(1000)
		require.NoError(t, err)
		require.Len(t, list, want, "a /20 has 4,091 addresses for instances")
	}
	_, err = run(1000)
	require.Equal(t, "InsufficientFreeAddressesInSubnet", codeOf(err))
}

func TestTags(t *testing.T) {
	c, _ := newTestCloud(t, nil)
	id := launchOne(t, c)
	for name, tags := range map[string][]Tag{
		"reserved": {{"aws:mine", "x"}},
		"twice":    {{"a", "1"}, {"a", "2"}},
		"long":     {{strings.Repeat("k", 129), "x"}},
		"value":    {{"k", strings.Repeat("v", 257)}},
	} {
		require.Equal(t, "InvalidParameterValue", codeOf(c.Tag([]string{id}, tags)), name)
	}
	many := make([]Tag, 50)
	for n := range many {
		many[n] = Tag{strings.Repeat("k", n+1), "v"}
	}
	require.NoError(t, c.Tag([]string{id}, many))
	require.Equal(t, "TagLimitExceeded", codeOf(c.Tag([]string{id}, []Tag{{"one more", ""}})))
	require.NoError(t, c.Tag([]string{id}, []Tag{{"k", "changed"}}))
	require.Equal(t, "InvalidInstanceID.NotFound", codeOf(c.Tag([]string{id, "i-00000000000000000"}, []Tag{{"k", "not at all"}})))
	require.Equal(t, "changed", c.Records()[0].Tags["k"], "a call that is refused tags nothing")
}

func TestLaunchesAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		data   LaunchData
		subnet string
		code   string
	}{
		"type":         {LaunchData{InstanceType: "m5.huge", ImageID: ImageX86}, SubnetA, "InvalidInstanceType"},
		"no type":      {LaunchData{ImageID: ImageX86}, SubnetA, "MissingParameter"},
		"image":        {LaunchData{InstanceType: "m5.large", ImageID: "ami-1"}, SubnetA, "InvalidAMIID.NotFound"},
		"architecture": {LaunchData{InstanceType: "m7g.large", ImageID: ImageX86}, SubnetA, "InvalidParameterValue"},
		"subnet":       {LaunchData{InstanceType: "m5.large", ImageID: ImageX86}, "subnet-1", "InvalidSubnetID.NotFound"},
		"zone":         {LaunchData{InstanceType: "m5.large", ImageID: ImageX86, Placement: &Placement{AvailabilityZone: "eu-west-1b"}}, SubnetA, "InvalidParameterValue"},
		"user data":    {LaunchData{InstanceType: "m5.large", ImageID: ImageX86, UserData: "#!/bin/bash"}, SubnetA, "InvalidUserData.Malformed"},
		"volume":       {LaunchData{InstanceType: "m5.large", ImageID: ImageX86, BlockDevices: []BlockDevice{{RootDevice, &EBS{VolumeSize: 8}}}}, SubnetA, "InvalidBlockDeviceMapping"},
		"price": {LaunchData{InstanceType: "m5.large", ImageID: ImageX86, Market: &Market{
			MarketType: "spot", SpotOptions: &SpotOptions{MaxPrice: "0.001"},
		}}, SubnetA, "SpotMaxPriceTooLow"},
		"good": {LaunchData{InstanceType: "m5.large", ImageID: ImageX86}, SubnetA, ""},
	} {
		c, _ := newTestCloud(t, nil)
		_, err := c.Run(RunRequest{Data: test.data, SubnetID: test.subnet, MinCount: 1, MaxCount: 1})
		require.Equal(t, test.code, codeOf(err), name)
	}
}

func TestEveryRealTypeCanBeLaunched(t *testing.T) {
	c, _ := newTestCloud(t, func(cfg *Config) { cfg.Types = catalog.Facts() })
	types := c.Types()
	for _, f := range types {
		image := ImageX86
		if f.Arch == "arm64" {
			image = ImageARM
		}
		_, err := c.Run(RunRequest{Data: LaunchData{InstanceType: f.Name, ImageID: image}, MinCount: 1, MaxCount: 1})
		require.NoError(t, err, f.Name)
	}
	require.Len(t, c.Records(), len(types))
	require.Equal(t, v1alpha1.OnDemand, c.Records()[0].CapacityType)
}
