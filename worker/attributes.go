package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"floe.dev/floe/api/contract"
)

// registerSearchAttributes makes the contract's search attributes known to the namespace where they are not. A server
// that does not let the worker do so (Temporal Cloud, an authorizer) is left to its operator: the log has the command.
func registerSearchAttributes(ctx context.Context, c client.Client, namespace string, log *slog.Logger) {
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		missing, err := addSearchAttributes(ctx, c.OperatorService(), namespace)
		if err == nil || ctx.Err() != nil {
			return
		}
		var (
			denied  *serviceerror.PermissionDenied
			unknown *serviceerror.Unimplemented
			wrong   *serviceerror.InvalidArgument
		)
		if errors.As(err, &denied) || errors.As(err, &unknown) || errors.As(err, &wrong) {
			log.ErrorContext(ctx, "the worker may not register search attributes; workflows cannot start until an operator does",
				"error", err, "command", operatorsCommand(namespace, missing))
			return
		}
		log.WarnContext(ctx, "search attributes are not registered yet", "error", err, "retryIn", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// addSearchAttributes adds what is missing and returns it.
func addSearchAttributes(
	ctx context.Context, operator operatorservice.OperatorServiceClient, namespace string,
) (missing []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	missing = contract.SearchAttributes
	known, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return missing, err
	}
	add := map[string]enumspb.IndexedValueType{}
	missing = nil
	for _, name := range contract.SearchAttributes {
		switch got, ok := known.CustomAttributes[name]; {
		case !ok:
			add[name] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
			missing = append(missing, name)
		case got != enumspb.INDEXED_VALUE_TYPE_KEYWORD:
			return missing, serviceerror.NewInvalidArgument(fmt.Sprintf(
				"search attribute %s is of type %s in namespace %s, Floe needs Keyword: remove it first (temporal operator search-attribute remove --name %s)",
				name, got, namespace, name))
		}
	}
	if len(add) == 0 {
		return nil, nil
	}
	_, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace, SearchAttributes: add,
	})
	return missing, err
}

func operatorsCommand(namespace string, names []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "temporal operator search-attribute create --namespace %s", namespace)
	for _, name := range names {
		fmt.Fprintf(&b, " --name %s --type Keyword", name)
	}
	return b.String()
}
