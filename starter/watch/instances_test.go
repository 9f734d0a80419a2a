package watch

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/contract"
)

func inState(state string) contract.Instance { return contract.Instance{ID: "i-1", State: state} }

func states(seen []contract.Observation) (states []string) {
	for _, o := range seen {
		if o.InstanceState != "" {
			states = append(states, o.InstanceState)
		}
	}
	return states
}

func TestAnInstancesStates(t *testing.T) {
	w := newWorld(t, quick)
	for _, state := range []string{"pending", "running"} { // what its Node is about to show
		w.ec2.show(nil, inState(state))
		polls := w.ec2.polled()
		require.Eventually(t, func() bool { return w.ec2.polled() > polls+3 }, waitFor, tick)
	}
	for i, state := range []string{"shutting-down", "terminated"} {
		w.ec2.show(nil, inState(state))
		w.news(t, "i-1", i+1)
	}
	require.Equal(t, []string{"shutting-down", "terminated"}, states(w.temporal.of("i-1")))

	// EC2 forgets it after an hour: no news.
	w.ec2.show(nil)
	polls := w.ec2.polled()
	require.Eventually(t, func() bool { return w.ec2.polled() > polls+3 }, waitFor, tick)
	require.Len(t, w.temporal.of("i-1"), 2)
}

func TestAnInstanceThatIsNotShown(t *testing.T) {
	_, i := bare(t)
	now := time.Now()
	look := func(later time.Duration, shown ...contract.Instance) []string {
		now = now.Add(later)
		return i.take("main", shown, now)
	}
	require.NotEmpty(t, look(0, inState("running")))
	require.Empty(t, look(time.Second))
	require.Empty(t, look(59*time.Second))
	require.Equal(t, time.Second, i.wait("main", now), "it is looked for quickly")
	require.Empty(t, look(0, inState("running")), "only EC2's lag")
	require.Empty(t, look(59*time.Second))
	require.Empty(t, look(59*time.Second))
	require.Equal(t, "running", i.state("i-1"))
	require.Equal(t, []string{"i-1"}, look(time.Second))
	require.Equal(t, contract.InstanceGone, i.state("i-1"))
}

func TestEC2IsDown(t *testing.T) {
	w := newWorld(t, quick)
	w.ec2.show(nil, inState("stopping"))
	w.news(t, "i-1", 1)
	w.ec2.show(errors.New("no such host"))
	polls := w.ec2.polled()
	require.Eventually(t, func() bool { return w.ec2.polled() > polls+3 }, waitFor, tick)
	require.Equal(t, []string{"stopping"}, states(w.temporal.of("i-1")), "no answer says nothing of an instance")
	w.ec2.show(nil, inState("stopped"))
	require.Equal(t, []string{"stopping", "stopped"}, states(w.news(t, "i-1", 2)))
}

func TestWhatIsForgotten(t *testing.T) {
	n, i := bare(t)
	now := time.Now()
	require.Equal(t, []string{"i-1"}, i.take("main", []contract.Instance{inState("stopped")}, now))
	n.tell(t.Context(), "i-1")
	require.Len(t, n.told, 1)
	i.take("main", []contract.Instance{inState("terminated")}, now)
	n.tell(t.Context(), "i-1")
	require.Equal(t, []string{"i-1"}, i.take("main", nil, now), "to be looked at a last time")
	n.tell(t.Context(), "i-1")
	require.Empty(t, n.told)
	require.Empty(t, i.known)
}

func TestAccountsDoNotMeddle(t *testing.T) {
	_, i := bare(t)
	now := time.Now()
	i.take("main", []contract.Instance{inState("running")}, now)
	for range 3 {
		now = now.Add(time.Hour)
		require.Empty(t, i.take("other", nil, now))
	}
	require.Equal(t, "running", i.state("i-1"))
}

func TestHowOftenEC2IsAsked(t *testing.T) {
	for name, tc := range map[string]struct {
		in   contract.Instance
		want time.Duration
	}{
		"pending":                {contract.Instance{State: "pending"}, time.Second},
		"stopping":               {contract.Instance{State: "stopping"}, time.Second},
		"its Node is to come":    {contract.Instance{State: "running", LaunchTime: time.Now()}, time.Second},
		"its Node never came":    {contract.Instance{State: "running", LaunchTime: time.Now().Add(-time.Hour)}, time.Minute},
		"stopped":                {contract.Instance{State: "stopped"}, time.Minute},
		"terminated, still told": {contract.Instance{State: "terminated"}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			_, i := bare(t)
			now := time.Now()
			tc.in.ID = "i-1"
			i.take("main", []contract.Instance{tc.in}, now)
			require.Equal(t, tc.want, i.wait("main", now))
			require.Equal(t, time.Minute, i.wait("other", now))
			i.expect()
			require.Equal(t, time.Second, i.wait("main", now), "machines are expected")
		})
	}
}

func TestADemandEndsASlowWait(t *testing.T) {
	timing := quick
	timing.EC2Slow = time.Hour
	w := newWorld(t, timing)
	require.Eventually(t, func() bool { return w.ec2.polled() == 1 }, waitFor, tick)
	w.put(t, pending("a", "1"))
	require.Eventually(t, func() bool { return w.ec2.polled() > 3 }, waitFor, tick)
}

// bare are the parts of a watcher that does not run.
func bare(t *testing.T) (*nodes, *instances) {
	w := newWorld(t, quick)
	timing := Timing{EC2Fast: time.Second, EC2Slow: time.Minute, Expect: time.Hour, DescribeLag: time.Minute}.withDefaults()
	i := newInstances(w.cluster, w.ec2, timing, mustMetrics(t), nil)
	return newNodes(w.cluster, w.temporal, i, timing, mustMetrics(t), nil), i
}
