package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	smithytime "github.com/aws/smithy-go/time"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/testbed"
)

// idleFor is how long a house is watched doing nothing.
const idleFor = time.Minute

// sizedPool brings one machine of two cores for each pod that asks for more than one.
var sizedPool = poolOf("large", "spot on-demand")

// measureSize: so many nodes at once under AWS's API budgets, then a minute of nothing, then all of them terminated.
func measureSize(n int) func(context.Context, *table) error {
	return func(ctx context.Context, t *table) error { return size(ctx, t, n) }
}

func size(ctx context.Context, t *table, n int) error {
	h, err := build(ctx, booting, nil, sizedPool)
	if err != nil {
		return err
	}
	defer h.close()
	what := fmt.Sprintf("%d nodes at once", n)
	actions, err := h.actions(ctx)
	if err != nil {
		return err
	}

	seen := h.watchPods(ctx)
	load := h.sample(ctx)
	first := time.Now()
	if err := h.createSized(ctx, n); err != nil {
		return err
	}
	last := time.Now()
	ready := func(ctx context.Context) (bool, error) {
		count, err := h.countReady(ctx)
		return count >= n && seen.running() >= n, err
	}
	if err := poll(ctx, 500*time.Millisecond, 15*time.Minute, ready); err != nil {
		count, _ := h.countReady(ctx)
		return fmt.Errorf("%d are Ready, %d pods are Running: %w", count, seen.running(), err)
	}
	used := load.end()
	after, err := h.actions(ctx)
	if err != nil {
		return err
	}
	truth, err := h.truth(ctx)
	if err != nil {
		return err
	}
	up, err := h.risen(ctx, truth)
	if err != nil {
		return err
	}
	t.row(what+": pods created within, all launched after the last of them", seconds(last.Sub(first))+", "+seconds(up.launched.Sub(last)), "")
	t.row(what+": machines bought", fmt.Sprint(len(truth.Instances)), fmt.Sprint(n))
	t.row(what+": all pods Running after the first pod, beyond "+bootTime.String()+" of simulated boot", seconds(seen.lastRunning().Sub(first)-bootTime), "")
	t.row(what+": all workflows at Ready after the last machine is", seconds(up.workflows.Sub(up.machines)), "≤ 30 s at 500")
	t.row(what+": history events of a Node, mean and most", fmt.Sprintf("%.1f, %d", up.events, up.most), "≤ 40")
	t.row(what+": Temporal actions per node", fmt.Sprintf("%.1f", (after-actions)/float64(n)), "")
	h.rows(t, what+", scaling up", used)

	if err := h.idle(ctx, t, what); err != nil {
		return err
	}
	if err := h.empty(ctx, t, what, n); err != nil {
		return err
	}
	return nil
}

// createSized makes n pods of which one fits on a machine.
func (h *house) createSized(ctx context.Context, n int) error {
	return h.createPods(ctx, n, func(i int) *corev1.Pod { return pod(fmt.Sprintf("p-%d", i), 1200, 1024, nil) })
}

// rows tells what the processes used.
func (h *house) rows(t *table, what string, used map[string]*usage) {
	for _, name := range watched {
		if u := used[name]; u != nil {
			goal := ""
			if name == "worker-1" {
				goal = "≤ 200 MiB at 500"
			}
			t.row(fmt.Sprintf("%s: %s, MiB resident at most, cores at most and mean", what, name),
				fmt.Sprintf("%d, %.2f, %.2f", u.peakRSS, u.peakCPU, u.mean()), goal)
		}
	}
}

// idle watches the house do nothing.
func (h *house) idle(ctx context.Context, t *table, what string) error {
	// What the scale-up left behind (records, visibility, informers) is not idleness.
	if err := smithytime.SleepWithContext(ctx, 15*time.Second); err != nil {
		return err
	}
	before, err := h.actions(ctx)
	if err != nil {
		return err
	}
	load := h.sample(ctx)
	if err := smithytime.SleepWithContext(ctx, idleFor); err != nil {
		return err
	}
	used := load.end()
	after, err := h.actions(ctx)
	if err != nil {
		return err
	}
	t.row(what+", idle: Temporal actions a minute, of all of Floe", fmt.Sprintf("%.0f", after-before), "")
	h.rows(t, what+", idle", used)
	return nil
}

