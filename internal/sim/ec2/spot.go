package ec2

import (
	"net/url"
	"time"

	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/query"
)

type describeSpotInstanceRequestsParams struct {
	paged
	SpotInstanceRequestID []string `query:"SpotInstanceRequestId"`
	Filter                []filter
}

type describeSpotInstanceRequestsAnswer struct {
	query.Answer
	Requests  []spotRequestItem `xml:"spotInstanceRequestSet>item"`
	NextToken string            `xml:"nextToken,omitempty"`
}

type spotRequestItem struct {
	ID            string            `xml:"spotInstanceRequestId"`
	InstanceID    string            `xml:"instanceId"`
	Created       time.Time         `xml:"createTime"`
	Zone          string            `xml:"launchedAvailabilityZone"`
	ZoneID        string            `xml:"launchedAvailabilityZoneId"`
	Product       string            `xml:"productDescription"`
	State         string            `xml:"state"`
	Status        spotStatus        `xml:"status"`
	Type          string            `xml:"type"`
	Interrupted   string            `xml:"instanceInterruptionBehavior"`
	Specification spotSpecification `xml:"launchSpecification"`
	Tags          []tagItem         `xml:"tagSet>item"`
}

type spotStatus struct {
	Code    string    `xml:"code"`
	Message string    `xml:"message"`
	Updated time.Time `xml:"updateTime"`
}

type spotSpecification struct {
	ImageID      string `xml:"imageId"`
	InstanceType string `xml:"instanceType"`
	SubnetID     string `xml:"subnetId"`
}

var spotRequestFilters = tagLookups(lookups[cloud.SpotRequest]{
	"instance-id":                   one(func(r cloud.SpotRequest) string { return r.ID }),
	"launch.image-id":               one(func(r cloud.SpotRequest) string { return r.Image.ID }),
	"launch.instance-type":          one(func(r cloud.SpotRequest) string { return r.Facts.Type.Name }),
	"launched-availability-zone":    one(func(r cloud.SpotRequest) string { return r.Zone.Name }),
	"launched-availability-zone-id": one(func(r cloud.SpotRequest) string { return r.Zone.ID }),
	"product-description":           one(func(cloud.SpotRequest) string { return product }),
	"spot-instance-request-id":      one(func(r cloud.SpotRequest) string { return r.SpotRequest }),
	"state":                         one(func(r cloud.SpotRequest) string { return r.State }),
	"status-code":                   one(func(r cloud.SpotRequest) string { return r.Code }),
	"type":                          one(func(cloud.SpotRequest) string { return "one-time" }),
}, func(r cloud.SpotRequest) map[string]string { return r.Tags })

func (a *API) describeSpotInstanceRequests(p describeSpotInstanceRequestsParams, _ url.Values) (query.Result, error) {
	list, err := a.cloud.SpotRequests(p.SpotInstanceRequestID)
	if err != nil {
		return nil, err
	}
	if list, err = spotRequestFilters.keep(list, p.Filter); err != nil {
		return nil, err
	}
	page, next, err := pageOf(list, p.paged, 5, 1000)
	if err != nil {
		return nil, err
	}
	answer := &describeSpotInstanceRequestsAnswer{NextToken: next}
	for _, r := range page {
		answer.Requests = append(answer.Requests, spotRequestItem{
			ID: r.SpotRequest, InstanceID: r.ID, Created: r.Launched.UTC(), Zone: r.Zone.Name, ZoneID: r.Zone.ID,
			Product: product, State: r.State, Status: spotStatus{r.Code, r.Message, r.At.UTC()}, Type: "one-time",
			Interrupted: "terminate", Specification: spotSpecification{r.Image.ID, r.Facts.Type.Name, r.SubnetID},
			Tags: tagItems(r.Tags),
		})
	}
	return answer, nil
}

type getSpotPlacementScoresParams struct {
	paged
	InstanceType           []string
	RegionName             []string
	TargetCapacity         int `query:",required"`
	TargetCapacityUnitType string
	SingleAvailabilityZone bool
	IncludeLocalZones      bool // there are none
}

type getSpotPlacementScoresAnswer struct {
	query.Answer
	Scores    []scoreItem `xml:"spotPlacementScoreSet>item"`
	NextToken string      `xml:"nextToken,omitempty"`
}

type scoreItem struct {
	Region string `xml:"region"`
	ZoneID string `xml:"availabilityZoneId,omitempty"`
	Score  int    `xml:"score"`
}

const (
	// bestScore says that a request is highly likely to succeed, 1 that it is not
	// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/how-sps-works.html).
	bestScore = 10
	// lowScore is the best for fewer than leastTypes: "the returned placement score will always be low"
	// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetSpotPlacementScores.html).
	lowScore   = 3
	leastTypes = 3
	// maxTarget is the largest target (same page).
	maxTarget = 2_000_000_000
)

// getSpotPlacementScores scores by the part of the target that the types together could give now.
func (a *API) getSpotPlacementScores(p getSpotPlacementScoresParams, _ url.Values) (query.Result, error) {
	switch {
	case len(p.InstanceType) == 0:
		return nil, query.Errorf("MissingParameter", "The request must contain the parameter InstanceType: the simulator scores types, not requirements")
	case p.TargetCapacity < 1 || p.TargetCapacity > maxTarget:
		return nil, query.Errorf("InvalidParameterValue", "Value (%d) for parameter TargetCapacity is invalid: it must be from 1 to %d", p.TargetCapacity, maxTarget)
	case p.TargetCapacityUnitType != "" && p.TargetCapacityUnitType != "units":
		return nil, query.Errorf("InvalidParameterValue", "The simulator counts target capacity in units, not in %s", p.TargetCapacityUnitType)
	}
	for _, region := range p.RegionName {
		if region != a.cloud.Region() {
			return nil, query.Errorf("InvalidParameterValue", "The simulator has the region %s, not '%s'", a.cloud.Region(), region)
		}
	}
	if _, err := named(a.cloud.Types(), p.InstanceType); err != nil {
		return nil, err
	}
	scores := []scoreItem{{Region: a.cloud.Region(), Score: a.score(p, a.cloud.Zones())}}
	if p.SingleAvailabilityZone {
		scores = nil
		for _, z := range a.cloud.Zones() {
			scores = append(scores, scoreItem{a.cloud.Region(), z.ID, a.score(p, []cloud.Zone{z})})
		}
	}
	page, next, err := pageOf(scores, p.paged, 10, 1000)
	if err != nil {
		return nil, err
	}
	return &getSpotPlacementScoresAnswer{Scores: page, NextToken: next}, nil
}

func (a *API) score(p getSpotPlacementScoresParams, zones []cloud.Zone) int {
	free := 0
	for _, name := range p.InstanceType {
		for _, z := range zones {
			free += a.cloud.SpotFree(name, z.ID, p.TargetCapacity)
		}
	}
	score := 1 + (bestScore-1)*min(free, p.TargetCapacity)/p.TargetCapacity
	if len(p.InstanceType) < leastTypes {
		return min(score, lowScore)
	}
	return score
}
