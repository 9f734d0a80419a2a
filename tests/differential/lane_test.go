package differential

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"

	"floe.dev/floe/internal/planner"
)

// The gates that hold pods back: gateNotYet until their turn, gateHeld for good.
const (
	gateNotYet = "floe.dev/not-yet"
	gateHeld   = "floe.dev/held"
)

// What all trials share.
const (
	heavy          = "heavy"
	prioLow        = "low"
	prioHigh       = "high"       // never preempts
	prioPreempting = "preempting" // as high
)

var heavyOverhead = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("350m"), corev1.ResourceMemory: resource.MustParse("200Mi")}

// cluster is the control plane that all trials run on.
type cluster struct {
	kube  kubernetes.Interface
	pods  listers.PodLister
	nodes listers.NodeLister
}

func newCluster(ctx context.Context, kube kubernetes.Interface) (*cluster, error) {
	never, lower := corev1.PreemptNever, corev1.PreemptLowerPriority
	for _, class := range []*schedulingv1.PriorityClass{
		{ObjectMeta: metav1.ObjectMeta{Name: prioLow}, Value: -5, PreemptionPolicy: &never},
		{ObjectMeta: metav1.ObjectMeta{Name: prioHigh}, Value: 1000, PreemptionPolicy: &never},
		{ObjectMeta: metav1.ObjectMeta{Name: prioPreempting}, Value: 1000, PreemptionPolicy: &lower},
	} {
		if _, err := kube.SchedulingV1().PriorityClasses().Create(ctx, class, metav1.CreateOptions{}); err != nil {
			return nil, err
		}
	}
	attach := false // nobody here would
	if _, err := kube.StorageV1().CSIDrivers().Create(ctx, &storagev1.CSIDriver{
		ObjectMeta: metav1.ObjectMeta{Name: planner.DriverEBS}, Spec: storagev1.CSIDriverSpec{AttachRequired: &attach},
	}, metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	_, err := kube.NodeV1().RuntimeClasses().Create(ctx, &nodev1.RuntimeClass{
		ObjectMeta: metav1.ObjectMeta{Name: heavy}, Handler: heavy, Overhead: &nodev1.Overhead{PodFixed: heavyOverhead},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	factory := informers.NewSharedInformerFactory(kube, 0)
	c := &cluster{kube: kube, pods: factory.Core().V1().Pods().Lister(), nodes: factory.Core().V1().Nodes().Lister()}
	if err := c.provision(ctx, factory); err != nil {
		return nil, err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	return c, nil
}

// lane runs one trial after the other, in two namespaces of its own.
type lane struct {
	*cluster
	name string
	runs int
}

func (c *cluster) newLane(ctx context.Context, name string) (*lane, error) {
	for _, team := range []string{"a", "b"} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name + "-" + team, Labels: map[string]string{"lane": name, "team": team}}}
		if _, err := c.kube.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil {
			return nil, err
		}
	}
	return &lane{cluster: c, name: name}, nil
}

func (l *lane) namespaces() []string { return []string{l.name + "-a", l.name + "-b"} }

// all pods of the lane, as the informer shows them.
func (l *lane) all() (pods []*corev1.Pod) {
	for _, ns := range l.namespaces() {
		found, _ := l.pods.Pods(ns).List(labels.Everything()) // a lister's List never fails
		pods = append(pods, found...)
	}
	return pods
}

// now is a pod as the informer shows it; nil where there is none of that UID.
func (l *lane) now(pod *corev1.Pod) *corev1.Pod {
	found, err := l.pods.Pods(pod.Namespace).Get(pod.Name)
	if err != nil || found.UID != pod.UID {
		return nil
	}
	return found
}

// await asks until ok, for at most a minute; what says what for.
func await(ctx context.Context, what func() string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited in vain: %s", what())
		case <-tick.C:
		}
	}
	return nil
}

// together does f for every element, a few at a time.
func together[V any](ctx context.Context, all []V, f func(context.Context, V) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, v := range all {
		g.Go(func() error { return f(ctx, v) })
	}
	return g.Wait()
}

