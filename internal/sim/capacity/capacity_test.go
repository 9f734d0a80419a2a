package capacity

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim/clock"
	"floe.dev/floe/internal/sim/script"
)

var (
	spot     = Offering{"c5.large", "euw1-az1", v1alpha1.Spot}
	onDemand = Offering{"c5.large", "euw1-az1", v1alpha1.OnDemand}
	anySpot  = script.Where{Type: "*", Zone: "eu-west-1a", CapacityType: v1alpha1.Spot}
)

// account is a member that gives back at once what is reclaimed.
type account struct {
	m   *Market
	has map[Offering]int
}

func (a *account) Running(o Offering) int { return a.has[o] }

func (a *account) Reclaim(o Offering, n int) {
	a.has[o] -= n
	for range n {
		a.m.Leave(o)
	}
}

func (a *account) take(o Offering, n int) int {
	got := a.m.Take(o, n)
	a.has[o] += got
	return got
}

func newMarket(models ...Model) (*Market, *clock.Manual) {
	now := clock.NewManual(time.Date(2026, 7, 31, 12, 0, 0, 0, time.UTC))
	return New(Config{Clock: now, Seed: 1, Speed: 1, Zones: map[string]string{"euw1-az1": "eu-west-1a"}, Models: models}), now
}

func join(m *Market) *account {
	a := &account{m: m, has: map[Offering]int{}}
	m.Join(a)
	return a
}

func TestWhatIsSetIsWhatCanStillBeHad(t *testing.T) {
	m, _ := newMarket()
	require.Equal(t, 1000, m.Free(spot, 1000), "nothing is short by itself")
	m.Set(spot, 3)
	require.Equal(t, 2, m.Take(spot, 2))
	m.Leave(spot)
	require.Equal(t, 1, m.Take(spot, 5), "what leaves does not come back")
	require.Zero(t, m.Free(spot, 1))
	require.Equal(t, 1, m.Free(onDemand, 1), "the other capacity type is another pool")
	m.Set(spot, script.Unlimited)
	require.Equal(t, 7, m.Free(spot, 7))
}

func TestOnDemandTakesTheRoomOfSpotOfAnyAccount(t *testing.T) {
	m, now := newMarket()
	mine, theirs := join(m), join(m)
	m.Share(script.Where{Type: "c5.*", Zone: "*"}, 10)
	require.Equal(t, 4, mine.take(spot, 4))
	require.Equal(t, 6, theirs.take(spot, 8), "hardware is hardware")
	require.Equal(t, 3, mine.take(onDemand, 3), "on-demand comes first")
	now.Advance(0)
	require.Equal(t, 7, mine.has[spot]+theirs.has[spot])
	require.Less(t, theirs.has[spot], 6, "the account that has the most gives first")
	require.Zero(t, m.Free(spot, 1))
	require.Equal(t, 7, mine.take(onDemand, 20), "but hardware is hardware")
	now.Advance(0)
	require.Zero(t, mine.has[spot]+theirs.has[spot])
	m.Share(script.Where{Type: "c5.*", Zone: "*"}, script.Unlimited)
	require.Equal(t, 5, m.Free(spot, 5))
}

func TestAModelRevertsToItsMean(t *testing.T) {
	model := Model{Where: anySpot, Mean: 20, Spread: 5, HalfLife: 30 * time.Minute, Every: time.Minute}
	m, _ := newMarket(model)
	w := m.walk(spot)
	var sum, squares float64
	const n = 20_000
	for k := 1; k <= n; k++ {
		w.at(time.Duration(k) * time.Minute)
		sum += w.x
		squares += w.x * w.x
	}
	mean := sum / n
	require.InDelta(t, 20, mean, 1)
	require.InDelta(t, 5, math.Sqrt(squares/n-mean*mean), 1)
	again, _ := newMarket(model)
	require.Equal(t, w.x, func() float64 { a := again.walk(spot); a.at(n * time.Minute); return a.x }(), "a seed makes it repeatable, at whatever steps it is looked at")
	require.Nil(t, m.walk(onDemand), "it is for spot")
}

func TestWhereAModelFallsWhatIsTooMuchIsReclaimed(t *testing.T) {
	m, now := newMarket(Model{Where: anySpot, Mean: 10, Spread: 6, HalfLife: 20 * time.Minute, Every: time.Minute})
	a := join(m)
	reclaimed := false
	for range 500 {
		a.take(spot, 100)
		before := a.has[spot]
		now.Advance(time.Minute)
		total, limited := m.total(spot)
		require.True(t, limited)
		require.LessOrEqual(t, a.has[spot], total)
		reclaimed = reclaimed || a.has[spot] < before
	}
	require.True(t, reclaimed)
}

