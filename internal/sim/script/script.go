// Package script is the language in which scenarios and the simulator's private API say what happens in the world: who
// has capacity when, and which calls go wrong. One line is one event:
//
//	[at DURATION] TYPE spot|on-demand|* ZONE: N|unlimited   so many machines can be had from then on; 0 is ICE
//	[at DURATION] throttle TYPE spot|on-demand|* ZONE: N    so many fleet overrides answer RequestLimitExceeded
//	[at DURATION] lose answer of ACTION [N]                 the next N calls (1) take effect, then the connection drops
//	[at DURATION] refuse ACTION [N] with CODE               the next N calls (1) answer with this error, without effect
//	[at DURATION] deny ACTION                               UnauthorizedOperation from then on
//	[at DURATION] allow ACTION                              takes deny back
//
// What is done to so many of the machines that there are, the oldest first, or to "all" of them (CT is spot, on-demand or *):
//
//	[at DURATION] reclaim TYPE CT ZONE: N [for price]       EC2 takes spot machines back, with two minutes' warning
//	[at DURATION] rebalance TYPE CT ZONE: N                 it says that spot machines are at risk
//	[at DURATION] forge TYPE CT ZONE: N [as ACCOUNT]        somebody sends a warning that is none
//	[at DURATION] retire TYPE CT ZONE: N [in 336h]          AWS Health announces the end of their hardware, which comes
//	[at DURATION] silence TYPE CT ZONE: N                   they hang; EC2 calls them running, and impaired
//	[at DURATION] restore TYPE CT ZONE: N                   they go on
//
// and to the next N machines, or "all" that come:
//
//	[at DURATION] mute TYPE CT ZONE: N                      they never register
//	[at DURATION] slow TYPE CT ZONE: N by 10m               they register so much later
//	[at DURATION] reuse TYPE CT ZONE: N                     each gets the address and name of the machine that went last
//	[at DURATION] oversleep TYPE CT ZONE: N                 of those that are started after a stop: they hang as they wake
//
// Hardware that spot and on-demand machines of all accounts share, N of each type in each zone; on-demand comes first:
//
//	[at DURATION] share TYPE * ZONE: N|unlimited
//
// What happens to the next N (1) events of a kind, which is interruption, rebalance, state, health or *:
//
//	[at DURATION] event KIND [N] late 45s                   it comes so much later
//	[at DURATION] event KIND [N] twice                      it comes two times
//	[at DURATION] event KIND [N] reordered                  it comes after the next one
//	[at DURATION] event KIND [N] lost                       it does not come
//	[at DURATION] event KIND [N] malformed                  half of it comes
//
// Before what happens, "in ACCOUNT" says whose machines, fleets, calls or events it is about: "at 30s in 210987654321 reclaim
// * spot *: 2". Without it, machines, fleets and events are the first account's, and calls everybody's. Capacity and shared
// hardware are the region's, and take no account.
//
// TYPE and ZONE may hold * and ?; a zone is a name or an ID. Empty lines and lines that begin with # say nothing.
package script

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"floe.dev/floe/api/v1alpha1"
)

// Line is one event: exactly one of its pointers is set.
type Line struct {
	// At is when, from the moment the script is read, by the simulator's own time.
	At   time.Duration
	Text string
	// Account is whose it is about, where the line says so.
	Account  string
	Capacity *Capacity
	Throttle *Throttle
	Fault    *Fault
	Act      *Act
	Mishap   *Mishap
}

// Where is a set of offerings, by patterns.
type Where struct {
	Type string
	// CapacityType is empty for both.
	CapacityType v1alpha1.CapacityType
	Zone         string
}

// Matches says whether an offering is of the set.
func (w Where) Matches(instanceType string, ct v1alpha1.CapacityType, zone, zoneID string) bool {
	return (w.CapacityType == "" || w.CapacityType == ct) && glob(w.Type, instanceType) && (glob(w.Zone, zone) || glob(w.Zone, zoneID))
}

func glob(pattern, s string) bool {
	ok, err := path.Match(pattern, s)
	return ok && err == nil
}

// Unlimited is the capacity of an offering that never runs dry.
const Unlimited = -1

// Capacity sets how many machines an offering can still give.
type Capacity struct {
	Where
	Free int // Unlimited, or from 0
}

// Throttle makes fleet overrides answer RequestLimitExceeded.
type Throttle struct {
	Where
	Count int
}

// FaultKind is how calls of an action go wrong.
type FaultKind string

// The kinds of fault.
const (
	LoseAnswer FaultKind = "lose"
	Refuse     FaultKind = "refuse"
	Deny       FaultKind = "deny"
	Allow      FaultKind = "allow"
)

