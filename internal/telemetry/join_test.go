package telemetry

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
)

const (
	demandTrace  = "0af7651916cd43dd8448eb211c80319c"
	demandParent = "00-" + demandTrace + "-b7ad6b7169203331-01"
)

func joined(context.Context) error   { return nil }
func apart(context.Context) error    { return nil }
func ofChild(context.Context) error  { return nil }
func inPlace(context.Context) error  { return nil }
func unusable(context.Context) error { return nil }

func parentWorkflow(ctx workflow.Context) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: time.Minute})
	if err := workflow.ExecuteActivity(ctx, apart).Get(ctx, nil); err != nil {
		return err
	}
	bad := workflow.WithValue(ctx, contract.TraceKey, "not a traceparent")
	if err := workflow.ExecuteActivity(bad, unusable).Get(ctx, nil); err != nil {
		return err
	}
	demand := workflow.WithValue(ctx, contract.TraceKey, demandParent)
	if err := workflow.ExecuteActivity(demand, joined).Get(ctx, nil); err != nil {
		return err
	}
	if err := workflow.ExecuteLocalActivity(demand, inPlace).Get(ctx, nil); err != nil {
		return err
	}
	return workflow.ExecuteChildWorkflow(demand, childWorkflow).Get(ctx, nil)
}

func childWorkflow(ctx workflow.Context) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	return workflow.ExecuteActivity(ctx, ofChild).Get(ctx, nil)
}

func TestCallsJoinTheDemandsTrace(t *testing.T) {
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	interceptors, err := TemporalInterceptors(provider)
	require.NoError(t, err)

	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	options := worker.Options{DeadlockDetectionTimeout: time.Minute} // the SDK's second is a busy machine's hiccup
	for _, i := range interceptors {
		options.Interceptors = append(options.Interceptors, i.(interceptor.WorkerInterceptor))
	}
	env.SetWorkerOptions(options)
	env.RegisterWorkflow(childWorkflow)
	for _, a := range []any{joined, apart, ofChild, unusable} {
		env.RegisterActivity(a)
	}
	env.ExecuteWorkflow(parentWorkflow)
	require.NoError(t, env.GetWorkflowError())

	traces := map[string]string{} // span name -> trace id
	for _, s := range exporter.GetSpans() {
		traces[s.Name] = s.SpanContext.TraceID().String()
	}
	for _, name := range []string{
		"StartActivity:joined", "RunActivity:joined", "RunActivity:inPlace",
		"StartChildWorkflow:childWorkflow", "RunWorkflow:childWorkflow", "RunActivity:ofChild",
	} {
		require.Equal(t, demandTrace, traces[name], name)
	}
	own := traces["RunWorkflow:parentWorkflow"]
	require.NotEmpty(t, own)
	require.NotEqual(t, demandTrace, own)
	for _, name := range []string{"RunActivity:apart", "RunActivity:unusable"} {
		require.Equal(t, own, traces[name], "%s belongs to the workflow's own trace", name)
	}
}
