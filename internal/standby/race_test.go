package standby

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

func TestExtra(t *testing.T) {
	for _, c := range []struct {
		over string
		n    int
		want int
	}{{"20%", 10, 2}, {"20%", 1, 1}, {"20%", 11, 3}, {"0%", 5, 0}, {"100%", 4, 4}, {"2", 10, 2}, {"0", 3, 0}, {"-1", 3, 0}, {"many", 3, 0}, {"20%", 0, 0}} {
		over := intstr.Parse(c.over)
		require.Equal(t, c.want, Extra(&v1alpha1.Standby{OverResume: &over}, c.n), "%s of %d", c.over, c.n)
	}
	require.Zero(t, Extra(nil, 5))
	require.Zero(t, Extra(&v1alpha1.Standby{}, 5))
	require.False(t, Races(&v1alpha1.Standby{}, 5))
	require.True(t, Races(&v1alpha1.Standby{RaceAfter: &metav1.Duration{}}, 5))
}

func named(ids ...string) (all []contract.Instance) {
	for _, id := range ids {
		all = append(all, contract.Instance{ID: id})
	}
	return all
}

// A machine that was named takes its own seat, with its pods; one that is quicker takes that of the slowest.
func TestSeats(t *testing.T) {
	claim := contract.Claim{Key: "k", Count: 2, Machines: [][]string{{"a"}, {"b"}}}
	r := Begin(&v1alpha1.Standby{RaceAfter: &metav1.Duration{Duration: time.Second}}, claim, named("i-1", "i-2"), keepNow)
	require.Equal(t, keepNow.Add(time.Second), r.ColdAt)
	seat, ok := Seat(&r, "spare")
	require.True(t, ok)
	require.Equal(t, contract.RaceSeat{Named: "i-2", Taken: "spare", Pods: []string{"b"}}, seat)
	require.Equal(t, "i-2", Ousted(r, "spare"))
	again, ok := Seat(&r, "spare")
	require.True(t, ok)
	require.Equal(t, seat, again, "asked twice, seated once")

	seat, ok = Seat(&r, "i-2") // its own is taken
	require.True(t, ok)
	require.Equal(t, "i-1", seat.Named)
	require.Empty(t, Ousted(r, "spare"), "i-2 has a seat after all")
	require.Equal(t, "i-1", Ousted(r, "i-2"))
	_, ok = Seat(&r, "i-1")
	require.False(t, ok)
	require.Zero(t, Free(r))
}

func TestColdTypes(t *testing.T) {
	require.Equal(t, []v1alpha1.CapacityType{v1alpha1.Spot, v1alpha1.OnDemand}, ColdTypes(contract.Claim{}))
	require.Equal(t, []v1alpha1.CapacityType{v1alpha1.OnDemand}, ColdTypes(contract.Claim{CapacityTypes: []v1alpha1.CapacityType{v1alpha1.Hibernated, v1alpha1.OnDemand}}))
	require.Empty(t, ColdTypes(contract.Claim{CapacityTypes: []v1alpha1.CapacityType{v1alpha1.Stopped}}))
}

// In whatever order machines are ready, and however often they say so: as many are kept as were asked for, or as were ready,
// the first of them; each seat goes to one; and the standby counts those that come back.
func TestTheFirstAreKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "asked")
		over := intstr.FromString(fmt.Sprintf("%d%%", rapid.IntRange(0, 100).Draw(t, "over")))
		spec := &v1alpha1.Standby{OverResume: &over, RenewAtOnce: 1}
		all := n + Extra(spec, n)
		require.LessOrEqual(t, all, 2*n)
		var s contract.StandbyState
		s.Facts.Spec = spec
		var ids []string
		for i := range all {
			id := fmt.Sprint("i-", i)
			ids = append(ids, id)
			s.Machines = append(s.Machines, kept(id, contract.StandbyWaking, func(m *contract.StandbyMachine) { m.Claim = "k" }))
		}
		s.Races = []contract.StandbyRace{Begin(spec, contract.Claim{Key: "k", Tier: v1alpha1.Hibernated, Count: n}, named(ids[:n]...), keepNow)}
		require.Equal(t, all-n, returning(s, v1alpha1.Hibernated))

		var won []string
		ready := rapid.Permutation(ids).Draw(t, "order")[:rapid.IntRange(0, all).Draw(t, "ready")]
		for i, id := range ready {
			_, ok := Seat(&s.Races[0], id)
			require.Equal(t, i < n, ok)
			if ok {
				won = append(won, id)
			}
			s.Machines = slices.DeleteFunc(s.Machines, func(m contract.StandbyMachine) bool { return m.Instance.ID == id })
			again := rapid.SampledFrom(ready[:i+1]).Draw(t, "again")
			_, ok = Seat(&s.Races[0], again)
			require.Equal(t, slices.Contains(won, again), ok)
		}
		require.Equal(t, max(0, n-len(ready)), Free(s.Races[0]))
		require.Equal(t, min(all-n, all-len(ready)), returning(s, v1alpha1.Hibernated))
		require.Equal(t, len(ready) == all, Settled(s, s.Races[0]))
		taken := map[string]bool{}
		for _, seat := range s.Races[0].Seats {
			if seat.Taken != "" {
				require.False(t, taken[seat.Taken])
				taken[seat.Taken] = true
				require.Contains(t, won, seat.Taken)
			}
		}
		// What is filled is what does not come back.
		require.Equal(t, max(0, n-returning(s, v1alpha1.Hibernated)), Keep(s, goalOf(n), keepNow).Fill[v1alpha1.Hibernated])
	})
}
