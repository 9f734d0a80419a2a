package fallback

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
)

var (
	cheap = contract.Offering{Region: "eu-west-1", ZoneID: "euw1-az1", InstanceType: "m5.large", CapacityType: "spot"}
	// A stranger to cheap: another family in another zone.
	stranger = contract.Offering{Region: "eu-west-1", ZoneID: "euw1-az2", InstanceType: "r6i.large", CapacityType: "spot"}
)

// quick are rules whose waits are easily read.
func quick() Rules {
	r := DefaultRules()
	r.Base, r.Cap = 30*time.Second, 15*time.Minute
	return r
}

// told is an event of cheap some time after noon.
type told struct {
	after  time.Duration
	answer contract.Answer
}

func (a told) event() Event {
	return Event{Offering: cheap, Answer: a.answer, At: noon.Add(a.after)}
}

const (
	ice       = contract.AnswerICE
	launched  = contract.AnswerLaunched
	reclaimed = contract.AnswerReclaimed
	probing   = contract.AnswerProbing
)

func TestAdvice(t *testing.T) {
	const s, m = time.Second, time.Minute
	for _, c := range []struct {
		name   string
		events []told
		now    time.Duration
		until  time.Duration // zero: it may be asked
		probe  time.Duration // since; below zero: no probe
	}{
		{"nothing known", nil, 0, 0, -1},
		{"one ICE", []told{{0, ice}}, s, 30 * s, -1},
		{"the wait is over", []told{{0, ice}}, 30 * s, 0, 0},
		{"the probe fails", []told{{0, ice}, {30 * s, ice}}, 31 * s, 90 * s, -1},
		{"an ICE during the wait starts it again, no longer", []told{{0, ice}, {10 * s, ice}, {10 * s, ice}}, 11 * s, 40 * s, -1},
		{"a launch forgets", []told{{0, ice}, {40 * s, ice}, {2 * m, launched}}, 2 * m, 0, -1},
		{"an ICE after a launch starts from the base", []told{{0, ice}, {40 * s, ice}, {2 * m, launched}, {3 * m, ice}}, 3 * m, 3*m + 30*s, -1},
		{"an offering that gave some and then no more", []told{{0, ice}, {0, launched}}, s, 30 * s, -1},
		{"a quota says nothing of the offering", []told{{0, contract.AnswerQuota}, {0, contract.AnswerThrottled}, {0, contract.AnswerRefused}}, s, 0, -1},
		{"nor does it end a wait", []told{{0, ice}, {s, contract.AnswerQuota}}, 2 * s, 30 * s, -1},
		{"what is to come", []told{{m, ice}}, 0, 0, -1},
		{"a wait whose end is long past", []told{{0, ice}, {m, ice}, {3 * m, ice}, {3 * time.Hour, ice}}, 3 * time.Hour, 3*time.Hour + 30*s, -1},
		{"nobody has asked for long", []told{{0, ice}}, 3 * time.Hour, 0, -1},
		{"a day later", []told{{0, ice}}, 25 * time.Hour, 0, -1},

		{"a reclaim is worth a wait", []told{{-m, launched}, {0, reclaimed}}, s, 30 * s, -1},
		{"a reclaim during a wait starts it again", []told{{0, ice}, {10 * s, reclaimed}}, 11 * s, 40 * s, -1},
		{"a reclaim is no failed probe", []told{{0, ice}, {30 * s, ice}, {90 * s, reclaimed}}, 91 * s, 150 * s, -1},
		{"a machine that is lost at the moment of its launch", []told{{0, reclaimed}, {0, launched}}, s, 30 * s, -1},

		{"a claimed probe keeps the others off", []told{{0, ice}, {35 * s, probing}}, 40 * s, 95 * s, -1},
		{"a claimed probe of which nothing comes", []told{{0, ice}, {35 * s, probing}}, 95 * s, 0, 35 * s},
		{"a claim by a clock that is ahead", []told{{0, ice}, {20 * s, probing}}, 30 * s, 80 * s, -1},
		{"the claimed probe is refused", []told{{0, ice}, {35 * s, probing}, {36 * s, ice}}, 40 * s, 96 * s, -1},
		{"the claimed probe launches", []told{{0, ice}, {35 * s, probing}, {36 * s, launched}}, 40 * s, 0, -1},
		{"a claim of what is free", []told{{0, probing}}, s, 0, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := NewMemory(quick())
			for _, e := range c.events {
				m.Learn(e.event())
			}
			now := noon.Add(c.now)
			got, known := m.Advise(cheap, now), m.Known(now)
			want := Advice{Reclaims: got.Reclaims, Rides: got.Rides}
			wantKnown := Known{
				BackOff: map[contract.Offering]time.Time{}, Rides: known.Rides,
				Probes: map[contract.Offering]time.Time{}, Reclaims: known.Reclaims,
			}
			if c.until != 0 {
				want.Until = noon.Add(c.until)
				wantKnown.BackOff[cheap] = want.Until
			}
			if c.probe >= 0 {
				want.Probe, want.Since = true, noon.Add(c.probe)
				wantKnown.Probes[cheap] = want.Since
			}
			require.Equal(t, want, got)
			require.Equal(t, wantKnown, known)
		})
	}
}

