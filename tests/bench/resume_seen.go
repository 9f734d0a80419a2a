package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim"
)

// wakes is what is seen of pods and machines at the API server, and when.
type wakes struct {
	mu    sync.Mutex
	pods  map[string]*podSeen  // by name
	nodes map[string]*nodeSeen // by name
}

type podSeen struct {
	created, running time.Time
	node             string
}

// nodeSeen are the times at which a Node's machine said that it lives, and at which its Node was opened to pods.
type nodeSeen struct {
	instance       string
	leases         []time.Time
	statuses       []time.Time // that say Ready
	opened         []time.Time
	lease, said    time.Time // as the machine's own clock has them
	closed, tagged bool      // to pods; as off by the cloud provider
}

// watchWakes watches pods, Nodes and leases.
func (h *house) watchWakes(ctx context.Context) *wakes {
	s := &wakes{pods: map[string]*podSeen{}, nodes: map[string]*nodeSeen{}}
	factory := informers.NewSharedInformerFactory(h.kube, 0)
	on := func(informer cache.SharedIndexInformer, look func(any)) {
		_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: look, UpdateFunc: func(_, obj any) { look(obj) }})
	}
	on(factory.Core().V1().Pods().Informer(), func(obj any) { s.seesPod(obj.(*corev1.Pod)) })
	on(factory.Core().V1().Nodes().Informer(), func(obj any) { s.seesNode(obj.(*corev1.Node)) })
	on(factory.Coordination().V1().Leases().Informer(), func(obj any) { s.seesLease(obj.(*coordinationv1.Lease)) })
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	return s
}

func (s *wakes) creates(pod string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pods[pod] = &podSeen{created: time.Now()}
}

func (s *wakes) ran(pod string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pods[pod] != nil && !s.pods[pod].running.IsZero()
}

func (s *wakes) seesPod(p *corev1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seen := s.pods[p.Name]; seen != nil && seen.running.IsZero() && p.Status.Phase == corev1.PodRunning {
		seen.running, seen.node = time.Now(), p.Spec.NodeName
	}
}

func (s *wakes) node(name string) *nodeSeen {
	if s.nodes[name] == nil {
		s.nodes[name] = &nodeSeen{closed: true}
	}
	return s.nodes[name]
}

func (s *wakes) seesNode(node *corev1.Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, now := s.node(node.Name), time.Now()
	seen.instance, _ = contract.InstanceOfProviderID(node.Spec.ProviderID)
	closed := node.Spec.Unschedulable
	seen.tagged = false
	for _, taint := range node.Spec.Taints {
		closed = closed || strings.HasPrefix(taint.Key, v1alpha1.GroupVersion.Group+"/")
		seen.tagged = seen.tagged || taint.Key == "node.cloudprovider.kubernetes.io/shutdown"
	}
	if seen.closed && !closed {
		seen.opened = append(seen.opened, now)
	}
	seen.closed = closed
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue && !c.LastHeartbeatTime.Time.Equal(seen.said) {
			seen.said = c.LastHeartbeatTime.Time
			seen.statuses = append(seen.statuses, now)
		}
	}
}

func (s *wakes) seesLease(lease *coordinationv1.Lease) {
	if lease.Namespace != corev1.NamespaceNodeLease || lease.Spec.RenewTime == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if seen := s.node(lease.Name); !lease.Spec.RenewTime.Time.Equal(seen.lease) {
		seen.lease = lease.Spec.RenewTime.Time
		seen.leases = append(seen.leases, time.Now())
	}
}

// isOff reports whether the Node of an instance is marked as one whose machine is off.
func (s *wakes) isOff(instance string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seen := range s.nodes {
		if seen.instance == instance {
			return seen.tagged
		}
	}
	return false
}

// instance is the one that a pod runs on.
func (s *wakes) instance(pod string, truth sim.Truth) sim.TruthInstance {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := slices.IndexFunc(truth.Instances, func(i sim.TruthInstance) bool { return i.ID == s.nodes[s.pods[pod].node].instance })
	if n < 0 {
		return sim.TruthInstance{}
	}
	return truth.Instances[n]
}

