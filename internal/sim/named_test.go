package sim_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/sim/clock"
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
		"boot:\n  pending: 1s\n  redy: 2s":                              "line 3: boot.redy is unknown: deletion, initialize, ",
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
