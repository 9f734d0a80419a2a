package standby

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

const (
	// MaxAge is how long EC2 keeps a hibernated machine (docs.aws.amazon.com/AWSEC2/latest/UserGuide/
	// hibernating-prerequisites.html: "You cannot keep an instance hibernated for more than 60 days").
	MaxAge = 60 * 24 * time.Hour
	// DefaultRenewAfter is the age at which a standby machine is renewed where the pool says nothing.
	DefaultRenewAfter = 50 * 24 * time.Hour
	// lastDays before MaxAge, a machine's age comes before every other reason.
	lastDays = 5 * 24 * time.Hour
)

// Sleeper is a standby machine that sleeps.
type Sleeper struct {
	Instance string
	// Launched is when it was launched.
	Launched time.Time
	// Template is the launch template's version that it was launched from, and its image's: any two words that are the same
	// where nothing changed. Empty: not known, and not judged.
	Template string
	// Drift is how much of what would be prefetched today was not tried on it, 0 to 1 (images.Drift).
	Drift float64
	// Renewing: it is being replaced already.
	Renewing bool
}

// RenewalRules are a pool's.
type RenewalRules struct {
	// After is the age at which a machine is renewed: at most MaxAge less a day; 0: DefaultRenewAfter.
	After time.Duration
	// Template that a machine is launched from today.
	Template string
	// Drift, 0 to 1, above which a machine is renewed; 0 or 1 and more: never.
	Drift float64
	// AtOnce is how many may be under renewal at the same time; less than one is one.
	AtOnce int
}

// Renewal is a machine to be renewed: another is made ready, and then it goes.
type Renewal struct {
	Instance string `json:"instance"`
	Reason   string `json:"reason"`
}

// Renew chooses the machines to be renewed now: those that EC2 would soon lose, then those of an older template, then the
// rest by age and drift, the worst first. Those under renewal count against the number that may be at the same time.
func Renew(machines []Sleeper, rules RenewalRules, now time.Time) []Renewal {
	after := rules.After
	if after <= 0 {
		after = DefaultRenewAfter
	}
	after = min(after, MaxAge-24*time.Hour)
	free := max(1, rules.AtOnce)
	var due []candidate
	for _, m := range machines {
		if m.Renewing {
			free--
			continue
		}
		if c, ok := judge(m, rules, after, now); ok {
			due = append(due, c)
		}
	}
	slices.SortFunc(due, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(b.weight, a.weight), cmp.Compare(a.Instance, b.Instance))
	})
	due = due[:max(0, min(len(due), free))]
	renewals := make([]Renewal, len(due))
	for i, c := range due {
		renewals[i] = c.Renewal
	}
	return renewals
}

// candidate is a machine that is due; the lowest rank comes first, and within it the highest weight.
type candidate struct {
	Renewal
	rank   int
	weight float64
}

func judge(m Sleeper, rules RenewalRules, after time.Duration, now time.Time) (candidate, bool) {
	age := now.Sub(m.Launched)
	due := func(rank int, weight float64, format string, args ...any) (candidate, bool) {
		return candidate{Renewal{m.Instance, fmt.Sprintf(format, args...)}, rank, weight}, true
	}
	switch {
	case age >= MaxAge-lastDays && age >= after:
		return due(0, age.Hours(), "it is %s old: EC2 keeps no hibernated machine beyond %s", days(age), days(MaxAge))
	case m.Template != "" && rules.Template != "" && m.Template != rules.Template:
		return due(1, age.Hours(), "it was launched from %s, and %s is launched today", m.Template, rules.Template)
	case age >= after:
		return due(2, age.Hours(), "it is %s old, and is renewed after %s", days(age), days(after))
	case rules.Drift > 0 && rules.Drift < 1 && m.Drift > rules.Drift:
		return due(3, m.Drift, "it lacks %.0f %% of the images that would be prefetched today, and may lack %.0f %%", 100*m.Drift, 100*rules.Drift)
	}
	return candidate{}, false
}
