package aws

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/activities/store"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/fallback"
)

var remembered = contract.Offering{Region: "eu-west-1", ZoneID: "euw1-az1", InstanceType: "m5.large", CapacityType: v1alpha1.Spot}

func iceOf(o contract.Offering, at time.Time) fallback.Event {
	return fallback.Event{ID: "a/eu-west-1", Offering: o, Answer: contract.AnswerICE, At: at}
}

// handMemory is a memory whose clock is moved by hand.
func handMemory(s Store) (*memory, *handClock) {
	m, clock := newMemory("eu-west-1", s, discard()), newHandClock()
	m.now, m.read.now = clock.now, clock.now
	return m, clock
}

func (m *memory) backOff(t *testing.T) map[contract.Offering]time.Time {
	known, _ := m.recall(t.Context(), testAccount)
	return known.BackOff
}

func TestMemoryTakesInWhatOthersLearned(t *testing.T) {
	kept := &keptStore{err: errors.New("down")}
	m, clock := handMemory(kept)
	require.Empty(t, m.backOff(t), "a store that is down leaves the memory empty")

	kept.answer([]store.Learned{{ID: "a/eu-west-1", Events: []fallback.Event{iceOf(remembered, clock.now())}}}, nil)
	require.Empty(t, m.backOff(t), "not read again yet")
	clock.move(2 * memoryFresh)
	require.Eventually(t, func() bool { return len(m.backOff(t)) == 1 }, 5*time.Second, time.Millisecond)

	// A launch of this process's own lifts it at once.
	m.learn(contract.HopRecord{ID: "b", Account: testAccount, Hop: contract.Hop{
		Ended: clock.now(), Outcomes: []contract.Outcome{{Offering: remembered, Answer: contract.AnswerLaunched}},
	}})
	require.Empty(t, m.backOff(t))
}

func TestQuotasAreTheAccountsOwn(t *testing.T) {
	m, clock := handMemory(noStore{})
	m.learn(contract.HopRecord{ID: "b", Account: testAccount, Hop: contract.Hop{
		Ended:    clock.now(),
		Outcomes: []contract.Outcome{{Offering: remembered, Answer: contract.AnswerQuota, Code: "MaxSpotInstanceCountExceeded"}},
	}})
	known, quotas := m.recall(t.Context(), testAccount)
	require.Empty(t, known.BackOff, "a quota says nothing of the offering")
	require.Len(t, quotas, 1)
	require.Equal(t, "MaxSpotInstanceCountExceeded", quotas[0].Code)
	_, quotas = m.recall(t.Context(), "another")
	require.Empty(t, quotas)
}

// What is known is worked out again once the first wait is over, and not only when something was learned.
func TestAProbeIsDueWhenTheWaitIsOver(t *testing.T) {
	m, clock := handMemory(noStore{})
	m.add([]fallback.Event{iceOf(remembered, clock.now())})
	until := m.backOff(t)[remembered]
	require.True(t, until.After(clock.now()))
	clock.move(until.Sub(clock.now()))
	known, _ := m.recall(t.Context(), testAccount)
	require.Empty(t, known.BackOff)
	require.Contains(t, known.Probes, remembered)
}

// probing is the offering's override once its wait is over.
func probing(t *testing.T, m *memory, clock *handClock) contract.Override {
	m.add([]fallback.Event{iceOf(remembered, clock.now())})
	clock.move(m.backOff(t)[remembered].Sub(clock.now()))
	known, _ := m.recall(t.Context(), testAccount)
	return contract.Override{Offering: remembered, Probe: fallback.ProbeID(remembered, known.Probes[remembered])}
}

func TestOneOfManyProbes(t *testing.T) {
	for name, down := range map[string]error{"store up": nil, "store down": errors.New("down")} {
		t.Run(name, func(t *testing.T) {
			kept := &keptStore{err: down}
			one, clock := handMemory(kept)
			two, clockTwo := handMemory(kept)
			clockTwo.nanoseconds.Store(clock.nanoseconds.Load())
			o := probing(t, one, clock)
			require.Equal(t, o, probing(t, two, clockTwo), "all who know the same name the same probe")

			var asked atomic.Int32
			var group sync.WaitGroup
			for i := range 50 {
				group.Go(func() {
					m := []*memory{one, two}[i%2]
					if !m.claim(t.Context(), fmt.Sprint("scaleup-", i), []contract.Override{o})[o.Probe] {
						asked.Add(1)
					}
				})
			}
			group.Wait()
			want := int32(1)
			if down != nil {
				want = 2 // one for each process
			}
			require.Equal(t, want, asked.Load())
		})
	}
}

func TestAClaimIsKeptByWhoMadeIt(t *testing.T) {
	m, clock := handMemory(&keptStore{})
	o := probing(t, m, clock)
	for range 2 {
		require.Empty(t, m.claim(t.Context(), "first", []contract.Override{o}), "every attempt and hop of the ScaleUp")
	}
	require.True(t, m.claim(t.Context(), "second", []contract.Override{o})[o.Probe])
	require.Contains(t, m.backOff(t), remembered, "while the probe is out the offering is left alone")
}
