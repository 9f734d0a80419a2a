package events

import (
	"encoding/json"
	"fmt"
	"time"

	"floe.dev/floe/internal/sim/cloud"
)

// envelope is what every event has
// (docs.aws.amazon.com/eventbridge/latest/ref/events-structure.html).
type envelope struct {
	Version    string   `json:"version"`
	ID         string   `json:"id"`
	DetailType string   `json:"detail-type"`
	Source     string   `json:"source"`
	Account    string   `json:"account"`
	Time       string   `json:"time"`
	Region     string   `json:"region"`
	Resources  []string `json:"resources"`
	Detail     any      `json:"detail"`
}

// body is the event as EventBridge writes it, on one line.
func body(e cloud.Event, id string) string {
	m := envelope{
		Version: "0", ID: id, Source: "aws.ec2", Account: e.Account, Region: e.Region,
		Time:      e.At.UTC().Format("2006-01-02T15:04:05Z"),
		Resources: []string{fmt.Sprintf("arn:aws:ec2:%s:%s:instance/%s", e.Region, e.Account, e.Instance)},
	}
	detail := map[string]string{"instance-id": e.Instance}
	m.Detail = detail
	switch e.Kind {
	case cloud.Interruption:
		// docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html. The ARN names the zone, and
		// neither region nor account.
		m.DetailType = "EC2 Spot Instance Interruption Warning"
		m.Resources[0] = fmt.Sprintf("arn:aws:ec2:%s:instance/%s", e.Zone.Name, e.Instance)
		detail["instance-action"] = "terminate"
	case cloud.Rebalance:
		// docs.aws.amazon.com/AWSEC2/latest/UserGuide/rebalance-recommendations.html
		m.DetailType = "EC2 Instance Rebalance Recommendation"
	case cloud.StateChange:
		// docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instance-state-changes.html
		m.DetailType = "EC2 Instance State-change Notification"
		detail["state"] = string(e.State)
	case cloud.ScheduledChange:
		m.DetailType, m.Source, m.Detail = "AWS Health Event", "aws.health", scheduledChange(e, id)
		m.Resources[0] = e.Instance
	}
	data, _ := json.Marshal(m) // strings in structs: it cannot fail
	return string(data)
}

// healthDetail is the detail of a Health event
// (docs.aws.amazon.com/health/latest/ug/aws-health-events-eventbridge-schema.html).
type healthDetail struct {
	EventARN          string              `json:"eventArn"`
	Service           string              `json:"service"`
	EventTypeCode     string              `json:"eventTypeCode"`
	EventTypeCategory string              `json:"eventTypeCategory"`
	EventScopeCode    string              `json:"eventScopeCode"`
	CommunicationID   string              `json:"communicationId"`
	StartTime         string              `json:"startTime"`
	EndTime           string              `json:"endTime"`
	LastUpdatedTime   string              `json:"lastUpdatedTime"`
	StatusCode        string              `json:"statusCode"`
	EventRegion       string              `json:"eventRegion"`
	Description       []map[string]string `json:"eventDescription"`
	AffectedEntities  []map[string]string `json:"affectedEntities"`
	AffectedAccount   string              `json:"affectedAccount"`
	Page              string              `json:"page"`
	TotalPages        string              `json:"totalPages"`
}

func scheduledChange(e cloud.Event, id string) healthDetail {
	const code = "AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED"
	at := func(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") }
	return healthDetail{
		EventARN: fmt.Sprintf("arn:aws:health:%s::event/EC2/%s/%s_%s", e.Region, code, code, id),
		Service:  "EC2", EventTypeCode: code, EventTypeCategory: "scheduledChange", EventScopeCode: "ACCOUNT_SPECIFIC",
		CommunicationID: id, StartTime: at(e.Until), EndTime: at(e.Until), LastUpdatedTime: at(e.At), StatusCode: "upcoming",
		EventRegion: e.Region,
		Description: []map[string]string{{
			"language": "en_US", "latestDescription": "EC2 has detected degradation of the underlying hardware hosting your Amazon EC2 instance.",
		}},
		AffectedEntities: []map[string]string{{"entityValue": e.Instance, "status": "PENDING", "lastUpdatedTime": at(e.At)}},
		AffectedAccount:  e.Account, Page: "1", TotalPages: "1",
	}
}
