package kube

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// shrinking is a pool that shrinks at once, so many nodes at a time.
func shrinking(nodes string) *v1alpha1.NodePool {
	return testPool("general", func(s *v1alpha1.NodePoolSpec) {
		s.Disruption = v1alpha1.Disruption{
			EmptyAfter: &metav1.Duration{}, Stabilization: &metav1.Duration{}, Budgets: []v1alpha1.DisruptionBudget{{Nodes: nodes}},
		}
	})
}

// standing is a registered, Ready Node of the pool, a day old.
func standing(name string, change ...func(*corev1.Node)) *corev1.Node {
	n := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: types.UID("uid-" + name), CreationTimestamp: metav1.NewTime(time.Now().Add(-24 * time.Hour)),
			Labels: map[string]string{
				v1alpha1.LabelPool: "general", v1alpha1.LabelInstanceType: "m5.large", v1alpha1.LabelZone: "eu-west-1a", v1alpha1.LabelZoneID: "euw1-aza",
				v1alpha1.LabelCapacityType: "spot", v1alpha1.LabelArch: "amd64",
			},
			Annotations: map[string]string{v1alpha1.AnnotationPurpose: "demand"},
		},
		Spec:   corev1.NodeSpec{ProviderID: contract.ProviderID("eu-west-1a", "i-"+name)},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
	}
	for _, f := range change {
		f(n)
	}
	return n
}

func leavingWorld(t *testing.T, nodes string, objects ...runtime.Object) *world {
	w := newWorld(t, append(objects, shrinking(nodes))...)
	w.lives = func(context.Context, string) (contract.NodeView, error) { return contract.NodeView{}, nil }
	return w
}

func disrupt(t *testing.T, w *world, change ...func(*contract.DisruptInput)) contract.DisruptResult {
	t.Helper()
	in := contract.DisruptInput{Cluster: "demo", Every: time.Second}
	for _, f := range change {
		f(&in)
	}
	r, err := w.Disrupt(t.Context(), in)
	require.NoError(t, err)
	require.Empty(t, w.writes(), "a look touches nothing")
	return r
}

func chosen(r contract.DisruptResult) (names []string) {
	for _, g := range r.Grants {
		names = append(names, g.Node)
	}
	return names
}

func TestDisruptLooksAtTheCluster(t *testing.T) {
	busy := testPod("busy", on("b"))
	stranger := standing("stranger", func(n *corev1.Node) { delete(n.Labels, v1alpha1.LabelPool) })
	w := leavingWorld(t, "100%", standing("a"), standing("b"), stranger, busy)
	r := disrupt(t, w, func(in *contract.DisruptInput) {
		in.Leaving = []contract.Leaving{{Instance: "i-gone"}}
		in.NotBefore = map[string]contract.Postponed{"i-a": {}, "i-also-gone": {}}
	})
	require.Equal(t, []string{"a"}, chosen(r))
	require.Equal(t, "uid-a", r.Grants[0].UID)
	require.Equal(t, []string{"i-also-gone", "i-gone"}, r.Gone)
	require.Contains(t, r.Memory.EmptySince, "i-a")
	require.Contains(t, r.Memory.ScaledUp, "general")
	require.Positive(t, r.Next)
}

// A node that a person holds is not chosen, and neither is one whose workflow is silent; the budget goes to others.
func TestDisruptAsksForHolds(t *testing.T) {
	w := leavingWorld(t, "1", standing("a"), standing("b"), standing("c"))
	var asked []string
	w.lives = func(_ context.Context, id string) (contract.NodeView, error) {
		asked = append(asked, id)
		switch id {
		case "node/demo/i-a":
			return contract.NodeView{NodeState: contract.NodeState{Hold: &contract.Hold{By: "alice"}}}, nil
		case "node/demo/i-b":
			return contract.NodeView{}, errors.New("no worker")
		}
		return contract.NodeView{}, nil
	}
	r := disrupt(t, w)
	require.Equal(t, []string{"c"}, chosen(r))
	require.Equal(t, []string{"node/demo/i-a", "node/demo/i-b", "node/demo/i-c"}, asked, "only those that are chosen")
	require.Len(t, r.Refused, 2)
	require.Equal(t, 2, r.RefusedCount)
	require.Equal(t, "it is held by alice until it is released", r.Refused[0].Why)
	require.Equal(t, "its Node workflow does not answer: no worker", r.Refused[1].Why)
}

