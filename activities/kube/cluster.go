package kube

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	appsinformers "k8s.io/client-go/informers/apps/v1"
	coreinformers "k8s.io/client-go/informers/core/v1"
	policyinformers "k8s.io/client-go/informers/policy/v1"
	storageinformers "k8s.io/client-go/informers/storage/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// Names of the indexes.
const (
	podsByNode        = "node"
	nodesByInstance   = "instance"
	attachmentsByNode = "node"
)

// ClusterOptions are what a Cluster is made of.
type ClusterOptions struct {
	// Name of the cluster, as in the configuration.
	Name string
	// Account of the cluster: the one of pools that name none.
	Account string
	Client  kubernetes.Interface
	Dynamic dynamic.Interface
	// Planning says to watch daemonsets, namespaces, disruption budgets and what volumes are about too: decisions need
	// them, the watcher does not.
	Planning bool
	// Images is told each image that a Node lists, under all its names, as the Node is seen; nil for nobody. It is called
	// by several goroutines. With it, the pods' image IDs are kept.
	Images func(names []string, bytes int64)
	Log    *slog.Logger
}

// Cluster is one Kubernetes cluster as informers see it: pods that have not ended, nodes, NodePools and, for planning,
// daemonsets, namespaces, claims, volumes, storage classes, CSINodes, VolumeAttachments and
// PodDisruptionBudgets. There is one of it in a process for each
// cluster; nothing of it lists on a hot path.
type Cluster struct {
	name    string
	account string
	client  kubernetes.Interface
	dynamic dynamic.Interface
	log     *slog.Logger

	pods, nodes, pools cache.SharedIndexInformer
	// nil where the cluster is not for planning
	daemonSets, namespaces, claims, volumes, storageClasses, csiNodes, attachments, budgets cache.SharedIndexInformer

	changed  notifier // by node name: a pod of the node changed
	moved    notifier // by node name: the Node changed
	freed    notifier // anyBudget: a budget has room
	turns    turns
	rooms    rooms
	troubles troubles

	start sync.Once
}

// NewCluster makes a Cluster that watches nothing until Start.
func NewCluster(o ClusterOptions) (*Cluster, error) {
	if o.Name == "" || o.Client == nil || o.Dynamic == nil {
		return nil, fmt.Errorf("a cluster needs a name and both clients")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	c := &Cluster{
		name: o.Name, account: o.Account, client: o.Client, dynamic: o.Dynamic,
		log:   o.Log.With("cluster", o.Name),
		pods:  podInformer(o.Client),
		nodes: coreinformers.NewNodeInformer(o.Client, 0, cache.Indexers{nodesByInstance: indexNodeByInstance}),
		pools: dynamicinformer.NewFilteredDynamicInformer(o.Dynamic, v1alpha1.NodePoolResource, "", 0, cache.Indexers{}, nil).Informer(),
	}
	transforms := map[cache.SharedIndexInformer]cache.TransformFunc{
		c.pods: slimPod, c.nodes: slimNode, c.pools: decodePool,
	}
	if o.Images != nil {
		transforms[c.pods], transforms[c.nodes] = slimPodKeepingImages, tellImages(o.Images)
	}
	if o.Planning {
		c.daemonSets = appsinformers.NewDaemonSetInformer(o.Client, "", 0, cache.Indexers{})
		c.namespaces = coreinformers.NewNamespaceInformer(o.Client, 0, cache.Indexers{})
		c.claims = coreinformers.NewPersistentVolumeClaimInformer(o.Client, "", 0, cache.Indexers{})
		c.volumes = coreinformers.NewPersistentVolumeInformer(o.Client, 0, cache.Indexers{})
		c.storageClasses = storageinformers.NewStorageClassInformer(o.Client, 0, cache.Indexers{})
		c.csiNodes = storageinformers.NewCSINodeInformer(o.Client, 0, cache.Indexers{})
		c.attachments = storageinformers.NewVolumeAttachmentInformer(o.Client, 0, cache.Indexers{attachmentsByNode: indexAttachmentByNode})
		c.budgets = policyinformers.NewPodDisruptionBudgetInformer(o.Client, "", 0, cache.Indexers{})
		transforms[c.daemonSets], transforms[c.namespaces] = slimDaemonSet, slimNamespace
		for _, informer := range []cache.SharedIndexInformer{c.claims, c.volumes, c.storageClasses, c.csiNodes, c.attachments, c.budgets} {
			transforms[informer] = slimAny
		}
	}
	for informer, transform := range transforms {
		if err := informer.SetTransform(transform); err != nil {
			return nil, err
		}
	}
	for resource, informer := range c.informers() {
		if err := informer.SetWatchErrorHandlerWithContext(c.watchFailed(resource)); err != nil {
			return nil, err
		}
	}
	if _, err := c.nodes.AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(_, now any) { c.moved.notify(now.(*corev1.Node).Name) },
		DeleteFunc: func(gone any) {
			if node, ok := Deleted[*corev1.Node](gone); ok {
				c.moved.notify(node.Name)
			}
		},
	}); err != nil {
		return nil, err
	}
	if c.budgets != nil {
		if err := c.watchBudgets(); err != nil {
			return nil, err
		}
	}
	_, err := c.pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(_, now any) { c.changed.notify(now.(*corev1.Pod).Spec.NodeName) },
		DeleteFunc: func(gone any) {
			if pod, ok := Deleted[*corev1.Pod](gone); ok {
				c.changed.notify(pod.Spec.NodeName)
			}
		},
	})
	return c, err
}