// empty has every node terminated at once.
func (h *house) empty(ctx context.Context, t *table, what string, n int) error {
	ids, err := h.workflowIDs(ctx, contract.WorkflowNode)
	if err != nil {
		return err
	}
	began := time.Now()
	g, signaling := errgroup.WithContext(ctx)
	g.SetLimit(20)
	for _, id := range ids {
		g.Go(func() error {
			return h.temporal.SignalWorkflow(signaling, id, "", contract.SignalTerminate, contract.Operation{Request: "bench", Reason: "the bench is over"})
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	// The pods go too, or they would be bought for again.
	if err := h.kube.CoreV1().Pods(metav1.NamespaceDefault).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		return err
	}
	var truth sim.Truth
	err = poll(ctx, time.Second, 15*time.Minute, func(ctx context.Context) (bool, error) {
		var err error
		if truth, err = h.truth(ctx); err != nil {
			return false, err
		}
		for _, i := range truth.Instances {
			if i.State != "terminated" {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	firstCall, lastCall := began, began
	for _, i := range truth.Instances {
		at := i.Since["shutting-down"]
		if firstCall.Equal(began) || at.Before(firstCall) {
			firstCall = at
		}
		if at.After(lastCall) {
			lastCall = at
		}
	}
	calls := truth.Counts["TerminateInstances"].All
	t.row(what+": all terminated, from the first call to the last, and the calls", fmt.Sprintf("%s, %d", seconds(lastCall.Sub(firstCall)), calls),
		"least by the buckets: "+seconds(leastToTerminate(n)))
	refused := 0
	for _, count := range truth.Counts {
		refused += count.Refused["RequestLimitExceeded"]
	}
	t.row(what+": calls refused with RequestLimitExceeded, up, idle and down", fmt.Sprint(refused), "0")
	return nil
}

// leastToTerminate is how long EC2's buckets need for so many instances: 1,000 at once, then 20 a second
// (docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html).
func leastToTerminate(n int) time.Duration {
	return time.Duration(max(0, n-1000)) * time.Second / 20
}

func (h *house) truth(ctx context.Context) (truth sim.Truth, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.SimURL+"/truth", nil)
	if err != nil {
		return truth, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return truth, err
	}
	defer response.Body.Close()
	return truth, json.NewDecoder(response.Body).Decode(&truth)
}

// countReady asks visibility, which lags a little: the workflows' own times are read afterwards.
func (h *house) countReady(ctx context.Context) (int, error) {
	counted, err := h.temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Namespace: testbed.TemporalNamespace,
		Query:     fmt.Sprintf("WorkflowType=%q AND %s=%q", contract.WorkflowNode, contract.AttributePhase, contract.PhaseReady),
	})
	return int(counted.GetCount()), err
}

// risen is when a scale-up came where.
type risen struct {
	launched  time.Time // the last machine
	machines  time.Time // the last machine was Ready
	workflows time.Time // the last workflow said so
	events    float64   // of a Node's history, mean of some
	most      int
}

// risen reads it from the simulated AWS and from the workflows.
func (h *house) risen(ctx context.Context, truth sim.Truth) (risen, error) {
	var up risen
	for _, i := range truth.Instances {
		up.launched = later(up.launched, i.Launched)
		if i.Node != nil {
			up.machines = later(up.machines, i.Node.Ready)
		}
	}
	ids, err := h.workflowIDs(ctx, contract.WorkflowNode)
	if err != nil {
		return up, err
	}
	var mu sync.Mutex
	g, asking := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, id := range ids {
		g.Go(func() error {
			value, err := h.temporal.QueryWorkflow(asking, id, "", contract.QueryLife)
			if err != nil {
				return err
			}
			var life contract.NodeView
			if err := value.Get(&life); err != nil {
				return err
			}
			length := 0
			if i < someHistories {
				events, err := h.history(asking, id)
				if err != nil {
					return err
				}
				length = len(events)
			}
			mu.Lock()
			defer mu.Unlock()
			up.workflows = later(up.workflows, life.Since[contract.PhaseReady])
			up.events += float64(length)
			up.most = max(up.most, length)
			return nil
		})
	}
	err = g.Wait()
	up.events /= float64(min(len(ids), someHistories))
	return up, err
}

// someHistories is how many histories are read whole.
const someHistories = 50

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
