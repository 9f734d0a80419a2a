package reclaim

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"floe.dev/floe/api/contract"
)

// MaxBody is the longest message that is read: SQS takes no longer one
// (docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html: 1 MiB since 2025).
const MaxBody = 1 << 20

// Topic is what a message is about.
type Topic string

// The topics.
const (
	// Notice is a reclaim of one of the kinds of contract.ReclaimKind.
	Notice Topic = "notice"
	// State says that a machine came into another state: a reason to look at EC2, and nothing else.
	State Topic = "state"
	// Other is an event in order that says nothing of reclaims.
	Other Topic = "other"
)

// Message is an event of EventBridge, as far as it is of use here.
type Message struct {
	// ID is EventBridge's: the same event has it however often it is delivered.
	ID    string
	Topic Topic
	// Kind of a Notice.
	Kind    contract.ReclaimKind
	Account string // AWS's twelve digits
	Region  string
	// At is when AWS says that it happened, to the second.
	At time.Time
	// Instances that it is about: one, but for AWS Health, which may name many.
	Instances []string
	// Until is when what is announced begins; zero where the message does not say.
	Until time.Time
}

// event is what every event of EventBridge has (docs.aws.amazon.com/eventbridge/latest/ref/events-structure.html). Fields
// that are not here may come, and are passed over.
type event struct {
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// instanceDetail is the detail of EC2's events.
type instanceDetail struct {
	InstanceID string `json:"instance-id"`
	Action     string `json:"instance-action"`
	State      string `json:"state"`
}

// healthDetail is the detail of an AWS Health event
// (docs.aws.amazon.com/health/latest/ug/aws-health-events-eventbridge-schema.html).
type healthDetail struct {
	Service          string `json:"service"`
	Category         string `json:"eventTypeCategory"`
	StartTime        string `json:"startTime"`
	StatusCode       string `json:"statusCode"`
	AffectedEntities []struct {
		EntityValue string `json:"entityValue"`
		Status      string `json:"status"`
	} `json:"affectedEntities"`
}

var (
	idOf       = regexp.MustCompile(`^[0-9A-Za-z._:-]{1,128}$`)
	accountOf  = regexp.MustCompile(`^[0-9]{12}$`)
	regionOf   = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]+$`)
	instanceOf = regexp.MustCompile(`^i-([0-9a-f]{8}|[0-9a-f]{17})$`)
)

// Parse reads a message. What an error says of it is what is wrong, and what would be right; such a message will never
// be any better. An event in order that is about something else is no error: its topic is Other.
func Parse(body []byte) (Message, error) {
	if len(body) > MaxBody {
		return Message{}, fmt.Errorf("body: %d bytes; an event has %d at most", len(body), MaxBody)
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		return Message{}, fmt.Errorf("body: no event of EventBridge: %w", err)
	}
	m := Message{ID: e.ID, Account: e.Account, Region: e.Region}
	var errs []error
	wrong := func(field, have, want string) {
		errs = append(errs, fmt.Errorf("%s: %q; it should be %s", field, clip(have), want))
	}
	if !idOf.MatchString(e.ID) {
		wrong("id", e.ID, "EventBridge's id of the event")
	}
	if !accountOf.MatchString(e.Account) {
		wrong("account", e.Account, "twelve digits")
	}
	if !regionOf.MatchString(e.Region) {
		wrong("region", e.Region, "a region such as eu-west-1")
	}
	at, err := time.Parse(time.RFC3339, e.Time)
	if err != nil {
		wrong("time", e.Time, "a time such as 2026-01-02T15:04:05Z")
	}
	m.At = at.UTC()
	if err := errors.Join(errs...); err != nil {
		return Message{}, err
	}
	switch e.Source + " " + e.DetailType {
	case "aws.ec2 EC2 Spot Instance Interruption Warning":
		m.Topic, m.Kind, m.Until = Notice, contract.ReclaimInterruption, m.At.Add(Warning)
		return m, m.instance(e, func(d instanceDetail) error {
			if !slices.Contains([]string{"terminate", "stop", "hibernate"}, d.Action) {
				return fmt.Errorf("detail.instance-action: %q; it should be terminate, stop or hibernate", clip(d.Action))
			}
			return nil
		})
	case "aws.ec2 EC2 Instance Rebalance Recommendation":
		m.Topic, m.Kind = Notice, contract.ReclaimRebalance
		return m, m.instance(e, nil)
	case "aws.ec2 EC2 Instance State-change Notification":
		m.Topic = State
		return m, m.instance(e, func(d instanceDetail) error {
			if d.State == "" {
				return errors.New("detail.state: missing; it should be the state that the instance came into")
			}
			return nil
		})
	case "aws.health AWS Health Event":
		return m, m.health(e)
	}
	m.Topic = Other
	return m, nil
}

// instance reads the detail of one of EC2's events. Where the event names resources too, the instance must be one of them.
func (m *Message) instance(e event, check func(instanceDetail) error) error {
	var d instanceDetail
	if err := json.Unmarshal(e.Detail, &d); err != nil {
		return fmt.Errorf("detail: %w", err)
	}
	if !instanceOf.MatchString(d.InstanceID) {
		return fmt.Errorf("detail.instance-id: %q; it should be an instance's id, i-…", clip(d.InstanceID))
	}
	if len(e.Resources) > 0 && !slices.ContainsFunc(e.Resources, func(r string) bool {
		return strings.HasPrefix(r, "arn:") && strings.HasSuffix(r, ":instance/"+d.InstanceID)
	}) {
		return fmt.Errorf("resources: %q; it should have the ARN of %s, which detail names", clip(e.Resources[0]), d.InstanceID)
	}
	m.Instances = []string{d.InstanceID}
	if check != nil {
		return check(d)
	}
	return nil
}

// health reads what AWS Health announces of EC2 instances. Of other services, and what is over, it is Other.
func (m *Message) health(e event) error {
	var d healthDetail
	if err := json.Unmarshal(e.Detail, &d); err != nil {
		return fmt.Errorf("detail: %w", err)
	}
	if d.Service == "" || d.Category == "" {
		return errors.New("detail: service or eventTypeCategory is missing; an event of AWS Health has both")
	}
	m.Topic = Other
	if d.Service != "EC2" || d.Category != "scheduledChange" || d.StatusCode == "closed" {
		return nil
	}
	for _, entity := range d.AffectedEntities {
		if instanceOf.MatchString(entity.EntityValue) && entity.Status != "RESOLVED" {
			m.Instances = append(m.Instances, entity.EntityValue)
		}
	}
	if len(m.Instances) == 0 {
		return nil // of volumes, hosts, …
	}
	until, err := time.Parse("Mon, 2 Jan 2006 15:04:05 MST", d.StartTime)
	if err != nil {
		return fmt.Errorf("detail.startTime: %q; it should be a time such as Fri, 02 Jan 2026 15:04:05 GMT", clip(d.StartTime))
	}
	m.Topic, m.Kind, m.Until = Notice, contract.ReclaimScheduled, until.UTC()
	return nil
}

// clip shortens what a stranger wrote.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
