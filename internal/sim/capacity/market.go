// Package capacity is how many machines a region has to give: by hand, as scripts set it; as recorded traces had it; or by
// a random model. One market serves all accounts of a region, so that what one account takes another cannot have.
package capacity

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim/clock"
	"floe.dev/floe/internal/sim/script"
)

// Offering is the unit that can be out of capacity.
type Offering struct {
	InstanceType, ZoneID string
	CapacityType         v1alpha1.CapacityType
}

// Member is one account's part of the market.
type Member interface {
	// Running are the account's live spot machines of an offering that are not being taken back already.
	Running(o Offering) int
	// Reclaim takes up to n of them back.
	Reclaim(o Offering, n int)
}

// Config is what a Market is made of.
type Config struct {
	Clock clock.Clock
	// Seed makes the models repeatable.
	Seed int64
	// Speed divides the times of models and traces.
	Speed float64
	// Zones are the names of the region's zones, by ID.
	Zones  map[string]string
	Models []Model
}

// Market is a region's capacity. All methods are safe for concurrent use.
type Market struct {
	cfg     Config
	started time.Time

	trading sync.Mutex
	mu      sync.Mutex
	// more is how many machines an offering can still give; one that is not in it never runs dry. A machine that is
	// taken lowers it. One that leaves does not raise it: its place goes to somebody else, so that a drought of a script
	// stays a drought until the script ends it.
	more    map[Offering]int
	shares  []share
	live    map[Offering]int // of all accounts
	walks   map[Offering]*walk
	members []Member
	looking bool // for excess, soon
	closed  bool
}

// share is hardware that spot and on-demand have in common.
type share struct {
	where script.Where
	total int
}

// New makes a market in which nothing is short, but for what the models say.
func New(cfg Config) *Market {
	m := &Market{
		cfg: cfg, started: cfg.Clock.Now(),
		more: map[Offering]int{}, live: map[Offering]int{}, walks: map[Offering]*walk{},
	}
	for _, model := range cfg.Models {
		m.tick(model.Every)
	}
	return m
}

// Join makes an account part of the market.
func (m *Market) Join(member Member) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.members = append(m.members, member)
}

// Close ends models and traces: capacity stays as it is.
func (m *Market) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
}

// Set says how many machines an offering can give from now on: script.Unlimited, or from 0.
func (m *Market) Set(o Offering, free int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if free == script.Unlimited {
		delete(m.more, o)
		return
	}
	m.more[o] = free
}

// Share says that spot and on-demand machines of the types and zones of where, whatever its capacity type, are together
// at most total of each type in each zone, of all accounts. On-demand comes first: a launch that the spot machines leave
// no room for takes the room of as many of them, which are reclaimed. script.Unlimited ends it.
func (m *Market) Share(where script.Where, total int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	where.CapacityType = ""
	m.shares = append(m.shares, share{where, total})
	m.lookSoon()
}

// Trade keeps everybody else from taking capacity until the function that it returns is called, so that what Free says
// can be taken. Whoever needs an account's lock too, calls Trade before.
func (m *Market) Trade() (done func()) {
	m.trading.Lock()
	return m.trading.Unlock
}

// Free is how many machines of want an offering has.
func (m *Market) Free(o Offering, want int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.free(o, want)
}

func (m *Market) free(o Offering, want int) int {
	n := want
	if more, limited := m.more[o]; limited {
		n = min(n, more)
	}
	if total, limited := m.total(o); limited {
		n = min(n, max(0, total-m.live[o]))
	}
	return n
}

// total is how many machines of an offering there may be at a time.
func (m *Market) total(o Offering) (n int, limited bool) {
	n = math.MaxInt
	if total, is := m.shared(o); is {
		if n = total; o.CapacityType == v1alpha1.Spot {
			onDemand := o
			onDemand.CapacityType = v1alpha1.OnDemand
			n = max(0, n-m.live[onDemand])
		}
	}
	if w := m.walk(o); w != nil {
		n = min(n, w.at(m.age()))
	}
	return n, n != math.MaxInt
}