func TestDisruptKeepsPodDisruptionBudgets(t *testing.T) {
	p := testPod("web", on("a"), owned("ReplicaSet"), labeled("app", "web"))
	expires := shrinking("100%")
	expires.Spec.Disruption.ExpireAfter = &metav1.Duration{Duration: time.Hour}
	w := newWorld(t, standing("a"), p, expires, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "keep", Namespace: p.Namespace},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
	})
	w.lives = func(context.Context, string) (contract.NodeView, error) { return contract.NodeView{}, nil }
	r := disrupt(t, w)
	require.Len(t, r.Refused, 1)
	require.Equal(t, "pdb", r.Refused[0].Code)
	require.Equal(t, v1alpha1.DisruptExpired, r.Refused[0].Reason)
}

// What the Provisioner waits for is known to a decision: a pool does not shrink while it grows, nor while nobody can say.
func TestDisruptKnowsWhatIsBeingLaunched(t *testing.T) {
	pool := shrinking("100%")
	pool.Spec.Disruption.Stabilization = &metav1.Duration{Duration: 10 * time.Minute}
	w := newWorld(t, pool, standing("a"))
	w.lives = func(context.Context, string) (contract.NodeView, error) { return contract.NodeView{}, nil }
	require.Equal(t, []string{"a"}, chosen(disrupt(t, w)))
	var view contract.ProvisionerView
	var down error
	w.provisioners = func(_ context.Context, id string) (contract.ProvisionerView, error) {
		require.Equal(t, "provisioner/demo", id)
		return view, down
	}
	opened := w.now().Add(-time.Minute)
	view.Ledger = []contract.LedgerEntry{{ScaleUp: "s", Pool: "general", Purpose: contract.PurposeDemand, Count: 1, Open: 1, Opened: opened}}
	r := disrupt(t, w)
	require.Empty(t, r.Grants)
	require.Equal(t, opened, r.Memory.ScaledUp["general"])
	view.Ledger, down = nil, errors.New("no worker")
	r = disrupt(t, w)
	require.Empty(t, r.Grants)
	require.Equal(t, "launching", r.Refused[0].Code)
	require.Contains(t, r.Refused[0].Why, "the Provisioner does not answer: no worker")
}

// What would become of a machine is said by the rule of the pool's Standby, and by what that has.
func TestWhyTellsWhatWouldBecomeOfTheMachine(t *testing.T) {
	keeps := shrinking("0")
	keeps.Spec.Standby = &v1alpha1.Standby{Stopped: 1}
	w := newWorld(t, keeps, standing("a", func(n *corev1.Node) { n.Labels[v1alpha1.LabelCapacityType] = "on-demand" }), standing("spot"))
	w.lives = func(context.Context, string) (contract.NodeView, error) {
		return contract.NodeView{Instance: contract.Instance{CapacityType: v1alpha1.OnDemand, LaunchTime: time.Now()}}, nil
	}
	var view contract.StandbyView
	var down error
	w.standbys = func(_ context.Context, id string) (contract.StandbyView, error) {
		require.Equal(t, "standby/demo/general", id)
		return view, down
	}
	why := func(name string) string {
		return disrupt(t, w, func(in *contract.DisruptInput) { in.Why = name }).Verdict.Fate
	}
	view.Stopped, view.Facts.Spec = 1, keeps.Spec.Standby
	require.Contains(t, why("a"), "stopped: the tier has 0 of 1")
	view.Fills = []contract.StandbyFill{{Tier: v1alpha1.Stopped, Open: 1}}
	require.Contains(t, why("a"), "terminated: the standby has all it is to keep")
	down = errNotRunning
	require.Equal(t, "terminated: its pool has no standby that could be asked", why("a"))
	down = errors.New("no worker")
	require.Equal(t, "not known: its pool's Standby does not answer: no worker", why("a"))
	require.Equal(t, "terminated: a spot machine can be neither stopped nor kept", why("spot"))
}

