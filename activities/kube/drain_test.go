package kube

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

const (
	waitFor = 10 * time.Second
	tick    = 5 * time.Millisecond
)

// evictor plays the eviction API: it answers with the next of a pod's answers, and nil deletes the pod.
type evictor struct {
	w       *world
	answers map[string][]error
	evicted []string
	calls   atomic.Int64
}

// asked is how many evictions were asked for.
func (e *evictor) asked() int { return int(e.calls.Load()) }

func (w *world) evictor(answers map[string][]error) *evictor {
	e := &evictor{w: w, answers: answers}
	w.client.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if action.GetSubresource() != "eviction" {
			return false, nil, nil
		}
		e.calls.Add(1)
		eviction := action.(clienttesting.CreateAction).GetObject().(*policyv1.Eviction)
		if left := e.answers[eviction.Name]; len(left) > 0 {
			e.answers[eviction.Name] = left[1:]
			if apierrors.IsNotFound(left[0]) || apierrors.IsConflict(left[0]) { // it goes by somebody else's hand
				return true, nil, errors.Join(left[0], e.remove(eviction))
			}
			if left[0] != nil {
				return true, nil, left[0]
			}
		}
		e.evicted = append(e.evicted, eviction.Name+" "+string(*eviction.DeleteOptions.Preconditions.UID))
		return true, nil, e.remove(eviction)
	})
	return e
}

func (e *evictor) remove(eviction *policyv1.Eviction) error {
	return e.w.client.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), eviction.Namespace, eviction.Name)
}

// drainNow runs the activity in Temporal's test environment, so that it has a heartbeat.
func (w *world) drainNow(t *testing.T, in contract.DrainInput) (contract.DrainResult, error) {
	t.Helper()
	return w.drainOn(t, in)
}

// drainOn is drainNow where an earlier attempt has done what is given.
func (w *world) drainOn(t *testing.T, in contract.DrainInput, before ...contract.DrainResult) (contract.DrainResult, error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(w.Drain)
	for _, done := range before {
		env.SetHeartbeatDetails(done)
	}
	value, err := env.ExecuteActivity(w.Drain, in)
	var result contract.DrainResult
	if err == nil {
		require.NoError(t, value.Get(&result))
	}
	return result, err
}

func drainN1(deadline time.Duration) contract.DrainInput {
	return contract.DrainInput{Cluster: "demo", Pool: "api", Node: "n1", UID: "uid-n1", Instance: "i-1", Deadline: time.Now().Add(deadline)}
}

// counts is a result without the pods one by one.
func counts(r contract.DrainResult) contract.DrainResult {
	r.Pods = nil
	return r
}

func multipleBudgets() error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Message: "more than one"}}
}

func TestDrain(t *testing.T) {
	w := newWorld(t, testPool("api"), testNode("n1", "i-1"), testNode("n2", "i-2"),
		testPod("plain", on("n1")), testPod("budget", on("n1")), testPod("budgets", on("n1")),
		testPod("gone", on("n1")), testPod("replaced", on("n1")), testPod("elsewhere", on("n2")),
		testPod("agent", on("n1"), owned("DaemonSet")),
		testPod("mirror", on("n1"), func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} }),
	)
	pods := schema.GroupResource{Resource: "pods"}
	w.evictor(map[string][]error{
		"budget":   {apierrors.NewTooManyRequests("would violate the pod's disruption budget", 0)},
		"budgets":  {multipleBudgets(), multipleBudgets()},
		"gone":     {apierrors.NewNotFound(pods, "gone")},
		"replaced": {apierrors.NewConflict(pods, "replaced", nil)},
	})

	result, err := w.drainNow(t, drainN1(time.Hour))
	require.NoError(t, err)
	require.Equal(t, contract.DrainResult{Evicted: 3}, counts(result))
	what := map[string]contract.DrainedPod{}
	for _, p := range result.Pods {
		require.NotZero(t, p.At)
		p.At = time.Time{}
		what[p.Pod] = p
	}
	require.Equal(t, map[string]contract.DrainedPod{
		"default/plain":   {Pod: "default/plain", What: "evicted"},
		"default/budget":  {Pod: "default/budget", What: "evicted", Refused: 1},
		"default/budgets": {Pod: "default/budgets", What: "evicted", Refused: 2},
	}, what)

	node := w.nodeNow(t, "n1")
	require.True(t, node.Spec.Unschedulable)
	require.True(t, hasTaint(node.Spec.Taints, v1alpha1.TaintLeaving))
	left, err := w.client.CoreV1().Pods("").List(context.Background(), metav1.ListOptions{})
	require.NoError(t, err)
	var names []string
	for _, pod := range left.Items {
		names = append(names, pod.Name)
	}
	require.ElementsMatch(t, []string{"agent", "mirror", "elsewhere"}, names)
}

func TestDrainEvictsTheVeryPod(t *testing.T) {
	w := newWorld(t, testNode("n1", "i-1"), testPod("plain", on("n1")))
	e := w.evictor(nil)
	_, err := w.drainNow(t, drainN1(time.Hour))
	require.NoError(t, err)
	require.Equal(t, []string{"plain uid-plain"}, e.evicted)
}

