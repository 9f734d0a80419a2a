package standby

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"floe.dev/floe/api/v1alpha1"
)

func at(t testing.TB, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return moment
}

func schedule(start, zone string, length time.Duration, count int32) v1alpha1.StandbyTarget {
	return v1alpha1.StandbyTarget{Tier: v1alpha1.Hibernated, Schedule: &v1alpha1.StandbySchedule{
		Start: start, TimeZone: zone, Duration: metav1.Duration{Duration: length}, Count: count,
	}}
}

func TestTheLargestReasonHolds(t *testing.T) {
	ladder := v1alpha1.StandbyTarget{Tier: v1alpha1.Hibernated, Ladder: []v1alpha1.StandbyStep{{Nodes: 100, Count: 10}, {Nodes: 16, Count: 4}}}
	office := schedule("0 8 * * 1-5", "Europe/Berlin", 2*time.Hour, 6)
	spec := &v1alpha1.Standby{Hibernated: 2, Stopped: 1, Targets: []v1alpha1.StandbyTarget{ladder, office}}
	monday := at(t, "2026-07-06T06:30:00Z") // 8:30 in Berlin
	sunday := at(t, "2026-07-05T06:30:00Z")
	for _, c := range []struct {
		name   string
		now    time.Time
		nodes  int
		count  int
		reason string
	}{
		{"number", sunday, 15, 2, "the pool's number"},
		{"first step", sunday, 16, 4, "the pool has 16 nodes: the ladder's step from 16 on"},
		{"below the second", sunday, 99, 4, "the pool has 99 nodes: the ladder's step from 16 on"},
		{"second step", sunday, 100, 10, "the pool has 100 nodes: the ladder's step from 100 on"},
		{"window", monday, 16, 6, `within the schedule "0 8 * * 1-5" (Europe/Berlin), for 2h0m0s, until Mon 10:00`},
		{"step above the window", monday, 1000, 10, "the pool has 1000 nodes: the ladder's step from 100 on"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := Target(spec, Moment{Now: c.now, Nodes: c.nodes})
			require.Equal(t, Want{Count: c.count, Reason: c.reason}, g.Hibernated)
			require.Equal(t, g.Hibernated, g.Of(v1alpha1.Hibernated))
			require.Equal(t, Want{Count: 1, Reason: "the pool's number"}, g.Of(v1alpha1.Stopped))
			require.Empty(t, g.Problems)
		})
	}
	require.Equal(t, at(t, "2026-07-06T08:00:00Z"), Target(spec, Moment{Now: monday}).Again.UTC(), "the window's end")
	require.Equal(t, at(t, "2026-07-06T06:00:00Z"), Target(spec, Moment{Now: sunday}).Again.UTC(), "the next one's beginning")
	require.Equal(t, at(t, "2026-07-05T06:30:00Z"), Target(spec, Moment{Now: sunday.Add(-24 * time.Hour)}).Again.UTC(), "no farther than a day")
}

func TestNoStandbyKeepsNothing(t *testing.T) {
	g := Target(nil, Moment{Now: at(t, "2026-07-06T06:30:00Z"), Nodes: 5})
	require.Zero(t, g.Hibernated.Count+g.Stopped.Count)
	require.Zero(t, g.Again)
}

// What validation would have refused keeps nothing and says so; what is well beside it holds.
func TestTargetsThatCannotBeRead(t *testing.T) {
	spec := &v1alpha1.Standby{Targets: []v1alpha1.StandbyTarget{
		schedule("at dawn", "", time.Hour, 3), schedule("0 0 * * *", "Mars/Olympus", time.Hour, 3), schedule("* * * * *", "", time.Hour, 1),
		{Tier: v1alpha1.Stopped, Forecast: &v1alpha1.StandbyForecast{Percent: 90, Max: 3, TimeZone: "Mars/Olympus"}},
	}}
	g := Target(spec, Moment{Now: at(t, "2026-07-06T06:30:00Z")})
	require.Equal(t, 1, g.Hibernated.Count)
	require.Len(t, g.Problems, 3)
	require.Contains(t, g.Problems[0], "standby.targets[0]: schedule.start: want five fields")
	require.Contains(t, g.Problems[2], "standby.targets[3]: forecast.timeZone")
}