// Half through its wait an offering may be asked where others are asked anyway; a claimed probe keeps even those off.
func TestRides(t *testing.T) {
	m := NewMemory(quick())
	m.Learn(told{0, ice}.event())
	for after, rides := range map[time.Duration]bool{0: false, 14 * time.Second: false, 15 * time.Second: true, 29 * time.Second: true, 30 * time.Second: false} {
		require.Equal(t, rides, m.Advise(cheap, noon.Add(after)).Rides, "after %v", after)
		require.Equal(t, rides, m.Known(noon.Add(after)).Rides[cheap], "after %v", after)
	}
	m.Learn(told{20 * time.Second, ice}.event())
	require.Equal(t, noon.Add(50*time.Second), m.Advise(cheap, noon.Add(20*time.Second)).Until, "what rode along in vain waits anew, no longer")
	m.Learn(told{50 * time.Second, probing}.event())
	require.False(t, m.Advise(cheap, noon.Add(100*time.Second)).Rides)
}

// An offering that fails every probe is asked less and less, and stays at the cap for as long as it fails.
func TestWaitGrowsToTheCapAndStays(t *testing.T) {
	rules := DefaultRules()
	var m Memory
	now, last := noon, time.Duration(0)
	for range 400 {
		m.Learn(Event{Offering: cheap, Answer: ice, At: now})
		until := m.Advise(cheap, now).Until
		length := until.Sub(now)
		require.Equal(t, min(max(2*last, rules.Base), rules.Cap), length)
		now, last = until, length
	}
	require.Equal(t, rules.Cap, last)
}

func TestNeighborsTeachALittle(t *testing.T) {
	rules := quick()
	other := func(change func(*contract.Offering)) contract.Offering {
		o := cheap
		change(&o)
		return o
	}
	for _, c := range []struct {
		name     string
		neighbor contract.Offering
		after    time.Duration
		answer   contract.Answer
		halved   bool
	}{
		{"the type in another zone", other(func(o *contract.Offering) { o.ZoneID = "euw1-az3" }), time.Second, launched, true},
		{"the family in the zone", other(func(o *contract.Offering) { o.InstanceType = "m5.8xlarge" }), time.Second, launched, true},
		{"before the wait", other(func(o *contract.Offering) { o.ZoneID = "euw1-az3" }), 0, launched, false},
		{"another family in another zone", stranger, time.Second, launched, false},
		{"the same machine on demand", other(func(o *contract.Offering) { o.CapacityType = "on-demand" }), time.Second, launched, false},
		{"another region", other(func(o *contract.Offering) { o.Region, o.ZoneID = "us-east-1", "use1-az1" }), time.Second, launched, false},
		{"an ICE of a neighbor", other(func(o *contract.Offering) { o.ZoneID = "euw1-az3" }), time.Second, ice, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := NewMemory(rules)
			m.Learn(told{0, ice}.event(), Event{Offering: c.neighbor, Answer: c.answer, At: noon.Add(c.after)})
			want := rules.Base
			if c.halved {
				want /= 2
			}
			require.Equal(t, noon.Add(want), m.Advise(cheap, noon.Add(2*time.Second)).Until)
		})
	}
}