// Fault makes calls of an action go wrong.
type Fault struct {
	Kind   FaultKind
	Action string
	Count  int    // of calls; for LoseAnswer and Refuse
	Code   string // for Refuse
}

var (
	offeringForm = regexp.MustCompile(`^(throttle )?([a-z0-9.*?-]+) (spot|on-demand|\*) ([a-z0-9*?-]+): ([0-9]+|unlimited)$`)
	loseForm     = regexp.MustCompile(`^lose answer of ([A-Za-z]+)( [0-9]+)?$`)
	refuseForm   = regexp.MustCompile(`^refuse ([A-Za-z]+)( [0-9]+)? with ([A-Za-z.]+)$`)
	denyForm     = regexp.MustCompile(`^(deny|allow) ([A-Za-z]+)$`)
)

// Parse reads a script. Its error names the line and says what a line may be.
func Parse(text string) ([]Line, error) {
	var lines []Line
	n := 0
	for raw := range strings.Lines(text) {
		n++
		words := strings.Join(strings.Fields(raw), " ")
		if words == "" || strings.HasPrefix(words, "#") {
			continue
		}
		line, err := parseLine(words)
		if err != nil {
			return nil, fmt.Errorf("line %d: %q: %w", n, words, err)
		}
		lines = append(lines, line)
	}
	return lines, nil
}

func parseLine(words string) (Line, error) {
	line := Line{Text: words}
	if rest, ok := strings.CutPrefix(words, "at "); ok {
		when, what, _ := strings.Cut(rest, " ")
		at, err := time.ParseDuration(when)
		if err != nil || at < 0 {
			return line, fmt.Errorf("%q is not a duration such as 30s or 5m", when)
		}
		line.At, words = at, what
	}
	if rest, ok := strings.CutPrefix(words, "in "); ok {
		line.Account, words, _ = strings.Cut(rest, " ")
		if !accountForm.MatchString(line.Account) {
			return line, fmt.Errorf("%q is not an account: twelve digits are wanted", line.Account)
		}
	}
	err := line.event(words)
	if err == nil && line.Account != "" && (line.Capacity != nil || (line.Act != nil && line.Act.Verb == Share)) {
		err = fmt.Errorf("capacity is the region's, and of no account")
	}
	return line, err
}

// event reads what happens.
func (l *Line) event(words string) error {
	if m := offeringForm.FindStringSubmatch(words); m != nil {
		return l.offering(m)
	}
	if m := actForm.FindStringSubmatch(words); m != nil {
		return l.act(m)
	}
	if m := eventForm.FindStringSubmatch(words); m != nil {
		return l.mishap(m)
	}
	if m := loseForm.FindStringSubmatch(words); m != nil {
		count, err := countOf(m[2])
		l.Fault = &Fault{Kind: LoseAnswer, Action: m[1], Count: count}
		return err
	}
	if m := refuseForm.FindStringSubmatch(words); m != nil {
		count, err := countOf(m[2])
		l.Fault = &Fault{Kind: Refuse, Action: m[1], Count: count, Code: m[3]}
		return err
	}
	if m := denyForm.FindStringSubmatch(words); m != nil {
		l.Fault = &Fault{Kind: FaultKind(m[1]), Action: m[2]}
		return nil
	}
	return fmt.Errorf(`want "[at 30s] c5.* spot eu-west-1a: 0", "throttle c5.* spot *: 2", "lose answer of CreateFleet 1", "refuse RunInstances 2 with InternalError", "deny RunInstances", "allow RunInstances", "reclaim c5.* spot eu-west-1a: 3" (or rebalance, forge, retire, silence, restore, mute, slow, reuse, oversleep, share) or "event interruption 2 late 45s"; "in 210987654321" before it names the account`)
}

func (l *Line) offering(m []string) error {
	where := Where{Type: m[2], Zone: m[4]}
	if m[3] != "*" {
		where.CapacityType = v1alpha1.CapacityType(m[3])
	}
	number := Unlimited
	if m[5] != "unlimited" {
		var err error
		if number, err = strconv.Atoi(m[5]); err != nil {
			return fmt.Errorf("%s is too large a number", m[5])
		}
	}
	if m[1] == "" {
		l.Capacity = &Capacity{Where: where, Free: number}
		return nil
	}
	if number < 1 {
		return fmt.Errorf("throttle needs how many overrides it is to hit, 1 or more")
	}
	l.Throttle = &Throttle{Where: where, Count: number}
	return nil
}

func countOf(text string) (int, error) {
	if text == "" {
		return 1, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s is not how many calls, 1 or more", strings.TrimSpace(text))
	}
	return n, nil
}
