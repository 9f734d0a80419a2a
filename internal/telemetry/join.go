package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
)

// traceJoin makes what a workflow calls with contract.TraceKey in its context part of that trace.
//
// Temporal's own interceptor takes a call's parent from the workflow's span. That is right for a ScaleUp, and wrong for
// a Provisioner, which lives for ever: all plans would hang on the span of whoever started it first. The tracing
// interceptor finds the parent in the workflow context under its SpanContextKey
// (go.temporal.io/sdk/interceptor/tracing_interceptor.go, startSpan), so this one puts the demand's span there before.
// It must come after the tracing one in the list: Init walks the list from the first to the last and each wraps what
// it is handed, so that the last one's outbound half is called first. That span was begun and is ended by the watcher; here it is a reference only, nothing records
// it again, so a replay needs no care.
type traceJoin struct {
	interceptor.InterceptorBase
	tracer interceptor.Tracer
	key    any
}

func newTraceJoin(tracer interceptor.Tracer) interceptor.Interceptor {
	return &traceJoin{tracer: tracer, key: tracer.Options().SpanContextKey}
}

// InterceptWorkflow puts the join on a workflow's outbound calls.
func (j *traceJoin) InterceptWorkflow(
	_ workflow.Context, next interceptor.WorkflowInboundInterceptor,
) interceptor.WorkflowInboundInterceptor {
	in := &joinInbound{join: j}
	in.Next = next
	return in
}

// parent returns ctx with the span of the traceparent under contract.TraceKey, or ctx itself where there is none that
// can be read.
func (j *traceJoin) parent(ctx workflow.Context) workflow.Context {
	traceparent, _ := ctx.Value(contract.TraceKey).(string)
	if traceparent == "" {
		return ctx
	}
	remote := propagation.TraceContext{}.Extract(context.Background(),
		propagation.MapCarrier{"traceparent": traceparent})
	if !trace.SpanContextFromContext(remote).IsValid() {
		return ctx
	}
	return workflow.WithValue(ctx, j.key, j.tracer.SpanFromContext(remote))
}

type joinInbound struct {
	interceptor.WorkflowInboundInterceptorBase
	join *traceJoin
}

func (in *joinInbound) Init(next interceptor.WorkflowOutboundInterceptor) error {
	out := &joinOutbound{join: in.join}
	out.Next = next
	return in.Next.Init(out)
}

type joinOutbound struct {
	interceptor.WorkflowOutboundInterceptorBase
	join *traceJoin
}

func (o *joinOutbound) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	return o.Next.ExecuteActivity(o.join.parent(ctx), name, args...)
}

func (o *joinOutbound) ExecuteLocalActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	return o.Next.ExecuteLocalActivity(o.join.parent(ctx), name, args...)
}

func (o *joinOutbound) ExecuteChildWorkflow(
	ctx workflow.Context, name string, args ...any,
) workflow.ChildWorkflowFuture {
	return o.Next.ExecuteChildWorkflow(o.join.parent(ctx), name, args...)
}

func (o *joinOutbound) SignalExternalWorkflow(
	ctx workflow.Context, workflowID, runID, name string, arg any,
) workflow.Future {
	return o.Next.SignalExternalWorkflow(o.join.parent(ctx), workflowID, runID, name, arg)
}

func (o *joinOutbound) SignalChildWorkflow(
	ctx workflow.Context, workflowID, name string, arg any,
) workflow.Future {
	return o.Next.SignalChildWorkflow(o.join.parent(ctx), workflowID, name, arg)
}
