package aws

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"

	"floe.dev/floe/api/contract"
)

// Errors carry no cause: the SDK's says the same again at length, and with it kilobytes of encoded detail would go into
// workflow histories.

// fail turns the error of a call that changes nothing, or that may be made again as it is, into the contract's.
func (acc *account) fail(err error) error {
	if errors.Is(err, context.Canceled) {
		return err // the caller's own doing
	}
	return acc.failed(diagnose(err))
}

func (acc *account) failed(d diagnosis) error {
	switch d.trouble {
	case throttled:
		return acc.failedThrottled(d)
	case denied:
		return acc.failedDenied(d)
	case missing:
		return poolInvalid("%s: %s: %s (%s): %s", acc, d.action, d.message, d.code, remedy(d.code))
	case unsent, lost:
		return acc.failedUnavailable(d)
	}
	return temporal.NewNonRetryableApplicationError(
		fmt.Sprintf("%s: EC2 refuses %s: %s (%s)", acc, d.action, d.message, d.code), contract.ErrInvalidInput, nil)
}

// The delay after a throttled call. EC2's buckets refill by the second, so a second is the least that helps.
const (
	throttleDelay  = time.Second
	throttleJitter = time.Second
)

// failedThrottled is benign: it is what the API budget is for, and no alarm.
func (acc *account) failedThrottled(d diagnosis) error {
	return temporal.NewApplicationErrorWithOptions(
		fmt.Sprintf("%s: %s is throttled (%s): the account's API rate is used up; it is tried again", acc, d.action, d.code),
		contract.ErrThrottled, temporal.ApplicationErrorOptions{
			Category:       temporal.ApplicationErrorCategoryBenign,
			NextRetryDelay: throttleDelay + rand.N(throttleJitter),
		})
}

// failedDenied tells credentials that AWS does not know from those that may not do this.
func (acc *account) failedDenied(d diagnosis) error {
	who := "the credentials in use"
	if acc.cfg.Role != "" {
		who = acc.cfg.Role
	}
	what := fmt.Sprintf("AWS does not allow %s to %s (%s): allow it in the policy, or correct the account in the configuration", d.action, who, d.code)
	if unknownCredentials[d.code] {
		what = fmt.Sprintf("AWS does not accept %s for %s (%s): correct them", who, d.action, d.code)
	}
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf("%s: %s; AWS says: %s", acc, what, d.message), contract.ErrAccessDenied, nil)
}

func (acc *account) failedUnavailable(d diagnosis) error {
	return temporal.NewApplicationError(
		fmt.Sprintf("%s: %s got no answer: %s", acc, d.action, innermost(d)), contract.ErrUnavailable)
}

func (acc *account) failedLost(d diagnosis) error {
	return temporal.NewApplicationError(
		fmt.Sprintf("%s: the answer of %s was lost: %s; what it did is looked up", acc, d.action, innermost(d)), contract.ErrLostAnswer)
}

// innermost is what is worth reading of a failure: AWS's words, or the deepest cause.
func innermost(d diagnosis) string {
	if d.code != "" {
		return strings.TrimSpace(d.message + " (" + d.code + ")")
	}
	err := d.cause
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return clip(err.Error())
}

// remedy says what to do about something that does not exist.
func remedy(code string) string {
	kind, _, _ := strings.Cut(code, ".")
	switch kind {
	case "InvalidLaunchTemplateId", "InvalidLaunchTemplateName":
		return "create it, or correct spec.launchTemplate of the pool"
	case "InvalidSubnetID":
		return "correct spec.subnets of the pool"
	case "InvalidAMIID":
		return "give the launch template an image of this region"
	}
	return "correct the launch template, or the pool that names it"
}

func invalid(format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), contract.ErrInvalidInput, nil)
}

func poolInvalid(format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), contract.ErrPoolInvalid, nil)
}