func TestWindows(t *testing.T) {
	for _, c := range []struct {
		name, start, zone string
		length            time.Duration
		now               string
		within            bool
		change            string
	}{
		{"first moment", "30 6 * * *", "", time.Hour, "2026-07-06T06:30:00Z", true, "2026-07-06T07:30:00Z"},
		{"last moment", "30 6 * * *", "", time.Hour, "2026-07-06T07:29:59Z", true, "2026-07-06T07:30:00Z"},
		{"over", "30 6 * * *", "", time.Hour, "2026-07-06T07:30:00Z", false, "2026-07-07T06:30:00Z"},
		{"past midnight", "0 22 * * *", "", 10 * time.Hour, "2026-07-07T07:00:00Z", true, "2026-07-07T08:00:00Z"},
		{"over the weekend", "0 20 * * 5", "", 60 * time.Hour, "2026-07-06T07:00:00Z", true, "2026-07-06T08:00:00Z"},
		{"half-hour zone", "0 9 * * *", "Asia/Kolkata", time.Hour, "2026-07-06T03:45:00Z", true, "2026-07-06T04:30:00Z"},

		// Berlin's clocks go from 2 to 3 on March 29 (1:00 UTC), and from 3 to 2 on October 25 (1:00 UTC).
		{"winter", "0 8 * * *", "Europe/Berlin", time.Hour, "2026-03-28T07:00:00Z", true, "2026-03-28T08:00:00Z"},
		{"summer", "0 8 * * *", "Europe/Berlin", time.Hour, "2026-03-29T06:00:00Z", true, "2026-03-29T07:00:00Z"},
		{"before a start that is left out", "30 2 * * *", "Europe/Berlin", time.Hour, "2026-03-29T00:59:59Z", false, "2026-03-29T01:00:00Z"},
		{"a start that is left out", "30 2 * * *", "Europe/Berlin", time.Hour, "2026-03-29T01:00:00Z", true, "2026-03-29T02:00:00Z"},
		{"a window across the change", "0 1 * * *", "Europe/Berlin", 2 * time.Hour, "2026-03-29T01:59:59Z", true, "2026-03-29T02:00:00Z"},
		{"a start that comes twice, the first time", "30 2 * * *", "Europe/Berlin", 30 * time.Minute, "2026-10-25T00:30:00Z", true, "2026-10-25T01:00:00Z"},
		{"a start that comes twice, the second time", "30 2 * * *", "Europe/Berlin", 30 * time.Minute, "2026-10-25T01:30:00Z", false, "2026-10-26T01:30:00Z"},
		{"the day that Samoa left out", "0 12 30 12 *", "Pacific/Apia", time.Hour, "2011-12-30T10:00:00Z", true, "2011-12-30T11:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := &v1alpha1.Standby{Targets: []v1alpha1.StandbyTarget{schedule(c.start, c.zone, c.length, 1)}}
			g := Target(spec, Moment{Now: at(t, c.now)})
			require.Empty(t, g.Problems)
			require.Equal(t, c.within, g.Hibernated.Count == 1, g.Hibernated.Reason)
			require.Equal(t, c.change, g.Again.UTC().Format(time.RFC3339))
		})
	}
}

var zones = []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia", "America/St_Johns"}

// Whatever the zone: a clock on the wall shows at the instant what it was asked for, and at no instant before; or, at the
// instant of a change that leaves it out, jumps from before it to after it.
func TestInstantsAreWhatTheWallShows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		require.NoError(t, err)
		shown := time.Unix(rapid.Int64Range(1.2e9, 2.2e9).Draw(t, "shown"), 0).UTC()
		got := instant(shown, zone)
		if there := wall(got.In(zone)); there.Equal(shown) {
			for _, earlier := range []time.Duration{30 * time.Minute, time.Hour} {
				require.False(t, wall(got.Add(-earlier).In(zone)).Equal(shown), "it was shown %s before", earlier)
			}
			return
		}
		require.True(t, wall(got.In(zone)).After(shown))
		require.True(t, wall(got.Add(-time.Second).In(zone)).Before(shown))
	})
}

// A target changes at the moment that it names and at no moment before it.
func TestAGoalHoldsUntilItSaysSo(t *testing.T) {
	starts := []string{"30 2 * * *", "0 * * * *", "*/7 1-3 * * *", "0 8 * * 1-5", "15 22 * * 0", "0 0 1 * *"}
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(rapid.Int64Range(1.7e9, 1.9e9).Draw(t, "now"), 0).UTC()
		target := schedule(rapid.SampledFrom(starts).Draw(t, "start"), rapid.SampledFrom(zones).Draw(t, "zone"),
			time.Duration(rapid.IntRange(1, 30*60).Draw(t, "minutes"))*time.Minute, 1)
		spec := &v1alpha1.Standby{Targets: []v1alpha1.StandbyTarget{target}}
		g := Target(spec, Moment{Now: now})
		require.Empty(t, g.Problems)
		require.True(t, g.Again.After(now))
		later := now.Add(time.Duration(rapid.Int64Range(0, int64(g.Again.Sub(now))-1).Draw(t, "later")))
		require.Equal(t, g.Hibernated, Target(spec, Moment{Now: later}).Hibernated)
		if g.Hibernated.Count == 0 && g.Again.Before(now.Add(ahead)) {
			require.Equal(t, 1, Target(spec, Moment{Now: g.Again}).Hibernated.Count, "a window begins")
		}
	})
}

func TestALadderNeverKeepsLessForMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ladder []v1alpha1.StandbyStep
		nodes, count := int32(0), int32(0)
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			nodes += rapid.Int32Range(1, 50).Draw(t, "nodes")
			count += rapid.Int32Range(0, 20).Draw(t, "count")
			ladder = append(ladder, v1alpha1.StandbyStep{Nodes: nodes, Count: count})
		}
		spec := &v1alpha1.Standby{Targets: []v1alpha1.StandbyTarget{{Tier: v1alpha1.Stopped, Ladder: rapid.Permutation(ladder).Draw(t, "order")}}}
		before := 0
		for n := range int(nodes) + 2 {
			now := Target(spec, Moment{Nodes: n}).Stopped.Count
			require.GreaterOrEqual(t, now, before)
			before = now
		}
		require.Equal(t, int(count), before)
	})
}
