package sim

import (
	"fmt"
	"net/http"
	"sync"

	"floe.dev/floe/internal/sim/query"
	"floe.dev/floe/internal/sim/script"
)

// faults are the calls that go wrong because a script wants it.
type faults struct {
	mu     sync.Mutex
	active []accountFault
}

// accountFault is a fault of one account's calls, or of everybody's.
type accountFault struct {
	script.Fault
	account string // empty for everybody's
}

// add lets one more thing go wrong, or takes a denial back.
func (f *faults) add(account string, fault script.Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fault.Kind != script.Allow {
		f.active = append(f.active, accountFault{fault, account})
		return
	}
	kept := f.active[:0]
	for _, a := range f.active {
		if a.Kind != script.Deny || a.Action != fault.Action || a.account != account {
			kept = append(kept, a)
		}
	}
	f.active = kept
}

// meet is the fault that an account's call of the action meets, the oldest first, and counts it. before says at which end of the
// call we are: a lost answer is met after it, everything else before.
func (f *faults) meet(account, action string, before bool) (script.Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n := range f.active {
		fault := f.active[n]
		if fault.Action != action || (fault.account != "" && fault.account != account) || (fault.Kind != script.LoseAnswer) != before {
			continue
		}
		if fault.Kind != script.Deny {
			if f.active[n].Count--; f.active[n].Count == 0 {
				f.active = append(f.active[:n], f.active[n+1:]...)
			}
		}
		return fault.Fault, true
	}
	return script.Fault{}, false
}

// statuses of the errors that are the server's fault; all others are 400
// (docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html, "Server error codes").
var statuses = map[string]int{
	"InternalError": http.StatusInternalServerError, "InternalFailure": http.StatusInternalServerError,
	"InsufficientInstanceCapacity": http.StatusInternalServerError, "InsufficientHostCapacity": http.StatusInternalServerError,
	"InsufficientReservedInstanceCapacity": http.StatusInternalServerError, "InsufficientCapacity": http.StatusInternalServerError,
	"RequestLimitExceeded": http.StatusServiceUnavailable, "ServiceUnavailable": http.StatusServiceUnavailable,
	"Unavailable": http.StatusServiceUnavailable, "UnauthorizedOperation": http.StatusForbidden,
}

// refusal is the fault as an error of EC2's.
func refusal(fault script.Fault, caller string) *query.Error {
	if fault.Kind == script.Deny {
		return &query.Error{
			Code: "UnauthorizedOperation", Status: http.StatusForbidden,
			Message: fmt.Sprintf("You are not authorized to perform this operation. User: %s is not authorized to perform: ec2:%s because no identity-based policy allows the ec2:%s action", caller, fault.Action, fault.Action),
		}
	}
	return &query.Error{Code: fault.Code, Status: statuses[fault.Code], Message: "The simulator was asked to refuse this call of " + fault.Action + "."}
}

func limitExceeded() *query.Error {
	return &query.Error{Code: "RequestLimitExceeded", Status: http.StatusServiceUnavailable, Message: "Request limit exceeded."}
}