// ways is where the time of each pod of a tier went.
type ways struct {
	all, before, machine, after, rest []time.Duration
	// When the pods were created, and when EC2 was called for their machines.
	created, calls []time.Time
}

// ways takes the way of a tier's pods apart. From the pod's creation to the EC2 call, and from the moment at which the
// machine's lease and status show it alive to its Node's being open, is Floe's own; the scheduler's first verdict is in it,
// before which nobody can know of the pod. Between them is EC2's and the machine's, after them the scheduler's and the
// kubelet's.
func (s *wakes) ways(tier tier, n int, truth sim.Truth) (w ways, err error) {
	for k := range n {
		name := podOf(tier, k).Name
		instance := s.instance(name, truth)
		if err := s.way(&w, name, tier, instance); err != nil {
			return w, fmt.Errorf("pod %s on %s: %w", name, instance.ID, err)
		}
	}
	// One call for each pod, in order: the scheduler may give a pod the machine that another was waiting for.
	slices.SortFunc(w.created, time.Time.Compare)
	slices.SortFunc(w.calls, time.Time.Compare)
	for k, call := range w.calls {
		if call.Before(w.created[k]) {
			return w, fmt.Errorf("EC2 was called for the %d. pod of %s at %s, before it was created at %s", k+1, tier.name, call, w.created[k])
		}
		w.before = append(w.before, call.Sub(w.created[k]))
	}
	return w, nil
}

func (s *wakes) way(w *ways, name string, tier tier, instance sim.TruthInstance) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	pod := s.pods[name]
	w.all = append(w.all, pod.running.Sub(pod.created))
	if tier.important {
		w.rest = append(w.rest, pod.running.Sub(pod.created))
		return nil
	}
	call := instance.Started
	if tier.woken && !call.After(instance.Launched) {
		return fmt.Errorf("it was not woken but launched, at %s", instance.Launched)
	}
	node := s.nodes[pod.node]
	alive := later(firstAfter(node.leases, call), firstAfter(node.statuses, call))
	opened := firstAfter(node.opened, call)
	if alive.IsZero() || opened.IsZero() {
		return fmt.Errorf("it was asked for at %s, alive at %s and opened at %s", call, alive, opened)
	}
	w.created, w.calls = append(w.created, pod.created), append(w.calls, call)
	w.machine = append(w.machine, alive.Sub(call))
	w.after = append(w.after, max(0, opened.Sub(alive)))
	w.rest = append(w.rest, pod.running.Sub(later(alive, opened)))
	return nil
}

// firstAfter is the first of the times that is not before another; zero where there is none.
func firstAfter(times []time.Time, at time.Time) time.Time {
	for _, t := range times {
		if !t.Before(at) {
			return t
		}
	}
	return time.Time{}
}

// rows tells where the time went, and gives the median of all of it.
func (w ways) rows(t *table, tier tier) time.Duration {
	what := tier.name + ": "
	t.row(fmt.Sprintf("%spending pod to Running, least, median, most of %d", what, len(w.all)), extent(w.all), "")
	if tier.important {
		return quantile(w.all, .5)
	}
	own := make([]time.Duration, len(w.before))
	for n := range own {
		own[n] = w.before[n] + w.after[n]
	}
	t.row(what+"of which EC2 and the machine", extent(w.machine), "")
	t.row(what+"of which Floe's own, before the EC2 call and after the machine lives", extent(own), "≤ 0.5 s")
	t.row(what+"Floe's own, before and after, medians", milliseconds(quantile(w.before, .5))+", "+milliseconds(quantile(w.after, .5)), "")
	t.row(what+"of which the scheduler and the kubelet (KWOK)", extent(w.rest), "")
	return quantile(w.all, .5)
}

// extent is the least, the median and the most.
func extent(ds []time.Duration) string {
	return seconds(quantile(ds, 0)) + ", " + seconds(quantile(ds, .5)) + ", " + seconds(quantile(ds, 1))
}
