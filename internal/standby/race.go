package standby

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// Extra is how many machines more than it asks for are woken for a claim of n: see v1alpha1.Standby. What is no number and
// no percentage is nothing.
func Extra(spec *v1alpha1.Standby, n int) int {
	if spec == nil || spec.OverResume == nil || n <= 0 {
		return 0
	}
	extra, err := intstr.GetScaledValueFromIntOrPercent(spec.OverResume, n, true)
	if err != nil {
		return 0
	}
	return max(0, extra)
}

// Races reports whether a claim's machines may be raced: more of them are woken, or cold ones are bought beside them. Then
// none is opened to pods before it has a seat.
func Races(spec *v1alpha1.Standby, n int) bool {
	return Extra(spec, n) > 0 || spec != nil && spec.RaceAfter != nil
}

// Begin is the race for a claim, of which these machines were told. started is when they were woken.
func Begin(spec *v1alpha1.Standby, claim contract.Claim, named []contract.Instance, started time.Time) contract.StandbyRace {
	r := contract.StandbyRace{Claim: claim, Begun: started}
	for i, m := range named {
		seat := contract.RaceSeat{Named: m.ID}
		if i < len(claim.Machines) {
			seat.Pods = claim.Machines[i]
		}
		r.Seats = append(r.Seats, seat)
	}
	r.Claim.Machines = nil
	if spec != nil && spec.RaceAfter != nil {
		r.ColdAt = started.Add(spec.RaceAfter.Duration)
	}
	return r
}

// ColdTypes are what a claim's launch may buy.
func ColdTypes(claim contract.Claim) []v1alpha1.CapacityType {
	if len(claim.CapacityTypes) == 0 {
		return []v1alpha1.CapacityType{v1alpha1.Spot, v1alpha1.OnDemand}
	}
	return slices.DeleteFunc(slices.Clone(claim.CapacityTypes), func(ct v1alpha1.CapacityType) bool { return slices.Contains(Tiers, ct) })
}

// Seat gives a machine that is ready a seat: its own where that is free, else the last that is, since those who were named
// first are the fastest by all that is known. The same machine asks for one seat only. ok is false where none is left.
func Seat(r *contract.StandbyRace, instance string) (seat contract.RaceSeat, ok bool) {
	at := slices.IndexFunc(r.Seats, func(s contract.RaceSeat) bool { return s.Taken == instance })
	for i, s := range r.Seats {
		if at < 0 && s.Named == instance && s.Taken == "" {
			at = i
		}
	}
	for i := len(r.Seats) - 1; i >= 0 && at < 0; i-- {
		if r.Seats[i].Taken == "" {
			at = i
		}
	}
	if at < 0 {
		return contract.RaceSeat{}, false
	}
	r.Seats[at].Taken = instance
	return r.Seats[at], true
}

// Free counts the seats of a race that nobody has taken.
func Free(r contract.StandbyRace) (n int) {
	for _, s := range r.Seats {
		if s.Taken == "" {
			n++
		}
	}
	return n
}

// Ousted is the machine that was named for the seat which another has taken, and that has none itself; empty where there is
// none.
func Ousted(r contract.StandbyRace, winner string) string {
	for _, s := range r.Seats {
		if s.Taken == winner && s.Named != winner && !slices.ContainsFunc(r.Seats, func(o contract.RaceSeat) bool { return o.Taken == s.Named }) {
			return s.Named
		}
	}
	return ""
}

// Spares are machines that are being woken beyond what their races have seats for, and that would do for a claim, at most as
// many as it asks for: one that lacks machines may have them.
func Spares(s contract.StandbyState, claim contract.Claim) (ids []string) {
	for _, r := range s.Races {
		spare := waking(s, r) - Free(r)
		for _, m := range s.Machines {
			named := slices.ContainsFunc(r.Seats, func(seat contract.RaceSeat) bool { return seat.Named == m.Instance.ID })
			if spare > 0 && len(ids) < claim.Count && m.Phase == contract.StandbyWaking && m.Claim == r.Claim.Key && !m.Unclaimed && !named && does(m, claim) {
				ids = append(ids, m.Instance.ID)
				spare--
			}
		}
	}
	return ids
}

// Settled reports whether nothing more comes of a race: none of its machines is waking, and no cold one is on its way.
func Settled(s contract.StandbyState, r contract.StandbyRace) bool {
	return !r.Launching && len(r.Cold) == 0 && waking(s, r) == 0
}

// waking counts a race's machines that are being woken and were not given back.
func waking(s contract.StandbyState, r contract.StandbyRace) (n int) {
	for _, m := range s.Machines {
		if m.Phase == contract.StandbyWaking && m.Claim == r.Claim.Key && !m.Unclaimed {
			n++
		}
	}
	return n
}

// returning counts the machines of a tier that are being woken for a race and are more than it has seats: as many come back.
func returning(s contract.StandbyState, tier v1alpha1.CapacityType) (n int) {
	for _, r := range s.Races {
		if r.Claim.Tier == tier {
			n += max(0, waking(s, r)-Free(r))
		}
	}
	return n
}
