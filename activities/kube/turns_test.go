package kube

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"floe.dev/floe/api/contract"
)

func testBudget(name, version string, allowed int32, app string) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", ResourceVersion: version},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}},
		Status:     policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: allowed},
	}
}

func TestTurnKnowsWhatWasSpent(t *testing.T) {
	at := &turn{}
	require.True(t, at.room(testBudget("b", "1", 2, "a")))
	at.spent++
	require.True(t, at.room(testBudget("b", "1", 2, "a")))
	at.spent++
	require.False(t, at.room(testBudget("b", "1", 2, "a")), "the informer does not know of the two yet")
	require.True(t, at.room(testBudget("b", "2", 1, "a")), "now it does")
	require.False(t, at.room(testBudget("b", "3", 0, "a")))
}

func TestTurnIsOneAtATime(t *testing.T) {
	var all turns
	_, done, ok := all.take(t.Context(), "default/b")
	require.True(t, ok)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, ok = all.take(ended, "default/b")
	require.False(t, ok)
	_, other, ok := all.take(t.Context(), "default/c")
	require.True(t, ok, "another budget's turn is another's")
	other()
	done()
	_, done, ok = all.take(t.Context(), "default/b")
	require.True(t, ok)
	all.forget("default/b") // while somebody has the turn
	done()
	require.Empty(t, all.of["default/b"])
}

func TestBudgetOfAPod(t *testing.T) {
	elsewhere := testBudget("elsewhere", "1", 1, "one")
	elsewhere.Namespace = "other"
	w := newWorld(t, testBudget("one", "1", 1, "one"), elsewhere, testBudget("two-a", "1", 1, "two"), testBudget("two-b", "1", 1, "two"))
	require.Equal(t, "one", w.cluster.budgetOf(testPod("p", labeled("app", "one"))).Name)
	require.Nil(t, w.cluster.budgetOf(testPod("p", labeled("app", "two"))), "the API server refuses to weigh two")
	require.Nil(t, w.cluster.budgetOf(testPod("p")))
}

// Drains of many nodes share a budget without room: each asks once, and when there is room for one pod, one more
// eviction is asked for and no more.
func TestDrainsWaitForTheirBudget(t *testing.T) {
	const n = 8
	objects := []runtime.Object{testBudget("b", "1", 0, "app")}
	for i := range n {
		name := string(rune('a' + i))
		objects = append(objects, testNode("n"+name, "i-"+name), testPod("p"+name, on("n"+name), labeled("app", "app")))
	}
	w := newWorld(t, objects...)
	var mu sync.Mutex
	calls, atOnce, most, room := 0, 0, 0, 0
	w.client.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if action.GetSubresource() != "eviction" {
			return false, nil, nil
		}
		mu.Lock()
		calls, atOnce = calls+1, atOnce+1
		most = max(most, atOnce)
		given := room > 0
		if given {
			room--
		}
		mu.Unlock()
		time.Sleep(2 * tick)
		mu.Lock()
		atOnce--
		mu.Unlock()
		if !given {
			return true, nil, apierrors.NewTooManyRequests("would violate the pod's disruption budget", 0)
		}
		eviction := action.(clienttesting.CreateAction).GetObject().(*policyv1.Eviction)
		return true, nil, (&evictor{w: w}).remove(eviction)
	})
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return calls
	}
	free := func(version string, pods int) {
		mu.Lock()
		room = pods
		mu.Unlock()
		_, err := w.client.PolicyV1().PodDisruptionBudgets("default").UpdateStatus(t.Context(), testBudget("b", version, int32(pods), "app"), metav1.UpdateOptions{})
		require.NoError(t, err)
	}

	var drains errgroup.Group
	results := make([]contract.DrainResult, n)
	for i := range n {
		name := string(rune('a' + i))
		in := drainN1(time.Hour)
		in.Node, in.UID, in.Instance = "n"+name, "uid-n"+name, "i-"+name
		drains.Go(func() (err error) {
			results[i], err = w.drainNow(t, in)
			return err
		})
	}
	require.Eventually(t, func() bool { return count() == n }, waitFor, tick, "each has asked once")
	free("2", 1)
	require.Eventually(t, func() bool { return count() > n }, waitFor, tick)
	require.Never(t, func() bool { return count() > n+1 }, 200*time.Millisecond, tick, "there was room for one")
	free("3", n)
	require.NoError(t, drains.Wait())
	require.Equal(t, 1, most, "one at a time")
	require.Equal(t, 2*n, count(), "refused once each, and then evicted")
	for _, r := range results {
		require.Equal(t, 1, r.Evicted)
	}
}
