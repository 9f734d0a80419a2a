package kube

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

const (
	// PrefetchTimeout is how long a prefetch may take where its caller says nothing.
	PrefetchTimeout = 10 * time.Minute
	// pullsAtOnce on one machine. A kubelet pulls one after the other unless told otherwise, and all share one disk.
	pullsAtOnce = 3
	// prefetchLook is how often pods and Node are looked at: pulls take tens of seconds.
	prefetchLook = time.Second
	// cleanUpTimeout bounds the deletion of the pods at the end.
	cleanUpTimeout = 30 * time.Second
)

// Prefetch pulls images onto a Node before its machine is frozen: those that it is told, or those that the pool's ledger
// foretells within spec.standby.prefetch.disk. Each is pulled by a pod that is bound to the Node past the scheduler,
// tolerates every taint, and whose command is a path that no image has: it ends as soon as its image is there, and nothing of
// the image runs. So it works with any container runtime, and through the kubelet's own credentials.
//
// An image is on the machine when the Node lists it, or (a Node lists its 50 largest by default) when its pod got as far as
// being started, which a kubelet does after the pull. One that was listed and no longer is was taken by the kubelet's garbage
// collection, and is told as failed.
//
// It beats its heart, may be started again at any point, and takes its pods away at its end. What cannot be pulled, chosen or
// asked for is told in the result and is no error: a machine without its images is slower, and not wrong. The errors:
// ErrNodeNotFound where there is no such Node or another has its name, ErrUnavailable where the API server is away.
func (a *Activities) Prefetch(ctx context.Context, in contract.PrefetchInput) (contract.PrefetchResult, error) {
	began := a.now()
	c, err := a.cluster(in.Cluster)
	if err != nil {
		return contract.PrefetchResult{}, err
	}
	if in.Node == "" {
		return contract.PrefetchResult{}, invalid("node: is empty; name the Node to pull images on")
	}
	how := prefetchOf(c, in.Pool)
	names, note := in.Images, ""
	if len(names) == 0 {
		chosen, problem := a.choose(ctx, c, in.Pool, how.Disk.Value())
		for _, i := range chosen {
			names = append(names, i.Image)
		}
		note = problem
	}
	p := &prefetch{
		cluster: c, in: in, how: how, now: a.now, every: a.prefetchLook,
		deadline: began.Add(PrefetchTimeout),
	}
	if in.Within > 0 {
		p.deadline = began.Add(in.Within)
	}
	for _, name := range names {
		if !slices.ContainsFunc(p.pulls, func(q *pull) bool { return q.image == name }) {
			p.pulls = append(p.pulls, &pull{image: name, pod: prefetchPod(in, name)})
		}
	}
	if len(p.pulls) > 0 {
		err = p.run(ctx)
	}
	result := p.result()
	result.Note, result.Took = note, a.now().Sub(began)
	return result, err
}

// prefetchOf is what a pool says of prefetching; nothing where it says nothing.
func prefetchOf(c *Cluster, pool string) v1alpha1.Prefetch {
	if p, ok := c.cachedPool(pool); ok && p.Spec.Standby != nil && p.Spec.Standby.Prefetch != nil {
		return *p.Spec.Standby.Prefetch
	}
	return v1alpha1.Prefetch{Namespace: v1alpha1.DefaultPrefetchNamespace}
}

// prefetch is one machine's pulls under way.
type prefetch struct {
	cluster  *Cluster
	in       contract.PrefetchInput
	how      v1alpha1.Prefetch
	now      func() time.Time
	every    time.Duration
	deadline time.Time
	node     *corev1.Node
	pulls    []*pull // in the order in which they are made
}

// pull is one image.
type pull struct {
	image, pod string
	started    bool // its pod was made
	done       bool
	listed     bool   // the Node has listed it
	failed     string // why it is not there; final where done is set too
	bytes      int64
}

