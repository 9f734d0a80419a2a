package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
	temporallog "go.temporal.io/sdk/log"
	"k8s.io/klog/v2"
)

// NewLogger is a structured logger: format is json or text, level one of debug, info, warn, error. Records made with a
// context that has a span carry its trace_id and span_id.
func NewLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q is unknown: use debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: least}
	switch format {
	case "json":
		return slog.New(traceHandler{slog.NewJSONHandler(w, options)}), nil
	case "text":
		return slog.New(traceHandler{slog.NewTextHandler(w, options)}), nil
	}
	return nil, fmt.Errorf("log format %q is unknown: use json or text", format)
}

// SetDefaultLogger makes l the logger of slog, of the standard library's log and of klog, which client-go writes to.
func SetDefaultLogger(l *slog.Logger) {
	slog.SetDefault(l)
	klog.SetSlogLogger(l.With("component", "client-go"))
}

// TemporalLogger lets Temporal's SDK log through l: lines written by workflows and activities carry WorkflowID, RunID
// and, where traced, TraceID.
func TemporalLogger(l *slog.Logger) temporallog.Logger { return temporallog.NewStructuredLogger(l) }

type traceHandler struct{ slog.Handler }

func (h traceHandler) Handle(ctx context.Context, r slog.Record) error {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceHandler{h.Handler.WithAttrs(attrs)}
}

func (h traceHandler) WithGroup(name string) slog.Handler {
	return traceHandler{h.Handler.WithGroup(name)}
}
