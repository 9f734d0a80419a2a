package standby

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"floe.dev/floe/api/v1alpha1"
)

// SYNTHETIC: nothing below was measured on a real cluster.
//
// generate draws a pool's launches for demand, hour by hour, as an online service's with nightly jobs might be: two bumps a
// working day by Berlin's clock (9 and 14 o'clock, Mondays 30 % more), a tenth of it at night and on the weekend, jobs at 2
// every night and large ones on Sunday, 2 % of growth a week, one lasting step up or down by up to a half, a holiday on a
// random working day, and campaigns (one hour of 300) with four times the load. What comes is drawn from a Poisson
// distribution whose mean wobbles by a gamma's (shape 4): bursts, that is, and not an even flow.
func generate(seed uint64, weeks int) History {
	r := rand.New(rand.NewPCG(seed, 7))
	since := time.Date(2026, 1, 26, 0, 0, 0, 0, time.UTC) // a Monday; summer time begins in the ninth week
	h := NewHistory(since, since.Add(time.Duration(weeks)*week-time.Hour))
	scale := 3 + 9*r.Float64()
	stepAt, step := r.IntN(weeks), math.Exp2(r.Float64()*1.2-0.6)
	holiday := r.IntN(weeks)*7 + r.IntN(5)
	for i := range h.Launched {
		at := since.Add(time.Duration(i) * time.Hour).In(berlin)
		day := int(at.Sub(since).Hours()) / 24
		clock := float64(at.Hour())
		mean := 0.1 + math.Exp(-(clock-9)*(clock-9)/4) + 0.7*math.Exp(-(clock-14)*(clock-14)/6)
		weekend := at.Weekday() == time.Saturday || at.Weekday() == time.Sunday || day == holiday
		switch {
		case weekend:
			mean = 0.1
		case at.Weekday() == time.Monday:
			mean *= 1.3
		}
		if at.Hour() == 2 {
			mean += 0.6
			if at.Weekday() == time.Sunday {
				mean += 2
			}
		}
		mean *= scale * math.Pow(1.02, float64(i)/168)
		if i/168 >= stepAt {
			mean *= step
		}
		if r.IntN(300) == 0 {
			mean *= 4
		}
		h.Launched[i] = poisson(r, mean*gamma4(r))
	}
	return h
}

var berlin = func() *time.Location {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return zone
}()

func gamma4(r *rand.Rand) float64 {
	return (r.ExpFloat64() + r.ExpFloat64() + r.ExpFloat64() + r.ExpFloat64()) / 4
}

func poisson(r *rand.Rand, mean float64) (n int) {
	for left := mean - r.ExpFloat64(); left > 0; left -= r.ExpFloat64() {
		n++
	}
	return n
}

// pinball is the loss that a quantile is judged by: a machine too few costs part, one too many 1-part.
func pinball(said, came int, part float64) float64 {
	if came > said {
		return float64(came-said) * part
	}
	return float64(said-came) * (1 - part)
}

// judgment is a model's mean loss for each hour, how often its machines were enough, and how many it kept.
type judgment struct{ loss, enough, kept float64 }

// models are what forecasts are judged beside. None sees the hour that it speaks of, nor any after it.
var models = []struct {
	name string
	say  func(h History, i int, part float64) int
}{
	{"Floe's", func(h History, i int, part float64) int {
		past := History{Since: h.Since, Launched: h.Launched[:i]}
		n, _ := past.Foretell(h.Since.Add(time.Duration(i)*time.Hour), berlin, part)
		return n
	}},
	{"the last hour's", func(h History, i int, _ float64) int { return h.Launched[i-1] }},
	{"last week's", func(h History, i int, _ float64) int { return h.Launched[i-168] }},
	{"one number, the best of the weeks before", func(h History, i int, part float64) int {
		before := slices.Clone(h.Launched[i/168*168-8*168 : i/168*168])
		slices.Sort(before)
		return before[int(math.Ceil(part*float64(len(before))))-1]
	}},
}

// held has each model foretell the last four of twelve weeks, hour by hour, over some seeds.
func held(seeds int, part float64) map[string]judgment {
	const weeks, back = 12, 4
	all := map[string]judgment{}
	for seed := range seeds {
		h := generate(uint64(seed), weeks)
		for _, m := range models {
			j := all[m.name]
			for i := (weeks - back) * 168; i < weeks*168; i++ {
				said := m.say(h, i, part)
				share := 1 / float64(back*168*seeds)
				j.loss += pinball(said, h.Launched[i], part) * share
				j.kept += float64(said) * share
				if said >= h.Launched[i] {
					j.enough += share
				}
			}
			all[m.name] = j
		}
	}
	return all
}

func TestForecastBeatsTheNaiveOnes(t *testing.T) {
	found := held(10, 0.9)
	ours := found["Floe's"]
	require.InDelta(t, 0.9, ours.enough, 0.03, "it is enough as often as it was asked to be")
	for name, most := range map[string]float64{"the last hour's": 0.45, "last week's": 0.65, "one number, the best of the weeks before": 0.75} {
		require.Less(t, ours.loss, most*found[name].loss, name)
	}
}

