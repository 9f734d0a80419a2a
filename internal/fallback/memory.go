package fallback

import (
	"cmp"
	"slices"
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/catalog"
)

// Forget is how old an event may be and still count. Nothing older need be read from the store.
const Forget = 24 * time.Hour

// MaxEvents is the most events that are kept of one offering: the latest. A burst that opens hop after hop on one offering
// fills it, and has then said all there is to say.
const MaxEvents = 512

// Rules are the memory's few numbers. docs/fallback.md says where each comes from.
type Rules struct {
	// Base is the wait after the first ICE, and after a reclaim; each probe that fails doubles it, to Cap.
	Base, Cap time.Duration
	// Ride is the share of a wait after which an offering may be asked again where a call asks others of its step anyway: a
	// CreateFleet that names it too costs nothing more.
	Ride float64
	// Lapse is how long after a wait's end its length still counts: an offering that nobody has asked for since is judged
	// anew, from Base.
	Lapse time.Duration
	// ProbeFor is how long a claimed probe keeps everybody else off an offering: the time that a hop needs to be answered
	// and told.
	ProbeFor time.Duration
	// QuotaBase and QuotaCap are Base and Cap for quotas: people raise them, or machines leave; neither is quick.
	QuotaBase, QuotaCap time.Duration
	// Prior is the rate of reclaims (for each machine and hour) that is taken for granted of an offering without history,
	// and PriorHours how many machine-hours of history weigh as much as it does.
	Prior, PriorHours float64
	// HalfLife is the age at which a reclaim, or an hour without one, counts half.
	HalfLife time.Duration
	// Stay is how long a launched machine is taken to run where no reclaim tells of its end: the memory hears of a machine's
	// launch, and not of every way in which it may leave.
	Stay time.Duration
}

// DefaultRules are the numbers that are shipped.
func DefaultRules() Rules {
	return Rules{
		Base: 12 * time.Minute, Cap: 24 * time.Minute, Ride: 0.5, Lapse: 2 * time.Hour, ProbeFor: time.Minute,
		QuotaBase: 5 * time.Minute, QuotaCap: time.Hour,
		Prior: 0.0002, PriorHours: 12, HalfLife: 6 * time.Hour, Stay: 2 * time.Hour,
	}
}

// Event is what was learned of an offering at one moment. Events are facts: they are recorded once and never changed.
type Event struct {
	// ID tells it from every other event of its offering: the hop's token, the instance's ID. May be empty.
	ID       string
	Offering contract.Offering
	Answer   contract.Answer
	// At is when EC2 said so. Fractions of a millisecond are dropped: the store does not keep them.
	At time.Time
	// Count of machines that were launched; a launch without a count is of one.
	Count int
	// Account that was answered, and EC2's code: both matter to quotas alone.
	Account, Code string
}

// Memory is what is known of offerings: a fold over events, which may come in any order and more than once. The zero value
// knows nothing and goes by DefaultRules. It is not safe for use by several goroutines.
type Memory struct {
	rules     Rules
	offerings map[contract.Offering]*history
	quotas    map[quotaKey]*history
	at        time.Time // the moment that the folds and neighbors are of
	fresh     bool      // nothing was learned since
	launches  map[neighborhood]time.Time
}

// NewMemory is a memory that goes by other rules than the shipped ones, for whoever compares rules.
func NewMemory(r Rules) *Memory { return &Memory{rules: r} }

// Advice is what the memory says of one offering at one moment.
type Advice struct {
	// Until is when the offering may be asked again; zero where it may be asked now.
	Until time.Time
	// Rides is set where the offering may be asked before that, beside others of its step that may be asked: see Rules.Ride.
	Rides bool
	// Probe is set where the wait is over but nothing was launched since: one try at a time is to find out whether there is
	// capacity again, and is claimed under ProbeID(offering, Since).
	Probe bool
	// Since is when the wait began that the probe may end, or when the last probe was claimed that nothing came of.
	Since time.Time
	// Reclaims is how many reclaims an hour are to be expected of a machine of the offering; zero where there is no history.
	Reclaims float64
}