// run pulls until all is done, failed or the time is up.
func (p *prefetch) run(ctx context.Context) error {
	defer p.cleanUp(ctx)
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for {
		left, err := p.look(ctx)
		if err != nil || left == 0 {
			return err
		}
		if activity.IsActivity(ctx) {
			activity.RecordHeartbeat(ctx, len(p.pulls)-left)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// look sees how far the pulls are, begins more, and tells how many are left.
func (p *prefetch) look(ctx context.Context) (left int, err error) {
	if p.node, err = p.cluster.node(ctx, p.in.Node, true); apierrors.IsNotFound(err) {
		return 0, p.cluster.noNode(p.in.Node)
	} else if err != nil {
		return 0, p.cluster.classify("get", "nodes", err)
	}
	if p.in.UID != "" && string(p.node.UID) != p.in.UID {
		return 0, p.cluster.noNode(p.in.Node)
	}
	pods, err := p.pods(ctx)
	if err != nil {
		return 0, err
	}
	late := !p.now().Before(p.deadline)
	atOnce := 0
	for _, q := range p.pulls {
		q.see(p.node, pods[q.pod])
		if q.done {
			continue
		}
		if late {
			q.done = true
			q.failed = cmp.Or(q.failed, "it was not there in time")
			continue
		}
		if left++; q.started {
			atOnce++
		}
	}
	for _, q := range p.pulls {
		if atOnce >= pullsAtOnce || left == 0 {
			break
		}
		if !q.done && !q.started {
			if err := p.begin(ctx, q); err != nil {
				return 0, err
			}
			if atOnce++; q.done {
				atOnce--
				left--
			}
		}
	}
	return left, nil
}

// pods are those that pull onto this Node, by name.
func (p *prefetch) pods(ctx context.Context) (map[string]*corev1.Pod, error) {
	list, err := p.cluster.client.CoreV1().Pods(p.how.Namespace).List(ctx, metav1.ListOptions{LabelSelector: v1alpha1.LabelPrefetch + "=" + string(p.node.UID)})
	if err != nil {
		return nil, p.cluster.classify("list", "pods", err)
	}
	pods := map[string]*corev1.Pod{}
	for i := range list.Items {
		pods[list.Items[i].Name] = &list.Items[i]
	}
	return pods, nil
}

// begin makes the pod of a pull. A refusal is that image's failure; only an API server that is away is an error.
func (p *prefetch) begin(ctx context.Context, q *pull) error {
	_, err := p.cluster.client.CoreV1().Pods(p.how.Namespace).Create(ctx, p.podOf(q), metav1.CreateOptions{})
	switch {
	case err == nil, apierrors.IsAlreadyExists(err):
		q.started = true
	case apierrors.IsForbidden(err):
		q.done = true
		q.failed = fmt.Sprintf("no pod may be made in namespace %s: create it, apply deploy/rbac/prefetch.yaml to it, and see that its policies admit the pod: %v", p.how.Namespace, err)
	case apierrors.IsNotFound(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		q.done = true
		q.failed = fmt.Sprintf("no pod can be made for it in namespace %s: %v", p.how.Namespace, err)
	default:
		return p.cluster.classify("create", "pods", err)
	}
	return nil
}

// cleanUp takes the pods away, also where the activity was canceled. What fails here is left to the pods' own deadline and
// to the Node, which owns them.
func (p *prefetch) cleanUp(ctx context.Context) {
	if p.node == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTimeout)
	defer cancel()
	pods, err := p.pods(ctx)
	for name, pod := range pods {
		now := int64(0)
		failed := p.cluster.client.CoreV1().Pods(p.how.Namespace).Delete(ctx, name, metav1.DeleteOptions{
			GracePeriodSeconds: &now, Preconditions: uidIs(string(pod.UID)),
		})
		if failed != nil && !apierrors.IsNotFound(failed) && !apierrors.IsConflict(failed) {
			err = failed
		}
	}
	if err != nil {
		p.cluster.log.Warn("pods that prefetched images are left behind", "node", p.in.Node, "namespace", p.how.Namespace, "error", err)
	}
}

func (p *prefetch) result() (r contract.PrefetchResult) {
	for _, q := range p.pulls {
		switch {
		case q.done && q.failed == "":
			r.Images = append(r.Images, q.image)
			r.Bytes += q.bytes
		default:
			r.Failed = append(r.Failed, contract.PrefetchFailure{Image: q.image, Reason: cmp.Or(q.failed, "it was not begun")})
		}
	}
	return r
}