func TestTraces(t *testing.T) {
	m, now := newMarket()
	a := join(m)
	offerings := []Offering{spot, onDemand}
	m.Play(Trace{Kind: Availability, Where: anySpot, Gap: time.Minute, Data: []int{2, 2, 0, 5}}, offerings)
	require.Equal(t, 2, a.take(spot, 9))
	require.Zero(t, a.take(spot, 9))
	require.Equal(t, 9, m.Free(onDemand, 9), "not its offering")
	now.Advance(time.Minute)
	require.Equal(t, 2, a.take(spot, 9), "at each tick as many could be had")
	now.Advance(time.Minute)
	require.Zero(t, a.take(spot, 1), "ICE")
	require.Equal(t, 4, a.has[spot], "an availability reclaims nothing")
	now.Advance(time.Hour)
	require.Equal(t, 5, a.take(spot, 9))

	// From 4 to 3 a quarter, rounded up: 3 of 9. From 3 to 0 all.
	m.Set(spot, script.Unlimited)
	m.Play(Trace{Kind: Preemption, Where: anySpot, Gap: time.Minute, Data: []int{4, 4, 3, 4, 0}}, offerings)
	require.Equal(t, 9, a.has[spot])
	now.Advance(2 * time.Minute)
	require.Equal(t, 6, a.has[spot])
	now.Advance(time.Minute)
	require.Equal(t, 6, a.has[spot], "a rise does nothing")
	now.Advance(time.Minute)
	require.Zero(t, a.has[spot])
}

func TestReadTrace(t *testing.T) {
	gap, data, err := ReadTrace(filepath.Join("testdata", "trace.json"))
	require.NoError(t, err)
	require.Equal(t, 34*time.Second, gap)
	require.Equal(t, []int{0, 1, 1, 0, 2}, data)
	for text, want := range map[string]string{
		`{`:                              "unexpected end",
		`{"data":[1]}`:                   "metadata.gap_seconds",
		`{"metadata":{"gap_seconds":1}}`: "data: it is empty",
		`{"metadata":{"gap_seconds":1},"data":[1,-1]}`: "data[1]: -1",
		`{"metadata":{"gap_seconds":1},"data":[0.5]}`:  "data[0]: 0.5",
	} {
		file := filepath.Join(t.TempDir(), "trace.json")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, _, err := ReadTrace(file)
		require.ErrorContains(t, err, want, text)
	}
	_, _, err = ReadTrace("none.json")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestNobodyGetsWhatIsNotThere lets two accounts do anything in any order.
func TestNobodyGetsWhatIsNotThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, now := newMarket(Model{Where: script.Where{Type: "m5.*", Zone: "*", CapacityType: v1alpha1.Spot}, Mean: 3, Spread: 3, HalfLife: time.Minute, Every: 10 * time.Second})
		accounts := []*account{join(m), join(m)}
		share := script.Unlimited
		left := map[Offering]int{}
		offerings := []Offering{spot, onDemand, {"m5.large", "euw1-az1", v1alpha1.Spot}}
		pick := func(t *rapid.T) Offering { return rapid.SampledFrom(offerings).Draw(t, "offering") }
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				o, want := pick(t), rapid.IntRange(1, 6).Draw(t, "want")
				free := m.Free(o, want)
				got := rapid.SampledFrom(accounts).Draw(t, "account").take(o, want)
				require.Equal(t, free, got, "what is free can be taken")
				if more, limited := left[o]; limited {
					require.LessOrEqual(t, got, more)
					left[o] -= got
				}
			},
			"leave": func(t *rapid.T) {
				a, o := rapid.SampledFrom(accounts).Draw(t, "account"), pick(t)
				if a.has[o] > 0 {
					a.Reclaim(o, 1)
				}
			},
			"set": func(t *rapid.T) {
				o, n := pick(t), rapid.IntRange(script.Unlimited, 5).Draw(t, "n")
				m.Set(o, n)
				left[o] = n
				if n == script.Unlimited {
					delete(left, o)
				}
			},
			"share": func(t *rapid.T) {
				share = rapid.IntRange(script.Unlimited, 8).Draw(t, "n")
				m.Share(script.Where{Type: "c5.*", Zone: "*"}, share)
			},
			"wait": func(t *rapid.T) { now.Advance(time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds")) * time.Second) },
			"": func(t *rapid.T) {
				for _, o := range offerings {
					require.GreaterOrEqual(t, m.Free(o, 1), 0)
					require.Equal(t, accounts[0].has[o]+accounts[1].has[o], m.live[o])
				}
				now.Advance(0) // who is to go, goes
				running := m.live[spot] + m.live[onDemand]
				if share != script.Unlimited && m.live[onDemand] <= share {
					require.LessOrEqual(t, running, share, "no more runs than there is hardware")
				}
			},
		})
	})
}