func TestReclaims(t *testing.T) {
	rules := DefaultRules()
	rate := func(now time.Duration, events ...Event) float64 {
		var m Memory
		m.Learn(events...)
		return m.Advise(cheap, noon.Add(now)).Reclaims
	}
	launch := Event{Offering: cheap, Answer: launched, At: noon, Count: 4}
	lost := Event{Offering: cheap, Answer: reclaimed, At: noon.Add(time.Hour), ID: "i-1"}
	again := lost
	again.ID = "i-2"

	require.Zero(t, rate(0), "no history")
	require.Zero(t, rate(0, told{0, ice}.event()), "an ICE is none")
	require.InDelta(t, rules.Prior, rate(0, launch), 1e-9, "the prior, before anything ran")
	require.Less(t, rate(time.Hour, launch), rules.Prior, "machines that run lower it")
	require.Greater(t, rate(2*time.Hour, launch), rate(time.Hour+30*time.Minute, launch)*0.5, "and little at a time")

	one, two := rate(time.Hour, launch, lost), rate(time.Hour, launch, lost, again)
	require.Greater(t, one, 100*rules.Prior)
	require.InDelta(t, 2*one, two, one/10, "in proportion")
	many := launch
	many.Count = 400
	require.Less(t, rate(time.Hour, many, lost), one/10, "in proportion to the hours that ran")
	require.Less(t, rate(7*time.Hour, launch, lost), one, "it fades")
	require.Zero(t, rate(26*time.Hour, launch, lost), "and is forgotten")
	require.InDelta(t, (rules.Prior*rules.PriorHours+1)/rules.PriorHours, rate(time.Hour, lost), 1e-9, "a reclaim whose launch is not known")

	stale := Event{Offering: cheap, Answer: reclaimed, At: noon.Add(rules.Stay + time.Hour), ID: "i-9"}
	require.Greater(t, rate(rules.Stay+time.Hour, launch, stale), rules.Prior, "a machine that ran longer than was thought")
}

func TestQuotas(t *testing.T) {
	rules := DefaultRules()
	const here, there = "111111111111", "222222222222"
	met := func(after time.Duration, account, instanceType string) Event {
		o := cheap
		o.InstanceType = instanceType
		return Event{Offering: o, Answer: contract.AnswerQuota, At: noon.Add(after), Account: account, Code: "MaxSpotInstanceCountExceeded"}
	}
	launch := func(after time.Duration, account, instanceType string) Event {
		e := met(after, account, instanceType)
		e.Answer, e.Code = launched, ""
		return e
	}
	quota := func(at, wait time.Duration, types ...string) []contract.Quota {
		return []contract.Quota{{
			Account: here, Region: cheap.Region, Code: "MaxSpotInstanceCountExceeded", CapacityType: "spot", Types: types,
			At: noon.Add(at), Until: noon.Add(at + wait),
		}}
	}
	none := []contract.Quota{}
	for _, c := range []struct {
		name   string
		events []Event
		now    time.Duration
		want   []contract.Quota
	}{
		{"none met", nil, 0, none},
		{"met", []Event{met(0, here, "m5.large"), met(0, here, "c5.large")}, time.Second, quota(0, rules.QuotaBase, "c5.large", "m5.large")},
		{"another account's", []Event{met(0, there, "m5.large")}, time.Second, none},
		{"nobody's", []Event{met(0, "", "m5.large")}, time.Second, none},
		{"over", []Event{met(0, here, "m5.large")}, rules.QuotaBase, none},
		{
			"met again after the wait",
			[]Event{met(0, here, "m5.large"), met(rules.QuotaBase, here, "m5.large")},
			rules.QuotaBase, quota(rules.QuotaBase, 2*rules.QuotaBase, "m5.large"),
		},
		{"a launch of one type ends that type's", []Event{met(0, here, "m5.large"), met(0, here, "c5.large"), launch(time.Second, here, "m5.large")}, time.Minute, quota(0, rules.QuotaBase, "c5.large")},
		{"a launch of another account ends nothing", []Event{met(0, here, "m5.large"), launch(time.Second, there, "m5.large")}, time.Minute, quota(0, rules.QuotaBase, "m5.large")},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m Memory
			m.Learn(c.events...)
			require.Equal(t, c.want, m.Quotas(here, noon.Add(c.now)))
			require.Empty(t, m.Known(noon.Add(c.now)).BackOff, "a quota bars no offering")
		})
	}

	var m Memory
	other := met(0, here, "p3.2xlarge")
	other.Code, other.Offering.CapacityType = "VcpuLimitExceeded", "on-demand"
	m.Learn(met(0, here, "m5.large"), other)
	quotas := m.Quotas(here, noon)
	require.Equal(t, []string{"MaxSpotInstanceCountExceeded", "VcpuLimitExceeded"}, []string{quotas[0].Code, quotas[1].Code})
}

