package ec2

import (
	"net/url"
	"time"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/query"
)

type describeFleetsParams struct {
	paged
	FleetID []string `query:"FleetId"`
	Filter  []filter
}

type describeFleetsAnswer struct {
	query.Answer
	Fleets    []fleetDataItem `xml:"fleetSet>item"`
	NextToken string          `xml:"nextToken,omitempty"`
}

type fleetDataItem struct {
	ID                string           `xml:"fleetId"`
	Activity          string           `xml:"activityStatus"`
	Created           time.Time        `xml:"createTime"`
	State             string           `xml:"fleetState"`
	ClientToken       string           `xml:"clientToken,omitempty"`
	Type              string           `xml:"type"`
	Fulfilled         float64          `xml:"fulfilledCapacity"`
	FulfilledOnDemand float64          `xml:"fulfilledOnDemandCapacity"`
	Target            fleetTargetItem  `xml:"targetCapacitySpecification"`
	Errors            []fleetErrorItem `xml:"errorSet>item"`
	Instances         []fleetItem      `xml:"fleetInstanceSet>item"`
}

type fleetTargetItem struct {
	Total    int    `xml:"totalTargetCapacity"`
	OnDemand int    `xml:"onDemandTargetCapacity"`
	Spot     int    `xml:"spotTargetCapacity"`
	Default  string `xml:"defaultTargetCapacityType"`
}

// An instant fleet's activity is fulfilled once its requests are placed, whatever came of them
// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_FleetData.html), and nothing here deletes fleets.
const (
	fleetActivity = "fulfilled"
	fleetState    = "active"
	fleetType     = "instant"
)

var fleetFilters = lookups[cloud.Fleet]{
	"activity-status": one(func(cloud.Fleet) string { return fleetActivity }),
	"fleet-state":     one(func(cloud.Fleet) string { return fleetState }),
	"type":            one(func(cloud.Fleet) string { return fleetType }),
}

func (a *API) describeFleets(p describeFleetsParams, _ url.Values) (query.Result, error) {
	list, err := a.cloud.Fleets(p.FleetID)
	if err != nil {
		return nil, err
	}
	if list, err = fleetFilters.keep(list, p.Filter); err != nil {
		return nil, err
	}
	page, next, err := pageOf(list, p.paged, 1, 1000)
	if err != nil {
		return nil, err
	}
	answer := &describeFleetsAnswer{NextToken: next}
	for _, f := range page {
		answer.Fleets = append(answer.Fleets, fleetDataOf(f))
	}
	return answer, nil
}

func fleetDataOf(f cloud.Fleet) fleetDataItem {
	created := fleetAnswer(f.Answer)
	item := fleetDataItem{
		ID: f.Answer.ID, Activity: fleetActivity, Created: f.Created.UTC(), State: fleetState, ClientToken: f.Request.Token,
		Type: fleetType, Errors: created.Errors, Instances: created.Instances,
		Target: fleetTargetItem{Total: f.Request.Count, Default: string(f.Request.CapacityType)},
	}
	for _, group := range created.Instances {
		item.Fulfilled += float64(len(group.InstanceIDs))
	}
	item.Target.Spot = f.Request.Count
	if f.Request.CapacityType == v1alpha1.OnDemand {
		item.Target.Spot, item.Target.OnDemand = 0, f.Request.Count
		item.FulfilledOnDemand = item.Fulfilled
	}
	return item
}
