package reclaim

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
)

func notice(kind contract.ReclaimKind, in time.Duration) contract.Reclaim {
	r := contract.Reclaim{Key: string(kind), Kind: kind, Notice: told, Received: told}
	if in != 0 {
		r.Deadline = told.Add(in)
	}
	return r
}

var (
	confirmed = contract.ConfirmReclaimResult{Verdict: contract.ReclaimConfirmed, Why: "marked-for-termination"}
	refuted   = contract.ConfirmReclaimResult{Verdict: contract.ReclaimRefuted, Why: "fulfilled"}
)

func TestANoticeThatIsTrue(t *testing.T) {
	s := Hear(nil, notice(contract.ReclaimInterruption, Warning), told)
	require.False(t, s.Stands())
	require.Len(t, s.Asking, 1)
	s = Judge(s, contract.ReclaimInterruption, confirmed, told)
	require.True(t, s.Leaves())
	require.Empty(t, s.Asking)
	require.Equal(t, told.Add(Warning), s.Deadline)
	// Another one of the same, told a moment earlier: nothing is asked again, the deadline tightens.
	s = Hear(s, notice(contract.ReclaimInterruption, Warning-5*time.Second), told)
	require.True(t, s.Leaves())
	require.Empty(t, s.Asking)
	require.Equal(t, told.Add(Warning-5*time.Second), s.Deadline)
	require.Equal(t, 2, s.Notices)
}

func TestANoticeThatIsForged(t *testing.T) {
	s := Judge(Hear(nil, notice(contract.ReclaimInterruption, Warning), told), contract.ReclaimInterruption, refuted, told)
	require.False(t, s.Stands())
	require.True(t, s.Unmark)
	// The next one is asked about all the same.
	s = Hear(s, notice(contract.ReclaimInterruption, Warning), told)
	require.Len(t, s.Asking, 1)
	require.False(t, s.Unmark)
	require.True(t, Judge(s, contract.ReclaimInterruption, confirmed, told).Leaves())
}

// A forged interruption of a machine that is to be retired takes nothing off the time that its pods have.
func TestAForgedNoticeBesideATrueOne(t *testing.T) {
	s := Judge(Hear(nil, notice(contract.ReclaimScheduled, 24*time.Hour), told), contract.ReclaimScheduled, confirmed, told)
	s = Hear(s, notice(contract.ReclaimInterruption, Warning), told)
	require.True(t, s.Leaves())
	require.Equal(t, told.Add(24*time.Hour), s.Deadline, "what is not confirmed does not count")
	no := Judge(s, contract.ReclaimInterruption, refuted, told)
	require.True(t, no.Leaves())
	require.False(t, no.Unmark)
	require.Equal(t, contract.ReclaimScheduled, no.Kind)
	require.Equal(t, told.Add(24*time.Hour), no.Deadline)
	yes := Judge(s, contract.ReclaimInterruption, confirmed, told)
	require.Equal(t, contract.ReclaimInterruption, yes.Kind)
	require.Equal(t, told.Add(Warning), yes.Deadline)
}

func TestARecommendationStaysUntilTheInterruption(t *testing.T) {
	pre := notice(contract.ReclaimRebalance, 0)
	pre.Stay = true
	s := Hear(nil, pre, told)
	require.True(t, s.Stands())
	require.False(t, s.Leaves())
	s = Hear(s, notice(contract.ReclaimInterruption, Warning), told)
	require.False(t, s.Leaves())
	require.True(t, Judge(s, contract.ReclaimInterruption, confirmed, told).Leaves())
	require.False(t, Judge(s, contract.ReclaimInterruption, refuted, told).Unmark, "the recommendation still stands")
	require.True(t, Hear(s, notice(contract.ReclaimRebalance, 0), told).Leaves(), "the pool has changed its mind")
}

func TestJudgeOfWhatWasNotAsked(t *testing.T) {
	require.Equal(t, &contract.ReclaimState{}, Judge(nil, contract.ReclaimScheduled, refuted, told))
}

// Any notices in any order, doubled, with verdicts in between: a machine that leaves goes on leaving, deadlines of what
// stands only tighten, one kind is asked about once, and the order of true notices does not matter in the end.
func TestHearInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kinds := []contract.ReclaimKind{contract.ReclaimRebalance, contract.ReclaimScheduled, contract.ReclaimInterruption}
		var notices []contract.Reclaim
		for i := range rapid.IntRange(1, 6).Draw(t, "notices") {
			r := notice(rapid.SampledFrom(kinds).Draw(t, "kind"), time.Duration(rapid.IntRange(0, 9).Draw(t, "in"))*time.Minute)
			r.Key, r.Stay = fmt.Sprint(i), r.Kind == contract.ReclaimRebalance && rapid.Bool().Draw(t, "stay")
			notices = append(notices, r)
		}
		end := func(notices []contract.Reclaim, eager bool) *contract.ReclaimState {
			var s *contract.ReclaimState
			judge := func() {
				for len(s.Asking) > 0 {
					s = Judge(s, s.Asking[0].Kind, confirmed, told)
				}
			}
			for _, n := range notices {
				before := s
				s = Hear(s, n, told)
				if eager {
					judge()
				}
				seen := map[contract.ReclaimKind]bool{}
				for _, a := range s.Asking {
					require.False(t, seen[a.Kind], "asked twice")
					seen[a.Kind] = true
				}
				if before.Leaves() {
					require.True(t, s.Leaves())
				}
				if before.Stands() && !before.Deadline.IsZero() {
					require.False(t, s.Deadline.IsZero() || s.Deadline.After(before.Deadline))
				}
			}
			judge()
			return s
		}
		a := end(notices, true)
		b := end(rapid.Permutation(notices).Draw(t, "order"), true)
		require.Equal(t, a.Kind, b.Kind)
		require.Equal(t, a.Deadline, b.Deadline)
		require.Equal(t, a.Stands(), b.Stands())
		require.Equal(t, a.Notices, b.Notices)
		c := end(notices, false)
		require.Equal(t, a.Kind, c.Kind)
		require.Equal(t, a.Leaves(), c.Leaves())
	})
}