// Learn takes events in. One that is known already changes nothing; neither does one that says nothing of capacity or
// quotas (throttled, refused).
func (m *Memory) Learn(events ...Event) {
	if m.offerings == nil {
		m.offerings, m.quotas = map[contract.Offering]*history{}, map[quotaKey]*history{}
		if m.rules == (Rules{}) {
			m.rules = DefaultRules()
		}
	}
	for _, e := range events {
		e.At = e.At.UTC().Truncate(time.Millisecond)
		switch e.Answer {
		case contract.AnswerLaunched, contract.AnswerICE, contract.AnswerReclaimed, contract.AnswerProbing:
			m.fresh = !add(m.offerings, e.Offering, e) && m.fresh
		}
		if e.Account != "" && (e.Answer == contract.AnswerQuota || e.Answer == contract.AnswerLaunched) {
			add(m.quotas, quotaOf(e), e)
		}
	}
}

func add[K comparable](to map[K]*history, key K, e Event) bool {
	h := to[key]
	if h == nil {
		h = &history{}
		to[key] = h
	}
	return h.add(e)
}

// Advise says what is known of an offering at now.
func (m *Memory) Advise(o contract.Offering, now time.Time) Advice {
	m.fold(now)
	h := m.offerings[o]
	if h == nil {
		return Advice{}
	}
	return m.advice(o, h, now)
}

// Known is the memory of all offerings at one moment, as the catalog's view and the claiming of probes need it.
type Known struct {
	// BackOff are the offerings to be left alone, and until when.
	BackOff map[contract.Offering]time.Time
	// Rides are those of BackOff that may be asked beside others: see Advice.Rides.
	Rides map[contract.Offering]bool
	// Probes are those that may be asked by one who claims the probe first: see Advice.Probe. The time is Advice.Since.
	Probes map[contract.Offering]time.Time
	// Reclaims are the rates of the offerings with a history: see Advice.Reclaims.
	Reclaims map[contract.Offering]float64
}

// Known says what is known of every offering at now, and forgets those of which nothing is.
func (m *Memory) Known(now time.Time) Known {
	m.fold(now)
	k := Known{
		BackOff: map[contract.Offering]time.Time{}, Rides: map[contract.Offering]bool{}, Probes: map[contract.Offering]time.Time{},
		Reclaims: map[contract.Offering]float64{},
	}
	for o, h := range m.offerings {
		a := m.advice(o, h, now)
		if !a.Until.IsZero() {
			k.BackOff[o] = a.Until
		}
		if a.Rides {
			k.Rides[o] = true
		}
		if a.Probe {
			k.Probes[o] = a.Since
		}
		if a.Reclaims > 0 {
			k.Reclaims[o] = a.Reclaims
		}
	}
	return k
}

func (m *Memory) advice(o contract.Offering, h *history, now time.Time) Advice {
	w := h.wait
	a := Advice{Reclaims: h.reclaims(m.rules, now)}
	if w.length == 0 {
		return a
	}
	until := w.start.Add(w.length)
	if m.neighborLaunched(o, w.start) {
		until = w.start.Add(w.length / 2)
	}
	rides := w.start.Add(time.Duration(m.rules.Ride * float64(until.Sub(w.start))))
	if held := w.claimed.Add(m.rules.ProbeFor); !w.claimed.IsZero() && held.After(until) {
		until, rides = held, held
	}
	switch {
	case until.After(now):
		a.Until, a.Rides = until, !rides.After(now)
	case now.Sub(until) <= m.rules.Lapse:
		a.Probe, a.Since = true, w.start
		if w.claimed.After(w.start) {
			a.Since = w.claimed
		}
	}
	return a
}

// fold brings the histories and what neighbors teach to now.
func (m *Memory) fold(now time.Time) {
	if m.fresh && m.at.Equal(now) {
		return
	}
	m.at, m.fresh, m.launches = now, true, map[neighborhood]time.Time{}
	for o, h := range m.offerings {
		if !h.fold(now, m.rules.Base, m.rules.Cap, m.rules.Lapse) {
			delete(m.offerings, o)
			continue
		}
		for _, n := range neighborhoods(o) {
			if h.launched.After(m.launches[n]) {
				m.launches[n] = h.launched
			}
		}
	}
}

// neighborhood is a group of offerings that teach each other a little: one type in all zones, or one family in a zone.
type neighborhood struct{ region, zoneID, name, capacityType string }

func neighborhoods(o contract.Offering) [2]neighborhood {
	family, _ := catalog.FamilyAndSize(o.InstanceType)
	return [2]neighborhood{
		{o.Region, "", o.InstanceType, string(o.CapacityType)},
		{o.Region, o.ZoneID, family, string(o.CapacityType)},
	}
}

