package store

import (
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.temporal.io/sdk/temporal"

	"floe.dev/floe/api/contract"
)

// Codes of server errors that no retry cures
// (github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml).
const (
	codeUnauthorized         = 13
	codeAuthenticationFailed = 18
	codeObjectTooLarge       = 10334
)

// classify turns the driver's error into the contract's. A duplicate id is what a repeated write finds: success.
func classify(err error, action string) error {
	if err == nil || mongo.IsDuplicateKeyError(err) {
		return nil
	}
	var server mongo.ServerError
	if errors.As(err, &server) {
		switch {
		case server.HasErrorCode(codeUnauthorized), server.HasErrorCode(codeAuthenticationFailed):
			return temporal.NewApplicationErrorWithOptions(
				fmt.Sprintf("the store refuses %s: give its user the role readWrite on the database, or correct store.uri", action),
				contract.ErrAccessDenied, temporal.ApplicationErrorOptions{Cause: err})
		case server.HasErrorCode(codeObjectTooLarge):
			return temporal.NewNonRetryableApplicationError(
				fmt.Sprintf("the store refuses %s: the document is larger than 16 MB", action), contract.ErrInvalidInput, err)
		}
		// A server that steps down or runs full says so in such a way; the next try may find it well.
		return temporal.NewApplicationErrorWithOptions(
			fmt.Sprintf("the store refuses %s; it is tried again: %v", action, err), contract.ErrUnavailable,
			temporal.ApplicationErrorOptions{Cause: err})
	}
	return temporal.NewApplicationErrorWithOptions(
		fmt.Sprintf("the store does not answer %s: is it running, and is store.uri right?", action),
		contract.ErrUnavailable, temporal.ApplicationErrorOptions{Cause: err})
}
