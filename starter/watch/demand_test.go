package watch

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace/noop"
	"go.temporal.io/sdk/temporal"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// demands waits for so many demands.
func (w *world) demands(t *testing.T, n int) []contract.Demand {
	t.Helper()
	require.Eventually(t, func() bool { return len(w.temporal.allDemands()) >= n }, waitFor, tick)
	return w.temporal.allDemands()
}

func TestPodsArriveAsOneDemand(t *testing.T) {
	timing := quick
	timing.BatchIdle, timing.BatchMax = 300*time.Millisecond, time.Minute
	w := newWorld(t, timing)
	for i := range 20 {
		w.put(t, pending(fmt.Sprintf("p%d", i), fmt.Sprint(98+i)))
	}
	w.put(t, bound(pending("runs", "200"))) // needs nothing
	d := w.demands(t, 1)
	require.Len(t, d, 1)
	require.Equal(t, 20, d[0].Pods)
	require.Equal(t, "pods-unschedulable", d[0].Reason)
	require.Equal(t, "117", d[0].Watermark, "compared as numbers: 99 is before 117")
	require.False(t, d[0].At.After(d[0].Sent))
	require.NotEmpty(t, d[0].Key)

	o := w.temporal.starts[0]
	require.Equal(t, "provisioner/demo", o.ID)
	require.Equal(t, contract.TaskQueue, o.TaskQueue)
	require.NotEmpty(t, o.StaticSummary)
	cluster, ok := o.TypedSearchAttributes.GetKeyword(temporal.NewSearchAttributeKeyKeyword(contract.AttributeCluster))
	require.True(t, ok)
	require.Equal(t, "demo", cluster)
}

func TestPodsThatKeepComingAreToldInTime(t *testing.T) {
	d := newDemand("demo", nil, Timing{BatchIdle: 100 * time.Millisecond, BatchMax: time.Second}, mustMetrics(t), nil)
	d.pod(pending("a", "1"))
	first := d.batch.first
	_, wait := d.ripe(first.Add(10 * time.Millisecond))
	require.InDelta(t, 90*time.Millisecond, wait, float64(time.Millisecond))
	for i := 1; i <= 12; i++ { // one more pod each 80 ms
		d.batch.last = first.Add(time.Duration(i) * 80 * time.Millisecond)
	}
	b, wait := d.ripe(first.Add(970 * time.Millisecond))
	require.Nil(t, b)
	require.InDelta(t, 30*time.Millisecond, wait, float64(time.Millisecond), "the end of the window bounds it")
	b, _ = d.ripe(first.Add(time.Second))
	require.NotNil(t, b)
	require.Nil(t, d.batch)
}

func TestAPodIsToldOnce(t *testing.T) {
	w := newWorld(t, quick)
	w.put(t, pending("a", "1"))
	w.demands(t, 1)
	w.put(t, pending("a", "2")) // the scheduler looked again
	w.put(t, pending("b", "3"))
	d := w.demands(t, 2)
	require.Equal(t, 1, d[1].Pods)
	require.NotEqual(t, d[0].Key, d[1].Key)
}

func TestPodsThatWaitAtTheStart(t *testing.T) {
	w := newWorld(t, quick, pending("a", "1"), pending("b", "2"))
	require.Equal(t, 2, w.demands(t, 1)[0].Pods)
}

