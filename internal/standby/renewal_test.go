package standby

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestRenew(t *testing.T) {
	now := at(t, "2026-07-06T12:00:00Z")
	old := func(days int) time.Time { return now.Add(-time.Duration(days) * 24 * time.Hour) }
	rules := RenewalRules{Template: "lt-1@7 ami-b", Drift: 0.5, AtOnce: 10}
	machines := []Sleeper{
		{Instance: "i-young", Launched: old(3), Template: "lt-1@7 ami-b"},
		{Instance: "i-drift", Launched: old(3), Template: "lt-1@7 ami-b", Drift: 0.51},
		{Instance: "i-drifts-more", Launched: old(2), Template: "lt-1@7 ami-b", Drift: 0.9},
		{Instance: "i-half", Launched: old(3), Drift: 0.5},
		{Instance: "i-old", Launched: old(50), Template: "lt-1@7 ami-b"},
		{Instance: "i-not-quite", Launched: old(50).Add(time.Minute)},
		{Instance: "i-template", Launched: old(1), Template: "lt-1@6 ami-a"},
		{Instance: "i-last-days", Launched: old(55), Template: "lt-1@7 ami-b"},
	}
	all := []Renewal{
		{"i-last-days", "it is 55 days old: EC2 keeps no hibernated machine beyond 60 days"},
		{"i-template", "it was launched from lt-1@6 ami-a, and lt-1@7 ami-b is launched today"},
		{"i-old", "it is 50 days old, and is renewed after 50 days"},
		{"i-drifts-more", "it lacks 90 % of the images that would be prefetched today, and may lack 50 %"},
		{"i-drift", "it lacks 51 % of the images that would be prefetched today, and may lack 50 %"},
	}
	for _, c := range []struct {
		name   string
		change func(*RenewalRules, []Sleeper)
		want   []Renewal
	}{
		{"all that are due", func(*RenewalRules, []Sleeper) {}, all},
		{"two at a time", func(r *RenewalRules, _ []Sleeper) { r.AtOnce = 2 }, all[:2]},
		{"one where nothing is said", func(r *RenewalRules, _ []Sleeper) { r.AtOnce = 0 }, all[:1]},
		{"one is under way", func(r *RenewalRules, m []Sleeper) { r.AtOnce, m[0].Renewing = 2, true }, all[:1]},
		{"enough are under way", func(r *RenewalRules, m []Sleeper) { r.AtOnce, m[0].Renewing = 1, true }, []Renewal{}},
		{"no drift", func(r *RenewalRules, _ []Sleeper) { r.Drift = 1 }, all[:3]},
		{"nothing known of the template", func(r *RenewalRules, _ []Sleeper) { r.Template, r.Drift = "", 0 }, []Renewal{all[0], all[2]}},
		{"beyond what EC2 allows", func(r *RenewalRules, m []Sleeper) {
			r.After, r.Drift, r.Template = 100*24*time.Hour, 0, ""
			m[4].Launched = old(59)
		}, []Renewal{{"i-old", "it is 59 days old: EC2 keeps no hibernated machine beyond 60 days"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, m := rules, append([]Sleeper{}, machines...)
			c.change(&r, m)
			require.Equal(t, c.want, Renew(m, r, now))
		})
	}
}

// Whatever sleeps: never more at once than may be, none twice, and none is left to EC2's last day while others go first.
func TestRenewProperties(t *testing.T) {
	now := time.Date(2026, 7, 6, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		var machines []Sleeper
		renewing, last := 0, 0
		for i := range rapid.IntRange(0, 20).Draw(t, "machines") {
			m := Sleeper{
				Instance: string(rune('a' + i)), Launched: now.Add(-time.Duration(rapid.IntRange(0, 62).Draw(t, "days")) * 24 * time.Hour),
				Template: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "template"),
				Drift:    rapid.Float64Range(0, 1).Draw(t, "drift"), Renewing: rapid.Bool().Draw(t, "renewing"),
			}
			if m.Renewing {
				renewing++
			} else if now.Sub(m.Launched) >= MaxAge-lastDays {
				last++
			}
			machines = append(machines, m)
		}
		rules := RenewalRules{Template: "a", Drift: 0.5, AtOnce: rapid.IntRange(0, 5).Draw(t, "atOnce")}
		found := Renew(machines, rules, now)
		require.LessOrEqual(t, len(found), max(0, max(1, rules.AtOnce)-renewing))
		seen := map[string]bool{}
		for i, r := range found {
			require.False(t, seen[r.Instance])
			seen[r.Instance] = true
			m := machines[r.Instance[0]-'a']
			require.False(t, m.Renewing)
			if i < min(last, len(found)) {
				require.GreaterOrEqual(t, now.Sub(m.Launched), MaxAge-lastDays)
			}
		}
	})
}
