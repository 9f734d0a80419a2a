package sqs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"floe.dev/floe/internal/sim/policy"
	"floe.dev/floe/internal/sim/query"
)

// Names of attributes that something here depends on.
const (
	delaySeconds    = "DelaySeconds"
	maxSize         = "MaximumMessageSize"
	policyAttribute = "Policy"
	redrivePolicy   = "RedrivePolicy"
	retention       = "MessageRetentionPeriod"
	sse             = "SqsManagedSseEnabled"
	visibility      = "VisibilityTimeout"
	waitTime        = "ReceiveMessageWaitTimeSeconds"
)

// numbers are the attributes that hold one: bounds and default in seconds, or in bytes
// (docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html).
var numbers = map[string]struct{ least, most, usual int }{
	delaySeconds: {0, 900, 0},
	maxSize:      {1024, 1 << 20, 1 << 20},
	retention:    {60, 1209600, 345600},
	visibility:   {0, 43200, 30},
	waitTime:     {0, 20, 0},
}

// told are the attributes that a queue has by itself.
var told = []string{
	"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed", "ApproximateNumberOfMessagesNotVisible",
	"CreatedTimestamp", "LastModifiedTimestamp", "QueueArn",
}

// usual are the attributes of a queue for which nothing was said.
func usual() map[string]string {
	attributes := map[string]string{sse: "true"}
	for name, n := range numbers {
		attributes[name] = strconv.Itoa(n.usual)
	}
	return attributes
}

// checkAttributes refuses what cannot be set. s.mu is held.
func (s *Service) checkAttributes(attributes map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		value := attributes[name]
		if bounds, ok := numbers[name]; ok {
			if n, err := strconv.Atoi(value); err != nil || n < bounds.least || n > bounds.most {
				return invalidAttribute(name, value, fmt.Sprintf("must be from %d to %d", bounds.least, bounds.most))
			}
			continue
		}
		switch name {
		case policyAttribute:
			if _, err := policy.Parse(value); err != nil {
				return invalidAttribute(name, value, err.Error())
			}
		case redrivePolicy:
			if err := s.checkRedrive(value); err != nil {
				return err
			}
		case sse:
			if value != "true" && value != "false" {
				return invalidAttribute(name, value, "must be true or false")
			}
		default:
			return query.Errorf("InvalidAttributeName", "Unknown Attribute %s.", name)
		}
	}
	return nil
}

func invalidAttribute(name, value, why string) *query.Error {
	return query.Errorf("InvalidAttributeValue", "Value %s for parameter %s is invalid. Reason: %s.", value, name, why)
}

// redriveRule is a RedrivePolicy.
type redriveRule struct {
	target string // the dead-letter queue's ARN
	most   int    // how often a message is received before it goes there
}

// bounds of maxReceiveCount, and its default
// (…/SQSDeveloperGuide/sqs-configure-dead-letter-queue.html and API_SetQueueAttributes.html).
const (
	leastReceives = 1
	mostReceives  = 1000
	usualReceives = 10
)

// parseRedrive reads a RedrivePolicy; false where it is none. maxReceiveCount may be a number or its digits in quotes.
func parseRedrive(text string) (redriveRule, bool) {
	var p struct {
		Target string `json:"deadLetterTargetArn"`
		Most   any    `json:"maxReceiveCount"`
	}
	if json.Unmarshal([]byte(text), &p) != nil || p.Target == "" {
		return redriveRule{}, false
	}
	rule := redriveRule{target: p.Target, most: usualReceives}
	if p.Most != nil {
		n, err := strconv.Atoi(fmt.Sprint(p.Most))
		if err != nil || n < leastReceives || n > mostReceives {
			return redriveRule{}, false
		}
		rule.most = n
	}
	return rule, true
}

func (s *Service) checkRedrive(text string) error {
	if text == "" {
		return nil
	}
	rule, ok := parseRedrive(text)
	if !ok {
		return invalidAttribute(redrivePolicy, text, fmt.Sprintf("must hold deadLetterTargetArn and a maxReceiveCount from %d to %d", leastReceives, mostReceives))
	}
	if _, known := s.byARN(rule.target); !known {
		return invalidAttribute(redrivePolicy, text, "Dead letter target does not exist")
	}
	return nil
}

// byARN finds a queue of this account and region. s.mu is held.
func (s *Service) byARN(arn string) (*queue, bool) {
	name, ours := strings.CutPrefix(arn, s.arn(""))
	q, known := s.queues[name]
	return q, ours && known
}

// attribute is one attribute's value; false where the queue has it not. s.mu is held.
func (s *Service) attribute(q *queue, name string) (string, bool) {
	now := s.cfg.Clock.Now()
	count := func(of func(*message) bool) string {
		n := 0
		for _, m := range q.messages {
			if of(m) {
				n++
			}
		}
		return strconv.Itoa(n)
	}
	switch name {
	case "ApproximateNumberOfMessages":
		return count(func(m *message) bool { return !m.visible.After(now) }), true
	case "ApproximateNumberOfMessagesDelayed":
		return count(func(m *message) bool { return m.delayed(now) }), true
	case "ApproximateNumberOfMessagesNotVisible":
		return count(func(m *message) bool { return m.inFlight(now) }), true
	case "CreatedTimestamp":
		return strconv.FormatInt(q.created.Unix(), 10), true
	case "LastModifiedTimestamp":
		return strconv.FormatInt(q.modified.Unix(), 10), true
	case "QueueArn":
		return s.arn(q.name), true
	}
	value := q.attributes[name]
	return value, value != ""
}

// attributeNames are the names that a request asks for, All written out.
func attributeNames(asked []string) ([]string, error) {
	settable := append(slices.Collect(maps.Keys(numbers)), policyAttribute, redrivePolicy, sse)
	known := append(settable, told...)
	var names []string
	for _, name := range asked {
		switch {
		case name == "All":
			names = append(names, known...)
		case slices.Contains(known, name):
			names = append(names, name)
		default:
			return nil, query.Errorf("InvalidAttributeName", "Unknown Attribute %s.", name)
		}
	}
	return names, nil
}
