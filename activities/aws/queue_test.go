package aws

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim"
)

func (b *bed) queue(name string) *Queue {
	b.t.Helper()
	b.accounts[testAccount].cfg.InterruptionQueue = name
	q, ok, err := b.Queue(testAccount)
	require.NoError(b.t, err)
	require.True(b.t, ok)
	return q
}

func TestQueue(t *testing.T) {
	b := newBed(t, "")
	_, ok, err := b.Queue(testAccount)
	require.NoError(t, err)
	require.False(t, ok, "the configuration names none")
	q := b.queue(sim.DefaultQueue)
	id, err := q.AccountID(t.Context())
	require.NoError(t, err)
	require.Equal(t, "123456789012", id)

	launched, err := b.launch(launchInput("token", 1, v1alpha1.Spot, "m5.large"))
	require.NoError(t, err)
	b.script("reclaim * spot *: 1")
	received := func() QueueMessage {
		for {
			messages, err := q.Receive(t.Context())
			require.NoError(t, err)
			for _, m := range messages {
				if !strings.Contains(m.Body, "Interruption Warning") {
					require.NoError(t, q.Delete(t.Context(), m.Handle))
					continue
				}
				return m
			}
		}
	}
	first := received()
	require.Equal(t, 1, first.Receives)
	require.WithinDuration(t, time.Now(), first.Sent, time.Minute)
	require.NoError(t, q.Return(t.Context(), first.Handle, 0))
	second := received()
	require.Equal(t, first.Body, second.Body)
	require.Equal(t, 2, second.Receives)
	require.NoError(t, q.Delete(t.Context(), second.Handle))

	require.Eventually(t, func() bool {
		seen, err := q.Look(t.Context(), []string{launched.Instances[0].ID, "i-00000000000000bad"})
		require.NoError(t, err)
		return len(seen) == 1 && seen[0].Cluster == testCluster && seen[0].Pool == "general" && seen[0].CapacityType == v1alpha1.Spot
	}, 5*time.Second, 20*time.Millisecond)
}

func TestQueueThatIsNotThere(t *testing.T) {
	b := newBed(t, "")
	for _, name := range []string{"none", b.url + "/123456789012/none"} {
		_, err := b.queue(name).Receive(t.Context())
		require.ErrorContains(t, err, "there is no queue "+name+": create it, or correct interruptionQueue")
	}
	_, _, err := b.Queue("nobody")
	require.Equal(t, contract.ErrInvalidInput, typeOf(t, err))
}
