package sqs

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"

	"floe.dev/floe/internal/sim/policy"
	"floe.dev/floe/internal/sim/query"
)

// Caller is who calls an action.
type Caller struct {
	// Base is scheme and host, as the caller sees them: queue URLs begin with it.
	Base string
	// ARN and Account are whose credentials signed the call.
	ARN, Account string
}

// permissions are the permissions of actions that have none of their own name
// (docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html).
var permissions = map[string]string{
	"ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
	"DeleteMessageBatch":           "DeleteMessage",
	"SendMessageBatch":             "SendMessage",
}

// ownersOnly are the actions that no policy can allow to another account
// (…/SQSDeveloperGuide/sqs-customer-managed-policy-examples.html, "Cross-account permissions don't apply").
var ownersOnly = map[string]bool{"CreateQueue": true, "DeleteQueue": true, "ListQueues": true, "SetQueueAttributes": true}

// authorize asks the policy of the queue that a request is about. What names no queue is left to the action.
func (s *Service) authorize(c Caller, action string, body []byte) error {
	var about struct {
		QueueURL string `json:"QueueUrl"`
	}
	if json.Unmarshal(body, &about) != nil || about.QueueURL == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, wrong := s.queue(about.QueueURL)
	if wrong != nil {
		return nil // the action says so
	}
	if c.Account != s.cfg.Account && ownersOnly[action] {
		return accessDenied(q, action)
	}
	if permission, other := permissions[action]; other {
		action = permission
	}
	return s.permit(q, policy.Request{Principal: c.ARN, Account: c.Account, Action: "sqs:" + action})
}

// permit refuses what the queue's policy does not allow. The queue's own account may do all that it does not deny: the
// simulator knows no policies of users, and takes them to allow everything. s.mu is held.
func (s *Service) permit(q *queue, r policy.Request) error {
	r.Resource = s.arn(q.name)
	decision := q.policy.Evaluate(r)
	if decision == policy.Allowed || (decision == policy.Silent && r.Account == s.cfg.Account) {
		return nil
	}
	return accessDenied(q, strings.TrimPrefix(r.Action, "sqs:"))
}

func accessDenied(q *queue, action string) *query.Error {
	return &query.Error{
		Code: "AccessDeniedException", Status: http.StatusForbidden,
		Message: "Access to the resource " + q.name + " is denied: neither its policy nor the caller's allows sqs:" + action + ".",
	}
}

// Deliver puts a message into a queue as EventBridge does for a rule, given by its ARN: only where the queue's policy lets
// it (docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html, "Amazon SQS permissions").
func (s *Service) Deliver(queue, rule, body string) error {
	return s.put(queue, body, policy.Request{
		Service: "events.amazonaws.com",
		Context: map[string]string{"aws:SourceArn": rule, "aws:SourceAccount": s.cfg.Account},
	})
}

// Forge puts a message into a queue as somebody with the account's credentials can, unless the queue's policy denies it.
func (s *Service) Forge(queue, body string) error {
	return s.put(queue, body, policy.Request{Principal: "arn:aws:iam::" + s.cfg.Account + ":user/forger", Account: s.cfg.Account})
}

// put puts a message into a queue of that name, past the queue's delay and size.
func (s *Service) put(name, body string, r policy.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, ok := s.queues[name]
	if !ok {
		return noSuchQueue()
	}
	r.Action = "sqs:SendMessage"
	if err := s.permit(q, r); err != nil {
		return err
	}
	s.send(q, body, 0)
	return nil
}

// Make makes a queue into which EventBridge may bring the events of a rule, given by its ARN, and nobody else but its
// account anything.
func (s *Service) Make(name, rule string) error {
	text, _ := json.Marshal(map[string]any{ // strings in maps: it cannot fail
		"Version": "2012-10-17",
		"Statement": map[string]any{
			"Sid": "EventBridge", "Effect": "Allow", "Principal": map[string]string{"Service": "events.amazonaws.com"},
			"Action": "sqs:SendMessage", "Resource": s.arn(name),
			"Condition": map[string]any{"ArnEquals": map[string]string{"aws:SourceArn": rule}},
		},
	})
	_, err := s.createQueue(request{}, createQueueParams{QueueName: name, Attributes: map[string]string{policyAttribute: string(text)}})
	return err
}

// set gives a queue attributes that were checked. s.mu is held.
func (q *queue) set(attributes map[string]string) error {
	maps.Copy(q.attributes, attributes)
	var err error
	q.policy, err = policy.Parse(q.attributes[policyAttribute])
	return err
}
