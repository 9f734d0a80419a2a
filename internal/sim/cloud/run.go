package cloud

import (
	"maps"
	"strconv"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim/query"
)

// RunRequest is what RunInstances asks for.
type RunRequest struct {
	Data     LaunchData
	Template *TemplateRef
	SubnetID string
	MinCount int
	MaxCount int
	Token    string
	// Digest is the same for the same parameters, the token left out.
	Digest string
}

// runToken is a client token: zonal where the call names a subnet or a zone
// (docs.aws.amazon.com/AWSEC2/latest/APIReference/Run_Instance_Idempotency.html).
type runToken struct{ token, zoneID string }

type tokenUse struct {
	digest string
	ids    []string
}

const (
	// maxToken is the longest client token
	// (docs.aws.amazon.com/AWSEC2/latest/APIReference/Run_Instance_Idempotency.html: up to 64 ASCII characters).
	maxToken = 64
	// maxRun is the most instances of one call that the default quotas ever allow.
	maxRun = 1000
)

func checkToken(token string) error {
	for n := range len(token) {
		if token[n] > 127 {
			return query.Errorf("InvalidParameterValue", "The client token must be ASCII")
		}
	}
	if len(token) > maxToken {
		return query.Errorf("InvalidParameterValue", "The client token has %d characters; it can have at most %d", len(token), maxToken)
	}
	return nil
}

// Run launches between MinCount and MaxCount instances of one offering. Under a token that was used before, it answers
// with the instances of that call.
func (c *Cloud) Run(r RunRequest) ([]Snapshot, error) {
	if err := checkToken(r.Token); err != nil {
		return nil, err
	}
	switch {
	case r.MinCount < 1:
		return nil, query.Errorf("InvalidParameterValue", "Value (%d) for parameter minCount is invalid. It must be greater than 0", r.MinCount)
	case r.MaxCount < r.MinCount:
		return nil, query.Errorf("InvalidParameterValue", "Value (%d) for parameter maxCount is invalid. It must not be less than minCount (%d)", r.MaxCount, r.MinCount)
	case r.MaxCount > maxRun:
		return nil, query.Errorf("InvalidParameterValue", "Value (%d) for parameter maxCount is invalid. It must not be greater than %d", r.MaxCount, maxRun)
	}
	if err := checkData(r.Data); err != nil {
		return nil, err
	}
	defer c.market.Trade()()
	c.mu.Lock()
	defer c.mu.Unlock()
	l, err := c.resolveRun(r)
	if err != nil {
		return nil, err
	}
	key := runToken{token: r.Token}
	if r.SubnetID != "" || l.data.Placement != nil || len(l.data.Interfaces) > 0 {
		key.zoneID = l.zone.ID
	}
	if r.Token != "" {
		if use, known := c.runTokens[key]; known {
			return c.replay(use, r.Digest)
		}
	}
	n, obstacle := c.obstacle(l, r.MaxCount)
	if n < r.MinCount {
		return nil, obstacle
	}
	c.market.Take(l.key, n)
	l.reservation, l.token, l.action = c.id("r"), r.Token, "RunInstances"
	list := make([]Snapshot, 0, n)
	use := tokenUse{digest: r.Digest}
	for l.index = range n {
		i := c.launch(l, nil)
		use.ids = append(use.ids, i.ID)
		list = append(list, Snapshot{&i.Facts, i.now()})
	}
	if r.Token != "" {
		c.runTokens[key] = use
	}
	return list, nil
}

// resolveRun lays the request over its template.
func (c *Cloud) resolveRun(r RunRequest) (launch, error) {
	data := r.Data
	var template *Template
	version := 0
	if r.Template != nil {
		t, err := c.template(*r.Template)
		if err != nil {
			return launch{}, err
		}
		v, err := t.version(r.Template.Version)
		if err != nil {
			return launch{}, err
		}
		template, version = t, v.Number
		data = overlay(v.Data, r.Data)
		data.TagSpecs = mergeSpecs(v.Data.TagSpecs, r.Data.TagSpecs)
	}
	ct := v1alpha1.OnDemand
	if m := data.Market; m != nil && m.MarketType != "" {
		if m.MarketType != "spot" {
			return launch{}, query.Errorf("InvalidParameterValue", "The simulator knows the market type spot, not %s", m.MarketType)
		}
		ct = v1alpha1.Spot
	}
	l, err := c.resolve(data, r.SubnetID, "", ct)
	if err != nil {
		return l, err
	}
	l.template, l.version = template, version
	if ct == v1alpha1.Spot && data.Market.SpotOptions != nil {
		if err := checkMaxPrice(data.Market.SpotOptions.MaxPrice, l.usd); err != nil {
			return l, err
		}
	}
	return l, nil
}

// checkMaxPrice refuses a spot launch that is not ready to pay the price.
func checkMaxPrice(text string, usd float64) error {
	if text == "" {
		return nil
	}
	limit, err := strconv.ParseFloat(text, 64)
	if err != nil || limit <= 0 {
		return query.Errorf("InvalidParameterValue", "Invalid value '%s' for MaxPrice", text)
	}
	if limit < usd {
		return query.Errorf("SpotMaxPriceTooLow", "Your Spot request price of %s is lower than the minimum required Spot request fulfillment price of %g.", text, usd)
	}
	return nil
}

// mergeSpecs is base's tags with top's over them.
func mergeSpecs(base, top []TagSpec) []TagSpec {
	var specs []TagSpec
	for _, resource := range []string{"instance", "volume", "fleet"} {
		tags := TagsFor(base, resource)
		maps.Copy(tags, TagsFor(top, resource))
		if len(tags) == 0 {
			continue
		}
		s := TagSpec{ResourceType: resource}
		for key, value := range tags {
			s.Tags = append(s.Tags, Tag{key, value})
		}
		specs = append(specs, s)
	}
	return specs
}

// replay answers a call whose token was used before.
func (c *Cloud) replay(use tokenUse, digest string) ([]Snapshot, error) {
	if use.digest != digest {
		return nil, query.Errorf("IdempotentParameterMismatch", "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
	}
	list := make([]Snapshot, 0, len(use.ids))
	for _, id := range use.ids {
		i := c.instances[id]
		if s := i.now().State; s == ShuttingDown || s == Terminated {
			return nil, query.Errorf("IdempotentInstanceTerminated", "The instance %s associated with the client token is terminated; use a new client token.", id)
		}
		list = append(list, Snapshot{&i.Facts, i.now()})
	}
	return list, nil
}
