// Package sweep holds the activities of the Sweep workflow: they gather what EC2, Kubernetes and Temporal show of a
// cluster's machines, and make the repairs that package internal/sweep decides on.
//
// Whether a workflow is open is always asked of Temporal itself (DescribeWorkflowExecution), never of its visibility
// store, which lags. Visibility only names the Node workflows that there may be.
package sweep

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"floe.dev/floe/activities/kube"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/catalog"
)

// EC2 lists machines; *aws.Activities is one.
type EC2 interface {
	// Owned are a cluster's instances in an account, the terminated of the last hour included.
	Owned(ctx context.Context, account, region, cluster string) ([]contract.OwnedInstance, error)
	// View knows prices.
	View(ctx context.Context, account string) (*catalog.View, error)
}

// Nodes deletes Node objects; *kube.Activities is one.
type Nodes interface {
	DeleteNode(ctx context.Context, in contract.DeleteNodeInput) error
}

// Events keeps what was repaired; *store.Activities is one.
type Events interface {
	PutEvents(ctx context.Context, records []contract.EventRecord) error
}

// Options are what Activities are made of.
type Options struct {
	EC2      EC2
	Clusters []*kube.Cluster
	Nodes    Nodes
	Events   Events
	// DescribeLag is how long EC2 may take to show what happened.
	DescribeLag time.Duration
	Log         *slog.Logger
}

// Activities are the sweep's activities for the clusters and accounts of one process.
type Activities struct {
	ec2      EC2
	clusters map[string]*kube.Cluster
	nodes    Nodes
	events   Events
	lag      time.Duration
	log      *slog.Logger
	repairs  metric.Int64Counter
	now      func() time.Time
	temporal func(context.Context) Temporal
}

// New makes the activities. They talk to Temporal with the client of the worker that runs them.
func New(o Options) *Activities {
	a := &Activities{
		ec2: o.EC2, clusters: map[string]*kube.Cluster{}, nodes: o.Nodes, events: o.Events, lag: o.DescribeLag, log: o.Log,
		now:      time.Now,
		temporal: func(ctx context.Context) Temporal { return activity.GetClient(ctx) },
	}
	if a.log == nil {
		a.log = slog.Default()
	}
	for _, c := range o.Clusters {
		a.clusters[c.Name()] = c
	}
	var err error
	// /metrics shows it as floe_sweep_repairs_total{cluster,kind}.
	a.repairs, err = otel.Meter("floe.dev/floe/activities/sweep").Int64Counter("floe.sweep.repairs",
		metric.WithDescription("Repairs that sweeps made, by cluster and kind."))
	if err != nil {
		a.log.Warn("the metric floe.sweep.repairs is refused", "error", err)
	}
	return a
}

// cluster is the named cluster, once its informers have seen their first lists.
func (a *Activities) cluster(name string) (*kube.Cluster, error) {
	c, ok := a.clusters[name]
	if !ok {
		return nil, temporal.NewNonRetryableApplicationError(
			"cluster: this worker does not serve "+name+"; start the sweep with the name of a cluster of the configuration", contract.ErrInvalidInput, nil)
	}
	if err := c.Ready(); err != nil {
		return nil, temporal.NewApplicationErrorWithCause("not ready: "+err.Error(), contract.ErrUnavailable, err)
	}
	return c, nil
}

func unavailable(err error) error {
	return temporal.NewApplicationErrorWithCause("Temporal does not answer: "+err.Error(), contract.ErrUnavailable, err)
}
