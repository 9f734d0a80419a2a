package standby

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// Fate is what becomes of a machine that leaves its pool.
type Fate string

// The fates.
const (
	Terminate Fate = "terminate"
	Stop      Fate = "stop"
	Hibernate Fate = "hibernate"
)

// Departure is a machine that leaves its pool for a reason of the pool's own: it is empty, or its pods went back to spot.
type Departure struct {
	CapacityType v1alpha1.CapacityType
	// Hibernatable: it was launched with HibernationOptions.Configured, without which it never can be.
	Hibernatable bool
	// USDPerHour is its price while it runs, and DiskUSDPerHour that of its volumes, which go on costing while it is frozen;
	// 0 where a price is not known.
	USDPerHour, DiskUSDPerHour float64
	// Age since its launch: it counts where a renewal would be due at once.
	Age time.Duration
	// Outdated says in words why a machine like it would not be launched today: its launch template moved on, the pool's
	// requirements leave its type out. Empty: it would.
	Outdated string
}

// DepartureOf is a machine as Leaving wants it; facts are what is known of its pool today.
func DepartureOf(i contract.Instance, facts contract.StandbyFacts, now time.Time) Departure {
	d := Departure{
		CapacityType: i.CapacityType, Hibernatable: i.Hibernatable, USDPerHour: i.USDPerHour,
		DiskUSDPerHour: float64(cmp.Or(i.RootGiB, guessGiB)) * USDPerGiBMonth / hoursPerMonth, Age: now.Sub(i.LaunchTime),
	}
	if facts.ImageID != "" && i.ImageID != "" && i.ImageID != facts.ImageID {
		d.Outdated = fmt.Sprintf("its image is %s, the launch template's is %s now", i.ImageID, facts.ImageID)
	}
	return d
}

// hoursPerMonth is by which AWS turns prices a month into prices an hour (aws.amazon.com/ebs/pricing: 30 days).
const hoursPerMonth = 30 * 24

// Room is what the pool's standby has, and what it may have.
type Room struct {
	Goal Goal
	// Hibernated and Stopped are the machines of each tier that are frozen, or on their way there, as far as they count for
	// the goal.
	Hibernated, Stopped int
	// DiskUSDPerHour is what the disks of all of them cost, and MaxDiskUSDPerHour what they may; 0 is no ceiling.
	DiskUSDPerHour, MaxDiskUSDPerHour float64
	// RenewAfter is the age at which machines are renewed; 0: DefaultRenewAfter.
	RenewAfter time.Duration
}

// RoomOf is the room of a standby that is to be kept at a goal: what Keep would fill, it lacks. A tier that a person has
// emptied keeps nothing. s is read only.
func RoomOf(s contract.StandbyState, goal Goal, now time.Time) Room {
	r := Room{Goal: goal, DiskUSDPerHour: DiskUSDPerMonth(s) / hoursPerMonth}
	for _, tier := range s.Drained {
		if none := (Want{Reason: "it was drained by hand"}); tier == v1alpha1.Hibernated {
			r.Goal.Hibernated = none
		} else {
			r.Goal.Stopped = none
		}
	}
	if spec := s.Facts.Spec; spec != nil {
		unbound := *spec
		unbound.MaxDiskUSDPerMonth = nil // the ceiling is Leaving's to judge, with this machine's own disk
		s.Facts.Spec = &unbound
		if spec.MaxDiskUSDPerMonth != nil {
			// A ceiling of 0 is one.
			r.MaxDiskUSDPerHour = max(math.SmallestNonzeroFloat64, spec.MaxDiskUSDPerMonth.AsApproximateFloat64()/hoursPerMonth)
		}
		if spec.RenewAfter != nil {
			r.RenewAfter = spec.RenewAfter.Duration
		}
	}
	if s.Facts.Gone || s.Facts.Spec == nil {
		r.Goal = Goal{}
	}
	lacks := Keep(s, r.Goal, now).Fill
	r.Hibernated = r.Goal.Hibernated.Count - lacks[v1alpha1.Hibernated]
	r.Stopped = r.Goal.Stopped.Count - lacks[v1alpha1.Stopped]
	return r
}

