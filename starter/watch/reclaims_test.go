package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"floe.dev/floe/activities/aws"
	"floe.dev/floe/activities/kube"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

const accountID = "123456789012"

// fakeQueue hands out what was put into it, and brings back what was given back.
type fakeQueue struct {
	mu       sync.Mutex
	messages []aws.QueueMessage
	sent     map[string]time.Time // when a message was put in first, which it keeps however often it comes back
	deleted  []string
	returned []string
	owners   map[string]string // instances that EC2 shows when asked for, and their cluster
	err      error
}

func (f *fakeQueue) Account() string                           { return "main" }
func (f *fakeQueue) Region() string                            { return "eu-west-1" }
func (f *fakeQueue) AccountID(context.Context) (string, error) { return accountID, nil }

func (f *fakeQueue) put(bodies ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, body := range bodies {
		if f.sent == nil {
			f.sent = map[string]time.Time{}
		}
		f.sent[body] = time.Now()
		f.messages = append(f.messages, aws.QueueMessage{Body: body, Handle: body, Sent: f.sent[body], Receives: 1})
	}
}

func (f *fakeQueue) Receive(ctx context.Context) ([]aws.QueueMessage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	n := min(10, len(f.messages))
	out := slices.Clone(f.messages[:n])
	f.messages = f.messages[n:]
	if n == 0 {
		select {
		case <-ctx.Done():
		case <-time.After(tick):
		}
	}
	return out, nil
}

func (f *fakeQueue) Delete(_ context.Context, handle string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deleted = append(f.deleted, handle)
	return nil
}

func (f *fakeQueue) Return(_ context.Context, handle string, after time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.returned = append(f.returned, fmt.Sprint(handle, after))
	f.messages = append(f.messages, aws.QueueMessage{Body: handle, Handle: handle, Sent: f.sent[handle], Receives: 2})
	return nil
}

func (f *fakeQueue) Look(_ context.Context, ids []string) (seen []aws.SeenInstance, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		if cluster, ok := f.owners[id]; ok {
			seen = append(seen, aws.SeenInstance{OwnedInstance: contract.OwnedInstance{Instance: spot(id)}, Cluster: cluster})
		}
	}
	return seen, nil
}

// owns makes EC2 show an instance of a cluster.
func (f *fakeQueue) owns(id, cluster string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.owners[id] = cluster
}

func (f *fakeQueue) gone() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.deleted)
}

type fakeEvents struct {
	mu   sync.Mutex
	kept []contract.EventRecord
}

func (f *fakeEvents) PutEvents(_ context.Context, records []contract.EventRecord) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = append(f.kept, records...)
	return nil
}

func spot(id string) contract.Instance {
	return contract.Instance{ID: id, State: "running", CapacityType: v1alpha1.Spot, LaunchTime: time.Now().Add(-time.Hour)}
}

const machine = "i-0123456789abcdef0"

// event is an event of EC2 about an instance; detail is what comes behind its id.
func event(key, kind, account, instance, detail string) string {
	return fmt.Sprintf(`{"id":%q,"detail-type":%q,"source":"aws.ec2","account":%q,"region":"eu-west-1","time":%q,"detail":{"instance-id":%q%s}}`,
		key, kind, account, time.Now().UTC().Format(time.RFC3339), instance, detail)
}

func interruption(key, instance string) string {
	return event(key, "EC2 Spot Instance Interruption Warning", accountID, instance, `,"instance-action":"terminate"`)
}

func recommendation(key string) string {
	return event(key, "EC2 Instance Rebalance Recommendation", accountID, machine, "")
}

