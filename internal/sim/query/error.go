package query

import (
	"errors"
	"fmt"
	"net/http"
)

// Error is a refusal with AWS's code. EC2's codes: docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html.
type Error struct {
	Code    string
	Message string
	// Status is the HTTP status; 400 where it is 0.
	Status int
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// HTTPStatus is the status that the answer carries.
func (e *Error) HTTPStatus() int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

// Errorf is a refusal with status 400.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// AsError is err as AWS would tell it: itself where it is an *Error, InternalError otherwise.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: "InternalError", Message: err.Error(), Status: http.StatusInternalServerError}
}