// What is known at a moment depends on what happened, and on nothing else: not on the order in which it was learned, not on
// hearing it twice, not on having been asked before.
func TestMemoryProperties(t *testing.T) {
	rules := DefaultRules()
	neighbor := cheap
	neighbor.ZoneID = "euw1-az3"
	event := rapid.Custom(func(t *rapid.T) Event {
		e := Event{
			ID:       rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "id"),
			Offering: rapid.SampledFrom([]contract.Offering{cheap, neighbor, stranger}).Draw(t, "offering"),
			Answer: rapid.SampledFrom([]contract.Answer{
				ice, ice, launched, reclaimed, probing, contract.AnswerQuota, contract.AnswerThrottled, contract.AnswerRefused,
			}).Draw(t, "answer"),
			At:      noon.Add(time.Duration(rapid.IntRange(-100000, 600).Draw(t, "seconds")) * time.Second),
			Account: rapid.SampledFrom([]string{"", "one", "two"}).Draw(t, "account"),
		}
		if rapid.Bool().Draw(t, "lately") {
			e.At = noon.Add(e.At.Sub(noon) / 60)
		}
		return e
	})
	type all struct {
		Known
		One, Two []contract.Quota
	}
	ask := func(m *Memory, now time.Time) all {
		return all{m.Known(now), m.Quotas("one", now), m.Quotas("two", now)}
	}
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(event, 0, 40).Draw(t, "events")
		var m Memory
		m.Learn(events...)
		got := ask(&m, noon)

		var slow Memory
		for i, e := range rapid.Permutation(append(events, events...)).Draw(t, "shuffled") {
			slow.Learn(e)
			if i%3 == 0 {
				ask(&slow, noon.Add(time.Duration(rapid.IntRange(-3600, 0).Draw(t, "asked"))*time.Second))
			}
		}
		require.Equal(t, got, ask(&slow, noon))

		for offering, until := range got.BackOff {
			if wait := until.Sub(noon); wait <= 0 || wait > max(rules.Cap, rules.ProbeFor) {
				t.Fatalf("%s waits for %v", offering.Key(), wait)
			}
			if _, both := got.Probes[offering]; both {
				t.Fatalf("%s waits and is to be probed", offering.Key())
			}
		}
		for offering, rate := range got.Reclaims {
			if rate <= 0 || rate > rules.Prior+float64(len(events))/rules.PriorHours {
				t.Fatalf("%s is reclaimed %v times an hour", offering.Key(), rate)
			}
		}

		m.Learn(Event{Offering: stranger, Answer: ice, At: noon})
		if wait := m.Advise(stranger, noon).Until.Sub(noon); wait < rules.Base {
			t.Fatalf("an ICE bars for %v", wait)
		}
		m.Learn(Event{Offering: stranger, Answer: launched, At: noon.Add(time.Second)})
		a := m.Advise(stranger, noon.Add(time.Second))
		for _, e := range events {
			if e.Offering == stranger && e.Answer != launched && e.At.Equal(noon.Add(time.Second)) {
				return // what was lost at that moment is the later of the two
			}
		}
		require.Zero(t, a.Until, "a launch frees its offering")
		require.False(t, a.Probe)
	})
}

// A burst keeps the memory small, and the latest counts.
func TestMemoryIsBounded(t *testing.T) {
	var m Memory
	for i := range 3 * MaxEvents {
		m.Learn(Event{ID: fmt.Sprint(i), Offering: cheap, Answer: launched, At: noon.Add(time.Duration(i) * time.Second)})
	}
	require.Len(t, m.offerings[cheap].events, MaxEvents)
	last := noon.Add(3 * MaxEvents * time.Second)
	m.Learn(Event{Offering: cheap, Answer: ice, At: last})
	require.Equal(t, last.Add(DefaultRules().Base), m.Advise(cheap, last).Until)
	m.Known(last.Add(Forget + time.Second))
	require.Empty(t, m.offerings, "what is forgotten takes no room")
}

func TestProbeID(t *testing.T) {
	id := ProbeID(cheap, noon)
	require.Equal(t, "probe/eu-west-1/euw1-az1/m5.large/spot/"+noon.UTC().Format(time.RFC3339Nano), id)
	require.Equal(t, id, ProbeID(cheap, noon.Add(time.Microsecond).In(time.FixedZone("", 3600))), "the store keeps milliseconds")
	require.NotEqual(t, id, ProbeID(cheap, noon.Add(time.Millisecond)))
	require.NotEqual(t, id, ProbeID(stranger, noon))
}

func TestEvents(t *testing.T) {
	require.Equal(t, []Event{{Offering: cheap, Answer: ice, At: noon, Code: "InsufficientInstanceCapacity"}},
		Events([]contract.Outcome{{Offering: cheap, Answer: ice, Code: "InsufficientInstanceCapacity"}}, noon))
}