// reclaimWorld has one spot machine with a Node, which EC2 shows.
func reclaimWorld(t *testing.T, rebalance string) *world {
	t.Helper()
	w := newWorld(t, quick)
	pool := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": "api"}, "spec": map[string]any{"disruption": map[string]any{"rebalance": rebalance}},
	}}
	pool.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("NodePool"))
	_, err := w.dynamic.Resource(v1alpha1.NodePoolResource).Create(t.Context(), pool, metav1.CreateOptions{})
	require.NoError(t, err)
	w.put(t, node("n1", machine, ready))
	w.ec2Shows(t, spot(machine))
	require.Eventually(t, func() bool {
		_, there := w.cluster.NodeOfInstance(machine)
		return there && len(w.temporal.of(machine)) > 0 && len(w.cluster.Pools().GetStore().List()) > 0
	}, waitFor, tick)
	return w
}

func (w *world) nodeNow(t *testing.T) *corev1.Node {
	t.Helper()
	n, err := w.client.CoreV1().Nodes().Get(t.Context(), "n1", metav1.GetOptions{})
	require.NoError(t, err)
	return n
}

func (w *world) removed(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return len(w.queue.gone()) >= n }, waitFor, tick)
	require.Len(t, w.queue.gone(), n)
}

func (w *world) counted(t *testing.T, result string) int {
	t.Helper()
	families, err := w.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() != "floe_watch_queue_messages_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "result" && l.GetValue() == result {
					return int(m.GetCounter().GetValue())
				}
			}
		}
	}
	return 0
}

func TestANoticeIsMarkedAndTold(t *testing.T) {
	w := reclaimWorld(t, "")
	w.queue.put(interruption("e-1", machine))
	w.removed(t, 1)
	told := w.temporal.allReclaims()
	require.Len(t, told, 1)
	require.Equal(t, contract.NodeID("demo", machine), told[0].workflow)
	require.Equal(t, "e-1", told[0].Key)
	require.Equal(t, contract.ReclaimInterruption, told[0].Kind)
	require.Equal(t, told[0].Notice.Add(2*time.Minute), told[0].Deadline)
	require.False(t, told[0].Stay)
	n := w.nodeNow(t)
	require.True(t, n.Spec.Unschedulable)
	require.True(t, kube.Noticed(n))
	require.False(t, kube.Leaves(n), "EC2 has not confirmed it")
	require.Empty(t, w.temporal.allDemands(), "nothing is bought for it before")
	require.Equal(t, 1, w.counted(t, resultTaken))
}

// A message is removed only when the workflow has taken the signal.
func TestANoticeIsToldUntilItIsTaken(t *testing.T) {
	w := reclaimWorld(t, "")
	w.temporal.set(func(string) error { return errors.New("Temporal is down") })
	w.queue.put(interruption("e-1", machine))
	require.Eventually(t, func() bool { return w.counted(t, resultRetried) >= 2 }, waitFor, tick)
	require.Empty(t, w.queue.gone())
	require.Eventually(t, func() bool { return w.nodeNow(t).Spec.Unschedulable }, waitFor, tick, "the cordon does not wait for Temporal")
	require.Empty(t, w.queue.gone())
	w.temporal.set(nil)
	w.removed(t, 1)
	require.Len(t, w.temporal.allReclaims(), 1)
}

func TestANoticeWithoutAWorkflow(t *testing.T) {
	timing := quick
	timing.Unheard = time.Nanosecond
	w := newWorld(t, timing)
	w.put(t, node("n1", machine, ready))
	w.ec2Shows(t, spot(machine))
	require.Eventually(t, func() bool { _, there := w.cluster.NodeOfInstance(machine); return there }, waitFor, tick)
	w.temporal.set(func(string) error { return serviceerror.NewNotFound("no such workflow") })
	w.queue.put(interruption("e-1", machine))
	w.removed(t, 1)
	require.Equal(t, 1, w.counted(t, resultUnheard))
}