// shared is the hardware that an offering shares; the last word counts.
func (m *Market) shared(o Offering) (total int, is bool) {
	for n := len(m.shares) - 1; n >= 0; n-- {
		if m.matches(m.shares[n].where, o) {
			return m.shares[n].total, m.shares[n].total != script.Unlimited
		}
	}
	return 0, false
}

func (m *Market) matches(w script.Where, o Offering) bool {
	return w.Matches(o.InstanceType, o.CapacityType, m.cfg.Zones[o.ZoneID], o.ZoneID)
}

// Take takes up to want machines, and says how many it got.
func (m *Market) Take(o Offering, want int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	got := m.free(o, want)
	if _, limited := m.more[o]; limited {
		m.more[o] -= got
	}
	m.live[o] += got
	if o.CapacityType == v1alpha1.OnDemand && got > 0 && len(m.shares) > 0 {
		m.lookSoon()
	}
	return got
}

// Leave says that a machine that was taken runs no more.
func (m *Market) Leave(o Offering) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live[o]--; m.live[o] <= 0 {
		delete(m.live, o)
	}
}

// age is how long the market has been there, by its own time.
func (m *Market) age() time.Duration {
	return time.Duration(float64(m.cfg.Clock.Now().Sub(m.started)) * m.cfg.Speed)
}

// after calls f when d of the market's time has passed, unless the market is closed by then.
func (m *Market) after(d time.Duration, f func()) {
	m.cfg.Clock.AfterFunc(time.Duration(float64(d)/m.cfg.Speed), func() {
		m.mu.Lock()
		closed := m.closed
		m.mu.Unlock()
		if !closed {
			f()
		}
	})
}

// tick looks for excess at every step of a model.
func (m *Market) tick(every time.Duration) {
	m.after(every, func() {
		m.look()
		m.tick(every)
	})
}

// lookSoon looks for excess once whoever calls has let go. m.mu is held.
func (m *Market) lookSoon() {
	if !m.looking {
		m.looking = true
		m.after(0, m.look)
	}
}

// look takes spot machines back where there are more than there may be.
func (m *Market) look() {
	m.mu.Lock()
	m.looking = false
	allowed := map[Offering]int{}
	for o := range m.live {
		if o.CapacityType != v1alpha1.Spot {
			continue
		}
		if total, limited := m.total(o); limited && m.live[o] > total {
			allowed[o] = total
		}
	}
	m.mu.Unlock()
	// In an order that does not change from run to run, for a seed is to make it repeatable.
	for _, o := range slices.SortedFunc(maps.Keys(allowed), compare) {
		m.reclaim(o, func(running int) int { return running - allowed[o] })
	}
}

func compare(a, b Offering) int {
	return cmp.Or(
		cmp.Compare(a.InstanceType, b.InstanceType), cmp.Compare(a.ZoneID, b.ZoneID), cmp.Compare(a.CapacityType, b.CapacityType),
	)
}

// reclaim takes as many spot machines of an offering back as excess says of those that run: one at a time from the
// account that has the most of them. m.mu is not held, since members call back.
func (m *Market) reclaim(o Offering, excess func(running int) int) {
	m.mu.Lock()
	members := append([]Member{}, m.members...)
	m.mu.Unlock()
	has := make([]int, len(members))
	running := 0
	for n, member := range members {
		has[n] = member.Running(o)
		running += has[n]
	}
	take := make([]int, len(members))
	for range min(running, excess(running)) {
		most := 0
		for n := range members {
			if has[n]-take[n] > has[most]-take[most] {
				most = n
			}
		}
		take[most]++
	}
	for n, member := range members {
		if take[n] > 0 {
			member.Reclaim(o, take[n])
		}
	}
}