// BenchmarkForecast prints what docs/standby.md says of the models; the time is that of one of Floe's forecasts.
func BenchmarkForecast(b *testing.B) {
	found := held(20, 0.9)
	for _, m := range models {
		j := found[m.name]
		b.Logf("SYNTHETIC, 20 seeds, 90 %% of the hours: %-41s loss %.3f, enough in %.1f %%, %.1f kept", m.name, j.loss, 100*j.enough, j.kept)
	}
	h := generate(1, 12)
	hour := h.Since.Add(12 * week)
	for b.Loop() {
		h.Foretell(hour, time.UTC, 0.9)
	}
	b.ReportMetric(found["Floe's"].loss/found["last week's"].loss, "loss/last-week's")
	b.ReportMetric(found["Floe's"].loss/found["the last hour's"].loss, "loss/last-hour's")
}

func TestForecastNeedsAWeek(t *testing.T) {
	now := at(t, "2026-07-06T12:00:00Z")
	target := v1alpha1.StandbyTarget{Tier: v1alpha1.Stopped, Forecast: &v1alpha1.StandbyForecast{Percent: 90, Max: 20}}
	spec := &v1alpha1.Standby{Targets: []v1alpha1.StandbyTarget{target}}
	for _, c := range []struct {
		name   string
		since  time.Time
		count  int
		reason string
	}{
		{"none", time.Time{}, 0, "nothing is foretold yet: 0 h of history, and a week is needed"},
		{"six days", now.Add(-6 * 24 * time.Hour), 0, "nothing is foretold yet: 145 h of history, and a week is needed"},
		{"eight days", now.Add(-8 * 24 * time.Hour), 3, "the pool's launches foretell that 3 are enough in 90 of 100 hours like Mon 12:00 UTC and the next"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var h History
			if !c.since.IsZero() {
				h = NewHistory(c.since, now)
				for i := range h.Launched {
					h.Launched[i] = 3
				}
			}
			g := Target(spec, Moment{Now: now.Add(20 * time.Minute), History: h})
			require.Equal(t, Want{Count: c.count, Reason: c.reason}, g.Stopped)
			require.Equal(t, now.Add(time.Hour), g.Again)
		})
	}
}

func TestForecastIsCapped(t *testing.T) {
	now := at(t, "2026-07-06T12:00:00Z")
	h := NewHistory(now.Add(-2*week), now)
	h.Add(now.Add(-week+time.Hour), 70)
	h.Add(now.Add(-2*week+time.Hour), 70)
	spec := &v1alpha1.Standby{Targets: []v1alpha1.StandbyTarget{{Tier: v1alpha1.Stopped, Forecast: &v1alpha1.StandbyForecast{Percent: 80, Max: 20}}}}
	g := Target(spec, Moment{Now: now, History: h})
	require.Equal(t, 20, g.Stopped.Count)
	require.Contains(t, g.Stopped.Reason, "; capped at 20")
}

// The hour of the week is the one on the wall: what comes at 9 in Berlin is foretold for 9 in Berlin, on either side of a
// change of the clocks.
func TestForecastGoesByTheWall(t *testing.T) {
	since := at(t, "2026-02-02T00:00:00Z")
	now := at(t, "2026-03-30T00:00:00Z") // a day after summer time began
	h := NewHistory(since, now)
	for i := range h.Launched {
		if since.Add(time.Duration(i)*time.Hour).In(berlin).Hour() == 9 {
			h.Launched[i] = 8
		}
	}
	n, ok := h.Foretell(at(t, "2026-03-30T07:00:00Z"), berlin, 0.6)
	require.True(t, ok)
	require.InDelta(t, 8, n, 1, "9 in Berlin")
	n, ok = h.Foretell(at(t, "2026-03-30T08:00:00Z"), berlin, 0.6)
	require.True(t, ok)
	require.Zero(t, n, "10 in Berlin")
}

// Whatever was launched: nothing is foretold that is more than twice what ever came, more certainty never asks for less, and
// what comes after the hour changes nothing.
func TestForecastProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(rapid.Int64Range(1.7e9, 1.9e9).Draw(t, "now"), 0).UTC().Truncate(time.Hour)
		zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		require.NoError(t, err)
		h := NewHistory(now.Add(-time.Duration(rapid.IntRange(8, 80).Draw(t, "days"))*24*time.Hour), now.Add(30*time.Hour))
		most := 0
		for range rapid.IntRange(0, 40).Draw(t, "launches") {
			at, n := now.Add(-time.Duration(rapid.IntRange(0, 80*24).Draw(t, "hours ago"))*time.Hour), rapid.IntRange(0, 100).Draw(t, "n")
			h.Add(at, n)
		}
		for _, n := range h.Launched {
			most = max(most, n)
		}
		before := 0
		for _, part := range []float64{0.01, 0.5, 0.9, 0.99} {
			n, ok := h.Foretell(now, zone, part)
			require.True(t, ok)
			require.GreaterOrEqual(t, n, before, fmt.Sprint(part))
			require.LessOrEqual(t, n, 2*most)
			before = n
		}
		i, _ := h.index(now)
		for j := i; j < len(h.Launched); j++ {
			h.Launched[j] = 1000
		}
		n, _ := h.Foretell(now, zone, 0.99)
		require.Equal(t, before, n)
	})
}
