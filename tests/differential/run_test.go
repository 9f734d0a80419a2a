package differential

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/planner"
)

// run is one trial on the control plane.
type run struct {
	*lane
	*trial
	id     string
	before *verdict                             // of the trial's first run, which this one is to confirm; nil for the first
	pods   map[types.NamespacedName]*corev1.Pod // pending, as created
	specs  map[types.NamespacedName]*corev1.Pod // as drawn
	plan   planner.Result
}

// verdict of a trial: what planner and scheduler disagree about; empty where they agree.
type verdict struct {
	disagreement                string
	fitted                      []string // pods that fitted already, which the plan says don't
	launched, onNodes, unplaced int
}

// judge runs a trial. A disagreement is looked at again in a second run, in which nothing is under way while pods are
// judged: pods are given to the scheduler one at a time, as its own order is not the same in every run, and first of all
// those that preempt get their room. For the scheduler does not keep a nominated pod's place as the plan does: it looks
// at pods that are nominated to the very node that it judges, not to others of its zone, and not at their anti-affinity
// where the pod that it judges has no rules of its own. Only what both runs find is a disagreement.
func (l *lane) judge(ctx context.Context, t *trial) (v verdict, again bool, err error) {
	v, err = l.try(ctx, t, nil)
	if err != nil || v.disagreement == "" {
		return v, false, err
	}
	v, err = l.try(ctx, t, &v)
	return v, true, err
}

// try runs a trial once, and cleans up after it. err is what kept it from an answer.
func (l *lane) try(ctx context.Context, t *trial, before *verdict) (v verdict, err error) {
	l.runs++
	r := &run{
		lane: l, id: fmt.Sprintf("%s-%d", l.name, l.runs), before: before,
		pods: map[types.NamespacedName]*corev1.Pod{}, specs: map[types.NamespacedName]*corev1.Pod{},
	}
	r.trial = t.in(r.id, l.name)
	defer func() {
		err = errors.Join(err, l.clean(ctx, r.id), l.cleanVolumes(ctx, r.trial, r.id))
	}()
	if err := r.setUp(ctx); err != nil {
		return v, err
	}
	s, err := r.snapshot(ctx)
	if err != nil {
		return v, err
	}
	r.plan = planner.Plan(s)
	v.disagreement, v.fitted, err = r.apply(ctx)
	for _, pods := range r.plan.OnNodes {
		v.onNodes += len(pods)
	}
	for _, launch := range r.plan.Launches {
		for _, pods := range launch.Machines {
			v.launched += len(pods)
		}
	}
	v.unplaced = len(r.plan.Unplaced)
	return v, err
}

func (r *run) pool(name string) *v1alpha1.NodePool {
	return r.Pools[slices.IndexFunc(r.Pools, func(np *v1alpha1.NodePool) bool { return np.Name == name })]
}

