package cloud

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sleeper is a cloud with a machine of 8 GiB that can be hibernated, running for as long as it must.
func sleeper(t *testing.T, change func(*Config)) (*Cloud, func(time.Duration), string, func() Power) {
	t.Helper()
	var power []Power
	c, now := newTestCloud(t, func(cfg *Config) {
		cfg.Hibernation = HibernationRules{MinUptime: 2 * time.Minute, Quiet: 30 * time.Second, Kept: 60 * 24 * time.Hour, Image: 1}
		cfg.Notify = func(p Power) { power = append(power, p) }
		if change != nil {
			change(cfg)
		}
	})
	yes := true
	list, err := c.Run(RunRequest{MinCount: 1, MaxCount: 1, SubnetID: SubnetA, Data: LaunchData{
		InstanceType: "m5.large", ImageID: ImageX86, Hibernation: &Hibernation{Configured: true},
		BlockDevices: []BlockDevice{{RootDevice, &EBS{VolumeSize: 30, Encrypted: &yes, Throughput: 256}}},
	}})
	require.NoError(t, err)
	return c, now.Advance, list[0].ID, func() Power { return power[len(power)-1] }
}

func TestHibernationTakesItsTime(t *testing.T) {
	c, wait, id, last := sleeper(t, nil)
	state := func() State { return c.Records()[0].State }
	wait(2 * time.Minute)
	_, err := c.Stop([]string{id}, true, false)
	require.Equal(t, "UnsupportedOperation", codeOf(err), "not ready to hibernate yet: it runs for 115 s")
	_, err = c.Stop([]string{id}, false, false)
	require.NoError(t, err, "a plain stop is always possible")
	wait(time.Hour)
	_, err = c.Start([]string{id})
	require.NoError(t, err)
	wait(5*time.Second + 2*time.Minute)
	require.Equal(t, 2, c.Records()[0].Boots)

	before := c.Records()[0].CostUSD
	_, err = c.Stop([]string{id}, true, false)
	require.NoError(t, err)
	wait(51 * time.Second) // 20 s of shutting down, and 8 GiB at 256 MiB/s are 32 s
	require.Equal(t, Stopping, state())
	wait(time.Second)
	require.Equal(t, Stopped, state())
	require.Equal(t, "Client.UserInitiatedHibernate", c.Records()[0].Reason.Code)
	require.InDelta(t, 52*0.1/3600, c.Records()[0].CostUSD-before, 1e-9, "the way into hibernation is billed")

	_, err = c.Start([]string{id})
	require.NoError(t, err)
	wait(5 * time.Second)
	require.Equal(t, Running, state())
	require.True(t, last().Resumed)
	require.Equal(t, 2, last().Boot, "the boot is the same")
	require.Equal(t, last().At.Add(32*time.Second), last().Loaded)

	changes, err := c.Stop([]string{id}, true, false)
	require.NoError(t, err)
	require.Equal(t, Change{id, Running, Running}, changes[0], "ignored, so soon after a resume")
	wait(32*time.Second + 30*time.Second)
	changes, err = c.Stop([]string{id}, true, false)
	require.NoError(t, err)
	require.Equal(t, Stopping, changes[0].Current)
	wait(61 * 24 * time.Hour)
	_, err = c.Start([]string{id})
	require.NoError(t, err)
	wait(5 * time.Second)
	require.False(t, last().Resumed, "after 60 days")
	require.Equal(t, 3, last().Boot)
}

func TestAHibernationCanFailWithoutAWord(t *testing.T) {
	for name, test := range map[string]struct {
		fallback float64
		force    bool
		resumed  bool
	}{
		"never":  {0, false, true},
		"always": {1, false, false},
		"force":  {0, true, false},
	} {
		c, wait, id, last := sleeper(t, func(cfg *Config) { cfg.Hibernation.Fallback = test.fallback })
		wait(5 * time.Minute)
		_, err := c.Stop([]string{id}, true, test.force)
		require.NoError(t, err)
		wait(5 * time.Minute)
		require.Equal(t, "Client.UserInitiatedHibernate", c.Records()[0].Reason.Code, name)
		_, err = c.Start([]string{id})
		require.NoError(t, err)
		wait(5 * time.Second)
		require.Equal(t, test.resumed, last().Resumed, name)
	}
}

