package integration

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/starter/explain"
)

// familyStep is a spot step of one family.
func familyStep(family string) v1alpha1.FallbackStep {
	return v1alpha1.FallbackStep{CapacityType: v1alpha1.Spot, Requirements: []corev1.NodeSelectorRequirement{
		{Key: v1alpha1.LabelInstanceFamily, Operator: corev1.NodeSelectorOpIn, Values: []string{family}},
	}}
}

// chain asks a launch for its chain.
func (w *world) chain(id string) contract.ScaleUpView {
	view, err := query[contract.ScaleUpView](w, id, contract.QueryChain)
	if err != nil {
		return contract.ScaleUpView{}
	}
	return view
}

// A chain of twelve steps of which the last alone has capacity; worker, watcher and store are killed in the middle. No
// step that had a definitive answer is tried again, and exactly the machines that were wanted are there.
func TestLongChainOutlivesKills(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, "latency: [{actions: CreateFleet, median: 500ms}]", "at 0s * spot *: 0")
	long := pool("general")
	families := []string{"m5", "c5", "r5", "m5a", "r5a", "c5a", "m6i", "c6i", "r6i", "m6a", "c6a"}
	long.Spec.Requirements[0].Values = families
	long.Spec.Fallback = nil
	for _, family := range families {
		long.Spec.Fallback = append(long.Spec.Fallback, familyStep(family))
	}
	long.Spec.Fallback = append(long.Spec.Fallback, v1alpha1.FallbackStep{CapacityType: v1alpha1.OnDemand})
	w.createPool(long)
	w.cli("workflow", "start", "--type", "ScaleUp", "--task-queue", "floe", "--workflow-id", "long",
		"--input", `{"cluster":"demo","pool":"general","count":2}`)

	var before contract.ScaleUpView
	eventually(t, func() bool { before = w.chain("long"); return len(before.Hops) >= 5 }, "the chain is in its middle")
	watcher, store := w.Process("watcher-1"), w.Process("ferretdb")
	w.worker.Kill()
	watcher.Kill()
	store.Kill()
	require.NoError(t, w.worker.Restart(t.Context()))
	require.NoError(t, watcher.Restart(t.Context()))
	require.NoError(t, store.Restart(t.Context()))

	var result contract.ScaleUpView
	require.NoError(t, w.temporal.GetWorkflow(t.Context(), "long", "").Get(t.Context(), &result))
	require.Equal(t, contract.ScaleUpFilled, result.Phase)
	require.Len(t, result.Hops, 12)
	for i, hop := range result.Hops {
		require.Equal(t, i, hop.Step, "every step once, in order")
	}
	calls := map[string]int{}
	for _, call := range w.truth().Calls {
		if call.Action == "CreateFleet" {
			calls[call.Token]++
		}
	}
	require.Len(t, calls, 12, "one token a hop")
	for _, hop := range before.Hops {
		if !hop.Ended.IsZero() {
			require.Equal(t, 1, calls[hop.Token], "hop %d had its answer before the kill", hop.Number)
			require.Equal(t, hop, result.Hops[hop.Number-1], "and it stands")
		}
	}
	for _, hop := range result.Hops {
		require.LessOrEqual(t, calls[hop.Token], 2, "hop %d: one worker was killed once", hop.Number)
	}
	eventually(t, func() bool { return len(w.nodes("general")) == 2 }, "two Ready nodes")
	require.Len(t, w.truth().Instances, 2)
}

// Where EC2 does not answer in time, another hop is opened beside the first; what both bring too much is given back.
func TestHedgedLaunchGivesBackWhatCameTooMuch(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, "latency: [{actions: CreateFleet, median: 3s}]", "")
	p := pool("general")
	p.Spec.HedgeAfter = &metav1.Duration{Duration: time.Second}
	w.createPool(p)
	w.cli("workflow", "start", "--type", "ScaleUp", "--task-queue", "floe", "--workflow-id", "hedged",
		"--input", `{"cluster":"demo","pool":"general","count":1}`)
	var result contract.ScaleUpView
	require.NoError(t, w.temporal.GetWorkflow(t.Context(), "hedged", "").Get(t.Context(), &result))
	require.Equal(t, contract.ScaleUpFilled, result.Phase)
	require.Len(t, result.Hops, 2)
	require.True(t, result.Hops[1].Started.Before(result.Hops[0].Ended), "beside each other")
	require.Equal(t, []int{1, 1}, []int{result.Hops[0].Got, result.Hops[1].Got})
	eventually(t, func() bool {
		states := map[string]int{}
		for _, i := range w.truth().Instances {
			states[i.State]++
		}
		return states["running"] == 1 && states["terminated"] == 1
	}, "one machine stays, and one is given back")
	require.Len(t, w.nodes("general"), 1)
}

