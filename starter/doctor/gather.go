package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/activities/kube"
	"floe.dev/floe/activities/sweep"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/audit"
)

const (
	// atOnce bounds the queries under way: each may make a worker replay a history.
	atOnce = 8
	// answerTimeout is how long a worker may take to answer a query.
	answerTimeout = 5 * time.Second
)

// gatherer takes one snapshot.
type gatherer struct {
	Options
	snapshot  audit.Snapshot
	unchecked []string
}

// gather asks EC2 before Temporal and Kubernetes: a machine that is launched in between is then not missed by those who
// should know it.
func (g *gatherer) gather(ctx context.Context) error {
	for _, step := range []func(context.Context) error{g.machines, g.workflows, g.kubernetes} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	g.asked(ctx)
	g.provisioner(ctx)
	g.records(ctx)
	return nil
}

func (g *gatherer) miss(format string, args ...any) {
	g.unchecked = append(g.unchecked, fmt.Sprintf(format, args...))
}

func (g *gatherer) machines(ctx context.Context) error {
	ids := map[string]bool{}
	for _, account := range g.Accounts {
		owned, err := g.EC2.Owned(ctx, account.Account, account.Region, g.Cluster)
		if err != nil {
			return fmt.Errorf("list instances: %w", err)
		}
		for _, i := range owned {
			if i.Foreign != "" {
				continue // another tool's
			}
			g.snapshot.Machines = append(g.snapshot.Machines, audit.Machine{OwnedInstance: i})
			ids[contract.NodeID(g.Cluster, i.ID)] = true
			if i.ScaleUp != "" {
				ids[i.ScaleUp] = true
			}
		}
	}
	owners, err := sweep.DescribeAll(ctx, g.Temporal, slices.Collect(maps.Keys(ids)))
	if err != nil {
		return err
	}
	for n, m := range g.snapshot.Machines {
		g.snapshot.Machines[n].NodeOpen = owners[contract.NodeID(g.Cluster, m.ID)].Open
		g.snapshot.Machines[n].ScaleUpOpen = owners[m.ScaleUp].Open
	}
	return nil
}

// workflows are the open Node workflows: those that visibility names, each asked whether it is open, and those that the
// machines led to.
func (g *gatherer) workflows(ctx context.Context) error {
	named, err := sweep.OpenNodes(ctx, g.Temporal, g.Cluster)
	if err != nil {
		return err
	}
	open := map[string]bool{}
	for _, m := range g.snapshot.Machines {
		if m.NodeOpen {
			open[m.ID] = true
		}
	}
	var (
		mu     sync.Mutex
		silent int
		group  errgroup.Group
	)
	group.SetLimit(atOnce)
	for _, id := range named {
		if open[id] {
			continue
		}
		w, err := sweep.Describe(ctx, g.Temporal, contract.NodeID(g.Cluster, id))
		if err != nil {
			return err
		}
		if w.Open {
			open[id] = true
		}
	}
	for id := range open {
		group.Go(func() error {
			w, err := g.workflow(ctx, id)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if w.Life == nil {
				silent++
			}
			g.snapshot.Workflows = append(g.snapshot.Workflows, w)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if silent > 0 {
		g.miss("%d Node workflows did not answer: is a worker running that polls the task queue %s?", silent, contract.TaskQueue)
	}
	return nil
}

// workflow asks an open Node workflow for its life; where no worker answers, its history says when its machine was
// launched.
func (g *gatherer) workflow(ctx context.Context, instance string) (audit.Workflow, error) {
	w := audit.Workflow{Instance: instance}
	if life, err := sweep.Life(ctx, g.Temporal, g.Cluster, instance); err == nil {
		w.Life, w.Launched = &life, life.Instance.LaunchTime
		return w, nil
	}
	in, err := sweep.NodeInputOf(ctx, g.Temporal, g.Cluster, instance)
	w.Launched = in.Instance.LaunchTime
	return w, err
}

func (g *gatherer) kubernetes(ctx context.Context) error {
	nodes, err := g.Kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range nodes.Items {
		node := &nodes.Items[i]
		if instance, ours := sweep.Ours(node); ours {
			g.snapshot.Nodes = append(g.snapshot.Nodes, audit.Node{Name: node.Name, Instance: instance, Created: node.CreationTimestamp.Time})
		}
	}
	// Only pods without a node can need room.
	pods, err := g.Kube.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName="})
	if err != nil {
		return err
	}
	for i := range pods.Items {
		if pod := &pods.Items[i]; kube.NeedsRoom(pod) {
			g.snapshot.Waiting = append(g.snapshot.Waiting, audit.Pod{Name: pod.Namespace + "/" + pod.Name, Since: unschedulableSince(pod)})
		}
	}
	return nil
}

func unschedulableSince(pod *corev1.Pod) time.Time {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			return c.LastTransitionTime.Time
		}
	}
	return pod.CreationTimestamp.Time
}

// asked reads how many machines each hop asked for, of the launches that brought more than one under a token.
func (g *gatherer) asked(ctx context.Context) {
	count := map[string]int{}
	for _, m := range g.snapshot.Machines {
		if m.Live() {
			count[m.Token]++
		}
	}
	launches := map[string]bool{}
	for _, m := range g.snapshot.Machines {
		if m.Live() && count[m.Token] > 1 && m.ScaleUp != "" {
			launches[m.ScaleUp] = true
		}
	}
	g.snapshot.Asked = map[string]int{}
	silent := 0
	for _, id := range slices.Sorted(maps.Keys(launches)) {
		var view contract.ScaleUpView
		if err := g.query(ctx, id, contract.QueryChain, &view); err != nil {
			silent++
			continue
		}
		for _, hop := range view.Hops {
			g.snapshot.Asked[hop.Token] = hop.Asked
		}
	}
	if silent > 0 {
		g.miss("%d launches could not be asked how many machines they wanted: no worker answers, or they are past the namespace's retention", silent)
	}
}

func (g *gatherer) provisioner(ctx context.Context) {
	id := contract.ProvisionerID(g.Cluster)
	w, err := sweep.Describe(ctx, g.Temporal, id)
	if err == nil && !w.Open {
		return
	}
	var view contract.ProvisionerView
	if err == nil {
		err = g.query(ctx, id, contract.QueryState, &view)
	}
	if err != nil {
		g.snapshot.Unanswered = true
		g.miss("the Provisioner did not answer: is a worker running that polls the task queue %s?", contract.TaskQueue)
		return
	}
	g.snapshot.Provisioner = &view
}

func (g *gatherer) records(ctx context.Context) {
	if g.Store == nil {
		g.miss("the store: none is configured")
		return
	}
	living, err := g.Store.LivingNodes(ctx, g.Cluster)
	if err != nil {
		g.miss("the store: %v", err)
		return
	}
	g.snapshot.Records = make(map[string]audit.Record, len(living))
	for _, l := range living {
		g.snapshot.Records[l.Instance] = audit.Record{Revision: l.Revision, At: l.At}
	}
}

// query asks a workflow. A workflow that is not known is as silent as one that no worker answers for.
func (g *gatherer) query(ctx context.Context, id, name string, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	value, err := g.Temporal.QueryWorkflow(ctx, id, "", name)
	if err != nil {
		return err
	}
	return value.Get(answer)
}
