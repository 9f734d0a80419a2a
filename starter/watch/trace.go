package watch

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// tracer is looked up at each use: the program sets the provider after this package is loaded.
func tracer() trace.Tracer { return otel.Tracer("floe.dev/floe/starter/watch") }

// traceFirstSight begins the trace of a demand: every plan, hop and node that serves it is part of it.
func traceFirstSight(cluster string, at time.Time) trace.Span {
	_, span := tracer().Start(context.Background(), "pods need room", trace.WithNewRoot(), trace.WithTimestamp(at),
		trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attribute.String("floe.cluster", cluster)))
	return span
}

// endFirstSight ends the first span of a batch: it was signaled.
func endFirstSight(b *batch) {
	b.span.SetAttributes(attribute.Int("floe.pods", b.pods), attribute.String("floe.reason", b.reason))
	b.span.End()
}

// traceBound records the whole wait of a batch's pods, from first sight until the last of them was bound.
func traceBound(b *batch, at time.Time) {
	parent := trace.ContextWithSpanContext(context.Background(), b.span.SpanContext())
	_, span := tracer().Start(parent, "pods bound", trace.WithTimestamp(b.first),
		trace.WithAttributes(attribute.Int("floe.pods", b.bound)))
	span.End(trace.WithTimestamp(at))
}

// traceparent is the W3C form of a span; empty where nothing is traced.
func traceparent(span trace.Span) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpan(context.Background(), span), carrier)
	return carrier.Get("traceparent")
}
