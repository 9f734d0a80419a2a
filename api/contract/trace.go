package contract

type traceKey struct{}

// TraceKey is the workflow context key of a W3C traceparent (string). A workflow that serves a demand puts the demand's
// Trace there, so that the activities and child workflows it calls with that context join the demand's trace: one trace
// from the pending pod to the bound pod, although the Provisioner outlives every demand. See internal/telemetry.
var TraceKey = traceKey{}
