package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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

// alone is a demand that nothing drives but the test.
func alone(t *testing.T) (*demand, *fakeTemporal) {
	temporal := &fakeTemporal{}
	return newDemand("demo", temporal, Timing{}.withDefaults(), mustMetrics(t), slog.New(slog.DiscardHandler)), temporal
}

// tellNow has everything told that was gathered.
func (d *demand) tellNow(t *testing.T) {
	t.Helper()
	b, _ := d.ripe(time.Now().Add(time.Hour))
	require.NotNil(t, b)
	require.True(t, d.tell(t.Context(), b))
}

func TestPodsThatArriveTogetherAreOneDemand(t *testing.T) {
	d, told := alone(t)
	for i := range 20 {
		d.pod(pending(fmt.Sprintf("p%d", i), fmt.Sprint(98+i)))
	}
	d.pod(bound(pending("runs", "200"))) // needs nothing
	d.tellNow(t)
	require.Len(t, told.demands, 1)
	in := told.demands[0]
	require.Equal(t, 20, in.Pods)
	require.Equal(t, "pods-unschedulable", in.Reason)
	require.Equal(t, "117", in.Watermark, "compared as numbers: 99 is before 117")
	require.False(t, in.At.After(in.Sent))
	require.NotEmpty(t, in.Key)

	o := told.starts[0]
	require.Equal(t, "provisioner/demo", o.ID)
	require.Equal(t, contract.TaskQueue, o.TaskQueue)
	require.NotEmpty(t, o.StaticSummary)
	cluster, ok := o.TypedSearchAttributes.GetKeyword(temporal.NewSearchAttributeKeyKeyword(contract.AttributeCluster))
	require.True(t, ok)
	require.Equal(t, "demo", cluster)
}

func TestPodsThatKeepComingAreToldInTime(t *testing.T) {
	d, _ := alone(t)
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
	require.Eventually(t, func() bool {
		pods := 0
		for _, d := range w.temporal.allDemands() {
			pods += d.Pods
		}
		return pods == 2
	}, waitFor, tick)
}

func TestWhatMayServeTheUnserved(t *testing.T) {
	w := newWorld(t, quick)
	pools := w.dynamic.Resource(v1alpha1.NodePoolResource)
	_, err := pools.Create(context.Background(), nodePool("nobody-waits", 1), metav1.CreateOptions{})
	require.NoError(t, err)
	w.put(t, pending("a", "1"))
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

	d, told := alone(t)
	for _, name := range []string{"a", "b", "c"} {
		d.pod(pending(name, "1"))
	}
	d.tellNow(t)
	d.pod(bound(pending("a", "4")))
	d.podGone(pending("c", "5"))
	require.Len(t, spans.GetSpans(), 1, "one is still waiting")
	d.pod(bound(pending("b", "6")))

	by := map[string]tracetest.SpanStub{}
	for _, span := range spans.GetSpans() {
		by[span.Name] = span
	}
	sight, end := by["pods need room"], by["pods bound"]
	require.Equal(t, fmt.Sprintf("00-%s-%s-01", sight.SpanContext.TraceID(), sight.SpanContext.SpanID()), told.demands[0].Trace)
	require.Equal(t, sight.SpanContext.TraceID(), end.SpanContext.TraceID())
	require.Equal(t, sight.SpanContext.SpanID(), end.Parent.SpanID())
	require.True(t, end.StartTime.Equal(told.demands[0].At), "the wait began at first sight")
	require.EqualValues(t, 2, end.Attributes[0].Value.AsInt64())
}

func TestNoTraceNoTraceparent(t *testing.T) {
	otel.SetTracerProvider(noop.NewTracerProvider())
	d, told := alone(t)
	d.pod(pending("a", "1"))
	d.tellNow(t)
	require.Empty(t, told.demands[0].Trace)
}

func TestDemandMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	d, _ := alone(t)
	var err error
	d.metrics, err = newMetrics(registry, "demo")
	require.NoError(t, err)
	d.pod(pending("a", "1"))
	d.pod(pending("b", "2"))
	d.tellNow(t)
	require.EqualValues(t, 1, metric(t, registry, "floe_watch_demand_batches_total"))
	require.EqualValues(t, 2, metric(t, registry, "floe_watch_pods_waiting"))
	require.EqualValues(t, 1, metric(t, registry, "floe_watch_first_sight_to_signal_seconds"))
	require.Zero(t, metric(t, registry, "floe_watch_first_sight_to_bound_seconds"))
	d.pod(bound(pending("a", "3")))
	d.pod(bound(pending("b", "4")))
	require.EqualValues(t, 1, metric(t, registry, "floe_watch_first_sight_to_bound_seconds"))
	require.Zero(t, metric(t, registry, "floe_watch_pods_waiting"))
}

// metric is the value of the only metric of that name, or how often a histogram was fed.
func metric(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
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

// The scheduler put pods otherwise than planned: one is left over when all machines have come.
func TestPodsThatAreLeftWhenNodesHaveOpenedAreToldAgain(t *testing.T) {
	d, told := alone(t)
	d.opened() // nobody waits
	require.True(t, d.moved.IsZero())
	d.pod(pending("a", "1"))
	d.pod(pending("b", "2"))
	d.tellNow(t)

	d.opened()
	opened := d.moved
	d.pod(bound(pending("a", "3")))
	require.False(t, d.moved.Before(opened), "a binding puts it off")
	b, wait := d.ripe(d.moved.Add(d.timing.Settle - time.Millisecond))
	require.Nil(t, b)
	require.Equal(t, time.Millisecond, wait)
	b, _ = d.ripe(d.moved.Add(d.timing.Settle))
	require.NotNil(t, b)
	require.True(t, d.tell(t.Context(), b))
	require.Len(t, told.demands, 2)
	require.Equal(t, "pods-left", told.demands[1].Reason)

	b, _ = d.ripe(time.Now().Add(time.Hour))
	require.Nil(t, b, "once for each time that nodes open")
}

// Once the scheduler has refused all that wait since the last node opened, there is nothing to wait for.
func TestPodsThatAreRefusedAgainAreToldAtOnce(t *testing.T) {
	d, told := alone(t)
	d.pod(pending("a", "1"))
	d.pod(pending("b", "2"))
	d.pod(pending("c", "3"))
	d.tellNow(t)
	d.opened()
	d.pod(pending("a", "4"))
	d.pod(bound(pending("c", "5")))
	b, _ := d.ripe(d.moved.Add(d.timing.Settle - time.Millisecond))
	require.Nil(t, b, "b may still be bound")

	d.pod(pending("b", "6"))
	b, _ = d.ripe(d.moved.Add(d.timing.BatchIdle - time.Millisecond))
	require.Nil(t, b)
	b, _ = d.ripe(d.moved.Add(3 * d.timing.BatchIdle)) // long before Settle
	require.NotNil(t, b)
	require.True(t, d.tell(t.Context(), b))
	require.Equal(t, "pods-left", told.demands[1].Reason)

	d.opened()
	require.False(t, d.refused(), "another node: what was said before says nothing")
}
