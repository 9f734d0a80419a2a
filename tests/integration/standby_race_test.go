package integration

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/intstr"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// claimable reports whether a machine of a pool's standby is to be had now.
func (w *world) claimable(pool string) bool {
	w.t.Helper()
	return slices.ContainsFunc(w.standby(pool).Machines, func(m contract.StandbyMachine) bool {
		return m.Phase == contract.StandbyFrozen && !time.Now().Before(m.NotBefore)
	})
}

// A pod asks for one machine and two are woken: one is kept, the other sleeps again and never had a pod. Then EC2 cannot
// start any, and the pod that comes runs on a machine that is bought. At last a cold machine races a frozen one.
func TestMoreAreWokenThanAreKept(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, quickFreeze, "at 0s * spot *: 0")
	p := standbyPool("general", 2)
	over := intstr.FromString("100%")
	p.Spec.Standby.OverResume = &over
	w.createPool(p)
	eventually(t, func() bool { return len(w.frozen("general")) == 2 }, "two machines are frozen")
	first := w.frozen("general")

	w.deploy("app", 1, "1200m", "1Gi")
	eventually(t, func() bool { return w.running() == 1 }, "the pod runs")
	eventually(t, func() bool { return len(w.instancesOf("general")) == 1 }, "one machine is in service")
	kept := w.instancesOf("general")[0]
	require.Contains(t, first, kept)
	require.Equal(t, 1, w.truth().Counts["StartInstances"].All, "both are started in one call")
	loser := first[1-slices.Index(first, kept)]
	eventually(t, func() bool {
		return slices.ContainsFunc(w.life(loser).Notes, func(n string) bool { return strings.Contains(n, "to sleep again: others were ready first") })
	}, "the other was woken, and stands down")

	// It is not asked to hibernate in the 30 s after its wake: meanwhile another is made ready in the place of the first.
	third := ""
	eventually(t, func() bool {
		for _, id := range w.frozen("general") {
			if !slices.Contains(first, id) {
				third = id
			}
		}
		return third != ""
	}, "another is frozen")
	w.script("at 0s * on-demand *: 0\nat 0s * spot *: unlimited")
	w.deploy("more", 1, "1200m", "1Gi")
	eventually(t, func() bool { return w.running() == 2 }, "the second pod runs")
	var bought []string
	eventually(t, func() bool {
		bought = slices.DeleteFunc(w.instancesOf("general"), func(id string) bool { return id == kept })
		return len(bought) == 1
	}, "on another machine")
	require.EqualValues(t, v1alpha1.Spot, w.life(bought[0]).Instance.CapacityType)
	launch := w.chain(w.life(bought[0]).ScaleUp)
	require.Equal(t, v1alpha1.Hibernated, launch.Hops[0].CapacityType)
	require.Contains(t, launch.Hops[0].Note, "EC2 does not start some", "frozen machines were asked for first")
	require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(stored(t, w.database(), contract.CollectionOfferings))), func(id string) bool {
		return strings.HasPrefix(id, "start/")
	}), "the offering memory knows")

	eventually(t, func() bool { f := w.frozen("general"); return len(f) == 2 && slices.Contains(f, loser) }, "the one that stood down is frozen again")
	require.Contains(t, w.frozen("general"), third)

	w.script("at 0s * on-demand *: unlimited")
	w.patchPool("general", `{"spec":{"standby":{"overResume":0,"raceAfter":"0s"}}}`)
	eventually(t, func() bool {
		spec := w.standby("general").Facts.Spec
		return spec != nil && spec.RaceAfter != nil
	}, "the standby knows of the race")
	eventually(t, func() bool { return w.claimable("general") }, "one is to be had that was not asked for in vain just now")
	w.deploy("last", 1, "1200m", "1Gi")
	eventually(t, func() bool { return w.running() == 3 }, "the third pod runs")
	eventually(t, func() bool { return len(w.standby("general").Races) == 0 }, "the race is settled")
	eventually(t, func() bool {
		return slices.ContainsFunc(w.launches(), func(in contract.ScaleUpInput) bool { return in.Purpose == contract.PurposeRace })
	}, "a cold machine was bought")
}
