package aws

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/sim/cloud"
)

// hibernating makes the simulated EC2's times of hibernation short.
func hibernating(rules cloud.HibernationRules) func(*sim.Options) {
	return func(o *sim.Options) { o.Hibernation, o.Unthrottled = &rules, true }
}

// standbyInput launches count machines that can hibernate, in one place.
func standbyInput(token string, count int, place int, tier v1alpha1.CapacityType) contract.LaunchInput {
	in := launchInput(token, count, v1alpha1.OnDemand, "m5.large")
	in.Step.Overrides = in.Step.Overrides[place : place+1]
	in.RunInstances, in.Tier = true, tier
	return in
}

func ids(instances []contract.Instance) (all []string) {
	for _, i := range instances {
		all = append(all, i.ID)
	}
	return all
}

func (b *bed) stopInput(id string, hibernate bool) contract.StopInput {
	return contract.StopInput{InstanceInput: contract.InstanceInput{Account: testAccount, Instance: id}, Hibernate: hibernate}
}

func (b *bed) awaitState(id string, states ...string) contract.InstanceResult {
	b.t.Helper()
	seen, err := b.AwaitState(b.t.Context(), contract.AwaitStateInput{InstanceInput: contract.InstanceInput{Account: testAccount, Instance: id, Launched: time.Now()}, States: states})
	require.NoError(b.t, err)
	return seen
}

func TestHibernateAndStart(t *testing.T) {
	b := newBed(t, "", hibernating(cloud.HibernationRules{}))
	launched, err := b.launch(standbyInput("token", 3, 0, v1alpha1.Hibernated))
	require.NoError(t, err)
	require.Len(t, launched.Instances, 3)
	for _, i := range launched.Instances {
		require.Equal(t, 20+8, i.RootGiB, "the image's root volume and all of the memory")
		b.awaitState(i.ID, "running")
	}
	answers := make(chan contract.StopResult)
	for _, id := range ids(launched.Instances) {
		go func() {
			r, err := b.Stop(t.Context(), b.stopInput(id, true))
			require.NoError(t, err)
			answers <- r
		}()
	}
	for range launched.Instances {
		require.Equal(t, contract.StopAccepted, (<-answers).Answer)
	}
	require.Equal(t, 1, b.calls("StopInstances"), "those that come together are asked for in one call")
	for _, id := range ids(launched.Instances) {
		require.Equal(t, contract.StateReasonHibernate, b.awaitState(id, "stopped").Reason)
	}

	started, err := b.Start(t.Context(), contract.StartInput{Account: testAccount, Instances: ids(launched.Instances)})
	require.NoError(t, err)
	for _, a := range started.Answers {
		require.Equal(t, contract.AnswerStarted, a.Answer)
	}
	again, err := b.Start(t.Context(), contract.StartInput{Account: testAccount, Instances: ids(launched.Instances)})
	require.NoError(t, err, "a start may be repeated")
	require.Equal(t, contract.AnswerStarted, again.Answers[0].Answer)
	require.Equal(t, 2, b.calls("StartInstances"))
}

func TestStopsThatAreRefused(t *testing.T) {
	b := newBed(t, "", hibernating(cloud.HibernationRules{MinUptime: time.Hour}))
	able, err := b.launch(standbyInput("able", 1, 0, v1alpha1.Hibernated))
	require.NoError(t, err)
	unable, err := b.launch(standbyInput("unable", 1, 0, v1alpha1.Stopped))
	require.NoError(t, err)
	require.Positive(t, unable.Instances[0].RootGiB)
	b.awaitState(able.Instances[0].ID, "running")
	b.awaitState(unable.Instances[0].ID, "running")

	early, err := b.Stop(t.Context(), b.stopInput(able.Instances[0].ID, true))
	require.NoError(t, err)
	require.Equal(t, contract.StopEarly, early.Answer, early.Message)
	never, err := b.Stop(t.Context(), b.stopInput(unable.Instances[0].ID, true))
	require.NoError(t, err)
	require.Equal(t, contract.StopUnsupported, never.Answer, never.Message)
	gone, err := b.Stop(t.Context(), b.stopInput("i-00000000000000000", true))
	require.NoError(t, err)
	require.Equal(t, contract.StopRefused, gone.Answer)
	require.Equal(t, contract.InstanceGone, gone.State)
	plain, err := b.Stop(t.Context(), b.stopInput(unable.Instances[0].ID, false))
	require.NoError(t, err)
	require.Equal(t, contract.StopAccepted, plain.Answer)
	require.NotEqual(t, contract.StateReasonHibernate, b.awaitState(unable.Instances[0].ID, "stopped").Reason)
	_, err = b.Stop(t.Context(), b.stopInput("", true))
	require.Equal(t, contract.ErrInvalidInput, typeOf(t, err))
}

