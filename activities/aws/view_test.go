package aws

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/sim"
)

func TestView(t *testing.T) {
	b := newBed(t, "")
	before := time.Now()
	var group errgroup.Group
	for range 8 {
		group.Go(func() error { _, err := b.View(t.Context(), testAccount); return err })
	}
	require.NoError(t, group.Wait())
	calls := b.truth().Counts
	require.Equal(t, 1, calls["DescribeSubnets"].All, "callers that come together ask once")
	types := calls["DescribeInstanceTypes"].All

	view, err := b.View(t.Context(), testAccount)
	require.NoError(t, err)
	require.Equal(t, types, b.calls("DescribeInstanceTypes"), "it is kept")
	require.Equal(t, testAccount, view.Account)
	require.Equal(t, sim.DefaultRegion, view.Region)
	require.False(t, view.At.Before(before))
	require.Empty(t, view.BackOff)
	for _, p := range places {
		subnet := view.Subnets[p.subnet]
		require.Equal(t, catalog.Subnet{ID: p.subnet, Zone: p.zone, ZoneID: p.zoneID, FreeAddresses: subnet.FreeAddresses}, subnet)
		require.Positive(t, subnet.FreeAddresses)
	}
	facts := catalog.Facts()
	require.Len(t, view.Types, len(facts))
	for _, fact := range facts {
		require.Equal(t, fact, view.Types[fact.Name])
	}
	key := catalog.OfferedKey{InstanceType: "m5.large", ZoneID: "euw1-az2"}
	require.True(t, view.Offered[key])
	spot, ok := view.USDPerHour("m5.large", "euw1-az2", v1alpha1.Spot)
	require.True(t, ok)
	onDemand, ok := view.USDPerHour("m5.large", "euw1-az2", v1alpha1.OnDemand)
	require.True(t, ok)
	require.Less(t, spot, onDemand)
}

func TestViewThatCannotBeRead(t *testing.T) {
	b := newBed(t, "deny DescribeSubnets")
	_, err := b.View(t.Context(), testAccount)
	require.Equal(t, contract.ErrAccessDenied, typeOf(t, err))
	require.ErrorContains(t, err, "ec2:DescribeSubnets")
	b.script("allow DescribeSubnets")
	_, err = b.View(t.Context(), testAccount)
	require.NoError(t, err, "it recovers by itself")
	_, err = b.View(t.Context(), "other")
	require.Equal(t, contract.ErrInvalidInput, typeOf(t, err))
}

func TestFullSubnetIsReadAgain(t *testing.T) {
	b := newBed(t, "refuse CreateFleet with "+codeSubnetFull)
	_, err := b.View(t.Context(), testAccount)
	require.NoError(t, err)
	_, err = b.launch(launchInput("token", 1, v1alpha1.Spot, "m5.large"))
	require.NoError(t, err)
	subnets := &b.accounts[testAccount].catalog.subnets
	subnets.now = func() time.Time { return time.Now().Add(2 * loadAgain) }
	_, err = b.View(t.Context(), testAccount)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return b.calls("DescribeSubnets") == 2 }, 5*time.Second, 10*time.Millisecond)
}

func TestRunKeepsViews(t *testing.T) {
	b := newBed(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	require.Eventually(t, func() bool { return b.calls("DescribeSubnets") == 1 }, 10*time.Second, 10*time.Millisecond)
	cancel()
	<-done
}

func TestAgedServesTheOldWhileItLoads(t *testing.T) {
	clock := newHandClock()
	loads := make(chan func() (int, error))
	failures := make(chan error, 1)
	a := aged[int]{
		fresh:  time.Minute,
		load:   func(context.Context) (int, error) { return (<-loads)() },
		failed: func(err error) { failures <- err },
		now:    clock.now,
	}
	first := make(chan int)
	go func() { v, _, _ := a.get(t.Context()); first <- v }()
	loads <- func() (int, error) { return 1, nil }
	require.Equal(t, 1, <-first, "the first caller waits")
	began := clock.now()

	get := func() int {
		v, at, err := a.get(t.Context())
		require.NoError(t, err)
		require.False(t, at.After(clock.now()))
		return v
	}
	clock.move(2 * time.Minute)
	require.Equal(t, 1, get(), "nobody else does")
	loads <- func() (int, error) { return 0, errors.New("no") }
	require.EqualError(t, <-failures, "no")
	require.Equal(t, 1, get(), "a failed load leaves the old one")
	_, at, _ := a.get(t.Context())
	require.Equal(t, began, at, "and its age")

	clock.move(2 * loadAgain)
	require.Equal(t, 1, get())
	loads <- func() (int, error) { return 2, nil }
	require.Eventually(t, func() bool { return get() == 2 }, 5*time.Second, time.Millisecond)
	clock.move(2 * loadAgain)
	a.expire()
	get()
	loads <- func() (int, error) { return 3, nil }
	require.Eventually(t, func() bool { return get() == 3 }, 5*time.Second, time.Millisecond)
}

func TestAgedFirstLoadThatFails(t *testing.T) {
	n := 0
	a := aged[int]{
		fresh: time.Minute, now: time.Now,
		load: func(context.Context) (int, error) {
			if n++; n == 1 {
				return 0, errors.New("no")
			}
			return n, nil
		},
	}
	_, _, err := a.get(t.Context())
	require.EqualError(t, err, "no")
	v, _, err := a.get(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, v)

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	stuck := make(chan struct{})
	defer close(stuck)
	b := aged[int]{now: time.Now, load: func(context.Context) (int, error) { <-stuck; return 0, nil }}
	_, _, err = b.get(canceled)
	require.ErrorIs(t, err, context.Canceled)
}
