package standby

import (
	"fmt"
	"time"

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

// Room is what the pool's standby has, and what it may have.
type Room struct {
	Goal Goal
	// Hibernated and Stopped are the machines of each tier that are frozen, or on their way there.
	Hibernated, Stopped int
	// DiskUSDPerHour is what the disks of all of them cost, and MaxDiskUSDPerHour what they may; 0 is no ceiling.
	DiskUSDPerHour, MaxDiskUSDPerHour float64
	// RenewAfter is the age at which machines are renewed; 0: DefaultRenewAfter.
	RenewAfter time.Duration
}

// Prepare is about how long a machine runs that is launched for a standby, until it is frozen: it boots, joins, pulls images
// and must be two minutes up.
const Prepare = 5 * time.Minute

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