func TestAStartMeetsICEAndQuotas(t *testing.T) {
	c, wait, id, _ := sleeper(t, func(cfg *Config) { cfg.Quotas = Quotas{OnDemandVCPUs: 2} })
	wait(5 * time.Minute)
	_, err := c.Stop([]string{id}, true, false)
	require.NoError(t, err)
	wait(5 * time.Minute)
	play(t, c, "m5.* on-demand *: 0")
	_, err = c.Start([]string{id})
	require.Equal(t, "InsufficientInstanceCapacity", codeOf(err))
	require.Equal(t, Stopped, c.Records()[0].State)
	play(t, c, "m5.* on-demand *: unlimited")
	other := launchOne(t, c)
	_, err = c.Start([]string{id})
	require.Equal(t, "VcpuLimitExceeded", codeOf(err))
	_, err = c.Terminate([]string{other})
	require.NoError(t, err)
	_, err = c.Start([]string{id})
	require.NoError(t, err)
}

func TestAStopKeepsThePrivateAddressAndLosesThePublicOne(t *testing.T) {
	c, now := newTestCloud(t, nil)
	yes := true
	list, err := c.Run(RunRequest{MinCount: 1, MaxCount: 1, Data: LaunchData{
		InstanceType: "m5.large", ImageID: ImageX86,
		Interfaces: []NetworkInterface{{SubnetID: SubnetA, AssociatePublicIPAddress: &yes}},
	}})
	require.NoError(t, err)
	first := list[0]
	require.NotEmpty(t, first.PublicIP)
	now.Advance(time.Minute)
	_, err = c.Stop([]string{first.ID}, false, false)
	require.NoError(t, err)
	now.Advance(time.Minute)
	require.Empty(t, c.Records()[0].PublicIP)
	volumes, err := c.Volumes([]string{first.RootVolume})
	require.NoError(t, err)
	require.Equal(t, "in-use", volumes[0].State, "the volume stays")
	_, err = c.Start([]string{first.ID})
	require.NoError(t, err)
	now.Advance(time.Minute)
	again := c.Records()[0]
	require.NotEmpty(t, again.PublicIP)
	require.NotEqual(t, first.PublicIP, again.PublicIP)
	require.Equal(t, first.PrivateIP, again.PrivateIP)
}

func TestTagsLag(t *testing.T) {
	c, now := newTestCloud(t, func(cfg *Config) { cfg.TagLag = 5 * time.Second })
	list, err := c.Run(RunRequest{MinCount: 1, MaxCount: 1, Data: LaunchData{
		InstanceType: "m5.large", ImageID: ImageX86, TagSpecs: []TagSpec{{"instance", []Tag{{"a", "launch"}}}},
	}})
	require.NoError(t, err)
	tags := func() map[string]string {
		seen, err := c.Instances(nil)
		require.NoError(t, err)
		return seen[0].Tags
	}
	require.Equal(t, map[string]string{"a": "launch"}, tags(), "those of the launch are there at once")
	now.Advance(time.Minute)
	require.NoError(t, c.Tag([]string{list[0].ID}, []Tag{{"b", "later"}}))
	require.Equal(t, map[string]string{"a": "launch"}, tags())
	now.Advance(5 * time.Second)
	require.Equal(t, map[string]string{"a": "launch", "b": "later"}, tags())
	launch := "launch"
	require.NoError(t, c.Untag([]string{list[0].ID}, []TagToDelete{{Key: "a", Value: &launch}, {Key: "b", Value: &launch}, {Key: "none"}}))
	now.Advance(5 * time.Second)
	require.Equal(t, map[string]string{"b": "later"}, tags(), "a tag with another value stays")
}

// One of two wakes and hangs; the next does not.
func TestOneOversleeps(t *testing.T) {
	c, wait, id, last := sleeper(t, nil)
	wait(2*time.Minute + 5*time.Second)
	play(t, c, "oversleep * * *: 1")
	for _, hangs := range []bool{true, false} {
		_, err := c.Stop([]string{id}, true, false)
		require.NoError(t, err)
		wait(2 * time.Minute)
		_, err = c.Start([]string{id})
		require.NoError(t, err)
		wait(3 * time.Minute)
		list, err := c.Statuses([]string{id}, true)
		require.NoError(t, err)
		require.Equal(t, Running, list[0].State)
		require.Equal(t, hangs, list[0].Instance == "impaired")
		require.Equal(t, hangs, last().State == PowerOff)
	}
}
