package evaluate

import (
	"fmt"
	"slices"
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/fallback"
)

const (
	// floeFirst is what Floe needs from a lost machine to the launch call, floeNext from one answer to the next call: the
	// goals that docs/benchmarks.md holds it to, which are longer than what is measured there.
	floeFirst = 300 * time.Millisecond
	floeNext  = 50 * time.Millisecond

	account = "main"
	region  = "recorded"
	// typePrefix keeps a recorded type's name from meaning something: t-families are burstable, and not bought.
	typePrefix = "x-"
)

// epoch is the moment that the recordings begin at. It has no meaning.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// floe is the real offering memory and the real chain: spot, then on-demand. On-demand machines go back when the memory
// says that spot may be asked.
type floe struct {
	memory *fallback.Memory
	pool   *v1alpha1.NodePool
	view   *catalog.View
	places map[contract.Offering]int
	due    time.Duration // when a launch is due; never: none is
	losses int
	known  bool          // nothing was learned since freeAt was worked out
	freeAt time.Duration // when the first spot offering may be asked
}

func newFloe(w *world) *floe {
	f := &floe{
		memory: fallback.NewMemory(w.Rules), pool: &v1alpha1.NodePool{}, places: map[contract.Offering]int{}, due: never,
		view: &catalog.View{
			Account: account, Region: region,
			Types: map[string]contract.InstanceType{}, Subnets: map[string]catalog.Subnet{},
			Offered: map[catalog.OfferedKey]bool{}, SpotUSD: map[catalog.OfferedKey]float64{},
		},
	}
	f.pool.Spec.Account = account
	f.pool.Spec.Fallback = []v1alpha1.FallbackStep{{CapacityType: v1alpha1.Spot}, {CapacityType: v1alpha1.OnDemand}}
	for i, o := range w.offerings {
		f.places[o.Offering] = i
		f.view.Types[o.InstanceType] = contract.InstanceType{
			Name: o.InstanceType, Arch: "amd64", VCPU: 8, MemoryMiB: 32768, ENIs: 4, IPv4PerENI: 15, OnDemandUSD: w.OnDemandUSD,
		}
		if _, known := f.view.Subnets[o.ZoneID]; !known {
			f.view.Subnets[o.ZoneID] = catalog.Subnet{ID: o.ZoneID, Zone: o.ZoneID, ZoneID: o.ZoneID, FreeAddresses: 1}
			f.pool.Spec.Subnets = append(f.pool.Spec.Subnets, o.ZoneID)
		}
		key := catalog.OfferedKey{InstanceType: o.InstanceType, ZoneID: o.ZoneID}
		f.view.Offered[key] = true
		if o.spot() {
			f.view.SpotUSD[key] = o.usd
		}
	}
	return f
}

func (f *floe) act(w *world) time.Duration {
	for _, i := range w.reclaimed {
		f.losses++
		f.learn(fallback.Event{
			ID: fmt.Sprint(f.losses), Offering: w.offerings[i].Offering, Answer: contract.AnswerReclaimed, At: f.time(w),
		})
	}
	return min(f.launch(w), f.giveBack(w))
}

func (f *floe) time(w *world) time.Time { return epoch.Add(w.now) }

// launch brings what is missing.
func (f *floe) launch(w *world) time.Duration {
	switch {
	case w.missing() == 0:
		f.due = never
		return never
	case f.due == never:
		f.due = w.now + floeFirst
	}
	if w.now < f.due {
		return f.due
	}
	f.walk(w, w.missing(), contract.PurposeDemand)
	f.due = never
	if w.missing() > 0 { // nothing is to be had anywhere: the Provisioner comes back when an offering is free again
		f.due = w.now + w.Rules.Base
	}
	return f.due
}

// giveBack tries to replace on-demand machines by spot, where the memory lets any spot offering be asked.
func (f *floe) giveBack(w *world) time.Duration {
	old := w.returnable()
	if len(old) == 0 {
		return never
	}
	if next := f.free(w); next > w.now {
		return next
	}
	got := f.walk(w, len(old), contract.PurposeReturn, v1alpha1.Spot)
	replace(got, old)
	if len(got) == len(old) {
		return never
	}
	return f.free(w)
}

// free is when the first spot offering may be asked.
func (f *floe) free(w *world) time.Duration {
	if f.known {
		return f.freeAt
	}
	f.known, f.freeAt = true, never
	for _, o := range w.offerings {
		if o.spot() {
			until := f.memory.Advise(o.Offering, f.time(w)).Until
			if until.IsZero() {
				f.freeAt = w.now
				break
			}
			f.freeAt = min(f.freeAt, until.Sub(epoch))
		}
	}
	return f.freeAt
}

func (f *floe) learn(events ...fallback.Event) {
	f.memory.Learn(events...)
	f.known = false
}

// walk goes along the chain for n machines, of some capacity types alone where any are named.
func (f *floe) walk(w *world, n int, purpose contract.Purpose, only ...v1alpha1.CapacityType) (all []*machine) {
	at := f.time(w)
	known := f.memory.Known(at)
	f.view.BackOff, f.view.Rides, f.view.Reclaims = known.BackOff, known.Rides, known.Reclaims
	launch := contract.ScaleUpInput{Count: n, Purpose: purpose, CapacityTypes: only}
	walk := fallback.NewWalk(contract.Chain{Version: 1, Steps: fallback.Steps(f.pool, f.view, launch, at)})
	delay := time.Duration(0)
	for len(all) < n {
		step, ok := walk.Next()
		if !ok {
			break
		}
		got, outcomes := f.hop(w, step, n-len(all), delay)
		all = append(all, got...)
		f.learn(fallback.Events(outcomes, at)...)
		walk.Answered(step, outcomes, len(got))
		delay += w.Call + floeNext
	}
	return all
}

// hop is one launch call and what it tells.
func (f *floe) hop(w *world, step contract.Step, n int, delay time.Duration) ([]*machine, []contract.Outcome) {
	places := make([]int, len(step.Overrides))
	for i, o := range step.Overrides {
		places[i] = f.places[o.Offering]
	}
	got, dry := w.fleet(places, n, delay)
	var outcomes []contract.Outcome
	for _, i := range places {
		brought := 0
		for _, m := range got {
			if m.offering == i {
				brought++
			}
		}
		if brought > 0 {
			outcomes = append(outcomes, contract.Outcome{Offering: w.offerings[i].Offering, Answer: contract.AnswerLaunched, Count: brought})
		}
		if slices.Contains(dry, i) {
			outcomes = append(outcomes, contract.Outcome{Offering: w.offerings[i].Offering, Answer: contract.AnswerICE})
		}
	}
	return got, outcomes
}
