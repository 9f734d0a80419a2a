package telemetry

import (
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	temporalotel "go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
)

// TemporalInterceptors go into client.Options.Interceptors, in this order; a worker made of that client takes them over
// by itself. None where nothing is traced.
func (t *Telemetry) TemporalInterceptors() ([]interceptor.ClientInterceptor, error) {
	if !t.tracing {
		return nil, nil
	}
	return TemporalInterceptors(t.tracers)
}

// TemporalInterceptors are the interceptors that trace workflows and activities with the given provider: Temporal's,
// and ours, which joins the demand's trace.
func TemporalInterceptors(provider trace.TracerProvider) ([]interceptor.ClientInterceptor, error) {
	tracer, err := temporalotel.NewTracer(temporalotel.TracerOptions{
		Tracer: provider.Tracer("temporal-sdk-go"),
		// A header that cannot be read must not fail a workflow: a trace is not worth a node.
		AllowInvalidParentSpans: true,
		// A query is a reader's look from outside, not a step of the way.
		DisableQueryTracing: true,
	})
	if err != nil {
		return nil, fmt.Errorf("tracer for Temporal: %w", err)
	}
	return []interceptor.ClientInterceptor{
		interceptor.NewTracingInterceptor(tracer),
		newTraceJoin(tracer), // see there why it is the last
	}, nil
}

// MetricsHandler shows the Temporal SDK's metrics
// (docs.temporal.io/references/sdk-metrics) in our registry, as temporal_….
func (t *Telemetry) MetricsHandler() client.MetricsHandler {
	return temporalotel.NewMetricsHandler(temporalotel.MetricsHandlerOptions{
		Meter:                t.meters.Meter("temporal-sdk-go"),
		UseMonotonicCounters: true,
		OnError:              func(err error) { slog.Warn("a metric of the Temporal SDK is refused", "error", err) },
	})
}
