package sim_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/sim/capacity"
	"floe.dev/floe/internal/sim/clock"
	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/machine"
	"floe.dev/floe/internal/sim/script"
)

func TestNamedScenarios(t *testing.T) {
	all, err := sim.Scenarios()
	require.NoError(t, err)
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
		require.NotEmpty(t, s.Description, s.Name)
		o, err := sim.LoadScenario(s.Name)
		require.NoError(t, err, s.Name)
		require.NotEmpty(t, o.Script, s.Name)
		now := clock.NewManual(time.Date(2026, 7, 31, 12, 0, 0, 0, time.UTC))
		o.Clock, o.Log = now, slog.New(slog.DiscardHandler)
		world, err := sim.New(o)
		require.NoError(t, err, s.Name)
		now.Advance(time.Hour) // whatever happens, with nobody there
		world.Close()
	}
	require.Equal(t, []string{"api-storm", "calm-day", "evening-peak", "hibernation-troubles", "reclaim-storm", "zone-lost"}, names)
	_, err = sim.LoadScenario("sunny-day")
	require.ErrorContains(t, err, "calm-day")
}

func TestWhatAScenarioCannotSay(t *testing.T) {
	for text, want := range map[string]string{
		"seed: 1\nspeeed: 2":                                            "line 2: speeed is unknown: ",
		"boot:\n  pending: 1s\n  redy: 2s":                              "line 3: boot.redy is unknown: cni, deletion, initialize, ",
		"capacity:\n  models:\n    - {men: 1}":                          "line 3: capacity.models[0].men is unknown: capacityType, every, ",
		"capacity: {models: [{mean: -1}]}":                              "capacity.models[0].mean: -1 is not possible",
		"capacity: {models: [{mean: 1}]}":                               "capacity.models[0].halfLife: 0s is not possible",
		"capacity: {models: [{capacityType: s}]}":                       "capacity.models[0].capacityType: \"s\" is unknown: spot and on-demand",
		"capacity: {traces: [{kind: preemption}]}":                      "capacity.traces[0].file: ",
		"capacity: {traces: [{file: good.json, kind: guess}]}":          "capacity.traces[0].kind: \"guess\" is unknown: availability and preemption",
		"capacity: {traces: [{file: bad.json, kind: preemption}]}":      "metadata.gap_seconds: 0 is not possible",
		"hibernation: {fallback: 2}":                                    "hibernation.fallback: 2 is not a probability",
		"notice: 0s":                                                    "notice: 0s is not possible",
		"images: {mib: 10}":                                             "images.mibPerSecond: 0 is not possible",
		"script: |\n  reclaim c5.* spot *: 1\n  reclame c5.* spot *: 1": "script: line 2: \"reclame c5.* spot *: 1\": want",
		`script: "reclaim c5.* on-demand *: 1"`:                         "reclaim is for spot machines; retire",
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "good.json"), []byte(`{"metadata":{"gap_seconds":60},"data":[1,0]}`), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.json"), []byte(`{"data":[1,0]}`), 0o600))
		file := filepath.Join(dir, "scenario.yaml")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := sim.LoadScenario(file)
		require.Error(t, err, text)
		require.ErrorContains(t, err, want)
	}
}

// TestASeedMakesARunRepeatable plays the same calls into the same scenario twice.
func TestASeedMakesARunRepeatable(t *testing.T) {
	play := func(seed int64) string {
		o, err := sim.LoadScenario("calm-day")
		require.NoError(t, err)
		o.Seed, o.Latency = seed, nil
		// Little capacity, so that much is reclaimed.
		o.Models[0].Mean, o.Models[0].Spread = 5, 4
		w := newWorld(t, o)
		began := w.clock.Now()
		for n := range 10 {
			_, err := w.ec2.CreateFleet(w.ctx, fleet(4, types.DefaultTargetCapacityTypeSpot, "", in("m5.large", sim.SubnetA), in("c5.large", sim.SubnetB)))
			require.NoError(t, err, n)
			w.clock.Advance(13 * time.Minute)
		}
		var b strings.Builder
		for _, i := range w.server.Truth().Instances {
			fmt.Fprintf(&b, "%s %s %s %s", i.ID, i.InstanceType, i.PrivateIP, i.State)
			for _, state := range []string{"running", "shutting-down", "terminated"} {
				if at, ok := i.Since[state]; ok {
					fmt.Fprintf(&b, " %s", at.Sub(began))
				}
			}
			fmt.Fprintln(&b)
		}
		return b.String()
	}
	first := play(1)
	require.Contains(t, first, "terminated")
	require.Equal(t, first, play(1))
	require.NotEqual(t, first, play(2))
}

