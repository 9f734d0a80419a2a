// Package explain answers why a pod is where it is: where it stands, what a plan of now says of it, which launches are
// under way for it and what they were answered, and what would help.
package explain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"floe.dev/floe/activities/kube"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/starter/fleet"
)

// State is where a pod stands.
type State string

// The states.
const (
	StateEnded     State = "ended"     // it has run
	StateLeaving   State = "leaving"   // it is being deleted
	StateBound     State = "bound"     // it has a node
	StateGated     State = "gated"     // it is not to be scheduled yet
	StateUnjudged  State = "unjudged"  // the scheduler has not looked at it
	StateNominated State = "nominated" // a node was chosen for it
	StateWaiting   State = "waiting"   // it needs room
	StateElsewhere State = "elsewhere" // it is not for Floe to find room for
)

// Answer is all that is known of a pod.
type Answer struct {
	Pod   string `json:"pod"` // namespace/name
	State State  `json:"state"`
	// Words say what the state means for this pod.
	Words string `json:"words"`
	// Scheduler is the scheduler's last word on it.
	Scheduler string `json:"scheduler,omitempty"`
	// Life of the node that it is bound or nominated to, where Floe owns it.
	Life *contract.NodeView `json:"life,omitempty"`
	// Plan is what a plan of now says of it; nil where it needs no room.
	Plan *contract.Explanation `json:"plan,omitempty"`
	// Launches that were opened for it or for others of its pools: the one under way that is to hold it, the one that
	// brought its node, or the last that were not filled.
	Launches []fleet.Launch `json:"launches,omitempty"`
	// Help says what would bring machines where launches found none.
	Help []string `json:"help,omitempty"`
	// Next is when the Provisioner plans again at the latest; zero where nothing is set.
	Next time.Time `json:"next,omitzero"`
	// Trouble of the Provisioner in words; empty where all is well.
	Trouble string `json:"trouble,omitempty"`
	// Unchecked is what could not be asked, and why.
	Unchecked []string `json:"unchecked,omitempty"`
}

// Sources is where answers come from.
type Sources struct {
	Cluster  string
	Kube     kubernetes.Interface
	Temporal client.Client
	// DryRun makes a plan that explains one pod (namespace/name) and buys nothing.
	DryRun func(ctx context.Context, why string) (contract.PlanDigest, error)
}

// ErrNoPod says that there is no such pod, or that a name without a namespace means several.
var ErrNoPod = errors.New("no such pod")

// Why explains a pod, named as namespace/name or by a name that no other pod has. What does not answer is named in
// Unchecked. Errors: ErrNoPod, or the API server's.
func Why(ctx context.Context, s Sources, name string) (Answer, error) {
	pod, err := find(ctx, s.Kube, name)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Pod: pod.Namespace + "/" + pod.Name, Scheduler: verdict(pod)}
	a.State, a.Words = stateOf(pod)
	a.node(ctx, s, pod)
	switch a.State {
	case StateWaiting, StateNominated, StateUnjudged:
		a.demand(ctx, s)
	}
	return a, nil
}

func find(ctx context.Context, c kubernetes.Interface, name string) (*corev1.Pod, error) {
	namespace, bare, qualified := strings.Cut(name, "/")
	if !qualified {
		namespace, bare = metav1.NamespaceAll, name
	}
	list, err := c.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + bare})
	if err != nil {
		return nil, err
	}
	// A fake API server knows no field selectors.
	found := slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.Name != bare })
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%w: %s: name one that kubectl get pods -A shows, as namespace/name", ErrNoPod, name)
	case 1:
		return &found[0], nil
	}
	var in []string
	for _, p := range found {
		in = append(in, p.Namespace+"/"+p.Name)
	}
	return nil, fmt.Errorf("%w: %s is the name of several: choose one of %s", ErrNoPod, name, strings.Join(in, ", "))
}

// stateOf says where a pod stands, and what that means.
func stateOf(pod *corev1.Pod) (State, string) {
	gates := make([]string, len(pod.Spec.SchedulingGates))
	for i, g := range pod.Spec.SchedulingGates {
		gates[i] = g.Name
	}
	switch {
	case pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed:
		return StateEnded, fmt.Sprintf("it has ended (%s): it needs no room", pod.Status.Phase)
	case pod.DeletionTimestamp != nil:
		return StateLeaving, "it is being deleted: it needs no room"
	case pod.Spec.NodeName != "":
		return StateBound, fmt.Sprintf("it is bound to node %s (%s)", pod.Spec.NodeName, pod.Status.Phase)
	case len(gates) > 0:
		return StateGated, "it waits for its scheduling gates to be removed: " + strings.Join(gates, ", ")
	case pod.Status.NominatedNodeName != "":
		return StateNominated, fmt.Sprintf("it is nominated to node %s, and is bound when that is ready", pod.Status.NominatedNodeName)
	case kube.NeedsRoom(pod):
		return StateWaiting, "it needs room: no node can take it"
	case kube.Unjudged(pod):
		return StateUnjudged, "the scheduler has not looked at it yet: is one running that is named " + schedulerOf(pod)
	}
	return StateElsewhere, "it is not for Floe to find room for: a DaemonSet's, or another scheduler's"
}

