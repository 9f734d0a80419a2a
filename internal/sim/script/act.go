package script

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"floe.dev/floe/api/v1alpha1"
)

// Verb is what is done to machines.
type Verb string

// The verbs. The second form of reclaim is written "reclaim … for price".
const (
	Reclaim         Verb = "reclaim"
	ReclaimForPrice Verb = "reclaim for price"
	Rebalance       Verb = "rebalance"
	Forge           Verb = "forge"
	Retire          Verb = "retire"
	Silence         Verb = "silence"
	Restore         Verb = "restore"
	Share           Verb = "share"
	Mute            Verb = "mute"
	Slow            Verb = "slow"
	Reuse           Verb = "reuse"
	Oversleep       Verb = "oversleep"
)

// ForTheNext are the verbs that are about machines to come.
var ForTheNext = []Verb{Mute, Slow, Reuse, Oversleep}

// All is the count of an Act that is for all machines there are, or that come.
const All = -1

// Act does something to so many machines of a set of offerings.
type Act struct {
	Where
	Verb  Verb
	Count int // All, or from 1; for Share: Unlimited, or from 0
	// By is how much later, for Slow, and how far ahead, for Retire.
	By time.Duration
	// Account is whose machine a forged warning says it is; empty is the right one's. For Forge.
	Account string
}

var (
	actForm = regexp.MustCompile(`^(reclaim|rebalance|forge|retire|silence|restore|share|mute|slow|reuse|oversleep) ([a-z0-9.*?-]+) (spot|on-demand|\*) ([a-z0-9*?-]+): ([0-9]+|all|unlimited)( .+)?$`)
	// spotOnly are the verbs that mean nothing to an on-demand machine.
	spotOnly = []Verb{Reclaim, Rebalance, Forge}
	// accountForm is that of an account's number.
	accountForm = regexp.MustCompile(`^[0-9]{12}$`)
)

// act reads what actForm has found.
func (l *Line) act(m []string) error {
	a := &Act{Verb: Verb(m[1]), Where: Where{Type: m[2], Zone: m[4]}}
	if m[3] != "*" {
		a.CapacityType = v1alpha1.CapacityType(m[3])
	}
	if a.CapacityType == v1alpha1.OnDemand && slices.Contains(spotOnly, a.Verb) {
		return fmt.Errorf("%s is for spot machines; retire takes an on-demand machine away", a.Verb)
	}
	if err := a.count(m[5]); err != nil {
		return err
	}
	l.Act = a
	return a.rest(strings.TrimSpace(m[6]))
}

func (a *Act) count(text string) error {
	switch text {
	case "all", "unlimited":
		if (text == "unlimited") != (a.Verb == Share) {
			return fmt.Errorf("%s takes no %s: a number is wanted, or %s", a.Verb, text, map[bool]string{true: "unlimited", false: "all"}[a.Verb == Share])
		}
		a.Count = All // which is Unlimited too
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("%s is too large a number", text)
	}
	if n == 0 && a.Verb != Share {
		return fmt.Errorf("%s needs how many machines, 1 or more, or all", a.Verb)
	}
	a.Count = n
	return nil
}

// retirementAhead is how far ahead a retirement is scheduled unless a script says it: AWS does it about two weeks ahead.
const retirementAhead = 14 * 24 * time.Hour

// rest reads what may follow the count.
func (a *Act) rest(text string) error {
	word, value, _ := strings.Cut(text, " ")
	switch {
	case a.Verb == Reclaim && text == "for price":
		a.Verb = ReclaimForPrice
	case a.Verb == Forge && word == "as" && accountForm.MatchString(value):
		a.Account = value
	case (a.Verb == Slow && word == "by") || (a.Verb == Retire && word == "in"):
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return fmt.Errorf("%q is not a duration such as 30s or 5m", value)
		}
		a.By = d
	case a.Verb == Slow:
		return fmt.Errorf("slow needs by how much, such as \"slow c5.* spot *: 1 by 10m\"")
	case a.Verb == Retire && text == "":
		a.By = retirementAhead
	case text != "":
		return fmt.Errorf("%q means nothing after %s", text, a.Verb)
	}
	return nil
}