// podInformer leaves pods out that have ended: they need nothing and there can be very many of them.
func podInformer(client kubernetes.Interface) cache.SharedIndexInformer {
	return coreinformers.NewFilteredPodInformer(client, "", 0, cache.Indexers{podsByNode: indexPodByNode},
		func(o *metav1.ListOptions) {
			o.FieldSelector = "status.phase!=" + string(corev1.PodSucceeded) + ",status.phase!=" + string(corev1.PodFailed)
		})
}

func indexPodByNode(obj any) ([]string, error) {
	if pod, ok := obj.(*corev1.Pod); ok && pod.Spec.NodeName != "" {
		return []string{pod.Spec.NodeName}, nil
	}
	return nil, nil
}

func indexNodeByInstance(obj any) ([]string, error) {
	if node, ok := obj.(*corev1.Node); ok {
		if instance, ok := contract.InstanceOfProviderID(node.Spec.ProviderID); ok {
			return []string{instance}, nil
		}
	}
	return nil, nil
}

// Deleted is the object of an informer's delete event, also where the informer missed the event itself and only knows
// the last state it saw.
func Deleted[T any](obj any) (T, bool) {
	if unknown, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = unknown.Obj
	}
	t, ok := obj.(T)
	return t, ok
}

func (c *Cluster) informers() map[string]cache.SharedIndexInformer {
	all := map[string]cache.SharedIndexInformer{"pods": c.pods, "nodes": c.nodes, "nodepools": c.pools}
	if c.daemonSets != nil {
		all["daemonsets"], all["namespaces"] = c.daemonSets, c.namespaces
		all["persistentvolumeclaims"], all["persistentvolumes"] = c.claims, c.volumes
		all["storageclasses"], all["csinodes"], all["volumeattachments"] = c.storageClasses, c.csiNodes, c.attachments
		all["poddisruptionbudgets"] = c.budgets
	}
	return all
}

// Name of the cluster.
func (c *Cluster) Name() string { return c.name }

// Start begins to watch and returns at once. It keeps trying until ctx ends, whatever the API server's state; there is
// one log line a back-off. Starting twice is starting once.
func (c *Cluster) Start(ctx context.Context) {
	c.start.Do(func() {
		for _, informer := range c.informers() {
			go informer.RunWithContext(ctx)
		}
		go c.knock(ctx)
	})
}

// Ready is nil once every informer has seen its first list, else it says which have not and why.
func (c *Cluster) Ready() error {
	var waiting []string
	for resource, informer := range c.informers() {
		if !informer.HasSynced() {
			waiting = append(waiting, resource)
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	slices.Sort(waiting)
	why := c.troubles.last()
	if why == "" {
		why = "the first list is under way"
	}
	return fmt.Errorf("cluster %s: no %s yet: %s", c.name, strings.Join(waiting, ", "), why)
}

// WaitReady waits until Ready is nil or ctx ends.
func (c *Cluster) WaitReady(ctx context.Context) error {
	for _, informer := range c.informers() {
		if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
			if err := c.Ready(); err != nil {
				return err
			}
			return ctx.Err()
		}
	}
	return nil
}

// Pods, Nodes and Pools are the informers, for event handlers; the objects in them are not to be changed. Those of
// Pools are *Pool.
func (c *Cluster) Pods() cache.SharedIndexInformer { return c.pods }

// Nodes: see Pods.
func (c *Cluster) Nodes() cache.SharedIndexInformer { return c.nodes }

// Pools: see Pods.
func (c *Cluster) Pools() cache.SharedIndexInformer { return c.pools }

// NodeOfInstance is the Node of an EC2 instance, by its providerID. Of several (a Node that was renamed) it is the
// youngest.
func (c *Cluster) NodeOfInstance(instance string) (*corev1.Node, bool) {
	found, err := c.nodes.GetIndexer().ByIndex(nodesByInstance, instance)
	if err != nil {
		return nil, false
	}
	var youngest *corev1.Node
	for _, obj := range found {
		node := obj.(*corev1.Node)
		if youngest == nil || youngest.CreationTimestamp.Before(&node.CreationTimestamp) {
			youngest = node
		}
	}
	return youngest, youngest != nil
}

// podsOn are the pods bound to a node.
func (c *Cluster) podsOn(node string) []*corev1.Pod {
	found, err := c.pods.GetIndexer().ByIndex(podsByNode, node)
	if err != nil {
		return nil
	}
	pods := make([]*corev1.Pod, len(found))
	for i, obj := range found {
		pods[i] = obj.(*corev1.Pod)
	}
	return pods
}

// list is everything that an informer has; nothing where there is none.
func list[T any](informer cache.SharedIndexInformer) []T {
	if informer == nil {
		return nil
	}
	objects := informer.GetStore().List()
	out := make([]T, 0, len(objects))
	for _, obj := range objects {
		if t, ok := obj.(T); ok {
			out = append(out, t)
		}
	}
	return out
}

// caughtUp waits until the pods seen are as new as the watermark, at most for the bound. An empty or malformed
// watermark asks for nothing.
func (c *Cluster) caughtUp(ctx context.Context, watermark string, bound time.Duration) bool {
	if watermark == "" || c.podsReached(watermark) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	// An event handler runs after the store has changed, but bookmarks have no event: hence the look every 10 ms.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return c.podsReached(watermark)
		case <-tick.C:
			if c.podsReached(watermark) {
				return true
			}
		}
	}
}

func (c *Cluster) podsReached(watermark string) bool {
	// The store's own version, where the client tells it: the informer's runs ahead of what the store shows.
	at := c.pods.GetStore().LastStoreSyncResourceVersion()
	if at == "" {
		at = c.pods.LastSyncResourceVersion()
	}
	if at == "" {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(at, watermark)
	return err != nil || order >= 0
}
