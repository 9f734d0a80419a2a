package day

import (
	"slices"
	"time"

	"floe.dev/floe/api/v1alpha1"
)

// Report is what came of a day.
type Report struct {
	Description string `json:"description,omitempty"`
	// USD is what the machines cost, and USDIfNothingLeft what they would have cost had none left voluntarily.
	USD              float64 `json:"usd"`
	USDIfNothingLeft float64 `json:"usdIfNothingLeft"`
	// OnDemandShare is the on-demand part of all machine-hours.
	OnDemandShare float64 `json:"onDemandShare"`
	// Evictions are pods that had to move, whatever took their machine; Reclaimed the machines that were taken back.
	Evictions int `json:"evictions"`
	Reclaimed int `json:"reclaimed"`
	// Bought machines, by so many launch calls, of which some brought none.
	Bought  int `json:"bought"`
	Calls   int `json:"calls"`
	Refused int `json:"refused"`
	// Granted counts the nodes that were let go voluntarily, by reason.
	Granted map[v1alpha1.DisruptionReason]int `json:"granted"`
	// WaitP50, WaitP99 and WaitMax are how long pods waited for room, in seconds, to a step of the scenario.
	WaitP50 float64 `json:"waitP50Seconds"`
	WaitP99 float64 `json:"waitP99Seconds"`
	WaitMax float64 `json:"waitMaxSeconds"`
	// Waiting are the pods that still wait at the end.
	Waiting int `json:"waiting"`
	// Samples are one look each.
	Samples []Sample `json:"samples"`

	waited []float64
}

// Sample is the state after one look.
type Sample struct {
	// Seconds from the start.
	Seconds    float64 `json:"seconds"`
	Pods       int     `json:"pods"`
	Waiting    int     `json:"waiting"`
	Spot       int     `json:"spot"`
	OnDemand   int     `json:"onDemand"`
	USDPerHour float64 `json:"usdPerHour"`
	// Evictions so far.
	Evictions int `json:"evictions"`
	// Shrunk and Returned are nodes let go at this look because they were of no use, and back to spot; Bought are machines
	// launched for pods that wait.
	Shrunk   int `json:"shrunk"`
	Returned int `json:"returned"`
	Bought   int `json:"bought"`
}

// Live lives through a scenario, and once more with nothing allowed to leave. Defaults and Validate are called before.
func Live(s *Scenario) *Report {
	report := live(s, &s.Pool)
	still := s.Pool.DeepCopy()
	still.Spec.Disruption.Budgets = []v1alpha1.DisruptionBudget{{Nodes: "0"}}
	report.USDIfNothingLeft = live(s, still).USD
	return report
}

func live(s *Scenario, pool *v1alpha1.NodePool) *Report {
	l := newLife(s, pool)
	for l.offset = 0; l.offset < s.Length.Duration; l.offset += s.Step.Duration {
		l.step()
	}
	l.sumUp()
	return &l.Report
}

func (l *life) sample(shrunk, returned, bought int) {
	s := Sample{
		Seconds: l.offset.Seconds(), Waiting: len(l.waiting), Evictions: l.Evictions, Shrunk: shrunk, Returned: returned, Bought: bought,
	}
	for _, m := range l.nodes {
		s.Pods += len(m.Pods)
		s.USDPerHour += m.USDPerHour
		if m.override.CapacityType == v1alpha1.Spot {
			s.Spot++
		} else {
			s.OnDemand++
		}
	}
	l.USD += s.USDPerHour * l.Step.Hours()
	l.Samples = append(l.Samples, s)
}

func (l *life) sumUp() {
	l.Report.Description = l.Scenario.Description
	all, onDemand := 0, 0
	for _, s := range l.Samples {
		all += s.Spot + s.OnDemand
		onDemand += s.OnDemand
	}
	l.OnDemandShare = float64(onDemand) / float64(max(1, all))
	l.Waiting = len(l.waiting)
	for _, since := range l.waits {
		l.waited = append(l.waited, (l.offset - since).Seconds())
	}
	slices.Sort(l.waited)
	if n := len(l.waited); n > 0 {
		l.WaitP50, l.WaitP99, l.WaitMax = l.waited[n/2], l.waited[min(n-1, n*99/100)], l.waited[n-1]
	}
}

// At is the sample of a moment.
func (r *Report) At(offset time.Duration) Sample {
	i, _ := slices.BinarySearchFunc(r.Samples, offset.Seconds(), func(s Sample, at float64) int {
		return int(s.Seconds - at)
	})
	return r.Samples[min(i, len(r.Samples)-1)]
}
