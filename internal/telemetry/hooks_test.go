package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// traced is a Telemetry whose spans are kept in memory.
func traced(t *testing.T) (*Telemetry, *tracetest.InMemoryExporter) {
	clearOTEL(t)
	tel, err := Setup(t.Context(), "floe-test")
	require.NoError(t, err)
	exporter := tracetest.NewInMemoryExporter()
	tel.tracers, tel.tracing = sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter)), true
	return tel, exporter
}

func TestAWSCallsAreSpansOfTheirCaller(t *testing.T) {
	tel, exporter := traced(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `<Response><Errors><Error><Code>InvalidSubnetID.NotFound</Code><Message>no subnet-1</Message>`+
			`</Error></Errors><RequestID>req-1</RequestID></Response>`)
	}))
	defer server.Close()
	cfg := aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(server.URL),
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}
	tel.AWS()(&cfg)

	ctx, parent := tel.Tracer().Start(t.Context(), "activity")
	_, err := ec2.NewFromConfig(cfg).DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	require.Error(t, err)
	parent.End()

	spans := exporter.GetSpans()
	require.Len(t, spans, 2)
	call := spans[0]
	require.Equal(t, "EC2.DescribeSubnets", call.Name)
	require.Equal(t, parent.SpanContext().SpanID(), call.Parent.SpanID())
	require.Equal(t, codes.Error, call.Status.Code)
	require.InDelta(t, 1, metricValue(t, tel, "floe_aws_call_duration_seconds"), 0)
	require.Equal(t, "InvalidSubnetID.NotFound", errorCode(err))
	require.Equal(t, "Unreachable", errorCode(context.DeadlineExceeded))
}

func TestStoreCommandsAreSpansWithoutTheirData(t *testing.T) {
	tel, exporter := traced(t)
	monitor := tel.Mongo()
	command, err := bson.Marshal(bson.M{"insert": "hops", "documents": bson.A{bson.M{"secret": "hunter2"}}})
	require.NoError(t, err)
	for request, failure := range map[int64]error{1: nil, 2: errors.New("E11000 dup key: hunter2")} {
		monitor.Started(t.Context(), &event.CommandStartedEvent{
			Command: command, DatabaseName: "floe", CommandName: "insert", RequestID: request, ConnectionID: "c",
		})
		done := event.CommandFinishedEvent{CommandName: "insert", RequestID: request, ConnectionID: "c"}
		if failure == nil {
			monitor.Succeeded(t.Context(), &event.CommandSucceededEvent{CommandFinishedEvent: done})
		} else {
			monitor.Failed(t.Context(), &event.CommandFailedEvent{CommandFinishedEvent: done, Failure: failure})
		}
	}
	spans := exporter.GetSpans()
	require.Len(t, spans, 2)
	var failed int
	for _, s := range spans {
		require.Equal(t, "floe.insert", s.Name)
		require.NotContains(t, fmt.Sprintf("%+v", s), "hunter2")
		if s.Status.Code == codes.Error {
			failed++
		}
	}
	require.Equal(t, 1, failed)
	require.InDelta(t, 2, metricValue(t, tel, "floe_store_command_duration_seconds"), 0)
}

func TestLogsCarryTheTrace(t *testing.T) {
	tel, _ := traced(t)
	var out bytes.Buffer
	log, err := NewLogger(&out, "json", "info")
	require.NoError(t, err)
	ctx, span := tel.Tracer().Start(t.Context(), "x")
	log.With("pool", "general").InfoContext(ctx, "launched")
	log.DebugContext(ctx, "not shown")

	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line), "one line: %s", out.String())
	require.Equal(t, span.SpanContext().TraceID().String(), line["trace_id"])
	require.Equal(t, "general", line["pool"])

	_, err = NewLogger(&out, "xml", "info")
	require.EqualError(t, err, `log format "xml" is unknown: use json or text`)
	_, err = NewLogger(&out, "json", "loud")
	require.EqualError(t, err, `log level "loud" is unknown: use debug, info, warn or error`)
}
