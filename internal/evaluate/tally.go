package evaluate

import (
	"math"
	"slices"
	"time"
)

// tally is what is counted of a world.
type tally struct {
	hours                              float64
	calls, refused, dry, interruptions int
	waits                              []time.Duration // of each vacancy that was filled
	usd                                float64
	served, onDemand, regret           float64 // machine-hours
}

// pass lets time go by.
func (w *world) pass(to time.Duration) {
	passed := to - w.now
	w.now = to
	if passed <= 0 {
		return
	}
	w.hours += passed.Hours()
	serving, onDemand, spare := 0, 0, 0
	for _, m := range w.machines {
		o := w.offerings[m.offering]
		w.usd += o.usd * passed.Hours()
		if m.serving {
			serving++
			if !o.spot() {
				onDemand++
			}
		}
	}
	for _, o := range w.offerings {
		if o.spot() {
			spare += o.spare()
		}
	}
	w.served += passed.Hours() * float64(serving)
	w.onDemand += passed.Hours() * float64(onDemand)
	w.regret += passed.Hours() * float64(min(onDemand, spare))
}

// Figures are how one policy did. Rates are per hour of the replay, not per machine.
type Figures struct {
	Policy string  `json:"policy"`
	Hours  float64 `json:"hours"`
	// Needs is how often a machine was missing: at the start, and after each loss.
	Needs int `json:"needs"`
	// P50, P99 and Max are the seconds from when a machine was missing until one was in service, beyond what every machine
	// needs to boot.
	P50 float64 `json:"p50Seconds"`
	P99 float64 `json:"p99Seconds"`
	Max float64 `json:"maxSeconds"`
	// CallsPerHour are launch calls; RefusedPerHour those that brought nothing; ICEsPerHour the offerings that were told to
	// be dry, of which one call can tell many.
	CallsPerHour   float64 `json:"callsPerHour"`
	RefusedPerHour float64 `json:"refusedPerHour"`
	ICEsPerHour    float64 `json:"icesPerHour"`
	// OnDemand is the share of the service that on-demand machines gave; Regret the share that they gave while spot
	// machines could be had.
	OnDemand float64 `json:"onDemandShare"`
	Regret   float64 `json:"regretShare"`
	// Unserved is the share of the demand that nobody served.
	Unserved float64 `json:"unservedShare"`
	// USDPerHour is what an hour of one machine's service cost, machines that boot or leave included.
	USDPerHour float64 `json:"usdPerServedHour"`
	// OverOracle is the cost over the oracle's: 0.1 is 10 % more.
	OverOracle float64 `json:"overOracle"`
	// InterruptionsPerDay are machines that were taken back.
	InterruptionsPerDay float64 `json:"interruptionsPerDay"`
}

// add takes a world's tally in at its end. What is still missing then has been missing for that long at least.
func (t *tally) add(w *world) {
	t.hours += w.hours
	t.calls, t.refused, t.dry, t.interruptions = t.calls+w.calls, t.refused+w.refused, t.dry+w.dry, t.interruptions+w.interruptions
	t.usd, t.served, t.onDemand, t.regret = t.usd+w.usd, t.served+w.served, t.onDemand+w.onDemand, t.regret+w.regret
	t.waits = append(t.waits, w.waits...)
	for _, since := range w.vacant {
		t.waits = append(t.waits, w.now-since)
	}
}

func (t *tally) figures(name string, o Options) Figures {
	f := Figures{Policy: name, Hours: t.hours, Needs: len(t.waits)}
	slices.Sort(t.waits)
	f.P50, f.P99, f.Max = t.beyond(o.Boot, 0.5), t.beyond(o.Boot, 0.99), t.beyond(o.Boot, 1)
	f.CallsPerHour, f.RefusedPerHour = float64(t.calls)/t.hours, float64(t.refused)/t.hours
	f.ICEsPerHour = float64(t.dry) / t.hours
	f.InterruptionsPerDay = float64(t.interruptions) / t.hours * 24
	if t.served > 0 {
		f.OnDemand, f.Regret, f.USDPerHour = t.onDemand/t.served, t.regret/t.served, t.usd/t.served
	}
	f.Unserved = max(1-t.served/(t.hours*float64(o.Demand)), 0)
	return f
}

// beyond is the wait that a share of all needs did not exceed, in seconds beyond the boot.
func (t *tally) beyond(boot time.Duration, share float64) float64 {
	if len(t.waits) == 0 {
		return 0
	}
	i := int(math.Ceil(share*float64(len(t.waits)))) - 1
	return max(t.waits[max(i, 0)]-boot, 0).Seconds()
}
