package aws

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim"
)

func instanceInput(id string) contract.InstanceInput {
	return contract.InstanceInput{Account: testAccount, Region: sim.DefaultRegion, Cluster: testCluster, Instance: id}
}

func TestTerminateCoalesces(t *testing.T) {
	b := newBed(t, "")
	launched, err := b.launch(launchInput("token", 40, v1alpha1.OnDemand, "m5.large"))
	require.NoError(t, err)
	var group errgroup.Group
	for _, i := range launched.Instances {
		group.Go(func() error {
			result, err := b.Terminate(t.Context(), instanceInput(i.ID))
			if err == nil && result.State != "shutting-down" && result.State != "terminated" {
				err = fmt.Errorf("%s is %s", i.ID, result.State)
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
	require.Less(t, b.calls("TerminateInstances"), 10, "40 at once are few calls")
	for _, i := range b.truth().Instances {
		require.Contains(t, []string{"shutting-down", "terminated"}, i.State)
	}
	again, err := b.Terminate(t.Context(), instanceInput(launched.Instances[0].ID))
	require.NoError(t, err, "it may be repeated")
	require.NotEqual(t, "running", again.State)
}

func TestTerminateAmongUnknown(t *testing.T) {
	b := newBed(t, "")
	launched, err := b.launch(launchInput("token", 5, v1alpha1.OnDemand, "m5.large"))
	require.NoError(t, err)
	ids := []string{"i-00000000000000bad", "i-00000000000000fad"}
	for _, i := range launched.Instances {
		ids = append(ids, i.ID)
	}
	results := b.accounts[testAccount].terminate(t.Context(), ids)
	require.Len(t, results, 7)
	for id, r := range results {
		require.NoError(t, r.err)
		if id == ids[0] || id == ids[1] {
			require.Equal(t, contract.InstanceGone, r.value)
		} else {
			require.Contains(t, []string{"shutting-down", "terminated"}, r.value)
		}
	}
	for _, i := range b.truth().Instances {
		require.Contains(t, []string{"shutting-down", "terminated"}, i.State)
	}
}

func TestTerminateFailures(t *testing.T) {
	for code, want := range map[string]string{
		"UnauthorizedOperation": contract.ErrAccessDenied,
		"RequestLimitExceeded":  contract.ErrThrottled,
		"InternalError":         contract.ErrUnavailable,
		"OperationNotPermitted": contract.ErrInvalidInput, // termination protection
	} {
		t.Run(code, func(t *testing.T) {
			b := newBed(t, "refuse TerminateInstances with "+code)
			_, err := b.Terminate(t.Context(), instanceInput("i-00000000000000001"))
			require.Equal(t, want, typeOf(t, err))
			require.ErrorContains(t, err, "ec2:TerminateInstances")
		})
	}
}

func TestDescribe(t *testing.T) {
	b := newBed(t, "")
	launched, err := b.launch(launchInput("token", 1, v1alpha1.OnDemand, "m5.large"))
	require.NoError(t, err)
	result, err := b.Describe(t.Context(), instanceInput(launched.Instances[0].ID))
	require.NoError(t, err)
	require.Contains(t, []string{"pending", "running"}, result.State)

	unknown := instanceInput("i-00000000000000bad")
	result, err = b.Describe(t.Context(), unknown)
	require.NoError(t, err)
	require.Equal(t, contract.InstanceGone, result.State)

	unknown.Launched = time.Now()
	_, err = b.Describe(t.Context(), unknown)
	require.Equal(t, contract.ErrUnavailable, typeOf(t, err), "right after its launch its absence proves nothing")
	_, err = b.Terminate(t.Context(), unknown)
	require.Equal(t, contract.ErrUnavailable, typeOf(t, err))

	_, err = b.Describe(t.Context(), contract.InstanceInput{Account: testAccount})
	require.Equal(t, contract.ErrInvalidInput, typeOf(t, err))
}

func TestInstances(t *testing.T) {
	b := newBed(t, "")
	launched, err := b.launch(launchInput("token", 2, v1alpha1.Spot, "m5.large"))
	require.NoError(t, err)
	other := launchInput("other", 1, v1alpha1.Spot, "m5.large")
	other.Cluster = "other"
	_, err = b.launch(other)
	require.NoError(t, err)

	seen, err := b.Instances(t.Context(), testAccount, testCluster)
	require.NoError(t, err)
	require.Len(t, seen, 2, "another cluster's are not ours")
	byID := map[string]contract.Instance{}
	for _, i := range launched.Instances {
		byID[i.ID] = i
	}
	for _, i := range seen {
		want := byID[i.ID]
		require.NotEmpty(t, i.PrivateDNS)
		require.NotZero(t, i.LaunchTime)
		want.PrivateDNS, want.LaunchTime, want.State, want.USDPerHour = i.PrivateDNS, i.LaunchTime, i.State, 0
		require.Equal(t, want, i)
	}
}
