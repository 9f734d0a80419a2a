package fallback

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
)

var cheap = contract.Offering{Region: "eu-west-1", ZoneID: "euw1-az1", InstanceType: "m5.large", CapacityType: "spot"}

func TestBackOff(t *testing.T) {
	type at struct {
		after  time.Duration
		answer contract.Answer
	}
	const ice, launched = contract.AnswerICE, contract.AnswerLaunched
	for _, c := range []struct {
		name   string
		events []at
		now    time.Duration
		until  time.Duration // zero: free
	}{
		{"nothing known", nil, 0, 0},
		{"one ICE", []at{{0, ice}}, time.Second, 30 * time.Second},
		{"the wait is over", []at{{0, ice}}, 30 * time.Second, 0},
		{"the probe fails", []at{{0, ice}, {30 * time.Second, ice}}, 31 * time.Second, 90 * time.Second},
		{"an ICE during the wait starts it again, no longer", []at{{0, ice}, {10 * time.Second, ice}, {10 * time.Second, ice}}, 11 * time.Second, 40 * time.Second},
		{"a launch forgets", []at{{0, ice}, {40 * time.Second, ice}, {2 * time.Minute, launched}}, 2 * time.Minute, 0},
		{"an ICE after a launch starts from the base", []at{{0, ice}, {40 * time.Second, ice}, {2 * time.Minute, launched}, {3 * time.Minute, ice}}, 3 * time.Minute, 3*time.Minute + 30*time.Second},
		{"an offering that gave some and then no more", []at{{0, ice}, {0, launched}}, time.Second, 30 * time.Second},
		{"a quota says nothing of the offering", []at{{0, contract.AnswerQuota}, {0, contract.AnswerThrottled}, {0, contract.AnswerRefused}}, time.Second, 0},
		{"nor does it end a wait", []at{{0, ice}, {time.Second, contract.AnswerQuota}}, 2 * time.Second, 30 * time.Second},
		{"what is to come", []at{{time.Minute, ice}}, 0, 0},
		{"what is long past", []at{{0, ice}, {time.Minute, ice}, {3 * time.Minute, ice}, {3 * time.Hour, ice}}, 3 * time.Hour, 3*time.Hour + 30*time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			var events []Event
			for _, e := range c.events {
				events = append(events, Event{Offering: cheap, Answer: e.answer, At: noon.Add(e.after)})
			}
			got := BackOff(events, noon.Add(c.now))
			if c.until == 0 {
				require.Empty(t, got)
				return
			}
			require.Equal(t, map[contract.Offering]time.Time{cheap: noon.Add(c.until)}, got)
		})
	}
}

// An offering that fails every probe is asked less and less, and stays at the cap for as long as it fails.
func TestBackOffGrowsToTheCapAndStays(t *testing.T) {
	var events []Event
	now, last := noon, time.Duration(0)
	for range 40 {
		events = append(events, Event{Offering: cheap, Answer: contract.AnswerICE, At: now})
		until, ok := BackOff(events, now)[cheap]
		require.True(t, ok)
		length := until.Sub(now)
		require.Equal(t, min(max(2*last, BackOffBase), BackOffCap), length)
		now, last = until, length
	}
	require.Equal(t, BackOffCap, last)
}

func TestBackOffProperties(t *testing.T) {
	other := cheap
	other.ZoneID = "euw1-az2"
	event := rapid.Custom(func(t *rapid.T) Event {
		return Event{
			Offering: rapid.SampledFrom([]contract.Offering{cheap, other}).Draw(t, "offering"),
			Answer: rapid.SampledFrom([]contract.Answer{
				contract.AnswerICE, contract.AnswerICE, contract.AnswerLaunched, contract.AnswerQuota, contract.AnswerThrottled, contract.AnswerRefused,
			}).Draw(t, "answer"),
			At: noon.Add(time.Duration(rapid.IntRange(-10000, 600).Draw(t, "seconds")) * time.Second),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(event, 0, 30).Draw(t, "events")
		got := BackOff(events, noon)
		for offering, until := range got {
			if !until.After(noon) || until.Sub(noon) > BackOffCap {
				t.Fatalf("%s until %v", offering.Key(), until)
			}
		}
		require.Equal(t, got, BackOff(rapid.Permutation(events).Draw(t, "shuffled"), noon), "the order does not matter")

		var telling []Event
		for _, e := range events {
			if e.Answer == contract.AnswerICE || e.Answer == contract.AnswerLaunched {
				telling = append(telling, e)
			}
		}
		require.Equal(t, got, BackOff(telling, noon), "only launches and ICEs count")

		reset := BackOff(append(events, Event{Offering: cheap, Answer: contract.AnswerLaunched, At: noon}), noon)
		want := maps.Clone(got)
		for _, e := range events {
			if e.Offering == cheap && e.Answer == contract.AnswerICE && e.At.Equal(noon) {
				return // the ICE is the later of the two
			}
		}
		delete(want, cheap)
		require.Equal(t, want, reset, "a launch frees its offering and no other")

		barred := BackOff(append(events, Event{Offering: other, Answer: contract.AnswerICE, At: noon}), noon)
		if barred[other].Sub(noon) < BackOffBase {
			t.Fatalf("an ICE bars for %v", barred[other].Sub(noon))
		}
	})
}

func TestEvents(t *testing.T) {
	require.Equal(t, []Event{{Offering: cheap, Answer: contract.AnswerICE, At: noon}},
		Events([]contract.Outcome{{Offering: cheap, Answer: contract.AnswerICE, Code: "InsufficientInstanceCapacity"}}, noon))
}
