package aws

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

func (b *bed) confirm(id string, kind contract.ReclaimKind, by time.Duration) (contract.ConfirmReclaimResult, error) {
	return b.ConfirmReclaim(b.t.Context(), contract.ConfirmReclaimInput{InstanceInput: instanceInput(id), Kind: kind, By: time.Now().Add(by)})
}

func TestConfirmReclaim(t *testing.T) {
	b := newBed(t, "")
	launched, err := b.launch(launchInput("token", 2, v1alpha1.Spot, "m5.large"))
	require.NoError(t, err)
	b.script("reclaim * spot *: 1")
	taken := ""
	require.Eventually(t, func() bool {
		for _, i := range launched.Instances {
			if r, err := b.confirm(i.ID, contract.ReclaimInterruption, time.Minute); err == nil {
				require.Equal(t, contract.ReclaimConfirmed, r.Verdict)
				require.Equal(t, "the spot request is marked-for-termination", r.Why)
				taken = i.ID
			}
		}
		return taken != ""
	}, 5*time.Second, 50*time.Millisecond)
	other := launched.Instances[0].ID
	if other == taken {
		other = launched.Instances[1].ID
	}
	_, err = b.confirm(other, contract.ReclaimInterruption, time.Minute)
	require.Equal(t, contract.ErrUnavailable, typeOf(t, err), "EC2 may lag behind its own notice")
	r, err := b.confirm(other, contract.ReclaimInterruption, -time.Second)
	require.NoError(t, err)
	require.Equal(t, contract.ConfirmReclaimResult{Verdict: contract.ReclaimRefuted, Why: "the spot request is fulfilled"}, r)
	r, err = b.confirm("i-00000000000000bad", contract.ReclaimInterruption, -time.Second)
	require.NoError(t, err)
	require.Equal(t, contract.ReclaimUnanswered, r.Verdict, "what EC2 does not show is no refutation")
	_, err = b.confirm(other, contract.ReclaimRebalance, time.Minute)
	require.Equal(t, contract.ErrInvalidInput, typeOf(t, err))
}

// A yes is told to the offering memory, where there is something to learn; a store that is down holds nobody up.
func TestConfirmedReclaimsAreLearned(t *testing.T) {
	b := newBed(t, "")
	launched, err := b.launch(launchInput("token", 1, v1alpha1.Spot, "m5.large"))
	require.NoError(t, err)
	b.script("reclaim * spot *: 1")
	in := contract.ConfirmReclaimInput{InstanceInput: instanceInput(launched.Instances[0].ID), Kind: contract.ReclaimInterruption, By: time.Now().Add(time.Minute)}
	confirmed := func() (r contract.ConfirmReclaimResult) {
		require.Eventually(t, func() bool {
			r, err = b.ConfirmReclaim(t.Context(), in)
			return err == nil
		}, 5*time.Second, 50*time.Millisecond)
		require.Equal(t, contract.ReclaimConfirmed, r.Verdict)
		return r
	}
	require.False(t, confirmed().Recorded, "there is nothing to learn")
	in.Record = contract.ReclaimedRecord{Instance: in.Instance, At: time.Now()}
	require.True(t, confirmed().Recorded)
	b.kept.answer(nil, errors.New("the store is down"))
	require.False(t, confirmed().Recorded)
	require.Len(t, b.kept.reclaims, 2)
}

func TestConfirmScheduled(t *testing.T) {
	b := newBed(t, "")
	launched, err := b.launch(launchInput("token", 1, v1alpha1.OnDemand, "m5.large"))
	require.NoError(t, err)
	id := launched.Instances[0].ID
	require.Eventually(t, func() bool { return b.truth().Instances[0].State == "running" }, 5*time.Second, 20*time.Millisecond)
	r, err := b.confirm(id, contract.ReclaimScheduled, -time.Second)
	require.NoError(t, err)
	require.Equal(t, contract.ReclaimRefuted, r.Verdict)
	b.script("retire * on-demand *: 1 in 1h")
	require.Eventually(t, func() bool {
		r, err = b.confirm(id, contract.ReclaimScheduled, -time.Second)
		return err == nil && r.Verdict == contract.ReclaimConfirmed
	}, 5*time.Second, 50*time.Millisecond)
	require.WithinDuration(t, time.Now().Add(time.Hour), r.Deadline, time.Minute)
	require.Contains(t, r.Why, "instance-retirement at ")
}

// EC2 that does not answer neither confirms nor refutes.
func TestConfirmUnanswered(t *testing.T) {
	b := newBed(t, "deny DescribeSpotInstanceRequests")
	_, err := b.confirm("i-00000000000000001", contract.ReclaimInterruption, time.Minute)
	require.Equal(t, contract.ErrUnavailable, typeOf(t, err), "asked again until the time is over, whatever it was")
	r, err := b.confirm("i-00000000000000001", contract.ReclaimInterruption, -time.Second)
	require.NoError(t, err)
	require.Equal(t, contract.ReclaimUnanswered, r.Verdict)
	require.Contains(t, r.Why, "ec2:DescribeSpotInstanceRequests")
}

func TestConfirmGathers(t *testing.T) {
	b := newBed(t, "")
	launched, err := b.launch(launchInput("token", 40, v1alpha1.Spot, "m5.large"))
	require.NoError(t, err)
	b.script("reclaim * spot *: all")
	time.Sleep(2 * testLag) // EC2 shows it by then
	var group errgroup.Group
	for _, i := range launched.Instances {
		group.Go(func() error {
			_, err := b.confirm(i.ID, contract.ReclaimInterruption, time.Minute)
			return err
		})
	}
	require.NoError(t, group.Wait())
	require.Less(t, b.calls("DescribeSpotInstanceRequests"), 10, "40 at once are few calls")
}

func TestReclaimed(t *testing.T) {
	for code, want := range map[string]bool{
		"fulfilled": false, "marked-for-termination": true, "marked-for-stop": true, "instance-terminated-no-capacity": true,
		"instance-terminated-by-price": true, "instance-stopped-no-capacity": true, "instance-terminated-by-user": false,
		"instance-stopped-by-user": false, "pending-fulfillment": false, "request-canceled-and-instance-running": false, "": false,
	} {
		require.Equal(t, want, reclaimed(code), code)
	}
}
