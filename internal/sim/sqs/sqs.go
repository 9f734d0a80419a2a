// Package sqs is the simulated SQS: standard queues of one account and region, behind the JSON protocol. Names, shapes
// and limits: docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference.
//
// What AWS leaves open it answers in the worst way that the documentation allows: a queue hands its messages out in no
// order, and a receipt handle that is not the newest deletes nothing while the call succeeds. FIFO queues, message
// attributes, KMS keys and moving messages back from a dead-letter queue are not there: they are refused.
//
// Queue policies are evaluated: see access.go.
//
// Time is the clock's, never divided by a scenario's speed: visibility, delay and retention are the caller's numbers.
package sqs

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"floe.dev/floe/internal/sim/awsjson"
	"floe.dev/floe/internal/sim/clock"
	"floe.dev/floe/internal/sim/query"
)

// Config is what a Service is made of. Nothing in it has a default.
type Config struct {
	Clock clock.Clock
	// Seed makes identifiers and the order of messages repeatable.
	Seed            int64
	Account, Region string
}

// Service is SQS of one account and region. All methods are safe for concurrent use.
type Service struct {
	cfg     Config
	actions map[string]action

	mu      sync.Mutex
	rand    *rand.Rand
	queues  map[string]*queue    // by name
	deleted map[string]time.Time // when queues of these names went
}

// request is what an action knows of a call beside its parameters.
type request struct {
	ctx context.Context
	// base is scheme and host, as the caller sees them: queue URLs begin with it.
	base string
}

// action decodes an action's parameters and does it.
type action func(r request, body []byte) (any, error)

// New makes a Service without queues.
func New(cfg Config) *Service {
	s := &Service{
		cfg: cfg, rand: rand.New(rand.NewPCG(uint64(cfg.Seed), 2)),
		queues: map[string]*queue{}, deleted: map[string]time.Time{},
	}
	s.actions = map[string]action{
		"ChangeMessageVisibility":      handle(s.changeMessageVisibility),
		"ChangeMessageVisibilityBatch": handle(s.changeMessageVisibilityBatch),
		"CreateQueue":                  handle(s.createQueue),
		"DeleteMessage":                handle(s.deleteMessage),
		"DeleteMessageBatch":           handle(s.deleteMessageBatch),
		"DeleteQueue":                  handle(s.deleteQueue),
		"GetQueueAttributes":           handle(s.getQueueAttributes),
		"GetQueueUrl":                  handle(s.getQueueURL),
		"ListQueues":                   handle(s.listQueues),
		"PurgeQueue":                   handle(s.purgeQueue),
		"ReceiveMessage":               handle(s.receiveMessage),
		"SendMessage":                  handle(s.sendMessage),
		"SendMessageBatch":             handle(s.sendMessageBatch),
		"SetQueueAttributes":           handle(s.setQueueAttributes),
	}
	return s
}

// Knows says whether there is such an action.
func (s *Service) Knows(action string) bool { return s.actions[action] != nil }

// Actions are the names of all actions, sorted.
func (s *Service) Actions() []string { return slices.Sorted(maps.Keys(s.actions)) }

// Do does the action with that request body, if the policy of the queue that it is about lets the caller. A long poll ends
// early with ctx. Its errors are *query.Error.
func (s *Service) Do(ctx context.Context, c Caller, name string, body []byte) (any, error) {
	do, known := s.actions[name]
	if !known {
		return nil, query.Errorf("UnknownOperationException", "SQS has no action %s here: %s are known", name, strings.Join(s.Actions(), ", "))
	}
	if err := s.authorize(c, name, body); err != nil {
		return nil, err
	}
	return do(request{ctx: ctx, base: c.Base}, body)
}

// handle makes an action of a function with a parameter struct.
func handle[P any](do func(request, P) (any, error)) action {
	return func(r request, body []byte) (any, error) {
		var params P
		if err := awsjson.Decode(body, &params); err != nil {
			return nil, err
		}
		return do(r, params)
	}
}

// queue finds a queue by the URL that CreateQueue gave. Scheme and host do not count: one simulator may be known by
// several names. s.mu is held.
func (s *Service) queue(url string) (*queue, error) {
	if url == "" {
		return nil, missing("QueueUrl")
	}
	rest, name, _ := cutLast(url, "/")
	_, account, ok := cutLast(rest, "/")
	if !ok {
		return nil, query.Errorf("InvalidAddress", "The address %s is not valid for this endpoint.", url)
	}
	q, known := s.queues[name]
	if !known || account != s.cfg.Account {
		return nil, noSuchQueue()
	}
	return q, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if n := strings.LastIndex(s, sep); n >= 0 {
		return s[:n], s[n+len(sep):], true
	}
	return s, "", false
}

func (s *Service) url(base, name string) string { return base + "/" + s.cfg.Account + "/" + name }

func (s *Service) arn(name string) string {
	return "arn:aws:sqs:" + s.cfg.Region + ":" + s.cfg.Account + ":" + name
}

func noSuchQueue() *query.Error {
	return query.Errorf("QueueDoesNotExist", "The specified queue does not exist.")
}

func missing(parameter string) *query.Error {
	return query.Errorf("MissingParameter", "The request must contain the parameter %s.", parameter)
}

func invalid(parameter, value, why string) *query.Error {
	return query.Errorf("InvalidParameterValue", "Value %s for parameter %s is invalid. Reason: %s.", value, parameter, why)
}

// uuid is a random identifier in the form of a message's. s.mu is held.
func (s *Service) uuid() string {
	const digits = "0123456789abcdef"
	b := []byte("xxxxxxxx-xxxx-4xxx-xxxx-xxxxxxxxxxxx")
	for n := range b {
		if b[n] == 'x' {
			b[n] = digits[s.rand.IntN(16)]
		}
	}
	return string(b)
}
