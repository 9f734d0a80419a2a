package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubectl/pkg/drain"

	"floe.dev/floe/activities/aws"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/config"
	"floe.dev/floe/internal/reclaim"
	"floe.dev/floe/internal/testbed"
)

// drainsAtOnce is how many notices the baseline handles at the same time: the default of
// aws-node-termination-handler's queue processor (`workers`, docs of its Helm chart).
const drainsAtOnce = 10

// evictAgain is how long kubectl waits after an eviction was refused (pkg/cmd/drain of k8s.io/kubectl).
const evictAgain = 5 * time.Second

// stormBaseline measures the same storm in the same world where nobody buys ahead: Floe's watcher reads no queue, and a
// handler of ours, made after aws-node-termination-handler with its defaults, cordons and drains with kubectl's own drain.
// New machines are bought as ever, when the pods that were evicted wait. It is a re-creation, not the handler itself.
func (t *table) stormBaseline(ctx context.Context, scenario string, n int, what string) (float64, error) {
	h, err := buildWith(ctx, testbed.Options{Rates: unlimited, NoQueue: true}, scenario, stormPool)
	if err != nil {
		return 0, err
	}
	defer h.close()
	if err := h.stormApp(ctx, int32(n)); err != nil {
		return 0, err
	}
	handler, err := h.handler(ctx)
	if err != nil {
		return 0, err
	}
	bounded, stop := context.WithCancel(ctx)
	handling := make(chan error, 1)
	go func() { handling <- handler.run(bounded) }()
	defer func() { stop(); <-handling }()
	s := h.watchStorm(ctx)
	blown := make(chan error, 1)
	go func() { blown <- h.blow(ctx, s, n) }()
	away, err := h.watchApp(ctx, n, reclaim.Warning+2*time.Minute, func() bool { return int(handler.done.Load()) >= n })
	if err != nil {
		return 0, fmt.Errorf("%d of %d drains over: %w", handler.done.Load(), n, err)
	}
	if err := <-blown; err != nil {
		return 0, err
	}
	const label = "baseline, our re-creation of cordon and drain without replacement: "
	t.row(what+label+fmt.Sprintf("fewest pods available of %d until the margin, budget %d", n, kept(n)), fmt.Sprint(away.least), "")
	t.row(what+label+"fewest pods available from the margin on", away.afterMargin(), "")
	t.row(what+label+"drains that had not ended in two minutes", fmt.Sprint(handler.late.Load()), "")
	t.row(what+label+"unserved pod-seconds in all", fmt.Sprintf("%.0f", away.unserved), "")
	return away.unserved, nil
}

// handler cordons and drains what EC2 warns of.
type handler struct {
	house *house
	queue *aws.Queue
	nodes map[string]string // by instance
	done  atomic.Int64      // drains that are over, in whatever way
	late  atomic.Int64      // of them those that did not empty their node
}

// handler is one for the nodes that there are now.
func (h *house) handler(ctx context.Context) (*handler, error) {
	account := config.Account{Name: testbed.Account, Region: testbed.Region, Endpoint: h.SimURL, InterruptionQueue: testbed.InterruptionQueue}
	a, err := aws.New(ctx, aws.Options{Accounts: []config.Account{account}, Log: slog.New(slog.DiscardHandler), Configure: func(c *awssdk.Config) {
		c.Credentials = credentials.NewStaticCredentialsProvider("AKIAFLOEBENCH0000000", "secret", "")
	}})
	if err != nil {
		return nil, err
	}
	queue, _, err := a.Queue(account.Name)
	if err != nil {
		return nil, err
	}
	list, err := h.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	nodes := map[string]string{}
	for _, n := range list.Items {
		if id, ok := contract.InstanceOfProviderID(n.Spec.ProviderID); ok {
			nodes[id] = n.Name
		}
	}
	return &handler{house: h, queue: queue, nodes: nodes}, nil
}

// run reads the queue and drains, drainsAtOnce at a time, until ctx ends and the drains under way with it.
func (h *handler) run(ctx context.Context) error {
	var drains sync.WaitGroup
	defer drains.Wait()
	slots := make(chan struct{}, drainsAtOnce)
	warned := make(map[string]bool)
	for ctx.Err() == nil {
		messages, err := h.queue.Receive(ctx)
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			return err
		}
		for _, raw := range messages {
			if err := h.queue.Delete(ctx, raw.Handle); err != nil && ctx.Err() == nil {
				return err
			}
			m, err := reclaim.Parse([]byte(raw.Body))
			if err != nil || m.Kind != contract.ReclaimInterruption || warned[m.Instances[0]] {
				continue
			}
			warned[m.Instances[0]] = true
			node := h.nodes[m.Instances[0]]
			drains.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				if h.drain(ctx, node) != nil {
					h.late.Add(1)
				}
				h.done.Add(1)
			})
		}
	}
	return nil
}

// drain cordons and drains a node as the handler does by its defaults: pods without a controller and with local data too, each
// with its own grace, two minutes in all.
func (h *handler) drain(ctx context.Context, name string) error {
	helper := &drain.Helper{
		Ctx: ctx, Client: h.house.kube, Force: true, GracePeriodSeconds: -1, IgnoreAllDaemonSets: true, DeleteEmptyDirData: true,
		Timeout: reclaim.Warning, EvictErrorRetryDelay: evictAgain, Out: io.Discard, ErrOut: io.Discard,
	}
	err := drain.RunCordonOrUncordon(helper, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, true)
	if err != nil {
		return err
	}
	return drain.RunNodeDrain(helper, name)
}