// setUp makes the nodes with what is bound to them, and all pending pods, gated. Pods that may preempt are given to the
// scheduler, as it decides what they preempt.
func (r *run) setUp(ctx context.Context) error {
	if err := r.setUpVolumes(ctx); err != nil {
		return err
	}
	err := together(ctx, r.Nodes, func(ctx context.Context, n standing) error {
		if n.Attach > 0 {
			if err := r.createAttachLimit(ctx, r.id, n.Name, n.Attach); err != nil {
				return err
			}
		}
		if err := r.createNode(ctx, r.node(n)); err != nil {
			return err
		}
		for _, pod := range n.Bound {
			pod.Spec.NodeName = n.Name
			pod.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
			if _, err := r.kube.CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.setUpDaemons(ctx); err != nil {
		return err
	}
	var preempting []*corev1.Pod
	for _, spec := range r.Pods {
		pod, err := r.createGated(ctx, spec)
		if err != nil {
			return err
		}
		r.pods[key(pod)], r.specs[key(pod)] = pod, spec
		if pod.Spec.PriorityClassName == prioPreempting && len(spec.Spec.SchedulingGates) == 0 {
			preempting = append(preempting, pod)
		}
	}
	for _, pod := range preempting {
		if err := r.release(ctx, pod); err != nil {
			return err
		}
		if err := r.awaitDecided(ctx, pod); err != nil {
			return err
		}
	}
	return nil
}

func key(pod *corev1.Pod) types.NamespacedName {
	return types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}
}

// setUpDaemons makes the DaemonSets and waits for their pods on the nodes, where they have room or make room.
func (r *run) setUpDaemons(ctx context.Context) error {
	for i, set := range r.DaemonSets {
		created, err := r.kube.AppsV1().DaemonSets(set.Namespace).Create(ctx, set, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		r.DaemonSets[i] = created
	}
	for _, set := range r.DaemonSets {
		var now *appsv1.DaemonSet
		observed := func() bool {
			var err error
			now, err = r.kube.AppsV1().DaemonSets(set.Namespace).Get(ctx, set.Name, metav1.GetOptions{})
			if err != nil || now.Status.ObservedGeneration == 0 {
				return false
			}
			of, done := 0, 0
			for _, pod := range r.all() {
				if metav1.IsControlledBy(pod, set) {
					of++
					if decided(pod) {
						done++
					}
				}
			}
			return of == int(now.Status.DesiredNumberScheduled) && done == of
		}
		if err := await(ctx, func() string { return "DaemonSet " + set.Name + " on all nodes" }, observed); err != nil {
			return err
		}
	}
	return r.evict(ctx, func() bool {
		return !slices.ContainsFunc(r.all(), func(pod *corev1.Pod) bool {
			return pod.Status.NominatedNodeName != "" && pod.Spec.NodeName == ""
		})
	})
}

// node that exists before the plan.
func (r *run) node(n standing) *corev1.Node {
	np := r.pool(n.Pool)
	c, _ := candidate(&v1alpha1.NodePool{Spec: v1alpha1.NodePoolSpec{
		Subnets: np.Spec.Subnets, Fallback: []v1alpha1.FallbackStep{{CapacityType: v1alpha1.OnDemand}},
	}}, n.Type)
	ct := v1alpha1.OnDemand
	if n.Spot {
		ct = v1alpha1.Spot
	}
	node := r.machine(np, c.Type, n.Zone, ct, n.Name)
	for k, v := range n.Label {
		node.Labels[k] = v
	}
	node.Spec.Taints = slices.Concat(node.Spec.Taints, n.Taint, n.Startup)
	node.Spec.Unschedulable = n.Cordoned
	for name, amount := range n.Extra {
		node.Status.Allocatable[name] = amount
	}
	return node
}

// machine of a pool, as it joins the cluster.
func (r *run) machine(np *v1alpha1.NodePool, t contract.InstanceType, zone string, ct v1alpha1.CapacityType, name string) *corev1.Node {
	zoneID := fmt.Sprintf("euw1-az%d", slices.Index(zones, zone)+1)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: catalog.Labels(np, t, zone, zoneID, view.Region, ct)}}
	node.Labels[corev1.LabelHostname] = name
	node.Labels[zoneEBS] = zone
	node.Spec.Taints = slices.Clone(np.Spec.Template.Taints)
	node.Status.Allocatable = catalog.Allocatable(np, t)
	return node
}

// snapshot is what the planner is asked about, as the API server has it.
func (r *run) snapshot(ctx context.Context) (s planner.Snapshot, err error) {
	s = planner.Snapshot{DaemonSets: r.DaemonSets, Now: time.Now()}
	for _, np := range r.Pools {
		p := planner.Pool{NodePool: np}
		p.Candidates, p.Rejected, p.Problem = catalog.Candidates(np, view)
		s.Pools = append(s.Pools, p)
	}
	namespaces, err := r.kube.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return s, err
	}
	for i := range namespaces.Items {
		s.Namespaces = append(s.Namespaces, &namespaces.Items[i])
	}
	bound := map[string][]*corev1.Pod{}
	for _, ns := range r.namespaces() {
		list, err := r.kube.CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
		if err != nil {
			return s, err
		}
		for i := range list.Items {
			pod := &list.Items[i]
			if pod.Spec.NodeName != "" {
				bound[pod.Spec.NodeName] = append(bound[pod.Spec.NodeName], pod)
				continue
			}
			pod.Spec.SchedulingGates = slices.DeleteFunc(pod.Spec.SchedulingGates, func(g corev1.PodSchedulingGate) bool { return g.Name == gateNotYet })
			s.Pods = append(s.Pods, pod)
		}
	}
	if err := r.storage(ctx, &s); err != nil {
		return s, err
	}
	for _, n := range r.Nodes {
		node := r.node(n)
		var attach map[string]int32
		if n.Attach > 0 {
			attach = map[string]int32{planner.DriverEBS: n.Attach}
		}
		s.Nodes = append(s.Nodes, planner.Node{
			Name: n.Name, Pool: n.Pool, Labels: node.Labels, Taints: node.Spec.Taints, Allocatable: node.Status.Allocatable,
			Unschedulable: n.Cordoned, Settled: len(n.Startup) == 0, Pods: bound[n.Name], AttachLimits: attach,
		})
	}
	return s, nil
}

