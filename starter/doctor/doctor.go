// Package doctor examines a cluster: it gathers what EC2, Kubernetes, Temporal and the store show, and says what does
// not belong together (internal/audit). It changes nothing. `floe doctor` is made of it, and every test and demo that
// runs all of Floe ends with it.
package doctor

import (
	"context"
	"time"

	smithytime "github.com/aws/smithy-go/time"
	"k8s.io/client-go/kubernetes"

	"floe.dev/floe/activities/store"
	"floe.dev/floe/activities/sweep"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/audit"
)

// EC2 lists a cluster's machines in an account, the terminated of the last hour included. *aws.Activities is one; Truth
// is the simulated AWS's own knowledge.
type EC2 interface {
	Owned(ctx context.Context, account, region, cluster string) ([]contract.OwnedInstance, error)
}

// Store lists the nodes that the store takes for alive; *store.Activities is one.
type Store interface {
	LivingNodes(ctx context.Context, cluster string) ([]store.Living, error)
}

// Options are what is examined, and the clients to do so with.
type Options struct {
	Cluster string
	// Accounts in which the cluster may have machines.
	Accounts []contract.AccountRegion
	EC2      EC2
	Kube     kubernetes.Interface
	Temporal sweep.Temporal
	// Store may be nil: then there is none.
	Store Store
	// DescribeLag is how long EC2 may take to show what happened.
	DescribeLag time.Duration
	// Settle is how long to wait before the second look; zero means DefaultSettle.
	Settle time.Duration
}

// DefaultSettle is how long an examination waits before it looks again at what seems wrong.
const DefaultSettle = 5 * time.Second

// Report is the outcome of an examination.
type Report struct {
	Cluster string    `json:"cluster"`
	At      time.Time `json:"at"`
	// Machines that live, open Node workflows, Nodes of ours, and pods that need room.
	Machines  int `json:"machines"`
	Workflows int `json:"workflows"`
	Nodes     int `json:"nodes"`
	Waiting   int `json:"waiting"`
	// Violations that two looks showed.
	Violations []audit.Violation `json:"violations"`
	// Unchecked says what could not be looked at, and why.
	Unchecked []string `json:"unchecked,omitempty"`
}

// Examine looks at everything, and where something seems wrong once more after Settle: what is only on its way is gone by
// then. It fails where EC2, Kubernetes or Temporal cannot be asked; what else is away is told in Unchecked.
func Examine(ctx context.Context, o Options) (Report, error) {
	if o.Settle <= 0 {
		o.Settle = DefaultSettle
	}
	first, err := look(ctx, o)
	if err != nil || len(first.Violations) == 0 {
		return first, err
	}
	if err := smithytime.SleepWithContext(ctx, o.Settle); err != nil {
		return first, err
	}
	second, err := look(ctx, o)
	second.Violations = audit.Confirmed(first.Violations, second.Violations)
	return second, err
}

// Await examines until nothing is wrong and nothing is unchecked, at most for the bound, and returns the last report. It
// is for the end of a test or a demo, where things are still settling.
func Await(ctx context.Context, o Options, bound time.Duration) (Report, error) {
	deadline := time.Now().Add(bound)
	for {
		report, err := look(ctx, o)
		if err == nil && len(report.Violations)+len(report.Unchecked) == 0 || time.Now().After(deadline) {
			return report, err
		}
		if err := smithytime.SleepWithContext(ctx, time.Second); err != nil {
			return report, err
		}
	}
}

// look gathers once and audits.
func look(ctx context.Context, o Options) (Report, error) {
	g := gatherer{Options: o, snapshot: audit.Snapshot{Cluster: o.Cluster, At: time.Now(), Lag: o.DescribeLag}}
	if err := g.gather(ctx); err != nil {
		return Report{Cluster: o.Cluster, At: g.snapshot.At}, err
	}
	report := Report{
		Cluster: o.Cluster, At: g.snapshot.At, Workflows: len(g.snapshot.Workflows), Nodes: len(g.snapshot.Nodes),
		Waiting: len(g.snapshot.Waiting), Violations: audit.Audit(g.snapshot), Unchecked: g.unchecked,
	}
	if report.Violations == nil {
		report.Violations = []audit.Violation{}
	}
	for _, m := range g.snapshot.Machines {
		if m.Live() {
			report.Machines++
		}
	}
	return report, nil
}
