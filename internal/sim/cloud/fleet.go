package cloud

import (
	"cmp"
	"math"
	"slices"
	"time"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim/capacity"
	"floe.dev/floe/internal/sim/query"
	"floe.dev/floe/internal/sim/script"
)

// FleetReplay is what an instant fleet does under a token that was used before. AWS does not document it.
type FleetReplay string

const (
	// ReplayAnew launches another fleet: the worst that a client can meet.
	ReplayAnew FleetReplay = "anew"
	// ReplaySame answers with the fleet of the first call, or with IdempotentParameterMismatch.
	ReplaySame FleetReplay = "same"
)

// Strategy is an allocation strategy
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-fleet-allocation-strategy.html).
type Strategy string

// The strategies.
const (
	LowestPrice            Strategy = "lowest-price"
	Prioritized            Strategy = "prioritized" // on-demand only
	CapacityOptimized      Strategy = "capacity-optimized"
	PriceCapacityOptimized Strategy = "price-capacity-optimized"
)

// FleetRequest is what CreateFleet asks for: an instant fleet of one capacity type.
type FleetRequest struct {
	CapacityType v1alpha1.CapacityType
	Count        int
	Strategy     Strategy
	Configs      []FleetConfig
	// InstanceTags go on every instance, over those of the template.
	InstanceTags []TagSpec
	Token        string
	// Digest is the same for the same parameters, the token left out.
	Digest string
}

// FleetConfig is a launch template and what of it to vary.
type FleetConfig struct {
	Template  TemplateRef
	Overrides []FleetOverride
}

// FleetOverride is one variation of a template.
type FleetOverride struct {
	InstanceType, SubnetID, ImageID, MaxPrice string
	Zone                                      string // name or ID
	Priority                                  float64
	HasPriority                               bool
}

// FleetAnswer is what a fleet launched and what it did not.
type FleetAnswer struct {
	ID        string
	Instances []FleetInstances
	Errors    []FleetError
}

// FleetInstances are the instances of one override.
type FleetInstances struct {
	Place        FleetPlace
	InstanceType string
	IDs          []string
}

// FleetError is why an override gave fewer instances than asked.
type FleetError struct {
	Place FleetPlace
	Err   *query.Error
}

// FleetPlace is an override with its template, as answers name it.
type FleetPlace struct {
	Template     TemplateRef // ID and number
	Override     FleetOverride
	CapacityType v1alpha1.CapacityType
}

type fleetUse struct {
	digest string
	answer FleetAnswer
}

// maxOverrides is the most launch specifications of one fleet
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/fleet-quotas.html: 300 for an instant fleet).
const maxOverrides = 300

// fleetPool is one override, ready to be tried.
type fleetPool struct {
	place  FleetPlace
	launch launch
}

// CreateFleet launches an instant fleet. What fails for an override is told of that override; what is wrong with the
// request as a whole fails the call.
func (c *Cloud) CreateFleet(r FleetRequest) (FleetAnswer, error) {
	if err := checkToken(r.Token); err != nil {
		return FleetAnswer{}, err
	}
	if err := checkSpecs(r.InstanceTags); err != nil {
		return FleetAnswer{}, err
	}
	defer c.market.Trade()()
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Token != "" && c.cfg.FleetReplay == ReplaySame {
		if use, known := c.fleetUses[r.Token]; known {
			if use.digest != r.Digest {
				return FleetAnswer{}, query.Errorf("IdempotentParameterMismatch", "The client token was used before with other parameters")
			}
			return use.answer, nil
		}
	}
	answer := FleetAnswer{ID: "fleet-" + c.uuid()}
	pools, err := c.fleetPools(r, &answer)
	if err != nil {
		return FleetAnswer{}, err
	}
	c.fill(r, pools, &answer)
	if r.Token != "" {
		c.fleetUses[r.Token] = fleetUse{r.Digest, answer}
	}
	c.fleets[answer.ID] = Fleet{Created: c.Now(), Request: r, Answer: answer}
	return answer, nil
}

// Fleet is an instant fleet that was asked for, and what came of it.
type Fleet struct {
	Created time.Time
	Request FleetRequest
	Answer  FleetAnswer
}

// Fleets are the fleets of these IDs. An instant fleet is described by its ID alone: without any, there are none
// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeFleets.html).
func (c *Cloud) Fleets(ids []string) ([]Fleet, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]Fleet, 0, len(ids))
	for _, id := range ids {
		f, ok := c.fleets[id]
		if !ok {
			return nil, query.Errorf("InvalidFleetId.NotFound", "The fleet ID '%s' does not exist", id)
		}
		list = append(list, f)
	}
	return list, nil
}

