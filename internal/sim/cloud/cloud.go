// Package cloud is the world behind the simulated AWS: one account's instances, subnets, images and launch templates in
// one region, the capacity there is, and what EC2 would do with all of it. It knows nothing of the wire.
package cloud

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim/capacity"
	"floe.dev/floe/internal/sim/clock"
	"floe.dev/floe/internal/sim/query"
	"floe.dev/floe/internal/sim/script"
)

// Config is what a Cloud is made of. Nothing in it has a default.
type Config struct {
	Clock clock.Clock
	// Seed makes spot prices and latencies repeatable.
	Seed int64
	// Speed divides every latency below and the times of scripts: 10 makes ten times as fast.
	Speed           float64
	Account, Region string
	Zones           []Zone
	Types           []contract.InstanceType
	// NotOffered leaves types out of zones.
	NotOffered []script.Where
	// DescribeLag is how far behind the truth every Describe is. It is not divided by Speed: what has to wait it out
	// knows the bound from its own configuration.
	DescribeLag time.Duration
	// FleetReplay is what an instant fleet does under a token that was used before.
	FleetReplay FleetReplay
	Quotas      Quotas
	Latencies   Latencies
	Hibernation HibernationRules
	// Notice is how long after its warning a spot instance is terminated: two minutes on AWS. It is not divided by Speed.
	Notice time.Duration
	// TagLag is how much later than all else Describe shows tags that were put on or taken off.
	TagLag time.Duration
	// Market is the region's capacity, which several accounts can share. Nil: one of its own, in which nothing is short.
	Market *capacity.Market
	// UserData of the default launch template, not encoded.
	UserData string
	// Notify hears of every machine that is switched on, off, or gone. It is called with the world locked: it must not
	// block or call back. May be nil.
	Notify func(Power)
	// Tell hears of what AWS makes an event of. The same holds for it. May be nil.
	Tell func(Event)
}

// Zone is an availability zone.
type Zone struct{ Name, ID string }

// Latencies are how long EC2 needs for the states between.
type Latencies struct {
	Pending, Stopping, ShuttingDown time.Duration
	// Jitter is the fraction by which each varies, up and down; or, where Sigma is not 0, they are lognormal: Sigma is the
	// standard deviation of their logarithm, and they are the medians.
	Jitter, Sigma float64
}

// Cloud is one account in one region. All methods are safe for concurrent use.
type Cloud struct {
	cfg     Config
	started time.Time

	mu        sync.Mutex
	rand      *rand.Rand
	serial    uint64
	zoneNames map[string]string // by ID
	types     map[string]contract.InstanceType
	offered   map[offeredKey]bool
	spotUSD   map[offeredKey]float64
	subnets   map[string]*Subnet
	images    map[string]Image
	templates map[string]*Template // by ID
	instances map[string]*Instance
	order     []*Instance // as launched
	market    *capacity.Market
	fates     []script.Act // of the next machines
	throttles []script.Throttle
	runTokens map[runToken]tokenUse
	fleetUses map[string]fleetUse
	fleets    map[string]Fleet
	used      map[v1alpha1.CapacityType]usage
	public    uint32 // public addresses given
}

type offeredKey struct{ instanceType, zoneID string }

// New makes a Cloud with the default world in it: see the constants.
func New(cfg Config) *Cloud {
	c := &Cloud{
		cfg:       cfg,
		started:   cfg.Clock.Now(),
		rand:      rand.New(rand.NewPCG(uint64(cfg.Seed), 1)),
		zoneNames: map[string]string{},
		types:     map[string]contract.InstanceType{},
		offered:   map[offeredKey]bool{},
		spotUSD:   map[offeredKey]float64{},
		subnets:   map[string]*Subnet{},
		images:    map[string]Image{},
		templates: map[string]*Template{},
		instances: map[string]*Instance{},
		market:    cfg.Market,
		runTokens: map[runToken]tokenUse{},
		fleetUses: map[string]fleetUse{},
		fleets:    map[string]Fleet{},
		used:      map[v1alpha1.CapacityType]usage{},
	}
	for _, z := range cfg.Zones {
		c.zoneNames[z.ID] = z.Name
	}
	for _, t := range cfg.Types {
		c.types[t.Name] = t
		for _, z := range cfg.Zones {
			key := offeredKey{t.Name, z.ID}
			c.offered[key] = !slices.ContainsFunc(cfg.NotOffered, func(w script.Where) bool {
				return w.Matches(t.Name, w.CapacityType, z.Name, z.ID)
			})
			c.spotUSD[key] = spotPrice(cfg.Seed, t, z)
		}
	}
	if c.market == nil {
		c.market = capacity.New(capacity.Config{Clock: cfg.Clock, Speed: cfg.Speed, Zones: c.zoneNames})
	}
	c.market.Join(c)
	c.furnish()
	return c
}