// Prepare is about how long a machine runs that is launched for a standby, until it is frozen: it boots, joins, pulls images
// and must be two minutes up.
const Prepare = 5 * time.Minute

// Tier is the tier that a fate puts a machine in; empty where it is terminated.
func (f Fate) Tier() v1alpha1.CapacityType {
	switch f {
	case Hibernate:
		return v1alpha1.Hibernated
	case Stop:
		return v1alpha1.Stopped
	}
	return ""
}

// Choice is a machine's fate, and why.
type Choice struct {
	Fate   Fate   `json:"fate"`
	Reason string `json:"reason"`
}

// Leaving chooses what becomes of a machine that leaves its pool. It is worth its disk where the standby would otherwise
// launch another like it: while a tier is below its target, the disks stay below their price ceiling, and the machine is
// young and as it would be launched today. The hibernated tier comes first: it wakes sooner.
//
// Spot machines can only be terminated: those of an instant fleet cannot be stopped, and a standby's could be reclaimed
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide, "EC2 Fleet request types").
func Leaving(d Departure, r Room) Choice {
	terminate := func(format string, args ...any) Choice {
		return Choice{Terminate, "terminated: " + fmt.Sprintf(format, args...)}
	}
	renewAfter := r.RenewAfter
	if renewAfter == 0 {
		renewAfter = DefaultRenewAfter
	}
	hibernated, stopped := r.Hibernated < r.Goal.Hibernated.Count, r.Stopped < r.Goal.Stopped.Count
	tiers := fmt.Sprintf("%d of %d hibernated and %d of %d stopped", r.Hibernated, r.Goal.Hibernated.Count, r.Stopped, r.Goal.Stopped.Count)
	switch {
	case d.CapacityType == v1alpha1.Spot:
		return terminate("a spot machine can be neither stopped nor kept")
	case r.Goal.Hibernated.Count+r.Goal.Stopped.Count == 0:
		return terminate("the pool keeps no standby now")
	case !hibernated && !stopped:
		return terminate("the standby has all it is to keep: %s", tiers)
	case d.Outdated != "":
		return terminate("the standby lacks machines (%s), but would not keep this one: %s", tiers, d.Outdated)
	case d.Age >= renewAfter:
		return terminate("the standby lacks machines (%s), but this one is %s old and due for renewal after %s", tiers, days(d.Age), days(renewAfter))
	case r.MaxDiskUSDPerHour > 0 && r.DiskUSDPerHour+d.DiskUSDPerHour > r.MaxDiskUSDPerHour:
		return terminate("the standby lacks machines (%s), but their disks would cost $%.4f an hour with this one, and may cost $%.4f",
			tiers, r.DiskUSDPerHour+d.DiskUSDPerHour, r.MaxDiskUSDPerHour)
	case hibernated && d.Hibernatable:
		return Choice{Hibernate, "hibernated: " + saves(d, r.Hibernated, r.Goal.Hibernated)}
	case stopped:
		return Choice{Stop, "stopped: " + saves(d, r.Stopped, r.Goal.Stopped)}
	}
	return terminate("only the hibernated tier lacks machines (%s), and this one was not launched for hibernation", tiers)
}

// Foresee is what Leaving would say now of a machine in service, by its life and by what its pool's Standby shows.
func Foresee(life contract.NodeView, view contract.StandbyView, now time.Time) Choice {
	goal := Goal{Hibernated: Want{Count: view.Hibernated, Reason: "its target now"}, Stopped: Want{Count: view.Stopped, Reason: "its target now"}}
	return Leaving(DepartureOf(life.Instance, view.Facts, now), RoomOf(view.StandbyState, goal, now))
}

// saves says what keeping the machine is good for. Its disk costs what another's would.
func saves(d Departure, have int, want Want) string {
	words := fmt.Sprintf("the tier has %d of %d (%s)", have, want.Count, want.Reason)
	if d.USDPerHour > 0 {
		words += fmt.Sprintf("; launching another for it would cost about $%.4f", d.USDPerHour*Prepare.Hours())
	}
	if d.DiskUSDPerHour > 0 {
		words += fmt.Sprintf("; its disks cost $%.4f an hour", d.DiskUSDPerHour)
	}
	return words
}

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return d.Truncate(time.Minute).String()
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}