func TestDrainDeletesPastTheDeadline(t *testing.T) {
	for name, tc := range map[string]struct {
		grace *int64
		want  int64
	}{
		"its own grace":  {ptr(int64(7)), 7},
		"never at once":  {ptr(int64(0)), 1},
		"the usual 30 s": {nil, 30},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, testNode("n1", "i-1"), testPod("held", on("n1"), func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = tc.grace }))
			refused := make([]error, 100)
			for i := range refused {
				refused[i] = apierrors.NewTooManyRequests("budget", 0)
			}
			w.evictor(map[string][]error{"held": refused})
			result, err := w.drainNow(t, drainN1(50*time.Millisecond))
			require.NoError(t, err)
			require.Equal(t, contract.DrainResult{Deleted: 1}, counts(result))
			for _, action := range w.client.Actions() {
				if d, ok := action.(clienttesting.DeleteActionImpl); ok {
					require.Equal(t, tc.want, *d.DeleteOptions.GracePeriodSeconds)
					require.EqualValues(t, "uid-held", *d.DeleteOptions.Preconditions.UID)
				}
			}
		})
	}
}

func TestDrainLeavesADeadKubeletBehind(t *testing.T) {
	since := metav1.NewTime(time.Now().Add(-time.Minute))
	w := newWorld(t, testNode("n1", "i-1"), testPod("stuck", on("n1"), func(p *corev1.Pod) {
		p.DeletionTimestamp = &since
		p.Finalizers = []string{"kubelet"} // the fake API server wants a reason
	}))
	result, err := w.drainNow(t, drainN1(-time.Second))
	require.NoError(t, err)
	require.Equal(t, contract.DrainResult{Left: 1}, counts(result))
	require.Len(t, result.Pods, 1)
	require.Equal(t, "does not go: its kubelet does not end it", result.Pods[0].What)
	require.Equal(t, []string{"patch nodes"}, w.writes(), "a pod that is going already is not deleted again")
}

// What is told of pods that somebody else deleted, and of those that do not go.
func TestDrainTellsOfPodsThatAreGoing(t *testing.T) {
	now := time.Now()
	going := func(since time.Duration, grace int64, finalizers ...string) *corev1.Pod {
		at := metav1.NewTime(now.Add(-since))
		return testPod("p", func(p *corev1.Pod) {
			p.DeletionTimestamp, p.DeletionGracePeriodSeconds, p.Finalizers = &at, &grace, finalizers
		})
	}
	const long = lastWait + time.Second
	for name, tc := range map[string]struct {
		pod    *corev1.Pod
		before string
		want   string
	}{
		"it stays":                      {testPod("p"), "", ""},
		"somebody deleted it":           {going(0, 30), "", toldGoing},
		"while it waited":               {going(0, 30), toldWaits, toldGoing},
		"it was evicted":                {going(0, 30), toldEvicted, toldEvicted},
		"finalizers keep it":            {going(long, 0, "a.example/x", "b"), toldEvicted, "does not go: finalizers keep it (a.example/x, b)"},
		"a dead kubelet":                {going(long, 30), toldDeleted, "does not go: its kubelet does not end it"},
		"a dead kubelet and finalizers": {going(long, 30, "x"), toldGoing, "does not go: its kubelet does not end it"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &drain{now: func() time.Time { return now }}
			if tc.before != "" {
				d.tell(tc.pod, tc.before, 2)
			}
			d.tellOfGoing([]*corev1.Pod{tc.pod})
			d.tellOfGoing([]*corev1.Pod{tc.pod})
			if tc.want == "" {
				require.Empty(t, d.done.Pods)
				return
			}
			require.Len(t, d.done.Pods, 1)
			require.Equal(t, tc.want, d.done.Pods[0].What)
			require.Equal(t, tc.before != "", d.done.Pods[0].Refused == 2)
		})
	}
}

func TestDrainOfANodeThatIsGone(t *testing.T) {
	for name, nodes := range map[string][]runtime.Object{
		"no such Node":   nil,
		"another's name": {testNode("n1", "i-9", func(n *corev1.Node) { n.UID = "other" })},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nodes...)
			result, err := w.drainNow(t, drainN1(time.Hour))
			require.NoError(t, err)
			require.Equal(t, contract.DrainResult{Gone: true}, result)
			require.Empty(t, w.writes())
		})
	}
}

func TestDrainForbidden(t *testing.T) {
	w := newWorld(t, testNode("n1", "i-1"), testPod("plain", on("n1")))
	w.evictor(map[string][]error{"plain": {apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "plain", nil)}})
	_, err := w.drainNow(t, drainN1(time.Hour))
	requireType(t, err, contract.ErrAccessDenied, false)
	require.ErrorContains(t, err, "may not create pods/eviction")
}

func TestDrainCountsFromWhereItWas(t *testing.T) {
	w := newWorld(t, testNode("n1", "i-1"), testPod("plain", on("n1")))
	w.evictor(nil)
	result, err := w.drainOn(t, drainN1(time.Hour), contract.DrainResult{Evicted: 4})
	require.NoError(t, err)
	require.Equal(t, 5, result.Evicted)
}

// A pod that another worker has deleted with a shortened grace should have gone long ago, by the API server's word. It is waited
// for all the same.
func TestDrainKnowsWhatGraceWasGiven(t *testing.T) {
	long := metav1.NewTime(time.Now().Add(-time.Hour))
	w := newWorld(t, testNode("n1", "i-1"), testPod("p", on("n1"), func(p *corev1.Pod) {
		p.DeletionTimestamp, p.Finalizers = &long, []string{"hangs"}
	}))
	time.AfterFunc(200*time.Millisecond, func() {
		_ = w.client.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), "default", "p")
	})
	result, err := w.drainOn(t, drainN1(-time.Second), contract.DrainResult{Deleted: 1, Pods: []contract.DrainedPod{
		{Pod: "default/p", What: toldDeleted, UID: "uid-p", Until: time.Now().Add(time.Minute)},
	}})
	require.NoError(t, err)
	require.Zero(t, result.Left, "it was not given up")
}

func ptr[T any](v T) *T { return &v }
