package aws

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"floe.dev/floe/activities/store"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/fallback"
)

const (
	// memoryFresh is how old the reading of the store may be before it is read again.
	memoryFresh = time.Second
	// memoryOverlap is how far a reading looks back beyond the last one: other writers' clocks may be behind, and a
	// write may take a while.
	memoryOverlap = 30 * time.Second
	// memoryTimeout bounds a reading, and a claim.
	memoryTimeout = time.Second
	// refold is how old the fold of what is known may be: events of writers whose clocks are ahead come to count, and
	// reclaims age.
	refold = 10 * time.Second
)

// memory is this process's copy of what is known of a region's offerings. What its own hops learn is in it at once;
// what others learned comes from the store. With the store down it goes on with what it has.
type memory struct {
	region string
	store  Store
	log    *slog.Logger
	now    func() time.Time

	mu      sync.Mutex
	events  fallback.Memory
	claimed map[string]claim // probes, by id, that hops of this process have asked for
	read    aged[time.Time]  // when the store was last read
	since   time.Time        // read from there next
	down    bool             // the store did not answer the last time
	known   fallback.Known   // of the moments from..to, to excluded
	from    time.Time
	to      time.Time
}

// claim is a probe that a hop of this process has asked for.
type claim struct {
	by string // the ScaleUp
	at time.Time
}

func newMemory(region string, s Store, log *slog.Logger) *memory {
	m := &memory{region: region, store: s, log: log, now: time.Now, claimed: map[string]claim{}}
	m.read = aged[time.Time]{fresh: memoryFresh, load: m.load, now: time.Now}
	return m
}

// recall is what is known of the region's offerings, and of an account's quotas. The first call waits for the store, a
// second at most; later ones do not. The maps are shared: they must not be changed.
func (m *memory) recall(ctx context.Context, account string) (fallback.Known, []contract.Quota) {
	_, _, _ = m.read.get(ctx) // load tells of its failures itself
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if now.Before(m.from) || !now.Before(m.to) {
		m.fold(now)
	}
	return m.known, m.events.Quotas(account, now)
}

// learn takes in what a hop of this process learned.
func (m *memory) learn(record contract.HopRecord) {
	events := fallback.Events(record.Hop.Outcomes, record.Hop.Ended)
	for i := range events {
		// As the store has it, so that what comes back from there is known.
		events[i].ID, events[i].Account = store.LearnedID(record, m.region), record.Account
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(events)
}

// claim claims the probes of offerings for a ScaleUp, and returns the ids of those that another has. Of this process's
// ScaleUps one gets a probe whatever becomes of the store; where the store is down, so may one of each other process.
func (m *memory) claim(ctx context.Context, by string, probes []contract.Override) (taken map[string]bool) {
	free, taken := m.claimHere(by, probes)
	if len(free) == 0 {
		return taken
	}
	ctx, cancel := context.WithTimeout(ctx, memoryTimeout)
	defer cancel()
	others, err := m.store.ClaimProbes(ctx, by, free)
	if err != nil {
		m.log.WarnContext(ctx, "cannot claim probes in the store; asking all the same", "region", m.region, "scaleUp", by, "error", err)
	}
	maps.Copy(taken, others)
	var events []fallback.Event
	for _, p := range free {
		if !others[p.Probe] { // else the claim that counts comes from the store
			events = append(events, fallback.Event{ID: p.Probe, Offering: p.Offering, Answer: contract.AnswerProbing, At: m.now()})
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(events)
	return taken
}

// claimHere claims within this process, and tells what another ScaleUp has asked for already.
func (m *memory) claimHere(by string, probes []contract.Override) (free []contract.Override, taken map[string]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	maps.DeleteFunc(m.claimed, func(_ string, c claim) bool { return now.Sub(c.at) > fallback.Forget })
	taken = map[string]bool{}
	for _, p := range probes {
		if c, known := m.claimed[p.Probe]; known && c.by != by {
			taken[p.Probe] = true
			continue
		} else if !known {
			m.claimed[p.Probe] = claim{by: by, at: now}
		}
		free = append(free, p)
	}
	return free, taken
}

// load reads the store. It never fails: a store that is down would make every caller wait for it anew, where the next
// reading is soon enough.
func (m *memory) load(ctx context.Context) (time.Time, error) {
	m.mu.Lock()
	since := m.since
	m.mu.Unlock()
	asked := m.now()
	if since.IsZero() {
		since = asked.Add(-fallback.Forget)
	}
	ctx, cancel := context.WithTimeout(ctx, memoryTimeout)
	defer cancel()
	learned, err := m.store.Learned(ctx, m.region, since)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tell(err)
	if err != nil {
		return asked, nil
	}
	for _, l := range learned {
		m.add(l.Events)
	}
	m.since = asked.Add(-memoryOverlap)
	return asked, nil
}

// tell logs when the store goes and when it comes back. m.mu is held.
func (m *memory) tell(err error) {
	switch {
	case err != nil && !m.down:
		m.log.Warn("cannot read the offering memory; going on with what this process knows", "region", m.region, "error", err)
	case err == nil && m.down:
		m.log.Info("reading the offering memory again", "region", m.region)
	}
	m.down = err != nil
}

// add takes events in; those that are known change nothing. m.mu is held.
func (m *memory) add(events []fallback.Event) {
	if len(events) > 0 {
		m.events.Learn(events...)
		m.to = time.Time{}
	}
}

// fold works out what is known at now, and until when that holds: until the first wait is over. m.mu is held.
func (m *memory) fold(now time.Time) {
	m.known, m.from, m.to = m.events.Known(now), now, now.Add(refold)
	for _, until := range m.known.BackOff {
		if until.Before(m.to) {
			m.to = until
		}
	}
}
