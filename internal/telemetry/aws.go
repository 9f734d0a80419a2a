package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// AWS makes each call of the clients built from a config a span (EC2.CreateFleet) and a point of the histogram
// floe_aws_call_duration_seconds{service,action,code}; code is AWS's error code, "" where the call went well, and
// "Unreachable" where no answer came. What the SDK itself has to say goes to slog.
//
// It is our own because OpenTelemetry's otelaws is deprecated since v0.72 (pkg.go.dev/…/otelaws).
func (t *Telemetry) AWS() func(*aws.Config) {
	hook := awsHook{tracer: t.Tracer()}
	var err error
	hook.took, err = t.meters.Meter(scope).Float64Histogram("floe.aws.call.duration",
		metric.WithUnit("s"), metric.WithDescription("Time of AWS calls, by service, action and error code."))
	if err != nil {
		slog.Warn("the metric floe.aws.call.duration is refused", "error", err)
	}
	return func(cfg *aws.Config) {
		cfg.Logger = logging.LoggerFunc(func(class logging.Classification, format string, args ...any) {
			level := slog.LevelDebug
			if class == logging.Warn {
				level = slog.LevelWarn
			}
			slog.Log(context.Background(), level, fmt.Sprintf(format, args...), "component", "aws-sdk")
		})
		cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("FloeTelemetry", hook.call),
				middleware.After) // after the one that puts service and operation into the context
		})
	}
}

type awsHook struct {
	tracer trace.Tracer
	took   metric.Float64Histogram
}

func (h awsHook) call(
	ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
) (middleware.InitializeOutput, middleware.Metadata, error) {
	began := time.Now()
	service, action := awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx)
	// Names of the OpenTelemetry semantic conventions for AWS SDK calls
	// (opentelemetry.io/docs/specs/semconv/cloud-providers/aws-sdk).
	ctx, span := h.tracer.Start(ctx, service+"."+action,
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(
			attribute.String("rpc.system.name", "aws-api"),
			attribute.String("rpc.method", service+"/"+action),
			attribute.String("cloud.region", awsmiddleware.GetRegion(ctx)),
		))
	defer span.End()
	out, metadata, err := next.HandleInitialize(ctx, in)
	code := errorCode(err)
	if id, ok := awsmiddleware.GetRequestIDMetadata(metadata); ok {
		span.SetAttributes(attribute.String("aws.request_id", id))
	}
	if err != nil {
		span.SetAttributes(attribute.String("error.type", code))
		span.SetStatus(codes.Error, err.Error())
	}
	if h.took != nil {
		h.took.Record(ctx, time.Since(began).Seconds(), metric.WithAttributes(
			attribute.String("service", service), attribute.String("action", action), attribute.String("code", code)))
	}
	return out, metadata, err
}

// errorCode is AWS's code of an error: few enough to be a label.
func errorCode(err error) string {
	var api smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &api):
		return api.ErrorCode()
	default:
		return "Unreachable"
	}
}