// neighborLaunched reports whether a neighbor of the offering has launched since.
func (m *Memory) neighborLaunched(o contract.Offering, since time.Time) bool {
	for _, n := range neighborhoods(o) {
		if m.launches[n].After(since) {
			return true
		}
	}
	return false
}

// history is the events of one offering (or quota), the earliest first, and their fold.
type history struct {
	events   []Event
	wait     wait
	launched time.Time // the last launch that counts
	folded   bool
	from, to time.Time // the fold holds for moments from..to, to excluded
}

// add keeps the events sorted and bounded, and reports whether this one was new.
func (h *history) add(e Event) bool {
	i, known := slices.BinarySearchFunc(h.events, e, compareEvents)
	if known {
		return false
	}
	h.events = slices.Insert(h.events, i, e)
	if len(h.events) > MaxEvents {
		h.events = slices.Delete(h.events, 0, 1)
	}
	h.folded = false
	return true
}

// compareEvents orders by time. Of a launch and a refusal at one moment the refusal is the later: the offering gave what it
// had. The rest of the order only has to be the same always.
func compareEvents(a, b Event) int {
	return cmp.Or(
		a.At.Compare(b.At), cmp.Compare(lateness(a.Answer), lateness(b.Answer)), cmp.Compare(a.ID, b.ID),
		cmp.Compare(a.Offering.ZoneID, b.Offering.ZoneID), cmp.Compare(a.Answer, b.Answer), cmp.Compare(a.Count, b.Count),
		cmp.Compare(a.Account, b.Account), cmp.Compare(a.Code, b.Code),
	)
}

func lateness(a contract.Answer) int {
	switch a {
	case contract.AnswerProbing:
		return 0
	case contract.AnswerLaunched:
		return 1
	default:
		return 2
	}
}

// fold works the wait out for now, and reports whether anything is left to be known.
func (h *history) fold(now time.Time, base, longest, lapse time.Duration) bool {
	if h.folded && !now.Before(h.from) && now.Before(h.to) {
		return true
	}
	horizon := now.Add(-Forget)
	old := 0
	for old < len(h.events) && h.events[old].At.Before(horizon) {
		old++
	}
	h.events = slices.Delete(h.events, 0, old)
	if len(h.events) == 0 {
		return false
	}
	h.folded, h.from, h.to = true, now, h.events[0].At.Add(Forget+1)
	h.wait, h.launched = wait{}, time.Time{}
	for _, e := range h.events {
		if e.At.After(now) {
			if e.At.Before(h.to) {
				h.to = e.At
			}
			break
		}
		h.from = e.At
		switch e.Answer {
		case contract.AnswerLaunched:
			h.wait, h.launched = wait{}, e.At
		case contract.AnswerProbing:
			h.wait.claimed = e.At
		default:
			h.wait = h.wait.after(e, base, longest, lapse)
		}
	}
	return true
}

// wait is an offering's back-off.
type wait struct {
	length  time.Duration // zero: none
	start   time.Time
	claimed time.Time // when its probe was claimed last
	code    string    // EC2's, of the refusal
}

// after is the wait after a refusal (ICE, quota) or a reclaim. The first try after a wait is its probe: if it is refused,
// the next wait is twice as long. A refusal during the wait comes from a launch that was under way already: it starts the
// wait again, no longer, so that a burst of launches counts once. A reclaim is no failed try: EC2 has no capacity to spare,
// which is worth a wait, and not a longer one.
func (w wait) after(e Event, base, longest, lapse time.Duration) wait {
	over := e.At.Sub(w.start.Add(w.length))
	switch {
	case w.length == 0 || over > lapse:
		w.length = base
	case over >= 0 && e.Answer != contract.AnswerReclaimed:
		w.length = min(2*w.length, longest)
	}
	return wait{length: w.length, start: e.At, code: e.Code}
}

// Events of a hop's outcomes: one for each, at the time of the hop's answer.
func Events(outcomes []contract.Outcome, at time.Time) []Event {
	events := make([]Event, len(outcomes))
	for i, o := range outcomes {
		events[i] = Event{Offering: o.Offering, Answer: o.Answer, At: at, Count: o.Count, Code: o.Code}
	}
	return events
}

// ProbeID is the id under which the probe of an offering is claimed (see Advice.Since): the same for all who know the same,
// so that a unique insert lets one of them ask.
func ProbeID(o contract.Offering, since time.Time) string {
	return "probe/" + o.Key() + "/" + since.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano)
}