func schedulerOf(pod *corev1.Pod) string {
	if pod.Spec.SchedulerName == "" {
		return corev1.DefaultSchedulerName
	}
	return pod.Spec.SchedulerName
}

// verdict is the scheduler's last word on a pod without a node.
func verdict(pod *corev1.Pod) string {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Message
		}
	}
	return ""
}

// node tells of the node that a pod is bound or nominated to, and of the launch that brought it.
func (a *Answer) node(ctx context.Context, s Sources, pod *corev1.Pod) {
	name := pod.Spec.NodeName
	if name == "" {
		name = pod.Status.NominatedNodeName
	}
	if name == "" || a.State == StateEnded {
		return
	}
	node, err := s.Kube.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		a.unchecked("node "+name, err)
		return
	}
	instance, ok := contract.InstanceOfProviderID(node.Spec.ProviderID)
	if !ok {
		return // not AWS's
	}
	life, err := ask[contract.NodeView](ctx, s, contract.NodeID(s.Cluster, instance), contract.QueryLife)
	var missing *serviceerror.NotFound
	switch {
	case errors.As(err, &missing):
		return // not Floe's
	case err != nil:
		a.unchecked("node "+name, err)
		return
	}
	a.Life = &life
	if life.ScaleUp != "" {
		a.launch(ctx, s, life.ScaleUp)
	}
}

// demand tells what is done for a pod that needs room.
func (a *Answer) demand(ctx context.Context, s Sources) {
	digest, err := s.DryRun(ctx, a.Pod)
	if err != nil {
		a.unchecked("the plan", err)
	}
	a.Plan = digest.Explanation
	view, err := fleet.Provisioner(ctx, s.Temporal, s.Cluster)
	if err != nil {
		a.unchecked("the Provisioner", err)
		return
	}
	if view == nil {
		a.unchecked("the Provisioner", errors.New("none runs: is floe watch running?"))
		return
	}
	a.Next, a.Trouble = view.RetryAt, view.Trouble
	for _, id := range concern(a.Plan, view) {
		a.launch(ctx, s, id)
	}
	for _, d := range view.Droughts {
		if slices.ContainsFunc(a.Launches, func(l fleet.Launch) bool { return l.Workflow == d.ScaleUp }) {
			a.Help = append(a.Help, d.Help...)
		}
	}
	slices.Sort(a.Help)
	a.Help = slices.Compact(a.Help)
}

// concern are the launches that concern a pod, by what a plan says of it: the one in flight that is to hold it, and the
// last that were not filled, of the pools that it could go to.
func concern(plan *contract.Explanation, view *contract.ProvisionerView) (ids []string) {
	pools := map[string]bool{}
	if plan != nil {
		if plan.Winner != nil {
			pools[plan.Winner.Pool] = true
		}
		for _, next := range plan.Next {
			pools[next.Pool] = true
		}
	}
	for _, e := range view.Ledger {
		if plan != nil && e.ScaleUp == plan.Node {
			ids, pools[e.Pool] = append(ids, e.ScaleUp), true
		}
	}
	for _, d := range view.Droughts {
		if pools[d.Pool] && !slices.Contains(ids, d.ScaleUp) {
			ids = append(ids, d.ScaleUp)
		}
	}
	return ids
}

func (a *Answer) launch(ctx context.Context, s Sources, id string) {
	view, err := ask[contract.ScaleUpView](ctx, s, id, contract.QueryChain)
	if err != nil {
		a.unchecked("launch "+id, err)
		return
	}
	a.Launches = append(a.Launches, fleet.Launch{Workflow: id, ScaleUpView: view})
}

func (a *Answer) unchecked(what string, err error) {
	a.Unchecked = append(a.Unchecked, fmt.Sprintf("%s: %v", what, err))
}

func ask[T any](ctx context.Context, s Sources, workflow, query string) (view T, err error) {
	value, err := s.Temporal.QueryWorkflow(ctx, workflow, "", query)
	if err != nil {
		return view, err
	}
	return view, value.Get(&view)
}
