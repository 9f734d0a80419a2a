package kube

import (
	"context"
	"encoding/json"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/tools/cache"
)

// nominators is how many pods of one node are nominated at the same time.
const nominators = 8

// nominate tells the scheduler which node waiting pods are meant for. Left to itself it spreads pods over the nodes as
// they come, other than they were planned, and the last ones fit nowhere though room enough was bought. A nominated
// pod's place is kept from pods of no higher priority, and the scheduler tries its node first (KEP-5278, on by default
// since 1.35; older schedulers ignore it or take it back, and lose only this).
//
// It is done before the node opens to pods, and best effort: a pod that cannot be nominated is scheduled as any other.
func (c *Cluster) nominate(ctx context.Context, node string, pods []string) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(nominators)
	for _, name := range pods {
		obj, there, err := c.pods.GetStore().GetByKey(name)
		pod, ok := obj.(*corev1.Pod)
		if err != nil || !there || !ok || !(NeedsRoom(pod) || Unjudged(pod)) || pod.Status.NominatedNodeName == node {
			continue
		}
		g.Go(func() error {
			if err := c.nominatePod(ctx, pod, node); err != nil {
				c.log.Info("a pod is not nominated to its node", "pod", cache.MetaObjectToName(pod), "node", node, "error", err)
			}
			return nil
		})
	}
	_ = g.Wait() // every error is told above
}

func (c *Cluster) nominatePod(ctx context.Context, pod *corev1.Pod, node string) error {
	// The UID: another pod of that name is none of ours, and one that is gone is not made anew.
	patch, err := json.Marshal(applycorev1.Pod(pod.Name, pod.Namespace).WithUID(pod.UID).
		WithStatus(applycorev1.PodStatus().WithNominatedNodeName(node)))
	if err != nil {
		return err
	}
	force := true // of the scheduler, which nominates only where it preempts
	_, err = c.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.ApplyPatchType, patch,
		metav1.PatchOptions{FieldManager: managerNominate, Force: &force}, "status")
	return err
}