// apply does what the plan says and returns what the scheduler holds against it; fitted are the pods that it had room
// for already.
func (r *run) apply(ctx context.Context) (disagreement string, fitted []string, err error) {
	for _, n := range r.Nodes {
		if len(n.Startup) > 0 {
			node := r.node(n)
			if err := r.setTaints(ctx, n.Name, node.Spec.Taints[:len(node.Spec.Taints)-len(n.Startup)]); err != nil {
				return "", nil, err
			}
		}
	}
	here := map[types.NamespacedName]string{}
	place := map[types.NamespacedName]string{}
	nominated := map[types.NamespacedName]string{} // by the scheduler, which preempts for them
	for name, pods := range r.plan.OnNodes {
		for _, pod := range pods {
			here[key(pod)] = name
			if pod.Status.NominatedNodeName == name {
				nominated[key(pod)] = name
			} else {
				place[key(pod)] = name
			}
		}
	}
	// Before anybody preempts, or after.
	if r.before != nil {
		if words, err := r.preempted(ctx, nominated); words != "" || err != nil {
			return words, nil, err
		}
	}
	if words, err := r.place(ctx, place, "an existing node has room for it, says the plan"); words != "" || err != nil {
		return words, nil, err
	}
	var rest []types.NamespacedName
	for k, pod := range r.pods {
		if _, ok := here[k]; !ok && r.now(pod) != nil && r.now(pod).Spec.NodeName == "" && len(r.specs[k].Spec.SchedulingGates) == 0 {
			rest = append(rest, k)
		}
	}
	r.sort(rest)
	words, fitted, err := r.nothingFits(ctx, rest, len(nominated) > 0)
	if words != "" || err != nil {
		return words, fitted, err
	}
	if r.before == nil {
		if words, err := r.preempted(ctx, nominated); words != "" || err != nil {
			return words, nil, err
		}
	}
	words, err = r.buy(ctx, rest)
	return words, nil, err
}

// buy makes the machines that the plan buys, any of those that each launch may bring, and gives the scheduler the pods
// that they are for.
func (r *run) buy(ctx context.Context, rest []types.NamespacedName) (string, error) {
	for _, k := range rest { // before there is a node that they could be bound to
		if err := r.delete(ctx, r.pods[k]); err != nil {
			return "", err
		}
	}
	place := map[types.NamespacedName]string{}
	random := rand.New(rand.NewPCG(r.Pick, 0))
	for i, launch := range r.plan.Launches {
		for j, pods := range launch.Machines {
			name := fmt.Sprintf("%s-m%d-%d", r.id, i, j)
			node := r.brought(&launch, name, random)
			t := view.Types[node.Labels[v1alpha1.LabelInstanceType]]
			if err := errors.Join(r.createAttachLimit(ctx, r.id, name, r.attachable(t)), r.createNode(ctx, node)); err != nil {
				return "", err
			}
			for _, pod := range pods {
				place[key(pod)] = name
			}
		}
	}
	if err := r.renew(ctx, place); err != nil {
		return "", err
	}
	return r.place(ctx, place, "a machine is bought for it")
}

// brought is a machine that a launch may bring: any of its types, zones and capacity types.
func (r *run) brought(launch *planner.Launch, name string, random *rand.Rand) *corev1.Node {
	np := r.pool(launch.Pool)
	typ := launch.InstanceTypes[random.IntN(len(launch.InstanceTypes))]
	c, _ := candidate(np, typ)
	var may []contract.Override
	for _, o := range c.Overrides {
		if (len(launch.Zones) == 0 || slices.Contains(launch.Zones, o.Zone)) && (len(launch.CapacityTypes) == 0 || slices.Contains(launch.CapacityTypes, o.CapacityType)) {
			may = append(may, o)
		}
	}
	o := may[random.IntN(len(may))]
	node := r.machine(np, c.Type, o.Zone, o.CapacityType, name)
	like := slices.DeleteFunc(slices.Clone(r.Nodes), func(n standing) bool { return n.Pool != np.Name || n.Type != typ || len(n.Startup) > 0 })
	for i := range like {
		// What every node of the type that has started has besides, this one has too.
		if amount, ok := like[i].Extra[extended]; ok && !slices.ContainsFunc(like, func(n standing) bool { return len(n.Extra) == 0 }) {
			node.Status.Allocatable[extended] = amount
		}
	}
	return node
}
