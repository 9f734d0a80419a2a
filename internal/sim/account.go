package sim

import (
	"fmt"

	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/ec2"
	"floe.dev/floe/internal/sim/events"
	"floe.dev/floe/internal/sim/sqs"
)

// account is one account's part of the simulated AWS: its instances, its queues and its API budgets.
type account struct {
	number string
	cloud  *cloud.Cloud
	ec2    *ec2.API
	sqs    *sqs.Service
	bus    *events.Bus
	meter  *meter // nil: unthrottled
}

func newAccount(o Options, config cloud.Config) (*account, error) {
	a := &account{
		number: config.Account,
		sqs:    sqs.New(sqs.Config{Clock: o.Clock, Seed: config.Seed, Account: config.Account, Region: config.Region}),
	}
	rule := ruleARN(config, o.Queue)
	if !o.BringQueue {
		if err := a.sqs.Make(o.Queue, rule); err != nil {
			return nil, fmt.Errorf("make queue %s: %w", o.Queue, err)
		}
	}
	a.bus = events.New(events.Config{Clock: o.Clock, Log: o.Log, Seed: config.Seed, Speed: o.Speed, Queue: o.Queue, Rule: rule, Sink: a.sqs})
	config.Tell = a.bus.Tell
	a.cloud = cloud.New(config)
	a.ec2 = ec2.New(a.cloud)
	if !o.Unthrottled {
		a.meter = &meter{buckets: map[string]*bucket{}}
	}
	return a, nil
}

// ruleARN names the rule of EventBridge's that sends an account's events to a queue: it is called as the queue is.
func ruleARN(c cloud.Config, queue string) string {
	return "arn:aws:events:" + c.Region + ":" + c.Account + ":rule/" + queue
}

// accountOf is whose resources a caller sees: those of the account whose role it has assumed, or the first account's.
func (s *Server) accountOf(accessKey string) *account {
	if a, ok := s.assumed.Load(accessKey); ok {
		return a.(*account)
	}
	return s.accounts[0]
}

// numbers are those of all accounts.
func (s *Server) numbers() []string {
	numbers := make([]string, 0, len(s.accounts))
	for _, a := range s.accounts {
		numbers = append(numbers, a.number)
	}
	return numbers
}

// account finds an account by its number; nil where there is none.
func (s *Server) account(number string) *account {
	for _, a := range s.accounts {
		if a.number == number {
			return a
		}
	}
	return nil
}
