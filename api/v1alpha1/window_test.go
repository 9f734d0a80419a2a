package v1alpha1

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

func TestBudgetApplies(t *testing.T) {
	for name, c := range map[string]struct {
		schedule string
		duration time.Duration
		zone     string
		now      string
		applies  bool
		until    string // where it applies
	}{
		"in business hours":             {"0 9 * * mon-fri", 8 * time.Hour, "", "2026-07-01T12:00:00Z", true, "2026-07-01T17:00:00Z"},
		"at the first moment":           {"0 9 * * mon-fri", 8 * time.Hour, "", "2026-07-01T09:00:00Z", true, "2026-07-01T17:00:00Z"},
		"a moment before":               {"0 9 * * mon-fri", 8 * time.Hour, "", "2026-07-01T08:59:59Z", false, ""},
		"at the end":                    {"0 9 * * mon-fri", 8 * time.Hour, "", "2026-07-01T17:00:00Z", false, ""},
		"on a Sunday":                   {"0 9 * * mon-fri", 8 * time.Hour, "", "2026-07-05T12:00:00Z", false, ""},
		"Sunday as seven":               {"0 9 * * 7", 8 * time.Hour, "", "2026-07-05T12:00:00Z", true, "2026-07-05T17:00:00Z"},
		"over midnight":                 {"0 22 * * *", 8 * time.Hour, "", "2026-07-02T05:00:00Z", true, "2026-07-02T06:00:00Z"},
		"by Berlin's summer clock":      {"0 9 * * *", time.Hour, "Europe/Berlin", "2026-07-01T07:30:00Z", true, "2026-07-01T08:00:00Z"},
		"by Berlin's winter clock":      {"0 9 * * *", time.Hour, "Europe/Berlin", "2026-01-05T07:30:00Z", false, ""},
		"the hour that clocks skip":     {"30 2 * * *", 10 * time.Minute, "Europe/Berlin", "2026-03-29T01:35:00Z", false, ""},
		"the hour that clocks repeat":   {"30 2 * * *", 10 * time.Minute, "Europe/Berlin", "2026-10-25T01:35:00Z", true, "2026-10-25T01:40:00Z"},
		"the later of two that overlap": {"0 */2 * * *", 3 * time.Hour, "", "2026-07-01T02:30:00Z", true, "2026-07-01T05:00:00Z"},
		"a list and a step":             {"10-50/20,5 0 1 jan *", time.Minute, "", "2026-01-01T00:30:00Z", true, "2026-01-01T00:31:00Z"},
		"either day, as cron has it":    {"0 0 13 * fri", time.Hour, "", "2026-07-13T00:10:00Z", true, "2026-07-13T01:00:00Z"},
		"a step from a number":          {"50/5 0 * * *", time.Minute, "", "2026-07-01T00:55:00Z", true, "2026-07-01T00:56:00Z"},
		"nobody knows the zone":         {"0 9 * * *", time.Hour, "Mars/Olympus", "2026-07-01T20:00:00Z", true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			now, err := time.Parse(time.RFC3339, c.now)
			require.NoError(t, err)
			applies, until := DisruptionBudget{Schedule: c.schedule, Duration: &metav1.Duration{Duration: c.duration}, TimeZone: c.zone}.Applies(now)
			require.Equal(t, c.applies, applies)
			if c.until == "" {
				require.Zero(t, until)
			} else {
				require.Equal(t, c.until, until.UTC().Format(time.RFC3339))
			}
		})
	}
	applies, _ := DisruptionBudget{Nodes: "3"}.Applies(time.Now())
	require.True(t, applies, "without a schedule it always applies")
}

func TestBudgetAllows(t *testing.T) {
	for nodes, want := range map[string]int{"0": 0, "3": 3, "0%": 0, "10%": 2, "100%": 11, "x": 0, "-1": 0, "101%": 0, "": 0} {
		require.Equal(t, want, DisruptionBudget{Nodes: nodes}.Allows(11), nodes)
	}
	require.Equal(t, 1, DisruptionBudget{Nodes: "10%"}.Allows(3), "rounded up")
}

// Whatever is written as a schedule, it is understood or refused, and a window that applies ends after now.
func TestSchedulesOfAnyShape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SampledFrom([]string{"*", "0", "5", "*/15", "1-5", "mon", "fri-mon", "7", "60", "-", "a", "1/0", "1,2,", "jan-mar", "99999999999999999999"})
		spec := ""
		for range rapid.IntRange(4, 6).Draw(t, "fields") {
			spec += part.Draw(t, "field") + " "
		}
		now := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "now"), 0)
		b := DisruptionBudget{Nodes: "1", Schedule: spec, Duration: &metav1.Duration{Duration: time.Hour}}
		_, err := parseCron(spec)
		applies, until := b.Applies(now)
		switch {
		case err != nil:
			require.True(t, applies)
		case applies:
			require.True(t, until.After(now) && !until.After(now.Add(time.Hour)), "%s to %s", now, until)
		}
	})
}