// createNode makes a Node that is Ready at once, and takes the taint off that the API server puts on every new node.
func (l *lane) createNode(ctx context.Context, node *corev1.Node) error {
	now := metav1.Now()
	node.Status.Capacity = node.Status.Allocatable
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: now, LastTransitionTime: now}}
	taints := node.Spec.Taints
	if _, err := l.kube.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
		return err
	}
	return l.setTaints(ctx, node.Name, taints)
}

func (l *lane) setTaints(ctx context.Context, node string, taints []corev1.Taint) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"taints": taints}})
	if err != nil {
		return err
	}
	_, err = l.kube.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

// createGated makes a pod that the scheduler is not to look at yet, and returns it as the API server has it.
func (l *lane) createGated(ctx context.Context, pod *corev1.Pod) (*corev1.Pod, error) {
	pod = pod.DeepCopy()
	pod.Spec.SchedulingGates = append(pod.Spec.SchedulingGates, corev1.PodSchedulingGate{Name: gateNotYet})
	created, err := l.kube.CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	return created, await(ctx, func() string { return "pod " + pod.Name + " to show" }, func() bool { return l.now(created) != nil })
}

// nominate a pod to a node.
func (l *lane) nominate(ctx context.Context, pod *corev1.Pod, node string) error {
	patch := fmt.Appendf(nil, `{"status":{"nominatedNodeName":%q}}`, node)
	_, err := l.kube.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

// release gives a pod to the scheduler.
func (l *lane) release(ctx context.Context, pod *corev1.Pod) error {
	_, err := l.kube.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, []byte(`{"spec":{"schedulingGates":null}}`), metav1.PatchOptions{})
	return err
}

// delete removes a pod at once, whatever holds it.
func (l *lane) delete(ctx context.Context, pod *corev1.Pod) error {
	at := int64(0)
	err := l.kube.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &at})
	if err != nil {
		return err
	}
	return await(ctx, func() string { return "pod " + pod.Name + " to be gone" }, func() bool { return l.now(pod) == nil })
}

// clean removes everything that a trial made.
func (l *lane) clean(ctx context.Context, run string) error {
	at := int64(0)
	background := metav1.DeletePropagationBackground
	now := metav1.DeleteOptions{GracePeriodSeconds: &at, PropagationPolicy: &background}
	for _, ns := range l.namespaces() {
		sets, err := l.kube.AppsV1().DaemonSets(ns).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, set := range sets.Items {
			if err := l.kube.AppsV1().DaemonSets(ns).Delete(ctx, set.Name, metav1.DeleteOptions{PropagationPolicy: &background}); err != nil {
				return err
			}
		}
		if err := l.kube.CoreV1().Pods(ns).DeleteCollection(ctx, now, metav1.ListOptions{}); err != nil {
			return err
		}
	}
	if err := l.kube.CoreV1().Nodes().DeleteCollection(ctx, now, metav1.ListOptions{LabelSelector: labelCase + "=" + run}); err != nil {
		return err
	}
	again := time.Now()
	return await(ctx, func() string { return fmt.Sprintf("%d pods to be gone", len(l.all())) }, func() bool {
		if len(l.all()) == 0 {
			return true
		}
		if time.Since(again) > time.Second { // a DaemonSet made one more before it went
			again = time.Now()
			for _, ns := range l.namespaces() {
				_ = l.kube.CoreV1().Pods(ns).DeleteCollection(ctx, now, metav1.ListOptions{})
			}
		}
		return false
	})
}

// decided reports whether the scheduler has said something of a pod: it is bound, or there is no room for it.
func decided(pod *corev1.Pod) bool { return pod != nil && (pod.Spec.NodeName != "" || refused(pod)) }

func refused(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			return c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable && pod.Spec.NodeName == ""
		}
	}
	return false
}

func refusal(pod *corev1.Pod) string {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			return c.Message
		}
	}
	return "the scheduler has said nothing"
}
