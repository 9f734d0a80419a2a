package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// Mongo makes each command to the store a span (floe.insert) and a point of the histogram
// floe_store_command_duration_seconds{command,failed}. It goes into the driver's client options (SetMonitor).
//
// It is our own because OpenTelemetry's otelmongo has no release for the driver's v2. It never looks into a command or
// a reply: they hold users' data.
func (t *Telemetry) Mongo() *event.CommandMonitor {
	m := &mongoHook{tracer: t.Tracer()}
	var err error
	m.took, err = t.meters.Meter(scope).Float64Histogram("floe.store.command.duration",
		metric.WithUnit("s"), metric.WithDescription("Time of commands to the store, by command."))
	if err != nil {
		slog.Warn("the metric floe.store.command.duration is refused", "error", err)
	}
	return &event.CommandMonitor{Started: m.started, Succeeded: m.succeeded, Failed: m.failed}
}

type mongoHook struct {
	tracer trace.Tracer
	took   metric.Float64Histogram
	spans  sync.Map // commandKey -> trace.Span
}

// commandKey tells one command under way from every other: request ids are unique within a connection.
type commandKey struct {
	connection string
	request    int64
}

func (m *mongoHook) started(ctx context.Context, e *event.CommandStartedEvent) {
	_, span := m.tracer.Start(ctx, e.DatabaseName+"."+e.CommandName,
		trace.WithSpanKind(trace.SpanKindClient),
		// opentelemetry.io/docs/specs/semconv/database/mongodb
		trace.WithAttributes(
			attribute.String("db.system.name", "mongodb"),
			attribute.String("db.namespace", e.DatabaseName),
			attribute.String("db.operation.name", e.CommandName),
		))
	if span.IsRecording() {
		m.spans.Store(commandKey{e.ConnectionID, e.RequestID}, span)
	}
}

func (m *mongoHook) succeeded(ctx context.Context, e *event.CommandSucceededEvent) {
	m.finished(ctx, &e.CommandFinishedEvent, nil)
}

func (m *mongoHook) failed(ctx context.Context, e *event.CommandFailedEvent) {
	m.finished(ctx, &e.CommandFinishedEvent, e.Failure)
}

func (m *mongoHook) finished(ctx context.Context, e *event.CommandFinishedEvent, failure error) {
	if m.took != nil {
		m.took.Record(ctx, e.Duration.Seconds(), metric.WithAttributes(
			attribute.String("command", e.CommandName), attribute.Bool("failed", failure != nil)))
	}
	kept, ok := m.spans.LoadAndDelete(commandKey{e.ConnectionID, e.RequestID})
	if !ok {
		return
	}
	span := kept.(trace.Span)
	if failure != nil {
		span.SetStatus(codes.Error, failureName(failure))
	}
	span.End()
}

// failureName is the server's name of an error (DuplicateKey), or its type: an error's message can quote the document.
func failureName(err error) string {
	var command mongo.CommandError
	if errors.As(err, &command) && command.Name != "" {
		return command.Name
	}
	return fmt.Sprintf("%T", err)
}