// Within 30 s of a resume EC2 takes a hibernation and does nothing: the wait for it ends, and says so.
func TestAwaitedStateThatDoesNotCome(t *testing.T) {
	b := newBed(t, "", hibernating(cloud.HibernationRules{Quiet: time.Hour}))
	launched, err := b.launch(standbyInput("token", 1, 0, v1alpha1.Hibernated))
	require.NoError(t, err)
	id := launched.Instances[0].ID
	b.awaitState(id, "running")
	freeze := func() contract.InstanceResult {
		t.Helper()
		r, err := b.Stop(t.Context(), b.stopInput(id, true))
		require.NoError(t, err)
		require.Equal(t, contract.StopAccepted, r.Answer)
		seen, err := b.AwaitState(t.Context(), contract.AwaitStateInput{
			InstanceInput: contract.InstanceInput{Account: testAccount, Instance: id}, States: []string{"stopped"}, Leaves: "running", Within: time.Millisecond,
		})
		require.NoError(t, err)
		return seen
	}
	require.Equal(t, "stopped", freeze().State)
	_, err = b.Start(t.Context(), contract.StartInput{Account: testAccount, Instances: []string{id}})
	require.NoError(t, err)
	b.awaitState(id, "running")
	require.Equal(t, "running", freeze().State, "it was woken a moment ago")
	_, err = b.AwaitState(t.Context(), contract.AwaitStateInput{InstanceInput: contract.InstanceInput{Account: testAccount, Instance: id}})
	require.Equal(t, contract.ErrInvalidInput, typeOf(t, err))
}

// One zone has room for two of its three, another for none: the rest start all the same.
func TestStartWhereCapacityIsShort(t *testing.T) {
	b := newBed(t, "", hibernating(cloud.HibernationRules{}))
	var all []string
	for place := range places {
		launched, err := b.launch(standbyInput(places[place].zone, 3, place, v1alpha1.Hibernated))
		require.NoError(t, err)
		all = append(all, ids(launched.Instances)...)
	}
	for _, id := range all {
		b.awaitState(id, "running")
		_, err := b.Stop(t.Context(), b.stopInput(id, true))
		require.NoError(t, err)
	}
	for _, id := range all {
		b.awaitState(id, "stopped")
	}
	b.script("at 0s m5.large on-demand eu-west-1a: 2\nat 0s m5.large on-demand eu-west-1b: 0")
	asked := append(all, "i-00000000000000000")
	before := b.calls("StartInstances")
	started, err := b.Start(t.Context(), contract.StartInput{Account: testAccount, Instances: asked})
	require.NoError(t, err)
	byAnswer := map[contract.Answer]int{}
	for i, a := range started.Answers {
		require.Equal(t, asked[i], a.Instance)
		byAnswer[a.Answer]++
	}
	require.Equal(t, map[contract.Answer]int{contract.AnswerStarted: 5, contract.AnswerICE: 4, contract.AnswerRefused: 1}, byAnswer)
	require.Equal(t, contract.InstanceGone, started.Answers[len(asked)-1].State)
	require.Less(t, b.calls("StartInstances")-before, 12)

	// Plans know of it, in this process and by the store in others.
	known, _ := b.memories[sim.DefaultRegion].recall(t.Context(), testAccount)
	for place, dry := range map[int]bool{0: true, 1: true, 2: false} {
		o := standbyInput("", 1, place, v1alpha1.Hibernated).Step.Overrides[0].Offering
		require.Equal(t, dry, !known.BackOff[o].IsZero(), o.Key())
	}
	require.Len(t, b.kept.starts, 1)
	require.Len(t, b.kept.starts[0].Hop.Outcomes, 2, "once for each offering")
	require.Equal(t, testAccount, b.kept.starts[0].Account)
	_, err = b.Start(t.Context(), contract.StartInput{Account: testAccount})
	require.Equal(t, contract.ErrInvalidInput, typeOf(t, err))
}
