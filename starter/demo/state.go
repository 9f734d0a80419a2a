package demo

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/component-helpers/resource"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/starter/fleet"
)

// app is one Deployment's pods, counted.
type app struct {
	Name       string
	Impossible bool // none of its pods can ever run
	Want       int
	Pending    int // exist and have no node
	Running    int
}

// machine is one node with what its pods ask for.
type machine struct {
	fleet.Node
	Pods             int
	CPU, OfCPU       float64 // cores asked for, and allocatable
	Memory, OfMemory float64 // bytes
}

// state is everything that the demo shows, at one moment.
type state struct {
	// At is the time since the workloads were created.
	At       time.Duration
	Apps     []app
	Machines []machine
	Launches []fleet.Launch
	// Plan is the Provisioner's last one; nil before the first.
	Plan *contract.PlanDigest
	// Trouble is what the Provisioner complains about.
	Trouble string
}

// served reports whether all that can run runs, every chain has ended, and what cannot run is explained.
func (s state) served() bool {
	for _, a := range s.Apps {
		if !a.Impossible && a.Running < a.Want {
			return false
		}
		if a.Impossible && len(s.reasons(a.Name)) == 0 {
			return false
		}
	}
	for _, l := range s.Launches {
		if !l.Ended() {
			return false
		}
	}
	return len(s.Apps) > 0
}

// counts are the pods that run, and those that should.
func (s state) counts() (running, wanted int) {
	for _, a := range s.Apps {
		if !a.Impossible {
			running += a.Running
			wanted += a.Want
		}
	}
	return running, wanted
}

// observer reads states.
type observer struct {
	kube     kubernetes.Interface
	temporal client.Client
	cluster  string
	wanted   []*appsv1.Deployment
	created  time.Time // when the workloads were created

	mu    sync.Mutex
	known known
}

// known is what the workflows said last.
type known struct {
	nodes    []fleet.Node
	launches []fleet.Launch
	plan     *contract.PlanDigest
	trouble  string
}

// ask asks the workflows again and again until ctx ends, beside whoever looks: a worker that is busy or away does not
// hold up the view. What is not answered stays as it was.
func (o *observer) ask(ctx context.Context) {
	for ctx.Err() == nil {
		o.askOnce(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(askEvery):
		}
	}
}

func (o *observer) askOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	o.mu.Lock()
	k := o.known
	o.mu.Unlock()
	if nodes, err := fleet.Nodes(ctx, o.kube, o.temporal, o.cluster); err == nil {
		k.nodes = nodes
	}
	k.launches, _ = fleet.Launches(ctx, o.temporal, o.cluster, k.launches...) // what was not answered comes next time
	if p, err := fleet.Provisioner(ctx, o.temporal, o.cluster); err == nil && p != nil {
		k.plan, k.trouble = p.LastPlan, p.Trouble
	}
	o.mu.Lock()
	o.known = k
	o.mu.Unlock()
}

// look reads one state: pods and nodes as they are, and the workflows' last words.
func (o *observer) look(ctx context.Context) (state, error) {
	pods, err := o.kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return state{}, fmt.Errorf("list pods: %w", err)
	}
	nodes, err := o.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return state{}, fmt.Errorf("list nodes: %w", err)
	}
	o.mu.Lock()
	k := o.known
	o.mu.Unlock()
	return state{
		At: time.Since(o.created), Apps: countPods(o.wanted, pods.Items), Machines: load(k.nodes, nodes.Items, pods.Items),
		Launches: k.launches, Plan: k.plan, Trouble: k.trouble,
	}, nil
}

func countPods(wanted []*appsv1.Deployment, pods []corev1.Pod) []app {
	apps := make([]app, len(wanted))
	index := map[string]*app{}
	for i, d := range wanted {
		apps[i] = app{Name: d.Name, Want: int(*d.Spec.Replicas), Impossible: d.Annotations[annotationExpect] == "pending"}
		index[d.Name] = &apps[i]
	}
	for _, p := range pods {
		a := index[p.Labels["app"]]
		switch {
		case a == nil || p.DeletionTimestamp != nil:
		case p.Status.Phase == corev1.PodRunning:
			a.Running++
		case p.Spec.NodeName == "":
			a.Pending++
		}
	}
	return apps
}

// load adds what the pods ask of each node.
func load(known []fleet.Node, nodes []corev1.Node, pods []corev1.Pod) []machine {
	machines := make([]machine, len(known))
	byName := map[string]*machine{}
	for i, n := range known {
		machines[i].Node = n
		if n.Name != "" {
			byName[n.Name] = &machines[i]
		}
	}
	for _, n := range nodes {
		if m := byName[n.Name]; m != nil {
			m.OfCPU = n.Status.Allocatable.Cpu().AsApproximateFloat64()
			m.OfMemory = n.Status.Allocatable.Memory().AsApproximateFloat64()
		}
	}
	for _, p := range pods {
		if m := byName[p.Spec.NodeName]; m != nil {
			asks := resource.PodRequests(&p, resource.PodResourcesOptions{})
			m.Pods++
			m.CPU += asks.Cpu().AsApproximateFloat64()
			m.Memory += asks.Memory().AsApproximateFloat64()
		}
	}
	return machines
}

// reasons are the plan's words on why an app's pods cannot be placed.
func (s state) reasons(name string) []string {
	if s.Plan == nil {
		return nil
	}
	for _, u := range s.Plan.Unplaceable {
		if appOfPod(u.Pod) == name {
			return u.Reasons
		}
	}
	return nil
}

// appOfPod is the Deployment's name in a pod's namespace/name: DEPLOYMENT-REPLICASET-POD.
func appOfPod(pod string) string {
	_, name, _ := strings.Cut(pod, "/")
	for range 2 {
		if i := strings.LastIndexByte(name, '-'); i >= 0 {
			name = name[:i]
		}
	}
	return name
}
