package standby

import (
	"cmp"
	"slices"
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/images"
)

// USDPerGiBMonth is what a GiB of a frozen machine's root volume costs a month: gp3 in us-east-1
// (aws.amazon.com/ebs/pricing). The machine itself costs nothing while it is stopped.
const USDPerGiBMonth = 0.08

// guessGiB is a root volume of which nobody said how large it is.
const guessGiB = 20

// Tiers are both, the quicker first.
var Tiers = []v1alpha1.CapacityType{v1alpha1.Hibernated, v1alpha1.Stopped}

// Moves are what brings a standby to its goal.
type Moves struct {
	// Fill is how many machines are to be made ready, by tier.
	Fill map[v1alpha1.CapacityType]int
	// Renew are machines in whose place others are made ready.
	Renew []Renewal
	// Drop are machines that go.
	Drop []Renewal
	// Ceiling is true where more would be made ready if their disks might cost more.
	Ceiling bool
}

// Keep says what is to be done so that a standby is kept at its goal. Only machines that are frozen, or cannot be, go, the
// oldest first; none goes whose Node has just refused to; and one that a person had frozen goes only where its tier is
// drained or its pool is gone. One that is renewed goes when its tier is
// full without it. None goes for being too many while it is not known yet how many are wanted. s is read only.
func Keep(s contract.StandbyState, goal Goal, now time.Time) Moves {
	moves := Moves{Fill: map[v1alpha1.CapacityType]int{}}
	if spec := s.Facts.Spec; spec != nil && !s.Facts.Gone {
		moves.Renew = Renew(sleepers(s), rulesOf(s.Facts), now)
	}
	for _, tier := range Tiers {
		want := goal.Of(tier).Count
		empties := slices.Contains(s.Drained, tier) || s.Facts.Gone
		if empties {
			want = 0
		}
		count, asleep, frozen := returning(s, tier), 0, []contract.StandbyMachine{}
		for _, f := range s.Fills {
			if f.Tier == tier {
				count += f.Open
			}
		}
		for _, m := range s.Machines {
			switch {
			case m.Tier != tier || m.Phase == contract.StandbyLeaving || m.Phase == contract.StandbyWaking && !m.Unclaimed:
			case stuck(m):
				if !now.Before(m.Stays) {
					moves.Drop = append(moves.Drop, Renewal{Instance: m.Instance.ID, Reason: "it cannot be frozen"})
				}
			case m.Renewing != "" || slices.ContainsFunc(moves.Renew, func(r Renewal) bool { return r.Instance == m.Instance.ID }):
			default:
				count++
				if m.Phase != contract.StandbyFrozen {
					continue
				}
				asleep++
				if !now.Before(m.Stays) && (!m.ByHand || empties) {
					frozen = append(frozen, m)
				}
			}
		}
		for _, m := range s.Machines {
			if m.Tier == tier && m.Phase == contract.StandbyFrozen && m.Renewing != "" && asleep >= want && !now.Before(m.Stays) {
				moves.Drop = append(moves.Drop, Renewal{Instance: m.Instance.ID, Reason: m.Renewing + "; another has taken its place"})
			}
		}
		if count < want {
			moves.Fill[tier] = want - count
		}
		if slices.Contains(goal.Unsure, tier) && !empties {
			continue
		}
		slices.SortStableFunc(frozen, func(a, b contract.StandbyMachine) int { return a.Instance.LaunchTime.Compare(b.Instance.LaunchTime) })
		for _, m := range frozen[:max(0, min(len(frozen), count-want))] {
			moves.Drop = append(moves.Drop, Renewal{Instance: m.Instance.ID, Reason: "the standby keeps more " + string(tier) + " machines than it wants"})
		}
	}
	moves.bound(s)
	return moves
}

// stuck reports whether a machine can neither be frozen nor, for a while, go: its Node refused to.
func stuck(m contract.StandbyMachine) bool {
	return m.Phase == contract.StandbyMaking && !m.Stays.IsZero()
}

// bound keeps what is made ready below the price ceiling of the pool.
func (moves *Moves) bound(s contract.StandbyState) {
	if s.Facts.Spec == nil || s.Facts.Spec.MaxDiskUSDPerMonth == nil {
		return
	}
	left := s.Facts.Spec.MaxDiskUSDPerMonth.AsApproximateFloat64() - DiskUSDPerMonth(s)
	one := float64(guessGiB) * USDPerGiBMonth
	for _, m := range s.Machines {
		one = max(one, float64(m.Instance.RootGiB)*USDPerGiBMonth)
	}
	for _, tier := range Tiers {
		wanted := moves.Fill[tier]
		may := max(0, min(wanted, int(left/one)))
		left -= float64(may) * one
		if may < wanted {
			moves.Fill[tier], moves.Ceiling = may, true
		}
	}
}

// DiskUSDPerMonth is what the root volumes of a standby's machines cost a month, with those that are being made ready.
func DiskUSDPerMonth(s contract.StandbyState) float64 {
	gib := 0
	for _, m := range s.Machines {
		gib += cmp.Or(m.Instance.RootGiB, guessGiB)
	}
	for _, f := range s.Fills {
		gib += f.Open * guessGiB
	}
	return float64(gib) * USDPerGiBMonth
}

func sleepers(s contract.StandbyState) (all []Sleeper) {
	for _, m := range s.Machines {
		if m.Phase == contract.StandbyFrozen {
			all = append(all, Sleeper{
				Instance: m.Instance.ID, Launched: m.Instance.LaunchTime, Template: m.Instance.ImageID, Renewing: m.Renewing != "",
				Drift: images.Drift(m.Images, s.Facts.Images),
			})
		}
	}
	return all
}

func rulesOf(f contract.StandbyFacts) RenewalRules {
	rules := RenewalRules{Template: f.ImageID, AtOnce: int(f.Spec.RenewAtOnce)}
	if p := f.Spec.Prefetch; p != nil {
		rules.Drift = float64(p.DriftPercent) / 100
	}
	if f.Spec.RenewAfter != nil {
		rules.After = f.Spec.RenewAfter.Duration
	}
	return rules
}

// Pick chooses machines for a claim, the fastest first: those that were quick to wake before, then those with less memory
// to read, then those that have slept the longest. s is read only.
func Pick(s contract.StandbyState, claim contract.Claim, now time.Time) (ids []string) {
	var free []contract.StandbyMachine
	for _, m := range s.Machines {
		if m.Phase == contract.StandbyFrozen && !now.Before(m.NotBefore) && does(m, claim) {
			free = append(free, m)
		}
	}
	slices.SortStableFunc(free, func(a, b contract.StandbyMachine) int {
		return cmp.Or(cmp.Compare(a.Took, b.Took), cmp.Compare(a.Instance.RootGiB, b.Instance.RootGiB), a.Since.Compare(b.Since))
	})
	for _, m := range free[:max(0, min(len(free), claim.Count))] {
		ids = append(ids, m.Instance.ID)
	}
	return ids
}

// does reports whether a machine is what a claim asks for.
func does(m contract.StandbyMachine, claim contract.Claim) bool {
	return m.Tier == claim.Tier && among(claim.InstanceTypes, m.Instance.InstanceType) && among(claim.Zones, m.Instance.Zone)
}

func among(allowed []string, value string) bool {
	return len(allowed) == 0 || slices.Contains(allowed, value)
}
