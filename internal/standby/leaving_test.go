package standby

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
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

func TestDepartureOf(t *testing.T) {
	i := contract.Instance{CapacityType: v1alpha1.OnDemand, ImageID: "ami-1", USDPerHour: 0.1, RootGiB: 90, Hibernatable: true, LaunchTime: keepNow.Add(-time.Hour)}
	d := DepartureOf(i, contract.StandbyFacts{ImageID: "ami-1"}, keepNow)
	require.Equal(t, Departure{CapacityType: v1alpha1.OnDemand, Hibernatable: true, USDPerHour: 0.1, DiskUSDPerHour: 0.01, Age: time.Hour}, d, "90 GiB cost $7.20 in 720 hours")
	require.Empty(t, DepartureOf(i, contract.StandbyFacts{}, keepNow).Outdated, "nobody knows the template's image")
	require.Equal(t, "its image is ami-1, the launch template's is ami-2 now", DepartureOf(i, contract.StandbyFacts{ImageID: "ami-2"}, keepNow).Outdated)
}

// Machines leave one after the other, each asked about when those before it are counted: no tier ever has more than its
// target for it, and while a tier lacks machines of any kind, one that would do is kept.
func TestMachinesThatLeaveFillNoPlaceTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		goal := Goal{Hibernated: Want{Count: rapid.IntRange(0, 4).Draw(t, "hibernated")}, Stopped: Want{Count: rapid.IntRange(0, 4).Draw(t, "stopped")}}
		s := contract.StandbyState{Facts: contract.StandbyFacts{Spec: &v1alpha1.Standby{}}}
		if rapid.Bool().Draw(t, "ceiling") {
			s.Facts.Spec.MaxDiskUSDPerMonth = ptr.To(resource.MustParse(rapid.SampledFrom([]string{"0", "3", "7"}).Draw(t, "usd")))
		}
		if rapid.IntRange(0, 3).Draw(t, "drained") == 0 {
			s.Drained = []v1alpha1.CapacityType{rapid.SampledFrom(Tiers).Draw(t, "tier")}
		}
		for _, tier := range Tiers {
			if open := rapid.IntRange(0, 2).Draw(t, "open"); open > 0 {
				s.Fills = append(s.Fills, contract.StandbyFill{Tier: tier, Open: open})
			}
		}
		for n := range rapid.IntRange(0, 4).Draw(t, "machines") {
			s.Machines = append(s.Machines, contract.StandbyMachine{
				Instance: contract.Instance{ID: string(rune('a' + n)), LaunchTime: keepNow}, Tier: rapid.SampledFrom(Tiers).Draw(t, "its tier"),
				Phase: rapid.SampledFrom([]contract.StandbyPhase{contract.StandbyMaking, contract.StandbyFrozen, contract.StandbyWaking, contract.StandbyLeaving}).Draw(t, "phase"),
			})
		}
		counts := func() map[v1alpha1.CapacityType]int {
			r := RoomOf(s, goal, keepNow)
			return map[v1alpha1.CapacityType]int{v1alpha1.Hibernated: r.Goal.Hibernated.Count - r.Hibernated, v1alpha1.Stopped: r.Goal.Stopped.Count - r.Stopped}
		}
		for n := range rapid.IntRange(1, 8).Draw(t, "leaving") {
			i := contract.Instance{ID: string(rune('k' + n)), CapacityType: v1alpha1.OnDemand, LaunchTime: keepNow, Hibernatable: rapid.Bool().Draw(t, "hibernatable")}
			lacks, disks := counts(), DiskUSDPerMonth(s)
			choice := Leaving(DepartureOf(i, s.Facts, keepNow), RoomOf(s, goal, keepNow))
			tier := choice.Fate.Tier()
			if tier == "" {
				most := s.Facts.Spec.MaxDiskUSDPerMonth
				dear := most != nil && disks+guessGiB*USDPerGiBMonth > most.AsApproximateFloat64()
				require.True(t, dear || lacks[v1alpha1.Stopped] == 0 && (lacks[v1alpha1.Hibernated] == 0 || !i.Hibernatable), choice.Reason)
				continue
			}
			require.Positive(t, lacks[tier])
			require.NotContains(t, s.Drained, tier)
			s.Machines = append(s.Machines, contract.StandbyMachine{Instance: i, Tier: tier, Phase: contract.StandbyMaking})
			require.Equal(t, lacks[tier]-1, counts()[tier], "it is counted")
		}
	})
}

func TestForesee(t *testing.T) {
	life := contract.NodeView{Instance: contract.Instance{ID: "i-1", CapacityType: v1alpha1.OnDemand, LaunchTime: keepNow}}
	view := contract.StandbyView{Stopped: 1, StandbyState: contract.StandbyState{Facts: contract.StandbyFacts{Spec: &v1alpha1.Standby{Stopped: 1}}}}
	require.Equal(t, Stop, Foresee(life, view, keepNow).Fate)
	view.Fills = []contract.StandbyFill{{Tier: v1alpha1.Stopped, Open: 1}}
	require.Equal(t, Choice{Terminate, "terminated: the standby has all it is to keep: 0 of 0 hibernated and 1 of 1 stopped"}, Foresee(life, view, keepNow))
	view.Facts.Gone = true
	require.Contains(t, Foresee(life, view, keepNow).Reason, "keeps no standby now")
}
