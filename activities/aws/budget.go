package aws

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/config"
)

// tokens is one of EC2's token buckets: how much it holds, and how much flows in per second. A zero bucket is no limit.
type tokens struct{ size, refill float64 }

// limits are what EC2 counts of one action.
type limits struct{ requests, resources tokens }

// published are the buckets of the actions that are called here, per account and region, by "Request throttling for the
// Amazon EC2 API" (docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html). CreateFleet is not in that table;
// it is counted with the mutating actions.
var published = map[string]limits{
	"CreateFleet":        {requests: tokens{50, 5}},
	"RunInstances":       {requests: tokens{5, 2}, resources: tokens{1000, 2}},
	"StartInstances":     {requests: tokens{5, 2}, resources: tokens{1000, 2}},
	"StopInstances":      {requests: tokens{50, 5}, resources: tokens{1000, 20}},
	"TerminateInstances": {requests: tokens{100, 5}, resources: tokens{1000, 20}},
}

// reading are the buckets of an action that changes nothing.
var reading = limits{requests: tokens{100, 20}}

func limitsOf(action string) limits {
	if l, ok := published[action]; ok {
		return l
	}
	return reading
}

// classOf is the class whose rate in the configuration an action goes by.
func classOf(action string) contract.APIClass {
	switch action {
	case "CreateFleet", "RunInstances":
		return contract.ClassLaunch
	case "StartInstances":
		return contract.ClassStart
	case "StopInstances":
		return contract.ClassStop
	case "TerminateInstances":
		return contract.ClassTerminate
	}
	return contract.ClassRead
}

// margin is the part of a bucket's size that is used: the rest is for the others in the account, people and programs,
// and for a process that was here just before.
const margin = 0.5

// budget keeps this process within its share of an account's API limits: a call waits here rather than to be refused by
// EC2, and what is asked for while one waits goes with the next (see batcher). The task queues' rates, which the server
// keeps, count activities; this counts calls, and the machines they touch.
type budget struct {
	account config.Account

	mu       sync.Mutex
	share    float64
	limiters map[string]*limiters
}

type limiters struct{ requests, resources *rate.Limiter }

func newBudget(account config.Account) *budget {
	return &budget{account: account, share: 1, limiters: map[string]*limiters{}}
}

// divide tells how many processes use the account at present, this one included.
func (b *budget) divide(processes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	share := 1 / float64(max(1, processes))
	if share == b.share {
		return
	}
	b.share = share
	for action, l := range b.limiters {
		requests, resources := b.size(action)
		resize(l.requests, requests)
		resize(l.resources, resources)
	}
}

// size is this process's part of an action's buckets.
func (b *budget) size(action string) (requests, resources tokens) {
	class := classOf(action)
	// An account whose limits AWS has raised says so by the rate of the class.
	scale := b.share * b.account.Rate(class) / config.PublishedRate(class)
	l := limitsOf(action)
	part := func(t tokens) tokens { return tokens{size: t.size * margin * scale, refill: t.refill * scale} }
	return part(l.requests), part(l.resources)
}

func (b *budget) of(action string) *limiters {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, ok := b.limiters[action]
	if !ok {
		requests, resources := b.size(action)
		l = &limiters{requests: limiter(requests), resources: limiter(resources)}
		b.limiters[action] = l
	}
	return l
}

func limiter(t tokens) *rate.Limiter {
	if t.refill == 0 {
		return rate.NewLimiter(rate.Inf, 1)
	}
	return rate.NewLimiter(rate.Limit(t.refill), burst(t))
}

func resize(l *rate.Limiter, t tokens) {
	if t.refill == 0 {
		return
	}
	l.SetLimit(rate.Limit(t.refill))
	l.SetBurst(burst(t))
}

func burst(t tokens) int { return max(1, int(math.Floor(t.size))) }

// wait waits until a call of the action that touches so many machines is within the budget. Where ctx would end before,
// or ends, that is the error at once.
func (b *budget) wait(ctx context.Context, action string, machines int) error {
	l := b.of(action)
	if err := waitFor(ctx, l.requests, 1); err != nil {
		return overBudget{action: action, cause: err}
	}
	if err := waitFor(ctx, l.resources, machines); err != nil {
		return overBudget{action: action, cause: err}
	}
	return nil
}

// due is how long it takes until a call of the action would not wait. It takes nothing.
func (b *budget) due(action string) time.Duration {
	l := b.of(action).requests
	missing := 1 - l.Tokens()
	if missing <= 0 || l.Limit() == rate.Inf {
		return 0
	}
	return time.Duration(missing / float64(l.Limit()) * float64(time.Second))
}

// waitFor takes n tokens, more than the bucket holds too.
func waitFor(ctx context.Context, l *rate.Limiter, n int) error {
	if l.Limit() == rate.Inf {
		return ctx.Err()
	}
	for n > 0 {
		some := min(n, l.Burst())
		if err := l.WaitN(ctx, some); err != nil {
			return err
		}
		n -= some
	}
	return nil
}

// overBudget is a call that was not made, since it would have been refused or too late.
type overBudget struct {
	action string
	cause  error
}

func (e overBudget) Error() string {
	return fmt.Sprintf("%s waits for its API budget: %v", e.action, e.cause)
}

func (e overBudget) Unwrap() error { return e.cause }

// ask makes one EC2 call within the budget and its own time-out. The wait is not counted against the time-out.
func ask[T any](ctx context.Context, b *budget, action string, machines int, timeout time.Duration, call func(context.Context) (T, error)) (T, error) {
	if err := b.wait(ctx, action, machines); err != nil {
		var none T
		return none, err
	}
	return within(ctx, timeout, call)
}

// Divide tells how many processes use an account's API limits at present, this one included: each keeps to its part.
// An account that is not configured is nobody's.
func (a *Activities) Divide(account string, processes int) {
	if acc, ok := a.accounts[account]; ok {
		acc.budget.divide(processes)
	}
}
