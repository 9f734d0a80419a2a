package kube

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"floe.dev/floe/api/contract"
)

// Prove waits until the machine of a Node has shown that it is alive after its start, or Until has come. Proof is a lease
// renewed and a node status written after it, the status saying Ready. The Ready that a machine had before it was frozen
// stays on its Node for up to 50 s, so it proves nothing by itself; where it has lapsed it must come back too, which a
// new status that says Ready is. The boot ID tells whether it was resumed from memory or has booted.
//
// Beside the proof it is told which of the images that were prefetched are there still (in.Last.Images). That some are not
// keeps no machine from service.
//
// What was said before is known word by word (in.Last), so that no clock is compared with another: a machine that wakes
// may have a clock that is minutes behind. Where it is not known, the time of the start must do.
//
// It is told by the API server, and polls nothing; it beats its heart and may be repeated. That the proof did not come is
// an answer. Errors: ErrNodeNotFound where there is no such Node, or another has its name.
func (a *Activities) Prove(ctx context.Context, in contract.ProveInput) (contract.Proof, error) {
	c, err := a.cluster(in.Cluster)
	if err != nil {
		return contract.Proof{}, err
	}
	changed, stop := c.moved.watch(in.Node)
	defer stop()
	leases, err := c.watchLease(ctx, in.Node)
	if err != nil {
		return contract.Proof{}, err
	}
	defer func() { leases.Stop() }()
	beat := time.NewTicker(lookAgain)
	defer beat.Stop()
	over := time.NewTimer(in.Until.Sub(a.now()))
	defer over.Stop()

	p := proving{in: in}
	for {
		node, err := c.node(ctx, in.Node, false)
		if err != nil || in.UID != "" && string(node.UID) != in.UID {
			return p.proof, c.noNode(in.Node)
		}
		if p.sees(node) {
			p.counts(ctx, c)
			return p.proof, nil
		}
		select {
		case <-ctx.Done():
			return p.proof, ctx.Err()
		case <-over.C:
			p.proof.Missing = p.missing(node)
			return p.proof, nil
		case <-beat.C:
		case <-changed:
		case event, open := <-leases.ResultChan():
			if open {
				p.hears(event)
			} else if leases, err = c.watchLease(ctx, in.Node); err != nil {
				return p.proof, err
			}
		}
		if activity.IsActivity(ctx) {
			activity.RecordHeartbeat(ctx)
		}
	}
}

// watchLease watches one Node's lease. It begins with the lease as it is.
func (c *Cluster) watchLease(ctx context.Context, node string) (watch.Interface, error) {
	w, err := c.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + node})
	if err != nil {
		return nil, c.classify("watch", "leases.coordination.k8s.io", err)
	}
	return w, nil
}

// proving is one proof under way.
type proving struct {
	in    contract.ProveInput
	proof contract.Proof
}

// hears takes the lease's news.
func (p *proving) hears(event watch.Event) {
	if lease, ok := event.Object.(*coordinationv1.Lease); ok && lease.Name == p.in.Node && event.Type != watch.Deleted {
		p.proof.Lease = p.proof.Lease || p.later(renewed(lease), p.in.Last.Lease)
	}
}

// sees takes the Node's news, and reports whether all is proven.
func (p *proving) sees(node *corev1.Node) bool {
	p.proof.Status = condition(node, corev1.NodeReady) == corev1.ConditionTrue && p.later(heartbeat(node), p.in.Last.Status)
	p.proof.BootID = node.Status.NodeInfo.BootID
	p.proof.SameBoot = p.in.Last.BootID != "" && p.proof.BootID == p.in.Last.BootID
	return p.proof.Lease && p.proof.Status
}

// counts looks which of the images are there still that the Node listed before the freeze. The informer keeps no images, so
// the API server is asked, once; where it does not answer, nothing is said.
func (p *proving) counts(ctx context.Context, c *Cluster) {
	if len(p.in.Last.Images) == 0 {
		return
	}
	node, err := c.node(ctx, p.in.Node, true)
	if err != nil {
		c.log.Warn("nobody knows whether a woken machine has its images still", "node", p.in.Node, "error", err)
		return
	}
	told := len(node.Status.Images) > 0 && len(node.Status.Images) < listedImages
	for _, image := range p.in.Last.Images {
		switch {
		case listed(node, image) >= 0:
			p.proof.Images++
		case told:
			p.proof.Lost = append(p.proof.Lost, image)
		}
	}
}

// later reports whether something was said after the start: it is not what was said last, and a machine that is off
// says nothing.
func (p *proving) later(at, last time.Time) bool {
	if last.IsZero() {
		return at.After(p.in.Started)
	}
	return !at.Equal(last)
}

// missing says in words what has not come.
func (p *proving) missing(node *corev1.Node) string {
	var lacks []string
	if !p.proof.Lease {
		lacks = append(lacks, "it has not renewed its lease")
	}
	if !p.proof.Status {
		said := "it has not written its node status"
		if p.later(heartbeat(node), p.in.Last.Status) {
			said = "its node status says Ready=" + string(condition(node, corev1.NodeReady))
		}
		lacks = append(lacks, said)
	}
	return fmt.Sprintf("%s in %s after its start", strings.Join(lacks, " and "), p.in.Until.Sub(p.in.Started).Round(time.Second))
}

// heartbeat is when a kubelet wrote its Ready condition last. The node controller's Unknown leaves it as it was.
func heartbeat(node *corev1.Node) time.Time {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.LastHeartbeatTime.Time
		}
	}
	return time.Time{}
}

// renewed is when a lease was renewed last.
func renewed(lease *coordinationv1.Lease) time.Time {
	if lease.Spec.RenewTime == nil {
		return time.Time{}
	}
	return lease.Spec.RenewTime.Time
}