func TestWhyOfANode(t *testing.T) {
	w := leavingWorld(t, "0", standing("a"))
	for _, name := range []string{"a", "i-a"} {
		r := disrupt(t, w, func(in *contract.DisruptInput) { in.Why = name })
		require.Equal(t, "i-a", r.Verdict.Instance)
		require.Empty(t, r.Grants)
		require.Equal(t, "a budget of pool general lets no node leave", r.Verdict.Reasons[1].Refused)
	}
	_, err := w.Disrupt(t.Context(), contract.DisruptInput{Cluster: "demo", Why: "nobody"})
	requireType(t, err, contract.ErrNodeNotFound, false)
}

func TestCordon(t *testing.T) {
	w := newWorld(t, standing("a"))
	require.NoError(t, w.Cordon(t.Context(), contract.CordonInput{Cluster: "demo", Node: "a"}))
	node, err := w.client.CoreV1().Nodes().Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.True(t, node.Spec.Unschedulable)
	require.NoError(t, w.Cordon(t.Context(), contract.CordonInput{Cluster: "demo", Node: "gone"}), "there is nothing left to cordon")
	requireType(t, w.Cordon(t.Context(), contract.CordonInput{Cluster: "demo"}), contract.ErrInvalidInput, false)
}

func TestAwaitNodes(t *testing.T) {
	notReady := standing("later", func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionFalse })
	tainted := standing("startup", func(n *corev1.Node) { n.Spec.Taints = testPool("general").Spec.Template.StartupTaints })
	goes := standing("goes", func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: v1alpha1.TaintLeaving}} })
	w := newWorld(t, testPool("general"), standing("a"), notReady, tainted, goes)
	await := func(within time.Duration, instances ...string) []string {
		r, err := w.AwaitNodes(t.Context(), contract.AwaitNodesInput{Cluster: "demo", Instances: instances, Within: within})
		require.NoError(t, err)
		return r.Missing
	}
	require.Empty(t, await(time.Minute, "i-a"))
	require.Equal(t, []string{"i-goes"}, await(time.Hour, "i-a", "i-goes"), "nobody waits for one that leaves")
	require.Equal(t, []string{"i-later", "i-startup", "i-nobody"}, await(0, "i-a", "i-later", "i-startup", "i-nobody"))
	notReady = notReady.DeepCopy()
	notReady.Status.Conditions[0].Status = corev1.ConditionTrue
	_, err := w.client.CoreV1().Nodes().UpdateStatus(t.Context(), notReady, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Empty(t, await(time.Minute, "i-a", "i-later"))
}

// A Node tells what it was bought for and launched from, also after a workflow that knows less has adopted it.
func TestNodesTellWhereTheyComeFrom(t *testing.T) {
	pool := testPool("general")
	in := contract.RegisterInput{Purpose: contract.PurposeDemand, Template: contract.ResolvedTemplate{ID: "lt-1", Version: "3", ImageID: "ami-1"}}
	first := provenance(&corev1.Node{}, pool, in, guarded)
	require.Equal(t, "demand", first[v1alpha1.AnnotationPurpose])
	require.Equal(t, "lt-1/3/ami-1", first[v1alpha1.AnnotationLaunchTemplate])
	require.NotEmpty(t, first[v1alpha1.AnnotationTemplateHash])
	again := provenance(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Annotations: first}}, pool, contract.RegisterInput{}, guarded)
	require.Equal(t, first, again)
	require.NotContains(t, provenance(&corev1.Node{}, pool, contract.RegisterInput{}, guarded), v1alpha1.AnnotationPurpose)
}
