package aws

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/fallback"
)

const (
	// memoryFresh is how old the reading of the store may be before it is read again.
	memoryFresh = 2 * time.Second
	// memoryOverlap is how far a reading looks back beyond the last one: other writers' clocks may be behind, and a
	// write may take a while.
	memoryOverlap = 30 * time.Second
	// memoryTimeout bounds a reading.
	memoryTimeout = time.Second
	// refold is how old the fold of what is known may be: events of writers whose clocks are ahead come to count.
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
	events  map[string][]fallback.Event // by the id that the store knows them under
	read    aged[time.Time]             // when the store was last read
	since   time.Time                   // read from there next
	down    bool                        // the store did not answer the last time
	folded  map[contract.Offering]time.Time
	foldAt  time.Time
	changed bool
}

func newMemory(region string, s Store, log *slog.Logger) *memory {
	m := &memory{region: region, store: s, log: log, now: time.Now, events: map[string][]fallback.Event{}}
	m.read = aged[time.Time]{fresh: memoryFresh, load: m.load, now: time.Now}
	return m
}

// backOff is the offerings that are to be left alone, and until when. The first call waits for the store, a second at
// most; later ones do not. The map is shared: it must not be changed.
func (m *memory) backOff(ctx context.Context) map[contract.Offering]time.Time {
	_, _, _ = m.read.get(ctx) // load tells of its failures itself
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := m.now(); m.changed || now.Sub(m.foldAt) > refold {
		m.fold(now)
	}
	return m.folded
}

// learn takes in what a hop of this process learned.
func (m *memory) learn(record contract.HopRecord) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(record.ID+"/"+m.region, fallback.Events(record.Hop.Outcomes, record.Hop.Ended))
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
		m.add(l.ID, l.Events)
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

// add takes events in once. m.mu is held.
func (m *memory) add(id string, events []fallback.Event) {
	if _, known := m.events[id]; !known && len(events) > 0 {
		m.events[id] = events
		m.changed = true
	}
}

// fold works out the back-off, and drops what is too old to count. m.mu is held.
func (m *memory) fold(now time.Time) {
	var all []fallback.Event
	for id, events := range m.events {
		if now.Sub(events[0].At) > fallback.Forget {
			delete(m.events, id)
			continue
		}
		all = append(all, events...)
	}
	m.folded, m.foldAt, m.changed = fallback.BackOff(all, now), now, false
}