// A person steers a launch by floe: it is held, and then told which step to use. Its first step is standby's, which has
// nothing to hand over.
func TestLaunchIsSteered(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, "latency: [{actions: CreateFleet, median: 2s}]", "at 0s * spot *: 0")
	p := pool("general")
	p.Spec.Standby = &v1alpha1.Standby{Stopped: 1}
	p.Spec.Fallback = []v1alpha1.FallbackStep{{CapacityType: v1alpha1.Stopped}, familyStep("m5"), familyStep("c5"), {CapacityType: v1alpha1.OnDemand}}
	w.createPool(p)
	id := contract.HandScaleUpID("demo", "steered")
	status, out, errs := w.floe("pool", "scale-up", "general", "--count", "1", "--id", "steered")
	require.Zero(t, status, out+errs)
	eventually(t, func() bool { return len(w.chain(id).Hops) == 2 }, "the first spot step is asked")
	require.NotEmpty(t, w.chain(id).Hops[0].Note, "standby handed nothing over, in words")
	status, out, errs = w.floe("scaleup", "hold", id, "--reason", "let us see")
	require.Zero(t, status, out+errs)
	eventually(t, func() bool {
		view := w.chain(id)
		return len(view.Hops) == 2 && !view.Hops[1].Ended.IsZero() && strings.Contains(view.Next, "No new hop begins")
	}, "the launch is held")
	status, out, errs = w.floe("scaleup", "describe", id)
	require.Zero(t, status, errs)
	require.Contains(t, out, "No new hop begins: the launch is held by")
	status, out, errs = w.floe("scaleup", "use-now", id, "4")
	require.Zero(t, status, out+errs)
	var result contract.ScaleUpView
	require.NoError(t, w.temporal.GetWorkflow(t.Context(), id, "").Get(t.Context(), &result))
	require.Equal(t, contract.ScaleUpFilled, result.Phase)
	require.Len(t, result.Hops, 3)
	require.Equal(t, 3, result.Hops[2].Step)
	status, _, errs = w.floe("scaleup", "hold", "scaleup/demo/none/0")
	require.Equal(t, 1, status)
	require.Contains(t, errs, "floe scaleup list shows those there are")
}

// A total drought, and its end: what was tried, when next, and what would help is told, and capacity is found again.
func TestDroughtIsExplained(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "at 0s * spot *: 0")
	p := pool("general")
	p.Spec.Requirements[0].Values = []string{"m5"}
	p.Spec.Fallback = []v1alpha1.FallbackStep{{CapacityType: v1alpha1.Spot}}
	w.createPool(p)
	w.deploy("app", 1, "500m", "512Mi")
	var pods *corev1.PodList
	eventually(t, func() bool {
		var err error
		pods, err = w.kube.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{LabelSelector: "app=app"})
		return err == nil && len(pods.Items) == 1
	}, "the pod")
	eventually(t, func() bool {
		view, err := query[contract.ProvisionerView](w, contract.ProvisionerID("demo"), contract.QueryState)
		return err == nil && len(view.Droughts) == 1 && len(view.Droughts[0].Help) > 0
	}, "a drought, and what would help")
	status, out, errs := w.floe("why", pods.Items[0].Name, "-o", "json")
	require.Zero(t, status, errs)
	var answer explain.Answer
	require.NoError(t, json.Unmarshal([]byte(out), &answer), out)
	require.Equal(t, explain.StateWaiting, answer.State)
	require.NotNil(t, answer.Plan)
	require.NotEmpty(t, answer.Launches)
	require.Contains(t, strings.Join(answer.Help, "\n"), "add a step with capacityType on-demand")
	require.Contains(t, strings.Join(answer.Help, "\n"), "allow the family")
	require.False(t, answer.Next.IsZero())
	require.Empty(t, answer.Unchecked)
	status, out, errs = w.floe("why", "default/"+pods.Items[0].Name)
	require.Zero(t, status, errs)
	for _, words := range []string{"it needs room: no node can take it", "the scheduler: ", "A plan of now: ", "would help: allow the family", "next plan: at "} {
		require.Contains(t, out, words)
	}

	w.script("at 0s * spot *: unlimited")
	eventually(t, func() bool { return w.running() == 1 }, "the pod runs")
	status, out, errs = w.floe("why", pods.Items[0].Name)
	require.Zero(t, status, errs)
	require.Contains(t, out, "it is bound to node ")
	require.Contains(t, out, "its node is i-")
	require.Contains(t, out, "Launch scaleup/demo/")
	eventually(t, func() bool {
		view, err := query[contract.ProvisionerView](w, contract.ProvisionerID("demo"), contract.QueryState)
		return err == nil && len(view.Droughts) == 0
	}, "the drought is over")
}