// Account is the account's number.
func (c *Cloud) Account() string { return c.cfg.Account }

// Region is the region's name.
func (c *Cloud) Region() string { return c.cfg.Region }

// Zones are the region's zones.
func (c *Cloud) Zones() []Zone { return c.cfg.Zones }

// Started is when the world began.
func (c *Cloud) Started() time.Time { return c.started }

// Now is the world's time.
func (c *Cloud) Now() time.Time { return c.cfg.Clock.Now() }

// Types are all machine types, by name.
func (c *Cloud) Types() []contract.InstanceType {
	types := make([]contract.InstanceType, 0, len(c.types))
	for _, name := range slices.Sorted(maps.Keys(c.types)) {
		types = append(types, c.types[name])
	}
	return types
}

// Offered says whether a zone has a type at all.
func (c *Cloud) Offered(instanceType, zoneID string) bool {
	return c.offered[offeredKey{instanceType, zoneID}]
}

// SpotUSD is the spot price of a type in a zone, in US dollars an hour; 0 where it is not offered.
func (c *Cloud) SpotUSD(instanceType, zoneID string) float64 {
	key := offeredKey{instanceType, zoneID}
	if !c.offered[key] {
		return 0
	}
	return c.spotUSD[key]
}

// Play lets the lines of a script happen, each at its time from now on.
func (c *Cloud) Play(lines []script.Line) {
	for _, line := range lines {
		if line.Capacity == nil && line.Throttle == nil && line.Act == nil {
			continue
		}
		if line.At == 0 {
			c.apply(line)
			continue
		}
		c.after(line.At, func() { c.apply(line) })
	}
}

func (c *Cloud) apply(line script.Line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case line.Throttle != nil:
		c.throttles = append(c.throttles, *line.Throttle)
	case line.Act != nil && line.Act.Verb == script.Share:
		c.market.Share(line.Act.Where, line.Act.Count)
	case line.Act != nil:
		c.act(*line.Act)
	default:
		for _, o := range c.Offerings() {
			if line.Capacity.Matches(o.InstanceType, o.CapacityType, c.zoneNames[o.ZoneID], o.ZoneID) {
				c.market.Set(o, line.Capacity.Free)
			}
		}
	}
}

// Offerings are all there are, also of types that a zone does not have.
func (c *Cloud) Offerings() []capacity.Offering {
	list := make([]capacity.Offering, 0, 2*len(c.types)*len(c.cfg.Zones))
	for _, name := range slices.Sorted(maps.Keys(c.types)) {
		for _, z := range c.cfg.Zones {
			for _, ct := range []v1alpha1.CapacityType{v1alpha1.Spot, v1alpha1.OnDemand} {
				list = append(list, capacity.Offering{InstanceType: name, ZoneID: z.ID, CapacityType: ct})
			}
		}
	}
	return list
}

// after calls f when d of the world's time has passed.
func (c *Cloud) after(d time.Duration, f func()) { c.cfg.Clock.AfterFunc(c.scaled(d), f) }

func (c *Cloud) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) / c.cfg.Speed) }

// jittered varies d as it is configured. c.mu is held.
func (c *Cloud) jittered(d time.Duration) time.Duration {
	if c.cfg.Latencies.Sigma > 0 {
		return time.Duration(float64(d) * math.Exp(c.cfg.Latencies.Sigma*c.rand.NormFloat64()))
	}
	return time.Duration(float64(d) * (1 + c.cfg.Latencies.Jitter*(2*c.rand.Float64()-1)))
}

// id makes an identifier of EC2's long form, in order of creation. c.mu is held, or nobody else knows c yet.
func (c *Cloud) id(prefix string) string {
	c.serial++
	const digits = "0123456789abcdef"
	// The first nine digits are noise, so that nobody sorts by them; the rest counts.
	var b [17]byte
	for i := range 9 {
		b[i] = digits[c.rand.IntN(16)]
	}
	for i, n := 16, c.serial; i >= 9; i, n = i-1, n>>4 {
		b[i] = digits[n&15]
	}
	return prefix + "-" + string(b[:])
}

// zoneOf finds a zone by name or ID.
func (c *Cloud) zoneOf(name string) (Zone, error) {
	for _, z := range c.cfg.Zones {
		if z.Name == name || z.ID == name {
			return z, nil
		}
	}
	return Zone{}, query.Errorf("InvalidParameterValue", "Invalid availability zone: [%s]", name)
}
