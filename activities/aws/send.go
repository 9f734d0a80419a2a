package aws

import (
	"context"
	"time"

	"floe.dev/floe/api/contract"
)

// authenticateTimeout bounds getting credentials. No heartbeat goes with it, so it is well under a hop's heartbeat
// time-out.
const authenticateTimeout = 5 * time.Second

// send makes the hop's call, an action of EC2, with the time that it went out and what it took. The call is bounded, and
// outlives the activity: an answer that is on its way when the worker stops must not be lost.
func (h hop) send(ctx context.Context, action string, call func(context.Context) error) (contract.LaunchResult, error) {
	// Credentials first: a failure to get them is known to be none of the call's.
	if err := h.authenticate(ctx); err != nil {
		return contract.LaunchResult{}, err
	}
	if err := h.await(ctx, action); err != nil {
		return contract.LaunchResult{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mutateTimeout)
	defer cancel()
	result := contract.LaunchResult{SentAt: h.now()}
	stop := h.attempt.beat(progress{Attempt: h.attempt.number, SentAt: result.SentAt})
	defer stop()
	began := time.Now()
	err := call(ctx)
	result.Took = time.Since(began)
	return result, err
}

// await waits for the call's turn in the API budget. Meanwhile no time is left behind, as in lookUp.
func (h hop) await(ctx context.Context, action string) error {
	stop := h.attempt.beat(progress{Attempt: h.attempt.number})
	defer stop()
	return h.acc.budget.wait(ctx, action, h.in.Count)
}

// authenticate gets credentials, from the cache as a rule.
func (h hop) authenticate(ctx context.Context) error {
	if h.acc.credentials == nil {
		return nil
	}
	_, err := within(ctx, authenticateTimeout, h.acc.credentials.Retrieve)
	if err != nil {
		return notSent{err}
	}
	return nil
}

// settle turns the failure of a whole call into the hop's end. That nothing was launched is sure here, and is left
// behind, so that a next attempt need not look for it.
func (h hop) settle(d diagnosis, result contract.LaunchResult) (contract.LaunchResult, error) {
	t := newTally(h.in)
	t.failed(h.in.Step.Overrides, d.code, d.message)
	result.Outcomes = t.outcomes()
	return h.settleAll(d, result)
}

// settleAll ends a hop whose offerings were all answered alike: what says something of offerings is the hop's result,
// and the chain goes on; what another step would meet as well is an error.
func (h hop) settleAll(d diagnosis, result contract.LaunchResult) (contract.LaunchResult, error) {
	switch d.trouble {
	case throttled, denied, missing, unsent:
		h.attempt.record(progress{Attempt: h.attempt.number, Over: true})
		return contract.LaunchResult{}, h.acc.failed(d)
	}
	h.forgetFullSubnets(result.Outcomes)
	return result, nil
}
