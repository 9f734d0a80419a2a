package aws

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/activities/store"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/config"
	"floe.dev/floe/internal/fallback"
	"floe.dev/floe/internal/testbed"
)

// hopOn is a hop on one offering, with EC2's answer.
func hopOn(id string, o contract.Offering, answer contract.Answer, code string) contract.HopRecord {
	return contract.HopRecord{ID: id, At: time.Now(), Cluster: testCluster, Account: testAccount, Hop: contract.Hop{
		Token: id, Ended: time.Now(), Outcomes: []contract.Outcome{{Offering: o, Answer: answer, Code: code}},
	}}
}

// Two processes with a store between them, which is killed while both write: what it acknowledged is there afterwards, and
// each process knows what the other learned.
func TestMemoryIsSharedAndOutlivesTheStore(t *testing.T) {
	tb := testbed.New(t, testbed.Options{Parts: testbed.Store})
	processes := make([]*memory, 2)
	for i := range processes {
		kept, err := store.New(config.Store{URI: config.URI(tb.StoreURI), Database: "floe"}, nil)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, kept.Close(t.Context())) })
		processes[i] = newMemory("eu-west-1", kept, discard())
		processes[i].recall(t.Context(), testAccount)
	}

	const writers, each = 8, 10
	var acknowledged sync.Map
	var written atomic.Int32
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for n := range each {
				record := hopOn(fmt.Sprintf("hop-%d-%d", w, n), remembered, contract.AnswerICE, "InsufficientInstanceCapacity")
				for processes[w%2].store.PutHops(t.Context(), []contract.HopRecord{record}) != nil {
					if t.Context().Err() != nil {
						return
					}
					time.Sleep(10 * time.Millisecond) // as Temporal tries again
				}
				acknowledged.Store(store.LearnedID(record, "eu-west-1"), true)
				written.Add(1)
			}
		})
	}
	require.Eventually(t, func() bool { return written.Load() >= writers*each/4 }, time.Minute, time.Millisecond)
	database := tb.Process("ferretdb")
	database.Kill()
	require.NoError(t, database.Restart(t.Context()))
	group.Wait()
	for _, process := range processes {
		learned, err := process.store.Learned(t.Context(), "eu-west-1", time.Now().Add(-time.Hour))
		require.NoError(t, err)
		found := map[string]bool{}
		for _, l := range learned {
			found[l.ID] = true
		}
		acknowledged.Range(func(id, _ any) bool { require.True(t, found[id.(string)], id); return true })
		require.Len(t, learned, writers*each)
	}

	// What one learns, the other knows soon: an ICE, a quota of the account, and a reclaim.
	other, lost := remembered, remembered
	other.InstanceType, lost.InstanceType = "c5.large", "r5.large"
	limited := hopOn("limited", other, contract.AnswerQuota, "VcpuLimitExceeded")
	require.NoError(t, processes[0].store.PutHops(t.Context(), []contract.HopRecord{
		hopOn("ice", other, contract.AnswerICE, "InsufficientInstanceCapacity"), limited,
	}))
	require.NoError(t, processes[0].store.(*store.Activities).PutReclaim(t.Context(), contract.ReclaimedRecord{
		Instance: "i-1", Offering: lost, At: time.Now(), Cluster: testCluster, Account: testAccount,
	}))
	began := time.Now()
	require.Eventually(t, func() bool {
		known, quotas := processes[1].recall(t.Context(), testAccount)
		return !known.BackOff[other].IsZero() && known.Reclaims[lost] > 0 && len(quotas) == 1
	}, 30*time.Second, 10*time.Millisecond)
	t.Logf("the other process knows after %v", time.Since(began).Round(time.Millisecond))
}

func TestOneProbeOnARealStore(t *testing.T) {
	tb := testbed.New(t, testbed.Options{Parts: testbed.Store})
	processes := make([]*store.Activities, 2)
	for i := range processes {
		kept, err := store.New(config.Store{URI: config.URI(tb.StoreURI), Database: "floe"}, nil)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, kept.Close(t.Context())) })
		processes[i] = kept
	}
	probes := make([]contract.Override, 5)
	for i := range probes {
		o := contract.Offering{Region: "eu-west-1", ZoneID: "euw1-az1", InstanceType: fmt.Sprintf("m%d.large", i), CapacityType: v1alpha1.Spot}
		probes[i] = contract.Override{Offering: o, Probe: fallback.ProbeID(o, time.Now().Truncate(time.Hour))}
	}
	var mu sync.Mutex
	owners := map[string][]string{}
	claim := func(i int) {
		by := fmt.Sprint("scaleup-", i)
		taken, err := processes[i%2].ClaimProbes(t.Context(), by, probes)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, p := range probes {
			if !taken[p.Probe] {
				owners[p.Probe] = append(owners[p.Probe], by)
			}
		}
	}
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() { claim(i) })
	}
	group.Wait()
	for _, p := range probes {
		require.Len(t, owners[p.Probe], 1, p.Probe)
	}
	taken, err := processes[0].ClaimProbes(t.Context(), owners[probes[0].Probe][0], probes[:1])
	require.NoError(t, err)
	require.Empty(t, taken, "who has it has it still")

	// A claim is read back with all else.
	learned, err := processes[1].Learned(t.Context(), "eu-west-1", time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.Len(t, learned, len(probes))
	require.Equal(t, contract.AnswerProbing, learned[0].Events[0].Answer)
	require.Equal(t, learned[0].ID, learned[0].Events[0].ID)
}
