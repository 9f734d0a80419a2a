package ec2

import (
	"net/url"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/query"
)

type createFleetParams struct {
	ClientToken           string
	Type                  string
	LaunchTemplateConfigs []struct {
		LaunchTemplateSpecification cloud.TemplateRef `query:",required"`
		Overrides                   []fleetOverrideParams
	} `query:",required"`
	TargetCapacitySpecification struct {
		TotalTargetCapacity       int `query:",required"`
		OnDemandTargetCapacity    *int
		SpotTargetCapacity        *int
		DefaultTargetCapacityType string
		TargetCapacityUnitType    string
	} `query:",required"`
	SpotOptions struct {
		AllocationStrategy           string
		InstanceInterruptionBehavior string
	}
	OnDemandOptions struct {
		AllocationStrategy string
	}
	TagSpecification []cloud.TagSpec
	Context          string
}

type fleetOverrideParams struct {
	InstanceType       string
	SubnetID           string `query:"SubnetId"`
	AvailabilityZone   string
	AvailabilityZoneID string `query:"AvailabilityZoneId"`
	ImageID            string `query:"ImageId"`
	MaxPrice           string
	Priority           *float64
	WeightedCapacity   *float64
}

type createFleetAnswer struct {
	query.Answer
	FleetID   string           `xml:"fleetId"`
	Errors    []fleetErrorItem `xml:"errorSet>item"`
	Instances []fleetItem      `xml:"fleetInstanceSet>item"`
}

type fleetErrorItem struct {
	Place     placeItem `xml:"launchTemplateAndOverrides"`
	Lifecycle string    `xml:"lifecycle"`
	Code      string    `xml:"errorCode"`
	Message   string    `xml:"errorMessage"`
}

type fleetItem struct {
	Place        placeItem `xml:"launchTemplateAndOverrides"`
	Lifecycle    string    `xml:"lifecycle"`
	InstanceIDs  []string  `xml:"instanceIds>item"`
	InstanceType string    `xml:"instanceType"`
}

type placeItem struct {
	Template struct {
		ID      string `xml:"launchTemplateId"`
		Version string `xml:"version"`
	} `xml:"launchTemplateSpecification"`
	Overrides struct {
		InstanceType     string   `xml:"instanceType,omitempty"`
		MaxPrice         string   `xml:"maxPrice,omitempty"`
		SubnetID         string   `xml:"subnetId,omitempty"`
		AvailabilityZone string   `xml:"availabilityZone,omitempty"`
		Priority         *float64 `xml:"priority"`
		ImageID          string   `xml:"imageId,omitempty"`
	} `xml:"overrides"`
}

// createFleet launches an instant fleet. Fleets that EC2 would look after (request, maintain), mixed fleets and weighted
// capacity are not simulated, and refused.
func (a *API) createFleet(p createFleetParams, form url.Values) (query.Result, error) {
	r := cloud.FleetRequest{Token: p.ClientToken, Digest: digest(form)}
	if p.Type != "instant" {
		return nil, query.Errorf("InvalidParameterValue", "The simulator launches fleets of type instant, not '%s'", p.Type)
	}
	if err := p.capacity(&r); err != nil {
		return nil, err
	}
	for _, s := range p.TagSpecification {
		switch s.ResourceType {
		case "instance":
			r.InstanceTags = append(r.InstanceTags, s)
		case "fleet":
		default:
			return nil, query.Errorf("InvalidParameterValue", "'%s' is not a resource that CreateFleet tags: fleet and instance are", s.ResourceType)
		}
	}
	for _, config := range p.LaunchTemplateConfigs {
		fc := cloud.FleetConfig{Template: config.LaunchTemplateSpecification}
		if fc.Template.Version == "" {
			// docs.aws.amazon.com/AWSEC2/latest/APIReference/API_FleetLaunchTemplateSpecificationRequest.html: the
			// version must be given, else the call fails.
			return nil, query.Errorf("MissingParameter", "The request must contain the parameter LaunchTemplateSpecification.Version")
		}
		for _, o := range config.Overrides {
			override, err := o.override()
			if err != nil {
				return nil, err
			}
			fc.Overrides = append(fc.Overrides, override)
		}
		r.Configs = append(r.Configs, fc)
	}
	answer, err := a.cloud.CreateFleet(r)
	if err != nil {
		return nil, err
	}
	return fleetAnswer(answer), nil
}

