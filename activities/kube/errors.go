package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"floe.dev/floe/api/contract"
)

// invalid is a payload that is wrong: no retry makes it right.
func invalid(format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), contract.ErrInvalidInput, nil)
}

// poolInvalid is a NodePool that cannot work as it is. The message names the field and the remedy.
func poolInvalid(pool, problem string) error {
	return temporal.NewNonRetryableApplicationError("pool "+pool+": "+problem, contract.ErrPoolInvalid, nil)
}

func unavailable(err error) error {
	return temporal.NewApplicationErrorWithCause(err.Error(), contract.ErrUnavailable, err)
}

// classify turns an API server's answer into an error of the contract. verb and resource are what was tried, as RBAC
// names them: "patch", "nodes".
func (c *Cluster) classify(verb, resource string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return err
	case apierrors.IsForbidden(err):
		return temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("cluster %s: may not %s %s: allow it in the worker's ClusterRole (deploy/rbac): %v", c.name, verb, resource, err),
			contract.ErrAccessDenied, err)
	case apierrors.IsUnauthorized(err):
		return temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("cluster %s: the API server does not accept the credentials of the kubeconfig (%s %s): %v", c.name, verb, resource, err),
			contract.ErrAccessDenied, err)
	case apierrors.IsTooManyRequests(err):
		delay := time.Second
		if seconds, ok := apierrors.SuggestsClientDelay(err); ok && seconds > 0 {
			delay = time.Duration(seconds) * time.Second
		}
		return temporal.NewApplicationErrorWithOptions(
			fmt.Sprintf("cluster %s: the API server asks to %s %s later", c.name, verb, resource), contract.ErrThrottled,
			temporal.ApplicationErrorOptions{NextRetryDelay: delay, Category: temporal.ApplicationErrorCategoryBenign, Cause: err})
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("cluster %s: the API server refuses to %s %s: %v", c.name, verb, resource, err), contract.ErrInvalidInput, err)
	}
	return unavailable(fmt.Errorf("cluster %s: %s %s: %w", c.name, verb, resource, err))
}

// errNodeReplaced says that a Node has gone, or has another UID.
var errNodeReplaced = errors.New("the Node is gone")

// Gone reports whether an error says that there is no such Node any more.
func Gone(err error) bool {
	var app *temporal.ApplicationError
	return errors.Is(err, errNodeReplaced) || errors.As(err, &app) && app.Type() == contract.ErrNodeNotFound
}