// fleetPools resolves every override. One that cannot be launched becomes an error of the answer.
func (c *Cloud) fleetPools(r FleetRequest, answer *FleetAnswer) ([]fleetPool, error) {
	var pools []fleetPool
	total := 0
	seen := map[capacity.Offering]bool{}
	for _, config := range r.Configs {
		t, err := c.template(config.Template)
		if err != nil {
			return nil, err
		}
		v, err := t.version(config.Template.Version)
		if err != nil {
			return nil, err
		}
		overrides := config.Overrides
		if len(overrides) == 0 {
			overrides = []FleetOverride{{}}
		}
		if total += len(overrides); total > maxOverrides {
			return nil, query.Errorf("InvalidParameterValue", "The fleet has more than %d launch specifications", maxOverrides)
		}
		for _, o := range overrides {
			p := fleetPool{place: FleetPlace{TemplateRef{ID: t.ID, Version: config.Template.Version}, o, r.CapacityType}}
			l, err := c.resolveOverride(r, t, v, o)
			if err != nil {
				answer.fail(p.place, query.AsError(err))
				continue
			}
			// Two subnets of one zone are the same pool to EC2, which refuses the fleet: "The fleet configuration
			// contains duplicate instance pools" (github.com/aws-samples/aws-plugin-for-slurm/issues/19).
			if seen[l.key] {
				return nil, query.Errorf("InvalidFleetConfig", "The fleet configuration contains duplicate instance pools.")
			}
			seen[l.key] = true
			l.token, l.action, l.fleet = r.Token, "CreateFleet", answer.ID
			p.launch = l
			pools = append(pools, p)
		}
	}
	return pools, nil
}

func (c *Cloud) resolveOverride(r FleetRequest, t *Template, v TemplateVersion, o FleetOverride) (launch, error) {
	data := v.Data
	put(&data.InstanceType, o.InstanceType)
	put(&data.ImageID, o.ImageID)
	data.TagSpecs = mergeSpecs(data.TagSpecs, r.InstanceTags)
	if data.Market != nil {
		return launch{}, query.Errorf("InvalidFleetConfig", "A launch template with InstanceMarketOptions cannot be used in a fleet: the fleet says what is spot")
	}
	l, err := c.resolve(data, o.SubnetID, o.Zone, r.CapacityType)
	if err != nil {
		return l, err
	}
	l.template, l.version = t, v.Number
	if r.CapacityType == v1alpha1.Spot {
		return l, checkMaxPrice(o.MaxPrice, l.usd)
	}
	return l, nil
}

func (a *FleetAnswer) fail(p FleetPlace, err *query.Error) {
	a.Errors = append(a.Errors, FleetError{p, err})
}

// fill takes instances from the pools, in the order of the strategy, until there are enough. Every pool that was tried
// and gave too few is told of: so a fleet that was filled can carry errors too.
func (c *Cloud) fill(r FleetRequest, pools []fleetPool, answer *FleetAnswer) {
	c.sort(pools, r)
	missing := r.Count
	for _, p := range pools {
		if missing == 0 {
			return
		}
		if c.throttled(p.launch) {
			answer.fail(p.place, &query.Error{Code: "RequestLimitExceeded", Message: "Request limit exceeded."})
			continue
		}
		n, obstacle := c.obstacle(p.launch, missing)
		if n > 0 {
			c.market.Take(p.launch.key, n)
			p.launch.reservation = c.id("r")
			group := FleetInstances{Place: p.place, InstanceType: p.launch.key.InstanceType}
			for p.launch.index = range n {
				i := c.launch(p.launch, map[string]string{"aws:ec2:fleet-id": answer.ID})
				group.IDs = append(group.IDs, i.ID)
			}
			answer.Instances = append(answer.Instances, group)
			missing -= n
		}
		if missing > 0 && obstacle != nil {
			answer.fail(p.place, obstacle)
		}
	}
}

// sort puts the pools into the order in which the strategy tries them. Lowest price looks at nothing but price;
// price-capacity-optimized takes the cheapest of those that can give all that is asked, and after them the deepest.
func (c *Cloud) sort(pools []fleetPool, r FleetRequest) {
	depth := func(p fleetPool) int { return c.market.Free(p.launch.key, r.Count) }
	byPrice := func(a, b fleetPool) int { return cmp.Compare(a.launch.usd, b.launch.usd) }
	byDepth := func(a, b fleetPool) int { return cmp.Compare(depth(b), depth(a)) }
	order := map[Strategy]func(a, b fleetPool) int{
		LowestPrice:            byPrice,
		CapacityOptimized:      byDepth,
		PriceCapacityOptimized: func(a, b fleetPool) int { return cmp.Or(byDepth(a, b), byPrice(a, b)) },
		Prioritized: func(a, b fleetPool) int {
			return cmp.Compare(a.place.Override.priority(), b.place.Override.priority())
		},
	}
	slices.SortStableFunc(pools, order[r.Strategy])
}

// priority is the override's; the lower the number, the higher the priority, and none is the lowest.
func (o FleetOverride) priority() float64 {
	if !o.HasPriority {
		return math.Inf(1)
	}
	return o.Priority
}

// throttled says whether a script wants the override refused, and counts it.
func (c *Cloud) throttled(l launch) bool {
	for n := range c.throttles {
		t := &c.throttles[n]
		if t.Count == 0 || !t.Matches(l.key.InstanceType, l.key.CapacityType, l.zone.Name, l.zone.ID) {
			continue
		}
		t.Count--
		c.throttles = slices.DeleteFunc(c.throttles, func(t script.Throttle) bool { return t.Count == 0 })
		return true
	}
	return false
}

// uuid is a random identifier in the form of a fleet's.
func (c *Cloud) uuid() string {
	const digits = "0123456789abcdef"
	b := []byte("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
	for n := range b {
		if b[n] == 'x' {
			b[n] = digits[c.rand.IntN(16)]
		}
	}
	return string(b)
}
