package kube

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"

	"floe.dev/floe/activities/store"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// Cloud is what plans and chains need to know of AWS. Its answers are cached and aged: neither call is slow twice.
type Cloud interface {
	// View of an account. The View is not changed once it was returned.
	View(ctx context.Context, account string) (*catalog.View, error)
	// Template resolves a launch template to a version and an image.
	Template(ctx context.Context, account string, lt v1alpha1.LaunchTemplate) (contract.ResolvedTemplate, error)
}

// PlanStore keeps whole plans.
type PlanStore interface {
	PutPlan(ctx context.Context, plan store.PlanRecord) error
}

// Activities are the activities of the clusters that this process can reach.
type Activities struct {
	clusters map[string]*Cluster
	cloud    Cloud
	plans    PlanStore
	log      *slog.Logger
	now      func() time.Time

	candidates   candidates
	tried        tried
	lives        asks[contract.NodeView]
	provisioners asks[contract.ProvisionerView]
	standbys     asks[contract.StandbyView]
	ledger       ImageLedger // nil: see WithImages
	choices      choices
	prefetchLook time.Duration
}

// New makes the activities of some clusters. plans may be nil: then plans are not kept.
func New(clusters []*Cluster, cloud Cloud, plans PlanStore, log *slog.Logger) *Activities {
	a := &Activities{
		clusters: map[string]*Cluster{}, cloud: cloud, plans: plans, log: log, now: time.Now, prefetchLook: prefetchLook,
		lives: askBy[contract.NodeView](contract.QueryLife), provisioners: askBy[contract.ProvisionerView](contract.QueryState),
		standbys: askBy[contract.StandbyView](contract.QueryStandby),
	}
	for _, c := range clusters {
		a.clusters[c.name] = c
	}
	return a
}

// cluster is the named cluster, once its informers have seen their first lists.
func (a *Activities) cluster(name string) (*Cluster, error) {
	if name == "" {
		return nil, invalid("cluster: is empty; name the cluster as Floe's config does")
	}
	c, ok := a.clusters[name]
	if !ok {
		// Another worker may serve it: this one polls the queue of a cluster that it does not know only if it was
		// asked to by a payload whose cluster is not its queue's.
		return nil, invalid("cluster: this worker does not serve %q; it serves %s", name,
			strings.Join(slices.Sorted(maps.Keys(a.clusters)), ", "))
	}
	if err := c.Ready(); err != nil {
		return nil, temporal.NewApplicationErrorWithCause(fmt.Sprintf("not ready: %v", err), contract.ErrUnavailable, err)
	}
	return c, nil
}
