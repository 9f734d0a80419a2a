package kube

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	storagev1 "k8s.io/api/storage/v1"
)

const (
	// detachWait bounds how long an empty node is kept because volumes are still attached to it. The attach-detach
	// controller takes them off within seconds of their pods; what it can't take off goes with the machine, and its pods
	// wait out Kubernetes' six minutes.
	detachWait = time.Minute
	// detachLook is how often they are looked at.
	detachLook = 250 * time.Millisecond
)

func indexAttachmentByNode(obj any) ([]string, error) {
	if a, ok := obj.(*storagev1.VolumeAttachment); ok {
		return []string{a.Spec.NodeName}, nil
	}
	return nil, nil
}

// attached counts the volumes that are attached to a node, as far as Kubernetes says: those of CSI drivers.
func (c *Cluster) attached(node string) int {
	if c.attachments == nil {
		return 0
	}
	found, err := c.attachments.GetIndexer().IndexKeys(attachmentsByNode, node)
	if err != nil {
		return 0
	}
	return len(found)
}

// awaitDetached waits until no volume is attached to the node any more, so that its pods' replacements can have them; not
// for ever, and not beyond the machine's end.
func (d *drain) awaitDetached(ctx context.Context) error {
	bound := d.now().Add(detachWait)
	if last := d.lastMoment(); !last.IsZero() && last.Before(bound) {
		bound = last
	}
	var tick *time.Ticker
	for {
		d.done.Volumes = d.cluster.attached(d.in.Node)
		if d.done.Volumes == 0 || !d.now().Before(bound) {
			return nil
		}
		activity.RecordHeartbeat(ctx, d.done)
		if tick == nil {
			tick = time.NewTicker(detachLook)
			defer tick.Stop()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