func (o fleetOverrideParams) override() (cloud.FleetOverride, error) {
	if o.WeightedCapacity != nil && *o.WeightedCapacity != 1 {
		return cloud.FleetOverride{}, query.Errorf("InvalidParameterValue", "The simulator knows the weight 1, not %g", *o.WeightedCapacity)
	}
	zone := o.AvailabilityZone
	if zone == "" {
		zone = o.AvailabilityZoneID
	}
	override := cloud.FleetOverride{
		InstanceType: o.InstanceType, SubnetID: o.SubnetID, ImageID: o.ImageID, MaxPrice: o.MaxPrice, Zone: zone,
	}
	if o.Priority != nil {
		override.Priority, override.HasPriority = *o.Priority, true
	}
	return override, nil
}

// capacity works out how many instances of what capacity type, and in which order to try the overrides.
func (p createFleetParams) capacity(r *cloud.FleetRequest) error {
	t := p.TargetCapacitySpecification
	if t.TargetCapacityUnitType != "" && t.TargetCapacityUnitType != "units" {
		return query.Errorf("InvalidParameterValue", "The simulator counts target capacity in units, not in %s", t.TargetCapacityUnitType)
	}
	if t.TotalTargetCapacity < 1 {
		return query.Errorf("InvalidParameterValue", "Value (%d) for parameter TotalTargetCapacity is invalid: it must be positive", t.TotalTargetCapacity)
	}
	spot, onDemand := 0, 0
	if t.SpotTargetCapacity != nil {
		spot = *t.SpotTargetCapacity
	}
	if t.OnDemandTargetCapacity != nil {
		onDemand = *t.OnDemandTargetCapacity
	}
	rest := t.TotalTargetCapacity - spot - onDemand
	if spot < 0 || onDemand < 0 || rest < 0 {
		return query.Errorf("InvalidTargetCapacitySpecification", "Spot and on-demand target capacity must not be more than the total")
	}
	switch t.DefaultTargetCapacityType {
	case "spot":
		spot += rest
	case "on-demand":
		onDemand += rest
	case "":
		// docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TargetCapacitySpecificationRequest.html
		if rest > 0 {
			return query.Errorf("InvalidTargetCapacitySpecification", "DefaultTargetCapacityType is needed unless spot and on-demand target capacity add up to the total")
		}
	default:
		return query.Errorf("InvalidParameterValue", "'%s' is not a capacity type that the simulator knows: spot and on-demand are", t.DefaultTargetCapacityType)
	}
	if spot > 0 && onDemand > 0 {
		return query.Errorf("InvalidParameterValue", "The simulator launches fleets of one capacity type")
	}
	r.Count, r.CapacityType, r.Strategy = spot, v1alpha1.Spot, cloud.Strategy(p.SpotOptions.AllocationStrategy)
	known := []cloud.Strategy{cloud.LowestPrice, cloud.CapacityOptimized, cloud.PriceCapacityOptimized}
	if onDemand > 0 {
		r.Count, r.CapacityType, r.Strategy = onDemand, v1alpha1.OnDemand, cloud.Strategy(p.OnDemandOptions.AllocationStrategy)
		known = []cloud.Strategy{cloud.LowestPrice, cloud.Prioritized}
	}
	if r.Strategy == "" {
		r.Strategy = cloud.LowestPrice
	}
	for _, s := range known {
		if s == r.Strategy {
			return nil
		}
	}
	return query.Errorf("InvalidParameterValue", "The simulator knows the %s allocation strategies %v, not %s", r.CapacityType, known, r.Strategy)
}

func fleetAnswer(f cloud.FleetAnswer) *createFleetAnswer {
	answer := &createFleetAnswer{FleetID: f.ID}
	for _, e := range f.Errors {
		answer.Errors = append(answer.Errors, fleetErrorItem{
			Place: placeOf(e.Place), Lifecycle: string(e.Place.CapacityType), Code: e.Err.Code, Message: e.Err.Message,
		})
	}
	for _, g := range f.Instances {
		answer.Instances = append(answer.Instances, fleetItem{
			Place: placeOf(g.Place), Lifecycle: string(g.Place.CapacityType), InstanceIDs: g.IDs, InstanceType: g.InstanceType,
		})
	}
	return answer
}

func placeOf(p cloud.FleetPlace) placeItem {
	var item placeItem
	item.Template.ID, item.Template.Version = p.Template.ID, p.Template.Version
	item.Overrides.InstanceType, item.Overrides.MaxPrice = p.Override.InstanceType, p.Override.MaxPrice
	item.Overrides.SubnetID, item.Overrides.AvailabilityZone = p.Override.SubnetID, p.Override.Zone
	item.Overrides.ImageID = p.Override.ImageID
	if p.Override.HasPriority {
		item.Overrides.Priority = &p.Override.Priority
	}
	return item
}