func TestMessagesThatMoveNothing(t *testing.T) {
	onDemand := spot("i-0000000000000000d")
	onDemand.CapacityType = v1alpha1.OnDemand
	stopped := spot("i-0000000000000000e")
	stopped.State = "stopped"
	for name, tc := range map[string]struct{ body, result string }{
		"another account's":      {event("e", "EC2 Spot Instance Interruption Warning", "999999999999", machine, `,"instance-action":"terminate"`), resultForeign},
		"another region's":       {strings.Replace(interruption("e", machine), "eu-west-1", "us-east-1", 1), resultForeign},
		"nobody's machine":       {interruption("e", "i-0000000000000000a"), resultForeign},
		"a machine not of Floe":  {interruption("e", "i-0000000000000000b"), resultForeign},
		"an on-demand machine's": {interruption("e", onDemand.ID), resultForged},
		"a stopped machine's":    {interruption("e", stopped.ID), resultLate},
		"of last week":           {strings.Replace(interruption("e", machine), `"time":"20`, `"time":"19`, 1), resultLate},
		"a recommendation":       {recommendation("e"), resultIgnored},
		"a state":                {event("e", "EC2 Instance State-change Notification", accountID, machine, `,"state":"stopping"`), resultState},
		"something else":         {event("e", "EC2 AMI State Change", accountID, machine, ""), resultOther},
		"no JSON":                {"{", resultPoison},
	} {
		t.Run(name, func(t *testing.T) {
			w := reclaimWorld(t, "")
			w.ec2Shows(t, spot(machine), onDemand, stopped)
			w.queue.owns("i-0000000000000000b", "")
			w.queue.put(tc.body)
			w.removed(t, 1)
			require.Equal(t, 1, w.counted(t, tc.result))
			require.Empty(t, w.temporal.allReclaims())
			require.False(t, w.nodeNow(t).Spec.Unschedulable)
			w.events.mu.Lock()
			defer w.events.mu.Unlock()
			require.Equal(t, tc.result == resultPoison, len(w.events.kept) == 1)
			if len(w.events.kept) == 1 {
				require.Equal(t, "poison", w.events.kept[0].Kind)
				require.Contains(t, w.events.kept[0].Message, "no event of EventBridge")
			}
		})
	}
}

// A message about another cluster's machine is for that one's watcher.
func TestAnotherClustersMessageIsGivenBack(t *testing.T) {
	w := reclaimWorld(t, "")
	w.queue.owns("i-0000000000000000c", "other")
	w.queue.put(interruption("e", "i-0000000000000000c"))
	require.Eventually(t, func() bool { return w.counted(t, resultOthers) >= 2 }, waitFor, tick)
	require.Empty(t, w.queue.gone())
	require.Empty(t, w.temporal.allReclaims())
}

func TestRecommendations(t *testing.T) {
	for policy, stay := range map[string]bool{"pre-spin": true, "drain": false} {
		t.Run(policy, func(t *testing.T) {
			w := reclaimWorld(t, policy)
			w.queue.put(recommendation("e-1"))
			w.removed(t, 1)
			told := w.temporal.allReclaims()
			require.Len(t, told, 1)
			require.Equal(t, stay, told[0].Stay)
			require.Zero(t, told[0].Deadline)
			require.True(t, kube.Leaves(w.nodeNow(t)))
			require.Eventually(t, func() bool { return len(w.temporal.allDemands()) == 1 }, waitFor, tick)
			require.Equal(t, reasonLeaves, w.temporal.allDemands()[0].Reason)
		})
	}
}

// However many nodes leave together: it is one demand.
func TestNodesThatLeaveAreOneDemand(t *testing.T) {
	timing := quick
	timing.BatchIdle, timing.BatchMax = time.Second, time.Minute
	w := newWorld(t, timing)
	for i := range 50 {
		w.put(t, node(fmt.Sprintf("n%d", i), fmt.Sprintf("i-%017d", i), ready, func(n *corev1.Node) {
			n.Spec.Taints = []corev1.Taint{{Key: v1alpha1.TaintReclaim, Value: v1alpha1.ReclaimLeaving, Effect: corev1.TaintEffectNoSchedule}}
		}))
	}
	require.Eventually(t, func() bool { return len(w.temporal.allDemands()) > 0 }, waitFor, tick)
	require.Len(t, w.cluster.Nodes().GetStore().List(), 50)
	require.Len(t, w.temporal.allDemands(), 1)
}
