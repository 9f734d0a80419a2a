package standby

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

var keepNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func kept(id string, phase contract.StandbyPhase, change ...func(*contract.StandbyMachine)) contract.StandbyMachine {
	m := contract.StandbyMachine{
		Instance: contract.Instance{ID: id, InstanceType: "m5.large", Zone: "eu-west-1a", ImageID: "ami-1", RootGiB: 25, LaunchTime: keepNow.Add(-time.Hour)},
		Tier:     v1alpha1.Hibernated, Phase: phase, Since: keepNow.Add(-time.Hour),
	}
	for _, c := range change {
		c(&m)
	}
	return m
}

func goalOf(hibernated int) Goal { return Goal{Hibernated: Want{Count: hibernated}} }

func dropped(m Moves) (ids []string) {
	for _, d := range m.Drop {
		ids = append(ids, d.Instance)
	}
	return ids
}

func TestKeep(t *testing.T) {
	old := func(m *contract.StandbyMachine) { m.Instance.LaunchTime = keepNow.Add(-51 * 24 * time.Hour) }
	byHand := func(m *contract.StandbyMachine) { m.ByHand = true }
	older := func(m *contract.StandbyMachine) { m.Instance.LaunchTime = keepNow.Add(-2 * time.Hour) }
	held := func(still time.Duration) func(*contract.StandbyMachine) {
		return func(m *contract.StandbyMachine) { m.Stays = keepNow.Add(still) }
	}
	renewing := func(m *contract.StandbyMachine) { m.Renewing = "it is old" }
	facts := contract.StandbyFacts{Spec: &v1alpha1.Standby{RenewAtOnce: 1}, ImageID: "ami-1"}
	prefetching := contract.StandbyFacts{
		Spec:    &v1alpha1.Standby{RenewAtOnce: 1, Prefetch: &v1alpha1.Prefetch{DriftPercent: 50}},
		ImageID: "ami-1", Images: []contract.ChosenImage{{Image: "new", Bytes: 3}, {Image: "other", Bytes: 1}},
	}
	tried := func(images ...string) func(*contract.StandbyMachine) {
		return func(m *contract.StandbyMachine) {
			for _, image := range images {
				m.Images = append(m.Images, contract.ImageKey(image))
			}
		}
	}
	cheap := resource.MustParse("4.1") // two of 25 GiB are 4 USD
	for name, c := range map[string]struct {
		state contract.StandbyState
		want  int
		fill  int
		drop  []string
		renew int
	}{
		"empty":            {contract.StandbyState{Facts: facts}, 2, 2, nil, 0},
		"one is launching": {contract.StandbyState{Facts: facts, Fills: []contract.StandbyFill{{ScaleUp: "s", Tier: v1alpha1.Hibernated, Open: 1}}}, 2, 1, nil, 0},
		"full":             {contract.StandbyState{Facts: facts, Machines: []contract.StandbyMachine{kept("a", contract.StandbyFrozen), kept("b", contract.StandbyMaking)}}, 2, 0, nil, 0},
		"claimed ones are replaced": {
			contract.StandbyState{Facts: facts, Machines: []contract.StandbyMachine{kept("a", contract.StandbyWaking), kept("b", contract.StandbyFrozen)}}, 2, 1, nil, 0,
		},
		"those given back are not": {
			contract.StandbyState{Facts: facts, Machines: []contract.StandbyMachine{kept("a", contract.StandbyWaking, func(m *contract.StandbyMachine) { m.Unclaimed = true }), kept("b", contract.StandbyFrozen)}}, 2, 0, nil, 0,
		},
		"too many: the oldest goes": {
			contract.StandbyState{Facts: facts, Machines: []contract.StandbyMachine{
				kept("a", contract.StandbyFrozen), kept("b", contract.StandbyFrozen, func(m *contract.StandbyMachine) { m.Instance.LaunchTime = keepNow.Add(-2 * time.Hour) }),
			}}, 1, 0, []string{"b"}, 0,
		},
		"one that is being made never goes":  {contract.StandbyState{Facts: facts, Machines: []contract.StandbyMachine{kept("a", contract.StandbyMaking)}}, 0, 0, nil, 0},
		"one that a person had frozen stays": {contract.StandbyState{Facts: facts, Machines: []contract.StandbyMachine{kept("a", contract.StandbyFrozen, byHand)}}, 0, 0, nil, 0},
		"unless it is drained":               {contract.StandbyState{Facts: facts, Drained: Tiers, Machines: []contract.StandbyMachine{kept("a", contract.StandbyFrozen, byHand)}}, 0, 0, []string{"a"}, 0},
		"drained":                            {contract.StandbyState{Facts: facts, Drained: Tiers, Machines: []contract.StandbyMachine{kept("a", contract.StandbyFrozen)}}, 2, 0, []string{"a"}, 0},
		"the pool is gone":                   {contract.StandbyState{Facts: contract.StandbyFacts{Gone: true}, Machines: []contract.StandbyMachine{kept("a", contract.StandbyFrozen)}}, 2, 0, []string{"a"}, 0},
		"an old one: another is made first":  {contract.StandbyState{Facts: facts, Machines: []contract.StandbyMachine{kept("a", contract.StandbyFrozen, old)}}, 1, 1, nil, 1},
		"then it goes": {
			contract.StandbyState{Facts: facts, Machines: []contract.StandbyMachine{kept("a", contract.StandbyFrozen, old, renewing), kept("b", contract.StandbyFrozen)}}, 1, 0, []string{"a"}, 0,
		},
		"one of an older image is renewed": {
			contract.StandbyState{Facts: contract.StandbyFacts{Spec: facts.Spec, ImageID: "ami-2"}, Machines: []contract.StandbyMachine{kept("a", contract.StandbyFrozen)}}, 1, 1, nil, 1,
		},
		"one whose images have drifted is renewed": {
			contract.StandbyState{Facts: prefetching, Machines: []contract.StandbyMachine{kept("a", contract.StandbyFrozen, tried("old")), kept("b", contract.StandbyFrozen, tried("new", "old"))}}, 2, 1, nil, 1,
		},
		"what was tried has not drifted": {
			contract.StandbyState{Facts: prefetching, Machines: []contract.StandbyMachine{kept("a", contract.StandbyFrozen, tried("new"))}}, 1, 0, nil, 0,
		},
		"what is chosen today is not known": {
			contract.StandbyState{Facts: contract.StandbyFacts{Spec: prefetching.Spec, ImageID: "ami-1"}, Machines: []contract.StandbyMachine{kept("a", contract.StandbyFrozen)}}, 1, 0, nil, 0,
		},
		"the price of disks": {
			contract.StandbyState{Facts: contract.StandbyFacts{Spec: &v1alpha1.Standby{MaxDiskUSDPerMonth: &cheap}}, Machines: []contract.StandbyMachine{kept("a", contract.StandbyFrozen)}}, 5, 1, nil, 0,
		},
		"one whose node is held stays, and another goes": {
			contract.StandbyState{Facts: facts, Machines: []contract.StandbyMachine{kept("a", contract.StandbyFrozen, older, held(time.Minute)), kept("b", contract.StandbyFrozen)}}, 1, 0, []string{"b"}, 0,
		},
		"it is asked again later": {contract.StandbyState{Facts: facts, Machines: []contract.StandbyMachine{kept("a", contract.StandbyFrozen, held(-time.Minute))}}, 0, 0, []string{"a"}, 0},
		"one that is held and cannot be frozen is none": {
			contract.StandbyState{Facts: facts, Machines: []contract.StandbyMachine{kept("a", contract.StandbyMaking, held(time.Minute))}}, 1, 1, nil, 0,
		},
		"and goes later": {
			contract.StandbyState{Facts: facts, Machines: []contract.StandbyMachine{kept("a", contract.StandbyMaking, held(0))}}, 1, 1, []string{"a"}, 0,
		},
		"one that is renewed and held": {
			contract.StandbyState{Facts: facts, Machines: []contract.StandbyMachine{kept("a", contract.StandbyFrozen, renewing, held(time.Minute)), kept("b", contract.StandbyFrozen)}}, 1, 0, nil, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			moves := Keep(c.state, goalOf(c.want), keepNow)
			require.Equal(t, c.fill, moves.Fill[v1alpha1.Hibernated])
			require.Equal(t, c.drop, dropped(moves))
			require.Len(t, moves.Renew, c.renew)
		})
	}
}

