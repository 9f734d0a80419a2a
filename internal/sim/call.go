package sim

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"floe.dev/floe/internal/sim/query"
)

// answerFloor is the least time that a call takes, on the real clock. AWS never answers sooner, and its SDK for Go counts
// on it: where an answer begins before net/http has looked for the end of the request that it has sent, the SDK has closed
// the request's body, net/http takes that for a failed write, and the connection is closed under the answer
// (github.com/aws/aws-sdk-go-v2/issues/1825 and 2737; the SDK's own retries hide it).
const answerFloor = 5 * time.Millisecond

// call is one request to one of AWS's services, from the first look to the answer.
type call struct {
	server  *Server
	account *account // the caller's
	w       http.ResponseWriter
	id      string
	started time.Time // by the world's clock
	floor   <-chan time.Time
}

// arn is who calls. The simulator knows no users: everybody of an account is this one.
func (c *call) arn() string { return "arn:aws:iam::" + c.account.number + ":user/floe-sim" }

// serveQuery serves a call of a service with the query protocol. refused is what is already known to be wrong.
func (c *call) serveQuery(
	r *http.Request,
	do func(url.Values) (query.Result, error),
	write func(w http.ResponseWriter, action, id string, result query.Result) error,
	writeError func(w http.ResponseWriter, id string, e *query.Error) error,
	refused error,
) {
	err := refused
	if parseErr := r.ParseForm(); parseErr != nil && err == nil {
		err = query.Errorf("MalformedQueryString", "The request body is no form: %s", parseErr)
	}
	action := r.Form.Get("Action")
	var result query.Result
	if err == nil {
		result, err = c.do(r.Form, do)
	}
	c.finish(r.Context(), action, r.Form, err)
	if err != nil {
		err = writeError(c.w, c.id, query.AsError(err))
	} else {
		err = write(c.w, action, c.id, result)
	}
	if err != nil {
		c.server.log.Error("the simulated AWS could not answer", "action", action, "request", c.id, "error", err)
	}
}

// do meets the faults and the budget that come before the action, and does it.
func (c *call) do(form url.Values, do func(url.Values) (query.Result, error)) (query.Result, error) {
	s, a, action := c.server, c.account, form.Get("Action")
	// AWS counts a request against its budget before it looks at who may call what.
	if a.meter != nil && a.ec2.Knows(action) && !a.meter.admit(form, s.clock.Now()) {
		return nil, limitExceeded()
	}
	if fault, met := s.faults.meet(a.number, action, true); met {
		return nil, refusal(fault, c.arn())
	}
	return do(form)
}

// finish records the call, waits until it may be answered, and drops the connection where the answer is to be lost.
func (c *call) finish(ctx context.Context, action string, form url.Values, err error) {
	code := ""
	if err != nil {
		code = query.AsError(err).Code
	}
	lost := false
	if err == nil {
		_, lost = c.server.faults.meet(c.account.number, action, false)
	}
	c.server.calls.add(Call{
		At: c.started, Account: c.account.number, Action: action, RequestID: c.id, Token: form.Get("ClientToken"), Code: code, Lost: lost,
	}, err)
	c.server.wait(ctx, c.server.latencies.of(action))
	<-c.floor
	if lost {
		// net/http's documented way to break off an answer: the connection is closed, and nothing is logged.
		panic(http.ErrAbortHandler)
	}
}

func writeEC2(w http.ResponseWriter, action, id string, result query.Result) error {
	result.Identify(id)
	return query.Write(w, http.StatusOK, query.EC2Namespace, action+"Response", result)
}
