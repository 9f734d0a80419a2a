package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
)

var now = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func instances(ids ...string) (out []contract.Instance) {
	for _, id := range ids {
		out = append(out, contract.Instance{ID: id})
	}
	return out
}

func TestALaunchIsHeldUntilItsNodesAreSeen(t *testing.T) {
	var s contract.ProvisionerState
	Open(&s, contract.LedgerEntry{ScaleUp: "a", Open: 3}, now)
	Open(&s, contract.LedgerEntry{ScaleUp: "a", Open: 3}, now)
	require.Len(t, s.Ledger, 1)

	Filled(&s, contract.LaunchEvent{ScaleUp: "a", Open: 1, Instances: instances("i-1", "i-2")}, now)
	Filled(&s, contract.LaunchEvent{ScaleUp: "a", Open: 1, Instances: instances("i-2")}, now)
	require.Equal(t, 1, s.Ledger[0].Open)
	require.Len(t, s.Ledger[0].Instances, 2)

	Drop(&s, "i-1")
	Exhausted(&s, "a")
	require.Len(t, s.Ledger, 1, "i-2 is still on its way")
	Drop(&s, "i-2")
	require.Empty(t, s.Ledger)
}

func TestFilledWithoutOpened(t *testing.T) {
	var s contract.ProvisionerState
	Filled(&s, contract.LaunchEvent{ScaleUp: "hand", Pool: "p", Open: 0, Instances: instances("i-1")}, now)
	require.Len(t, s.Ledger, 1)
	require.Equal(t, "p", s.Ledger[0].Pool)
	Exhausted(&s, "unknown")
	require.Len(t, s.Ledger, 1)
}

func TestExpire(t *testing.T) {
	var s contract.ProvisionerState
	Open(&s, contract.LedgerEntry{ScaleUp: "old", Open: 2}, now.Add(-Lost-time.Second))
	Open(&s, contract.LedgerEntry{ScaleUp: "young", Open: 2}, now)
	require.Equal(t, []string{"old"}, Expire(&s, now))
	require.Len(t, s.Ledger, 1)
}

func TestFirstSight(t *testing.T) {
	var seen []string
	require.True(t, FirstSight(&seen, ""))
	require.True(t, FirstSight(&seen, ""))
	require.True(t, FirstSight(&seen, "k"))
	require.False(t, FirstSight(&seen, "k"))
	for i := range 2 * MaxSeen {
		require.True(t, FirstSight(&seen, fmt.Sprint(i)))
	}
	require.Len(t, seen, MaxSeen)
}

func TestMerge(t *testing.T) {
	older := contract.Demand{At: now, Sent: now, Pods: 2, Watermark: "99", Trace: "old"}
	later := contract.Demand{At: now.Add(time.Second), Sent: now.Add(time.Second), Pods: 3, Watermark: "100", Trace: "new"}
	want := &contract.Demand{At: now, Sent: later.Sent, Pods: 5, Watermark: "100", Trace: "old"}
	require.Equal(t, want, Merge(&older, later))
	require.Equal(t, want, Merge(&later, older))
	require.Equal(t, &later, Merge(nil, later))
}

// Events may come twice and in any order: an instance that was neither seen nor gone is never lost, and none is counted
// twice.
func TestLedgerLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s contract.ProvisionerState
		flying := map[string]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			scaleUp := fmt.Sprint("s", rapid.IntRange(0, 3).Draw(t, "scaleUp"))
			id := fmt.Sprintf("i-%s-%d", scaleUp, rapid.IntRange(0, 5).Draw(t, "instance"))
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				Open(&s, contract.LedgerEntry{ScaleUp: scaleUp, Open: 6}, now)
			case 1:
				Filled(&s, contract.LaunchEvent{ScaleUp: scaleUp, Open: rapid.IntRange(0, 5).Draw(t, "open"), Instances: instances(id)}, now)
				flying[id] = true
			case 2:
				Exhausted(&s, scaleUp)
			case 3:
				Drop(&s, id)
				delete(flying, id)
			}
		}
		held := map[string]bool{}
		for _, e := range s.Ledger {
			require.True(t, e.Open > 0 || len(e.Instances) > 0)
			for _, i := range e.Instances {
				require.False(t, held[i.ID], "%s is held twice", i.ID)
				held[i.ID] = true
			}
		}
		require.Equal(t, flying, held)
	})
}
