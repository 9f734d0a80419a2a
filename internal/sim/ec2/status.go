package ec2

import (
	"net/url"
	"time"

	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/query"
)

type describeInstanceStatusParams struct {
	paged
	InstanceID          []string `query:"InstanceId"`
	IncludeAllInstances bool
	Filter              []filter
}

type describeInstanceStatusAnswer struct {
	query.Answer
	Statuses  []statusItem `xml:"instanceStatusSet>item"`
	NextToken string       `xml:"nextToken,omitempty"`
}

type statusItem struct {
	InstanceID string        `xml:"instanceId"`
	Zone       string        `xml:"availabilityZone"`
	ZoneID     string        `xml:"availabilityZoneId"`
	State      stateItem     `xml:"instanceState"`
	Instance   statusSummary `xml:"instanceStatus"`
	System     statusSummary `xml:"systemStatus"`
	Events     []eventItem   `xml:"eventsSet>item,omitempty"`
}

type statusSummary struct {
	Status  string         `xml:"status"`
	Details []statusDetail `xml:"details>item,omitempty"`
}

type statusDetail struct {
	Name   string `xml:"name"`
	Status string `xml:"status"`
}

type eventItem struct {
	ID          string    `xml:"instanceEventId"`
	Code        string    `xml:"code"`
	Description string    `xml:"description"`
	NotBefore   time.Time `xml:"notBefore"`
}

// summaryOf is a status as EC2 tells it: with its one check, reachability, where there is a machine to be reached
// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceStatusDetails.html).
func summaryOf(status string) statusSummary {
	check := map[string]string{"ok": "passed", "impaired": "failed", "initializing": "initializing"}[status]
	if check == "" {
		return statusSummary{Status: status}
	}
	return statusSummary{status, []statusDetail{{"reachability", check}}}
}

var statusFilters = lookups[cloud.Status]{
	"availability-zone":      one(func(s cloud.Status) string { return s.Zone.Name }),
	"availability-zone-id":   one(func(s cloud.Status) string { return s.Zone.ID }),
	"instance-state-name":    one(func(s cloud.Status) string { return string(s.State) }),
	"instance-status.status": one(func(s cloud.Status) string { return s.Instance }),
	"system-status.status":   one(func(s cloud.Status) string { return s.System }),
	"event.code": func(s cloud.Status, _ string) []string {
		var codes []string
		for _, e := range s.Events {
			codes = append(codes, e.Code)
		}
		return codes
	},
}

func (a *API) describeInstanceStatus(p describeInstanceStatusParams, _ url.Values) (query.Result, error) {
	if err := p.notWith("instanceIds", p.InstanceID); err != nil {
		return nil, err
	}
	list, err := a.cloud.Statuses(p.InstanceID, p.IncludeAllInstances)
	if err != nil {
		return nil, err
	}
	if list, err = statusFilters.keep(list, p.Filter); err != nil {
		return nil, err
	}
	page, next, err := pageOf(list, p.paged, 5, 1000)
	if err != nil {
		return nil, err
	}
	answer := &describeInstanceStatusAnswer{NextToken: next}
	for _, s := range page {
		item := statusItem{
			InstanceID: s.ID, Zone: s.Zone.Name, ZoneID: s.Zone.ID, State: stateOf(s.State),
			Instance: summaryOf(s.Instance), System: summaryOf(s.System),
		}
		for _, e := range s.Events {
			item.Events = append(item.Events, eventItem{e.ID, e.Code, e.Description, e.NotBefore.UTC()})
		}
		answer.Statuses = append(answer.Statuses, item)
	}
	return answer, nil
}
