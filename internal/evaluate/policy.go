package evaluate

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/fallback"
)

// policy is a way of keeping the demand served. act is called whenever something happened, and when it asked to be; it says
// when it wants to be called next at the latest.
type policy interface {
	act(w *world) (wake time.Duration)
}

// The policies, in the order in which they are told.
const (
	Floe              = "floe"
	Karpenter         = "karpenter"
	ClusterAutoscaler = "cluster-autoscaler"
	FixedReturn       = "fixed-return"
	Oracle            = "oracle"
)

// Policies are all that can be asked for.
func Policies() []string {
	return []string{Floe, Karpenter, ClusterAutoscaler, FixedReturn, Oracle}
}

// Options are what a replay assumes.
type Options struct {
	// Demand is how many machines are wanted in service at all times.
	Demand int
	// Boot is what a machine needs from the launch's answer to service; Call is what a launch call takes, for every policy.
	Boot, Call time.Duration
	// SpotDiscount is the share by which spot is cheaper than OnDemandUSD, the price of an hour.
	SpotDiscount, OnDemandUSD float64
	// Restart is how often Karpenter restarts, and forgets; 0 is never.
	Restart time.Duration
	// ReturnAfter is the age at which the fixed return drains an on-demand machine.
	ReturnAfter time.Duration
	// For is how long the replay lasts; 0 is the longest recording's length. A shorter recording begins again at its end.
	For time.Duration
	// Rules of Floe's offering memory.
	Rules fallback.Rules
	// Rounds is how often each policy lives through the recordings: EC2's choice among equal offerings is random, and a p99
	// of few needs is too. The figures are of all rounds together.
	Rounds int
	// Seed of what EC2 does at random.
	Seed uint64
}

// DefaultOptions are the demand and prices that are meant where nothing else is said.
func DefaultOptions() Options {
	return Options{
		Demand: 4, Boot: 90 * time.Second, Call: time.Second, SpotDiscount: 0.65, OnDemandUSD: 1,
		Restart: 24 * time.Hour, ReturnAfter: 2 * time.Hour, Rules: fallback.DefaultRules(), Rounds: 3, Seed: 1,
	}
}

// Validate says which option cannot be, by its flag.
func (o Options) Validate() error {
	for _, c := range []struct {
		ok   bool
		flag string
		is   any
		want string
	}{
		{o.Demand >= 1 && o.Demand <= 10000, "demand", o.Demand, "from 1 to 10000"},
		{o.Boot >= 0 && o.Boot <= time.Hour, "boot", o.Boot, "from 0 to 1h"},
		{o.Call >= 0 && o.Call <= time.Minute, "call", o.Call, "from 0 to 1m"},
		{o.SpotDiscount >= 0 && o.SpotDiscount < 1, "spot-discount", o.SpotDiscount, "from 0 to less than 1"},
		{o.OnDemandUSD > 0 && !math.IsInf(o.OnDemandUSD, 0), "on-demand-usd", o.OnDemandUSD, "more than 0"},
		{o.Restart == 0 || o.Restart >= time.Minute, "karpenter-restart", o.Restart, "0 (never) or at least 1m"},
		{o.ReturnAfter >= time.Minute, "return-after", o.ReturnAfter, "at least 1m"},
		{o.Rules.Base >= time.Second && o.Rules.Base <= time.Hour, "wait", o.Rules.Base, "from 1s to 1h"},
		{o.Rules.Cap >= o.Rules.Base && o.Rules.Cap <= 12*time.Hour, "wait-max", o.Rules.Cap, "from --wait to 12h"},
		{o.Rounds >= 1 && o.Rounds <= 1000, "rounds", o.Rounds, "from 1 to 1000"},
		{o.For == 0 || o.For >= time.Minute && o.For <= 20*365*24*time.Hour, "for", o.For, "0 (the longest recording) or from 1m to 20 years"},
	} {
		if !c.ok {
			return fmt.Errorf("--%s is %v: it is to be %s", c.flag, c.is, c.want)
		}
	}
	return nil
}

// newPolicy is a policy at the start of a replay.
func newPolicy(name string, w *world) (policy, error) {
	switch name {
	case Floe:
		return newFloe(w), nil
	case Karpenter:
		return newKarpenter(w), nil
	case ClusterAutoscaler:
		return newAutoscaler(w, never), nil
	case FixedReturn:
		return newAutoscaler(w, w.ReturnAfter), nil
	case Oracle:
		return oracle{}, nil
	}
	return nil, fmt.Errorf("policy %q is not known: use some of %s", name, strings.Join(Policies(), ", "))
}

// Replay lets policies live through the recordings, each in a world of its own, and says how they did. The oracle lives
// through them as well, wanted or not, since the others' cost is told over its own.
func Replay(traces []Trace, policies []string, o Options) ([]Figures, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(traces, spot) {
		return nil, fmt.Errorf("none of %d recordings is of spot: there is nothing to fall back from", len(traces))
	}
	if err := distinct(traces); err != nil {
		return nil, err
	}
	best, err := live(traces, Oracle, o)
	if err != nil {
		return nil, err
	}
	all := make([]Figures, 0, len(policies))
	for _, name := range policies {
		f := best
		if name != Oracle {
			if f, err = live(traces, name, o); err != nil {
				return nil, err
			}
		}
		if best.USDPerHour > 0 {
			f.OverOracle = f.USDPerHour/best.USDPerHour - 1
		}
		all = append(all, f)
	}
	return all, nil
}

// live lets one policy live through the recordings, as often as there are rounds.
func live(traces []Trace, name string, o Options) (Figures, error) {
	end := o.For
	for _, t := range traces {
		if o.For == 0 {
			end = max(end, t.Length())
		}
	}
	var sum tally
	for range o.Rounds {
		w := newWorld(traces, o)
		p, err := newPolicy(name, w)
		if err != nil {
			return Figures{}, err
		}
		w.run(p, end)
		sum.add(w)
		o.Seed++
	}
	return sum.figures(name, o), nil
}

// distinct refuses two recordings of one offering.
func distinct(traces []Trace) error {
	seen := map[[3]string]string{}
	for _, t := range traces {
		key := [3]string{t.Zone, t.Type, string(t.CapacityType)}
		if other, twice := seen[key]; twice {
			return fmt.Errorf("%s and %s are both of %s %s in %s: an offering has one recording; put others into a folder of their own", other, t.Name, t.CapacityType, t.Type, t.Zone)
		}
		seen[key] = t.Name
	}
	return nil
}

func spot(t Trace) bool { return t.CapacityType == v1alpha1.Spot }
