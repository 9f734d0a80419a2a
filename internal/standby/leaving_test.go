package standby

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"floe.dev/floe/api/v1alpha1"
)

func TestLeaving(t *testing.T) {
	machine := Departure{CapacityType: v1alpha1.OnDemand, Hibernatable: true, USDPerHour: 0.192, DiskUSDPerHour: 0.004, Age: time.Hour}
	room := Room{Goal: Goal{Hibernated: Want{2, "the pool's number"}, Stopped: Want{3, "the ladder's step from 16 on"}}}
	for _, c := range []struct {
		name   string
		change func(*Departure, *Room)
		fate   Fate
		reason string
	}{
		{
			"a tier lacks machines", func(*Departure, *Room) {}, Hibernate,
			"hibernated: the tier has 0 of 2 (the pool's number); launching another for it would cost about $0.0160; its disks cost $0.0040 an hour",
		},
		{"spot", func(d *Departure, _ *Room) { d.CapacityType = v1alpha1.Spot }, Terminate, "a spot machine can be neither stopped nor kept"},
		{"not launched for it", func(d *Departure, _ *Room) { d.Hibernatable = false }, Stop, "the tier has 0 of 3"},
		{"hibernated tier full", func(_ *Departure, r *Room) { r.Hibernated = 2 }, Stop, "the tier has 0 of 3"},
		{"both full", func(_ *Departure, r *Room) { r.Hibernated, r.Stopped = 2, 4 }, Terminate, "all it is to keep: 2 of 2 hibernated and 4 of 3 stopped"},
		{
			"only hibernated lacks", func(d *Departure, r *Room) { d.Hibernatable, r.Stopped = false, 3 },
			Terminate, "only the hibernated tier lacks machines (0 of 2 hibernated and 3 of 3 stopped), and this one was not launched for hibernation",
		},
		{"no standby", func(_ *Departure, r *Room) { r.Goal = Goal{} }, Terminate, "the pool keeps no standby now"},
		{"outdated", func(d *Departure, _ *Room) { d.Outdated = "its launch template moved on" }, Terminate, "would not keep this one: its launch template moved on"},
		{"old", func(d *Departure, _ *Room) { d.Age = DefaultRenewAfter }, Terminate, "this one is 50 days old and due for renewal after 50 days"},
		{"old by the pool's word", func(d *Departure, r *Room) { r.RenewAfter = time.Hour }, Terminate, "1h0m0s old and due"},
		{
			"disks too dear", func(_ *Departure, r *Room) { r.DiskUSDPerHour, r.MaxDiskUSDPerHour = 0.007, 0.01 },
			Terminate, "their disks would cost $0.0110 an hour with this one, and may cost $0.0100",
		},
		{"disks just cheap enough", func(_ *Departure, r *Room) { r.DiskUSDPerHour, r.MaxDiskUSDPerHour = 0.006, 0.011 }, Hibernate, "0 of 2"},
		{"prices not known", func(d *Departure, _ *Room) { d.USDPerHour, d.DiskUSDPerHour = 0, 0 }, Hibernate, "hibernated: the tier has 0 of 2 (the pool's number)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, r := machine, room
			c.change(&d, &r)
			found := Leaving(d, r)
			require.Equal(t, c.fate, found.Fate, found.Reason)
			require.Contains(t, found.Reason, c.reason)
		})
	}
}

// Whatever the machine: no tier is filled beyond its target, no spot machine is kept, none is hibernated that cannot be.
func TestLeavingKeepsNothingThatItMustNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Departure{
			CapacityType: rapid.SampledFrom([]v1alpha1.CapacityType{v1alpha1.Spot, v1alpha1.OnDemand}).Draw(t, "capacity"),
			Hibernatable: rapid.Bool().Draw(t, "hibernatable"), DiskUSDPerHour: rapid.Float64Range(0, 1).Draw(t, "disk"),
			Age: time.Duration(rapid.IntRange(0, 100*24).Draw(t, "hours")) * time.Hour,
		}
		r := Room{
			Goal:       Goal{Hibernated: Want{Count: rapid.IntRange(0, 3).Draw(t, "wantH")}, Stopped: Want{Count: rapid.IntRange(0, 3).Draw(t, "wantS")}},
			Hibernated: rapid.IntRange(0, 3).Draw(t, "hibernated"), Stopped: rapid.IntRange(0, 3).Draw(t, "stopped"),
			MaxDiskUSDPerHour: rapid.Float64Range(0, 1).Draw(t, "ceiling"),
		}
		found := Leaving(d, r)
		require.NotEmpty(t, found.Reason)
		switch found.Fate {
		case Hibernate:
			require.True(t, d.Hibernatable)
			require.Less(t, r.Hibernated, r.Goal.Hibernated.Count)
		case Stop:
			require.Less(t, r.Stopped, r.Goal.Stopped.Count)
		case Terminate:
			return
		}
		require.NotEqual(t, v1alpha1.Spot, d.CapacityType)
		require.Less(t, d.Age, DefaultRenewAfter)
		require.True(t, r.MaxDiskUSDPerHour == 0 || d.DiskUSDPerHour <= r.MaxDiskUSDPerHour)
	})
}