// While it is not known what a forecast wants, none goes for being too many, but for a drain.
func TestKeepWithoutAForecastYet(t *testing.T) {
	s := contract.StandbyState{Facts: contract.StandbyFacts{Spec: &v1alpha1.Standby{}}, Machines: []contract.StandbyMachine{kept("a", contract.StandbyFrozen)}}
	spec := &v1alpha1.Standby{Targets: []v1alpha1.StandbyTarget{
		{Tier: v1alpha1.Hibernated, Forecast: &v1alpha1.StandbyForecast{Percent: 90, Max: 3}},
		{Tier: v1alpha1.Hibernated, Ladder: []v1alpha1.StandbyStep{{Nodes: 1, Count: 1}}},
	}}
	goal := Target(spec, Moment{Now: keepNow, Unread: true})
	require.Equal(t, []v1alpha1.CapacityType{v1alpha1.Hibernated}, goal.Unsure)
	require.Empty(t, Keep(s, goal, keepNow).Drop)
	require.Equal(t, 1, Target(spec, Moment{Now: keepNow, Unread: true, Nodes: 2}).Hibernated.Count, "what is known is kept")
	known := Target(spec, Moment{Now: keepNow})
	require.Equal(t, []string{"a"}, dropped(Keep(s, known, keepNow)))
	s.Drained = Tiers
	require.Equal(t, []string{"a"}, dropped(Keep(s, goal, keepNow)))
}