// TestTheNetworkPluginsTimeInAScenario: files that were written before it had a phase of its own keep their sum.
func TestTheNetworkPluginsTimeInAScenario(t *testing.T) {
	for text, want := range map[string][2]time.Duration{
		"{}":                         {9 * time.Second, 16 * time.Second},
		"boot: {ready: 3s}":          {0, 3 * time.Second},
		"boot: {cni: 2s}":            {2 * time.Second, 16 * time.Second},
		"boot: {cni: 2s, ready: 1s}": {2 * time.Second, time.Second},
	} {
		file := filepath.Join(t.TempDir(), "scenario.yaml")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		o, err := sim.LoadScenario(file)
		require.NoError(t, err)
		require.Equal(t, want, [2]time.Duration{o.Boot.CNI, o.Boot.Ready}, text)
	}
}

func TestWhatAScenarioSaysOfTheWorld(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "trace.json"), []byte(`{"metadata":{"gap_seconds":60},"data":[2,0]}`), 0o600))
	file := filepath.Join(dir, "scenario.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`
notice: 1m
tagLag: 3s
events: {queue: mine, bring: true}
boot: {initialize: 7s, sigma: 0.3}
quotas: {spotInstances: 5}
hibernation: {minUptime: 10s, quiet: 1s, kept: 24h, image: 0.5, fallback: 0.1}
capacity:
  models: [{types: "c5.*", zone: eu-west-1b, capacityType: spot, mean: 20, spread: 10, halfLife: 30m, every: 1m}]
  traces: [{file: trace.json, kind: availability, types: m5.large, capacityType: spot}]
images: {mibPerSecond: 100, mib: 200, sizes: [{image: "registry.example/*", mib: 900}]}
`), 0o600))
	o, err := sim.LoadScenario(file)
	require.NoError(t, err)
	require.Equal(t, time.Minute, o.Notice)
	require.Equal(t, 3*time.Second, o.TagLag)
	require.Equal(t, "mine", o.Queue)
	require.True(t, o.BringQueue)
	require.Equal(t, 7*time.Second, o.Boot.Initialize)
	require.Equal(t, 0.3, o.Boot.Sigma)
	require.Equal(t, 5, o.Quotas.SpotInstances)
	require.Equal(t, cloud.HibernationRules{MinUptime: 10 * time.Second, Quiet: time.Second, Kept: 24 * time.Hour, Image: 0.5, Fallback: 0.1}, *o.Hibernation)
	require.Equal(t, []capacity.Model{{
		Where: script.Where{Type: "c5.*", CapacityType: "spot", Zone: "eu-west-1b"}, Mean: 20, Spread: 10, HalfLife: 30 * time.Minute, Every: time.Minute,
	}}, o.Models)
	require.Equal(t, []capacity.Trace{{
		Kind: capacity.Availability, Where: script.Where{Type: "m5.large", CapacityType: "spot", Zone: "*"}, Gap: time.Minute, Data: []int{2, 0},
	}}, o.Traces)
	require.Equal(t, &machine.Images{MiBs: 100, MiB: 200, Sizes: []machine.ImageSize{{Image: "registry.example/*", MiB: 900}}}, o.Images)

	// The trace is played.
	w := newWorld(t, o)
	out, err := w.ec2.CreateFleet(w.ctx, fleet(3, types.DefaultTargetCapacityTypeSpot, "", in("m5.large", sim.SubnetA)))
	require.NoError(t, err)
	require.Equal(t, map[string]int{"m5.large": 2}, launched(out))
	w.clock.Advance(time.Minute)
	out, err = w.ec2.CreateFleet(w.ctx, fleet(1, types.DefaultTargetCapacityTypeSpot, "", in("m5.large", sim.SubnetA)))
	require.NoError(t, err)
	require.Empty(t, out.Instances)
	require.Equal(t, "InsufficientInstanceCapacity", *out.Errors[0].ErrorCode)
}
