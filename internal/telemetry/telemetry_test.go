package telemetry

import (
	"testing"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/telemetry/otlptest"
)

func TestNothingIsExportedUnlessAsked(t *testing.T) {
	clearOTEL(t)
	tel, err := Setup(t.Context(), "floe-test")
	require.NoError(t, err)
	require.False(t, tel.Tracing())
	interceptors, err := tel.TemporalInterceptors()
	require.NoError(t, err)
	require.Empty(t, interceptors)
	require.NoError(t, tel.Shutdown(t.Context()))

	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_SDK_DISABLED", "true")
	tel, err = Setup(t.Context(), "floe-test")
	require.NoError(t, err)
	require.False(t, tel.Tracing())
}

func TestUnknownExporterNamesTheVariable(t *testing.T) {
	clearOTEL(t)
	t.Setenv("OTEL_TRACES_EXPORTER", "carrier-pigeon")
	_, err := Setup(t.Context(), "floe-test")
	require.ErrorContains(t, err, "OTEL_TRACES_EXPORTER")
}

func TestSpansReachTheCollectorOfTheEnvironment(t *testing.T) {
	clearOTEL(t)
	collector := otlptest.New(t)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=mine")

	tel, err := Setup(t.Context(), "floe-test")
	require.NoError(t, err)
	require.True(t, tel.Tracing())
	_, span := tel.Tracer().Start(t.Context(), "pod seen")
	span.End()
	tel.Flush()

	spans := collector.Spans()
	require.Len(t, spans, 1)
	require.Equal(t, "pod seen", spans[0].Name)
	require.Equal(t, "mine", spans[0].Service, "what the user says wins")
	require.Equal(t, span.SpanContext().TraceID().String(), spans[0].TraceID)
	require.Empty(t, spans[0].ParentID)
}

func TestTemporalMetricsAreInTheRegistry(t *testing.T) {
	clearOTEL(t)
	tel, err := Setup(t.Context(), "floe-test")
	require.NoError(t, err)
	defer tel.Flush()
	tel.MetricsHandler().Counter("temporal_request").Inc(3)
	require.InDelta(t, 3, metricValue(t, tel, "temporal_request_total"), 0)
	names := metricNames(t, tel)
	require.Contains(t, names, "go_goroutines")
}

// clearOTEL keeps the environment of whoever runs the tests out of them.
func clearOTEL(t *testing.T) {
	for _, name := range []string{
		"OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_SERVICE_NAME",
		"OTEL_RESOURCE_ATTRIBUTES", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
	} {
		t.Setenv(name, "")
	}
}

func metricNames(t *testing.T, tel *Telemetry) []string {
	families, err := tel.Registry.Gather()
	require.NoError(t, err)
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	return names
}

// metricValue is the sum of a counter, or a histogram's count, over its labels.
func metricValue(t *testing.T, tel *Telemetry, name string) float64 {
	families, err := tel.Registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		var sum float64
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
		return sum
	}
	require.Failf(t, "no such metric", "%s is not among %v", name, metricNames(t, tel))
	return 0
}