// Whatever the state: what is filled and kept is never more than the goal, and nothing goes that does not sleep.
func TestKeepIsBounded(t *testing.T) {
	all := []contract.StandbyPhase{contract.StandbyMaking, contract.StandbyFrozen, contract.StandbyWaking, contract.StandbyLeaving}
	rapid.Check(t, func(t *rapid.T) {
		s := contract.StandbyState{Facts: contract.StandbyFacts{Spec: &v1alpha1.Standby{}}}
		for i := range rapid.IntRange(0, 8).Draw(t, "machines") {
			s.Machines = append(s.Machines, kept(fmt.Sprint(i), rapid.SampledFrom(all).Draw(t, "phase")))
		}
		want := rapid.IntRange(0, 6).Draw(t, "want")
		moves := Keep(s, goalOf(want), keepNow)
		there := moves.Fill[v1alpha1.Hibernated] - len(moves.Drop)
		for _, m := range s.Machines {
			if m.Phase == contract.StandbyMaking || m.Phase == contract.StandbyFrozen {
				there++
			}
			if m.Phase != contract.StandbyFrozen && len(dropped(moves)) > 0 {
				require.NotContains(t, dropped(moves), m.Instance.ID)
			}
		}
		require.GreaterOrEqual(t, there, min(want, there))
		require.False(t, moves.Fill[v1alpha1.Hibernated] > 0 && there > want)
		require.False(t, moves.Fill[v1alpha1.Hibernated] > 0 && len(moves.Drop) > 0)
	})
}

func TestPick(t *testing.T) {
	quick := func(m *contract.StandbyMachine) { m.Took = time.Second }
	slow := func(m *contract.StandbyMachine) { m.Took = time.Minute }
	s := contract.StandbyState{Machines: []contract.StandbyMachine{
		kept("slow", contract.StandbyFrozen, slow), kept("quick", contract.StandbyFrozen, quick),
		kept("waking", contract.StandbyWaking), kept("large", contract.StandbyFrozen, quick, func(m *contract.StandbyMachine) { m.Instance.RootGiB = 100 }),
		kept("elsewhere", contract.StandbyFrozen, func(m *contract.StandbyMachine) { m.Instance.Zone = "eu-west-1c" }),
		kept("short", contract.StandbyFrozen, func(m *contract.StandbyMachine) { m.NotBefore = keepNow.Add(time.Minute) }),
		kept("stopped", contract.StandbyFrozen, func(m *contract.StandbyMachine) { m.Tier = v1alpha1.Stopped }),
	}}
	claim := contract.Claim{Tier: v1alpha1.Hibernated, Count: 2, Zones: []string{"eu-west-1a"}}
	require.Equal(t, []string{"quick", "large"}, Pick(s, claim, keepNow))
	claim.Count = 9
	require.Equal(t, []string{"quick", "large", "slow"}, Pick(s, claim, keepNow))
	claim.InstanceTypes = []string{"c5.large"}
	require.Empty(t, Pick(s, claim, keepNow))
}
