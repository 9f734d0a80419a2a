// Package telemetry sets up what Floe's programs tell of themselves: OpenTelemetry traces and metrics by the standard
// OTEL_* variables, Prometheus /metrics, and structured logs that carry trace ids.
//
// It also holds the hooks that make one trace of the whole way: Temporal's interceptor (with the demand's trace joined
// in, see join.go), the AWS SDK and the MongoDB driver.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"floe.dev/floe/internal/version"
)

// scope names our own instrumentation.
const scope = "floe.dev/floe"

// Telemetry is one program's tracing and metrics. Its hooks go into the clients that the program builds.
type Telemetry struct {
	// Registry is what /metrics shows: the Go runtime, the process, Temporal's SDK metrics and our own.
	Registry *prometheus.Registry

	tracers  trace.TracerProvider
	meters   metric.MeterProvider
	tracing  bool
	shutdown []func(context.Context) error
}

// Setup reads the standard OTEL_* variables
// (opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables) and sets OpenTelemetry's globals. service
// is the service.name where OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES give none.
//
// Unlike the specification's default, nothing is exported, and no span is made, unless a variable names an exporter
// (OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER) or an endpoint (OTEL_EXPORTER_OTLP_ENDPOINT, …_TRACES_ENDPOINT,
// …_METRICS_ENDPOINT): a program that nobody observes should not knock at localhost:4318 for ever. Prometheus metrics
// are always kept. An error names the variable to look at.
func Setup(ctx context.Context, service string) (*Telemetry, error) {
	t := &Telemetry{Registry: prometheus.NewRegistry()}
	t.Registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	res, err := resource.New(ctx,
		resource.WithAttributes(
			attribute.String("service.name", service),
			attribute.String("service.version", version.String()),
		),
		resource.WithHost(),
		resource.WithTelemetrySDK(),
		resource.WithFromEnv(), // last: what the user says wins
	)
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("OpenTelemetry resource (OTEL_RESOURCE_ATTRIBUTES): %w", err)
	}
	if err := t.setupTraces(ctx, res); err != nil {
		return nil, err
	}
	if err := t.setupMetrics(ctx, res); err != nil {
		return nil, errors.Join(err, t.Shutdown(ctx))
	}
	otel.SetTracerProvider(t.tracers)
	otel.SetMeterProvider(t.meters)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(
		propagation.TraceContext{}, propagation.Baggage{}))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		slog.Warn("OpenTelemetry could not export; check OTEL_EXPORTER_OTLP_ENDPOINT", "error", err)
	}))
	return t, nil
}

// Shutdown sends what is still buffered and stops exporting. Call it last, with a deadline.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var errs []error
	for _, f := range t.shutdown {
		errs = append(errs, f(ctx))
	}
	return errors.Join(errs...)
}

// Flush is Shutdown for the end of a program: it takes at most two seconds, and what could not be sent is logged.
func (t *Telemetry) Flush() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := t.Shutdown(ctx); err != nil {
		slog.Warn("the last traces and metrics were not sent", "error", err)
	}
}

// Tracing reports whether spans are made and exported.
func (t *Telemetry) Tracing() bool { return t.tracing }

// Tracer is the tracer for spans of our own.
func (t *Telemetry) Tracer() trace.Tracer { return t.tracers.Tracer(scope) }

func (t *Telemetry) setupTraces(ctx context.Context, res *resource.Resource) error {
	t.tracers = noop.NewTracerProvider()
	if !wanted("TRACES") {
		return nil
	}
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return fmt.Errorf("OpenTelemetry trace exporter (OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_PROTOCOL): %w", err)
	}
	if autoexport.IsNoneSpanExporter(exporter) {
		return nil
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(res))
	t.tracers, t.tracing = provider, true
	t.shutdown = append(t.shutdown, provider.Shutdown)
	return nil
}

// secondsBuckets are for durations: OpenTelemetry's defaults are made for milliseconds.
var secondsBuckets = []float64{
	.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300,
}

func (t *Telemetry) setupMetrics(ctx context.Context, res *resource.Resource) error {
	bridge, err := otelprom.New(
		otelprom.WithRegisterer(t.Registry),
		otelprom.WithoutScopeInfo(),
		otelprom.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes),
	)
	if err != nil {
		return fmt.Errorf("OpenTelemetry to Prometheus: %w", err)
	}
	options := []sdkmetric.Option{
		sdkmetric.WithReader(bridge),
		sdkmetric.WithResource(res),
		sdkmetric.WithView(sdkmetric.NewView(
			sdkmetric.Instrument{Kind: sdkmetric.InstrumentKindHistogram, Unit: "s"},
			sdkmetric.Stream{Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: secondsBuckets}},
		)),
	}
	if wanted("METRICS") {
		reader, err := autoexport.NewMetricReader(ctx)
		if err != nil {
			return fmt.Errorf("OpenTelemetry metric exporter (OTEL_METRICS_EXPORTER): %w", err)
		}
		if !autoexport.IsNoneMetricReader(reader) {
			options = append(options, sdkmetric.WithReader(reader))
		}
	}
	provider := sdkmetric.NewMeterProvider(options...)
	t.meters = provider
	t.shutdown = append(t.shutdown, provider.Shutdown)
	return nil
}

// wanted reports whether the environment asks for a signal (TRACES, METRICS) to be exported.
func wanted(signal string) bool {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	for _, name := range []string{
		"OTEL_" + signal + "_EXPORTER",
		"OTEL_EXPORTER_OTLP_" + signal + "_ENDPOINT",
		"OTEL_EXPORTER_OTLP_ENDPOINT",
	} {
		if os.Getenv(name) != "" {
			return true
		}
	}
	return false
}