func TestWhatMayServeTheUnserved(t *testing.T) {
	w := newWorld(t, quick)
	pools := w.dynamic.Resource(v1alpha1.NodePoolResource)
	_, err := pools.Create(context.Background(), nodePool("nobody-waits", 1), metav1.CreateOptions{})
	require.NoError(t, err)
	w.put(t, pending("a", "1"), pending("b", "1"))
	w.demands(t, 1)

	_, err = pools.Create(context.Background(), nodePool("api", 1), metav1.CreateOptions{})
	require.NoError(t, err)
	d := w.demands(t, 2)
	require.Equal(t, "pool-changed", d[1].Reason)
	require.Zero(t, d[1].Pods)

	_, err = pools.Update(context.Background(), nodePool("api", 1), metav1.UpdateOptions{}) // its status only
	require.NoError(t, err)
	_, err = pools.Update(context.Background(), nodePool("api", 2), metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Equal(t, "pool-changed", w.demands(t, 3)[2].Reason)

	require.NoError(t, w.client.Tracker().Delete(podsGVR, "default", "a"))
	d = w.demands(t, 4)
	require.Equal(t, "pods-gone", d[3].Reason)
	require.Len(t, d, 4)
}

func TestTemporalIsDown(t *testing.T) {
	w := newWorld(t, quick)
	w.temporal.set(func(string) error { return errors.New("connection refused") })
	w.put(t, pending("a", "1"))
	require.Eventually(t, func() bool { return w.temporal.tried() >= 2 }, waitFor, tick)
	w.put(t, pending("b", "2"))
	w.temporal.set(nil)
	d := w.demands(t, 2)
	require.Equal(t, 1, d[0].Pods)
	require.Equal(t, "1", d[0].Watermark)
	require.Equal(t, 1, d[1].Pods, "what came in the meantime is not lost")
	require.Equal(t, "2", d[1].Watermark)
}

func TestTraceFromFirstSightToBound(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)))
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })

	w := newWorld(t, quick)
	w.put(t, pending("a", "1"), pending("b", "2"), pending("c", "3"))
	d := w.demands(t, 1)[0]
	w.put(t, bound(pending("a", "4")), bound(pending("b", "5")))
	require.NoError(t, w.client.Tracker().Delete(podsGVR, "default", "c"))
	require.Eventually(t, func() bool { return len(spans.GetSpans()) >= 2 }, waitFor, tick)

	by := map[string]tracetest.SpanStub{}
	for _, span := range spans.GetSpans() {
		by[span.Name] = span
	}
	sight, end := by["pods need room"], by["pods bound"]
	require.Equal(t, fmt.Sprintf("00-%s-%s-01", sight.SpanContext.TraceID(), sight.SpanContext.SpanID()), d.Trace)
	require.Equal(t, sight.SpanContext.TraceID(), end.SpanContext.TraceID())
	require.Equal(t, sight.SpanContext.SpanID(), end.Parent.SpanID())
	require.True(t, end.StartTime.Equal(d.At), "the wait began at first sight")
	require.EqualValues(t, 2, end.Attributes[0].Value.AsInt64())
}

func TestNoTraceNoTraceparent(t *testing.T) {
	otel.SetTracerProvider(noop.NewTracerProvider())
	w := newWorld(t, quick)
	w.put(t, pending("a", "1"))
	require.Empty(t, w.demands(t, 1)[0].Trace)
}

func TestDemandMetrics(t *testing.T) {
	w := newWorld(t, quick)
	w.put(t, pending("a", "1"), pending("b", "2"))
	w.demands(t, 1)
	require.Eventually(t, func() bool { return w.metric(t, "floe_watch_demand_batches_total") == 1 }, waitFor, tick)
	require.EqualValues(t, 2, w.metric(t, "floe_watch_pods_waiting"))
	require.EqualValues(t, 1, w.metric(t, "floe_watch_first_sight_to_signal_seconds"))
	w.put(t, bound(pending("a", "3")), bound(pending("b", "4")))
	require.Eventually(t, func() bool { return w.metric(t, "floe_watch_first_sight_to_bound_seconds") == 1 }, waitFor, tick)
	require.Zero(t, w.metric(t, "floe_watch_pods_waiting"))
}

// metric is the value of the watcher's only metric of that name, or how often a histogram was fed.
func (w *world) metric(t *testing.T, name string) float64 {
	t.Helper()
	families, err := w.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return 0
}

func mustMetrics(t *testing.T) *metrics {
	m, err := newMetrics(nil, "demo")
	require.NoError(t, err)
	return m
}
