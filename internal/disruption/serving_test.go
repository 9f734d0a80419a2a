package disruption

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// minutes plays how many pods serve, minute by minute, and returns in which the pool may not shrink.
func minutes(serving func(minute int) int, to int) (held []int) {
	var s contract.Serving
	for m := range to {
		n := serving(m)
		s = observe(s, now.Add(time.Duration(m)*time.Minute), n, 30*time.Minute)
		if collapseWords("p", s, n, 30*time.Minute) != "" {
			held = append(held, m)
		}
	}
	return held
}

func span(from, to int) (all []int) {
	for m := from; m < to; m++ {
		all = append(all, m)
	}
	return all
}

// The shapes of a day: what a front end's failure does to everything behind it, and what only looks like it.
func TestCollapses(t *testing.T) {
	for name, c := range map[string]struct {
		serving func(m int) int
		held    []int
	}{
		"steady": {func(int) int { return 40 }, nil},
		"a front end fails at 20 and is back at 35": {func(m int) int {
			if m >= 20 && m < 35 {
				return 12
			}
			return 40
		}, span(20, 35)},
		"it comes back step by step, and three quarters are enough": {func(m int) int {
			switch {
			case m < 20:
				return 40
			case m < 30:
				return 10
			}
			return min(40, 10+(m-30)*4) // 30 at 35
		}, span(20, 35)},
		"the autoscaler takes ten minutes to follow": {func(m int) int {
			switch {
			case m < 20:
				return 40
			case m < 30:
				return 40 - 3*(m-20) // 20 or less from 27 on
			}
			return 10
		}, span(27, 57)},
		"it never comes back: then it was meant": {func(m int) int {
			if m >= 20 {
				return 5
			}
			return 40
		}, span(20, 50)},
		"an evening": {func(m int) int { return int(math.Round(40 * math.Exp(-float64(m)/60))) }, nil},
		"a rolling update": {func(m int) int {
			if m >= 20 && m < 25 {
				return 30
			}
			return 40
		}, nil},
		"a pool of three pods": {func(m int) int {
			if m >= 20 {
				return 0
			}
			return 3
		}, nil},
		"a blink": {func(m int) int {
			if m == 20 {
				return 1
			}
			return 40
		}, []int{20}},
		"a second collapse": {func(m int) int {
			if m >= 20 && m < 25 || m >= 40 && m < 45 {
				return 1
			}
			return 40
		}, append(span(20, 25), span(40, 45)...)},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.held, minutes(c.serving, 90)) })
	}
}

func TestAPastIsBounded(t *testing.T) {
	var s contract.Serving
	for i := range 10_000 {
		s = observe(s, now.Add(time.Duration(i)*time.Second), i%50, time.Hour)
		require.LessOrEqual(t, len(s.Samples), 17)
	}
	require.Empty(t, observe(contract.Serving{}, now, 0, time.Hour).Samples, "of a pool without pods nothing is kept")
}

// While the front end fails and all behind it is scaled down, the nodes that this empties stay; then they go.
func TestAPoolDoesNotShrinkWhileItFails(t *testing.T) {
	patient := aPool("p", disruption(func(d *v1alpha1.Disruption) { d.Stabilization = after(30 * time.Minute) }))
	world := func(serving, sick int, since time.Duration) *cluster {
		return newCluster(patient).node("p", "empty", "a").emptyFor(time.Hour).
			node("p", "busy", "b", running(pods(serving, "web", "50m")...), running(pods(sick, "front", "50m", failing(since))...))
	}
	for name, c := range map[string]struct {
		serving, sick int
		since         time.Duration
		leaves        bool
	}{
		"all is well":               {9, 0, 0, true},
		"two of nine fail":          {7, 2, 5 * time.Minute, true},
		"three of nine fail":        {6, 3, 5 * time.Minute, false},
		"they have only started":    {6, 3, time.Minute, true},
		"they have failed all day":  {6, 3, 2 * time.Hour, true},
		"the only one fails":        {0, 1, 5 * time.Minute, true},
		"the only two of them fail": {0, 2, 5 * time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := Decide(world(c.serving, c.sick, c.since).s)
			if c.leaves {
				require.Contains(t, granted(r), "empty: empty")
				return
			}
			f := refused(t, r, "empty")
			require.Equal(t, "failing", f.Code)
			require.Contains(t, f.Why, "does not shrink while it fails")
		})
	}

	before := Decide(world(9, 0, 0).s)
	collapsed := world(4, 0, 0)
	collapsed.s.Now, collapsed.s.Memory = now.Add(time.Minute), before.Memory
	f := refused(t, Decide(collapsed.s), "empty")
	require.Contains(t, f.Why, "after a collapse: 4 of 9 pods serve")
	v, ok := Explain(collapsed.s, "empty")
	require.True(t, ok)
	require.Equal(t, f.Why, v.Reasons[1].Refused)

	// What replaces goes on; and who wants Karpenter's behavior has it.
	patient.Spec.Disruption.ExpireAfter = after(time.Hour)
	require.Contains(t, granted(Decide(collapsed.s)), "busy: expired")
	patient.Spec.Disruption.ExpireAfter, patient.Spec.Disruption.Stabilization = nil, after(0)
	require.Contains(t, granted(Decide(collapsed.s)), "empty: empty")
}

func TestPodsThatEndByThemselvesCountNowhere(t *testing.T) {
	var c census
	bare := aPod("bare", "1", func(p *corev1.Pod) { p.OwnerReferences = nil })
	c.count([]*corev1.Pod{aPod("job", "1", owned("Job")), aPod("agent", "1", owned("DaemonSet")), bare}, now)
	require.Zero(t, c)
	goes := aPod("goes", "1", failing(5*time.Minute), func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: now} })
	c.count([]*corev1.Pod{goes, aPod("web", "1")}, now)
	require.Equal(t, census{all: 2, serving: 1}, c)
}
