package evaluate

import (
	"fmt"
	"slices"
	"time"

	"floe.dev/floe/internal/fallback"
)

// What tuning chooses from: the first wait, and the longest. Each is about twice the one before, so that the choice is
// coarse: a finer one would follow the recordings' grid and not the market's.
var (
	bases = []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute}
	caps  = []time.Duration{8 * time.Minute, 16 * time.Minute, 24 * time.Minute, 32 * time.Minute, 64 * time.Minute}
)

// halfRefused is the goal that tuning keeps: at most this share of Karpenter's refused calls.
const halfRefused = 0.5

// Waits are the two numbers that tuning chooses, in seconds.
type Waits struct {
	Wait    float64 `json:"waitSeconds"`
	WaitMax float64 `json:"waitMaxSeconds"`
}

func waitsOf(r fallback.Rules) Waits { return Waits{r.Base.Seconds(), r.Cap.Seconds()} }

// Fold is one part of a cross-validation: Floe's waits were tuned on the other recordings, and these are the figures on
// the ones held out.
type Fold struct {
	HeldOut []string `json:"heldOut"`
	Tuned   Waits    `json:"tuned"`
	// Figures of every policy on the recordings held out; Floe goes by Tuned.
	Figures []Figures `json:"figures"`
	// Shipped are Floe's figures there by the rules that were given, which are the shipped ones unless said otherwise.
	Shipped Figures `json:"shipped"`
	Goals   Goals   `json:"goals"`
}

// Goals hold Floe's figures against the others' on the same recordings.
type Goals struct {
	// P99OverAutoscaler is Floe's p99 of the time to capacity beyond boot by cluster-autoscaler's: at most 0.1 is the goal.
	// P99OverKarpenter is the same by Karpenter's: below 1. Zero where the other's is zero.
	P99OverAutoscaler float64 `json:"p99OverAutoscaler"`
	P99OverKarpenter  float64 `json:"p99OverKarpenter"`
	// RefusedOverKarpenter is Floe's refused calls by Karpenter's: at most 0.5.
	RefusedOverKarpenter float64 `json:"refusedOverKarpenter"`
	// OverOracle is Floe's cost over the oracle's: at most 0.1.
	OverOracle float64 `json:"overOracle"`
	// Missed names the goals that are not met.
	Missed []string `json:"missed,omitempty"`
}

// Judge compares Floe's figures with the others'.
func Judge(figures []Figures) (g Goals, ok bool) {
	by := map[string]Figures{}
	for _, f := range figures {
		by[f.Policy] = f
	}
	if len(by) < len(Policies()) {
		return g, false
	}
	ours := by[Floe]
	g = Goals{
		P99OverAutoscaler: ratio(ours.P99, by[ClusterAutoscaler].P99), P99OverKarpenter: ratio(ours.P99, by[Karpenter].P99),
		RefusedOverKarpenter: ratio(ours.RefusedPerHour, by[Karpenter].RefusedPerHour), OverOracle: ours.OverOracle,
	}
	for _, c := range []struct {
		met  bool
		what string
	}{
		{ours.P99 <= by[ClusterAutoscaler].P99/10, "time to capacity p99 at most a tenth of cluster-autoscaler's"},
		{ours.P99 < by[Karpenter].P99, "time to capacity p99 below Karpenter's"},
		{ours.RefusedPerHour <= by[Karpenter].RefusedPerHour*halfRefused, "refused calls at most half of Karpenter's"},
		{ours.OverOracle <= 0.1, "cost within 10 % of the oracle's"},
	} {
		if !c.met {
			g.Missed = append(g.Missed, c.what)
		}
	}
	return g, true
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// CrossValidate parts the recordings into folds at random; of each fold Floe's waits are tuned on all the others, and all
// policies live through the fold. On-demand recordings belong to every part.
func CrossValidate(traces []Trace, folds int, o Options) ([]Fold, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	var drawn, always []Trace
	for _, t := range traces {
		if spot(t) {
			drawn = append(drawn, t)
		} else {
			always = append(always, t)
		}
	}
	if folds < 2 || folds > len(drawn) {
		return nil, fmt.Errorf("--folds is %d: it is to be from 2 to the number of spot recordings, of which there are %d", folds, len(drawn))
	}
	d := dice(o.Seed)
	shuffled(&d, drawn)
	result := make([]Fold, folds)
	for k := range result {
		train, test := slices.Clone(always), slices.Clone(always)
		for i, t := range drawn {
			if i%folds == k {
				test = append(test, t)
				result[k].HeldOut = append(result[k].HeldOut, t.Name)
			} else {
				train = append(train, t)
			}
		}
		if err := result[k].fill(train, test, o); err != nil {
			return nil, err
		}
	}
	return result, nil
}

func (f *Fold) fill(train, test []Trace, o Options) error {
	slices.Sort(f.HeldOut)
	shipped, err := Replay(test, []string{Floe}, o)
	if err != nil {
		return err
	}
	f.Shipped = shipped[0]
	if o.Rules, err = tune(train, o); err != nil {
		return err
	}
	f.Tuned = waitsOf(o.Rules)
	if f.Figures, err = Replay(test, Policies(), o); err != nil {
		return err
	}
	f.Goals, _ = Judge(f.Figures)
	return nil
}

// tune chooses the cheapest waits that keep refused calls to half of Karpenter's; where none do, those with the fewest.
func tune(traces []Trace, o Options) (fallback.Rules, error) {
	o.Rounds = 1
	rival, err := live(traces, Karpenter, o)
	if err != nil {
		return o.Rules, err
	}
	best, found := o.Rules, false
	var least Figures
	for _, base := range bases {
		for _, longest := range caps {
			if longest < base {
				continue
			}
			tried := o
			tried.Rules.Base, tried.Rules.Cap = base, longest
			f, err := live(traces, Floe, tried)
			if err != nil {
				return best, err
			}
			if !found || better(f, least, rival.RefusedPerHour*halfRefused) {
				best, least, found = tried.Rules, f, true
			}
		}
	}
	return best, nil
}

// better reports whether a is to be chosen before b, where so many refused calls are allowed.
func better(a, b Figures, allowed float64) bool {
	aKeeps, bKeeps := a.RefusedPerHour <= allowed, b.RefusedPerHour <= allowed
	switch {
	case aKeeps != bKeeps:
		return aKeeps
	case aKeeps:
		return a.USDPerHour < b.USDPerHour
	}
	return a.RefusedPerHour < b.RefusedPerHour
}

// Point is Floe's figures by one length of its waits.
type Point struct {
	Waits
	Figures
}

// Curve is Floe's figures over the length of its waits, the longest twice the first as in the shipped rules: cost
// against refused calls.
func Curve(traces []Trace, o Options) ([]Point, error) {
	var points []Point
	for base := 30 * time.Second; base <= 32*time.Minute; base *= 2 {
		o.Rules.Base, o.Rules.Cap = base, 2*base
		f, err := Replay(traces, []string{Floe}, o)
		if err != nil {
			return nil, err
		}
		points = append(points, Point{waitsOf(o.Rules), f[0]})
	}
	return points, nil
}
