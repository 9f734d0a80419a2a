package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/sweep"
	"floe.dev/floe/internal/testbed"
)

// plainStops shuts every machine down that is to hibernate, without a word.
const plainStops = "hibernation: {minUptime: 0s, quiet: 0s, image: 0.01, fallback: 1}\n"

// Tags by which Karpenter's garbage collection finds its machines (all three of them:
// github.com/aws/karpenter-provider-aws, pkg/providers/instance, List), and those that cluster-autoscaler's discovery wants
// on an Auto Scaling group, which hands them down to its machines.
var (
	karpentersTags = map[string]string{
		"karpenter.sh/nodepool": "default", "karpenter.k8s.aws/ec2nodeclass": "default", "kubernetes.io/cluster/demo": "owned", "eks:eks-cluster-name": "demo",
	}
	autoscalersTags = map[string]string{
		"k8s.io/cluster-autoscaler/enabled": "true", "k8s.io/cluster-autoscaler/demo": "owned", "kubernetes.io/cluster/demo": "owned",
	}
)

// tellsWhatStandbyDid logs, where the test fails, what the pool's standby and every launch say of themselves.
func (w *world) tellsWhatStandbyDid(pool string) {
	w.t.Cleanup(func() {
		if !w.t.Failed() {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second) // t.Context() is over at a test's end
		defer cancel()
		say := func(id, name string) {
			if value, err := w.temporal.QueryWorkflow(ctx, id, "", name); err == nil {
				var view map[string]any
				if value.Get(&view) == nil {
					text, _ := json.Marshal(view)
					w.t.Logf("%s: %s", id, text)
				}
			}
		}
		say(contract.StandbyID("demo", pool), contract.QueryStandby)
		for _, of := range []struct{ kind, query string }{{contract.WorkflowScaleUp, contract.QueryChain}, {contract.WorkflowNode, contract.QueryLife}} {
			list, err := w.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
				Namespace: testbed.TemporalNamespace, Query: fmt.Sprintf("WorkflowType='%s'", of.kind),
			})
			if err != nil {
				w.t.Log(err)
			}
			for _, e := range list.GetExecutions() {
				say(e.GetExecution().GetWorkflowId(), of.query)
			}
		}
	})
}

func (w *world) instance(id string) sim.TruthInstance {
	w.t.Helper()
	all := w.truth().Instances
	n := slices.IndexFunc(all, func(i sim.TruthInstance) bool { return i.ID == id })
	require.GreaterOrEqual(w.t, n, 0, "EC2 knows %s", id)
	return all[n]
}

// oneType has a pool keep machines of one type, so that whatever is wanted is what is frozen.
func oneType(hibernated int32, resumeTimeout time.Duration) *v1alpha1.NodePool {
	p := standbyPool("general", hibernated)
	p.Spec.Requirements[0].Values = []string{"c5"}
	p.Spec.Standby.ResumeTimeout = &metav1.Duration{Duration: resumeTimeout}
	return p
}

// Beside machines of Karpenter's and of cluster-autoscaler's, two are frozen. The sweep leaves all of them alone, and adopts
// one that has lost its workflow: pods run on both, and those of the others are as they were.
func TestTheSweepMeetsFrozenMachines(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, quickFreeze, "")
	w.tellsWhatStandbyDid("general")
	theirs := []string{w.launch(karpentersTags), w.launch(karpentersTags), w.launch(autoscalersTags), w.launch(autoscalersTags)}
	eventually(t, func() bool {
		return w.instance(theirs[1]).State == "running" && w.instance(theirs[3]).State == "running"
	}, "theirs run")
	_, err := w.ec2().StopInstances(t.Context(), &ec2.StopInstancesInput{InstanceIds: []string{theirs[1], theirs[3]}})
	require.NoError(t, err)
	w.createPool(oneType(2, 20*time.Second))
	var frozen []string
	eventually(t, func() bool { frozen = w.frozen("general"); return len(frozen) == 2 }, "two machines are frozen")

	require.Empty(t, w.sweep().Repairs, "a frozen machine is in order")
	lost := contract.NodeID("demo", frozen[0])
	w.cli("workflow", "terminate", "--workflow-id", lost, "--reason", "an operator's mistake")
	repairs := w.sweep().Repairs
	require.Len(t, repairs, 1)
	require.Equal(t, contract.RepairAdopt, repairs[0].Kind)
	require.Equal(t, frozen[0], repairs[0].Instance)
	eventually(t, func() bool { return w.phase(lost) == contract.PhaseStandby }, "it is frozen still, and has a workflow")
	require.Contains(t, strings.Join(w.life(frozen[0]).Notes, "\n"), "Adopted by the sweep", "its story goes on")

	w.deploy("app", 2, "1200m", "1Gi")
	eventually(t, func() bool { return w.running() == 2 }, "the pods run")
	eventually(t, func() bool { return slices.Equal(w.instancesOf("general"), slices.Sorted(slices.Values(frozen))) }, "on what was frozen, the adopted one with it")

	for n, id := range theirs {
		require.Equal(t, []string{"running", "stopped"}[n%2], w.instance(id).State)
	}
	for _, i := range w.truth().Instances {
		if i.Tags[contract.TagOwner] == contract.OwnerFloe {
			require.Empty(t, sweep.ForeignMark(i.Tags))
			for tag := range i.Tags {
				require.NotContains(t, karpentersTags, tag)
				require.NotContains(t, autoscalersTags, tag)
			}
		}
	}
	_, err = w.ec2().TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: theirs}) // the test's own
	require.NoError(t, err)
}

// Three machines are frozen. The first that is claimed for a pod wakes and never says a word; another is terminated while it
// wakes; the pod runs on what comes next. Then EC2 has no capacity for any of them, and the next pod's machine is bought. No
// machine is lost or doubled.
func TestWakesThatGoWrongCostNothingButTime(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, quickFreeze, "")
	w.tellsWhatStandbyDid("general")
	w.createPool(oneType(3, 15*time.Second))
	var frozen []string
	eventually(t, func() bool { frozen = w.frozen("general"); return len(frozen) == 3 }, "three machines are frozen")

	// A pod; the machine that is woken for it hangs as soon as EC2 calls it running, and so does the next.
	w.script("oversleep * on-demand *: 2")
	w.deploy("app", 1, "1200m", "1Gi")
	var silent string
	eventually(t, func() bool {
		n := slices.IndexFunc(frozen, func(id string) bool { return w.instance(id).State == "running" })
		if n >= 0 {
			silent = frozen[n]
		}
		return n >= 0
	}, "one of them is started")

	// Meanwhile a person wakes another, and thinks better of it.
	third := frozen[slices.IndexFunc(frozen, func(id string) bool { return id != silent })]
	w.cli("workflow", "update", "execute", "--workflow-id", contract.NodeID("demo", third), "--name", "resume", "--input", `{"reason":"a test"}`)
	eventually(t, func() bool { return w.instance(third).State != "stopped" }, "it is on its way")
	status, _, errs := w.floe("node", "terminate", third, "--reason=not needed")
	require.Zero(t, status, errs)
	eventually(t, func() bool { return w.phase(contract.NodeID("demo", third)) == contract.PhaseTerminated }, "it has left")
	require.Contains(t, w.life(third).Reason, "not needed")

	if node := w.nodeOf(silent); node != nil {
		require.NotEmpty(t, node.Spec.Taints, "whatever its Node said before the freeze, it is closed")
	}
	eventually(t, func() bool { return w.phase(contract.NodeID("demo", silent)) == contract.PhaseTerminated }, "the one that never spoke is given up")
	story := w.life(silent)
	require.Contains(t, story.Reason, "it did not prove itself after its wake: it has not renewed its lease")
	require.Contains(t, strings.Join(story.Notes, "\n"), "It is given no pods.")
	var before []string
	eventually(t, func() bool { before = w.instancesOf("general"); return w.running() == 1 && len(before) == 1 }, "the pod runs elsewhere")
	require.NotContains(t, []string{silent, third}, before[0])

	// No capacity: what is frozen stays so, and a machine is bought.
	eventually(t, func() bool { frozen = w.frozen("general"); return len(frozen) == 3 }, "the standby is full again")
	w.script("* on-demand *: 0")
	w.deploy("more", 1, "1200m", "1Gi")
	eventually(t, func() bool { return w.running() == 2 }, "it runs on a new machine")
	for _, id := range w.instancesOf("general") {
		require.True(t, id == before[0] || w.instance(id).CapacityType == string(v1alpha1.Spot), id)
	}
	eventually(t, func() bool {
		view := w.standby("general")
		return len(view.Machines) == 3 && slices.ContainsFunc(view.Machines, func(m contract.StandbyMachine) bool { return !m.NotBefore.IsZero() })
	}, "the standby leaves what cannot be started alone for a while")
	for _, id := range frozen {
		require.Equal(t, "stopped", w.instance(id).State)
	}
}

// The worker is killed at each step of a freeze and of a wake, and every hibernation is a plain stop that nobody speaks of.
// The pods run, on what was frozen or, where the claim's answer came too late, on what was bought instead; what was woken says
// that its memory was lost; and no machine is lost or doubled.
func TestFreezesAndWakesOutliveKilledWorkers(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, plainStops, "at 0s * spot *: 0")
	w.tellsWhatStandbyDid("general")
	w.createPool(standbyPool("general", 2))
	w.killedAt("a Node is closed", func() bool {
		list, err := w.kube.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		return slices.ContainsFunc(list.Items, func(n corev1.Node) bool { return n.Spec.Unschedulable })
	})
	w.killedAt("EC2 is asked to stop one", func() bool { return w.truth().Counts["StopInstances"].All > 0 })
	w.killedAt("one is stopped", func() bool {
		return slices.ContainsFunc(w.truth().Instances, func(i sim.TruthInstance) bool { return i.State == "stopped" })
	})
	var first []string
	eventually(t, func() bool { first = w.frozen("general"); return len(first) == 2 }, "both are frozen")
	boots := w.bootIDs()
	require.Len(t, w.truth().Instances, 2)
	eventually(t, func() bool {
		machines := w.standby("general").Machines
		return len(machines) == 2 && machines[0].Verdict == contract.VerdictHibernated && machines[1].Verdict == contract.VerdictHibernated
	}, "EC2 calls both hibernated")

	w.deploy("app", 2, "1200m", "1Gi")
	w.killedAt("EC2 is asked to start them", func() bool { return w.truth().Counts["StartInstances"].All > 0 })
	w.killedAt("one runs", func() bool { return w.instance(first[0]).State == "running" || w.instance(first[1]).State == "running" })
	w.killedAt("one is open to pods", func() bool { return len(w.nodes("general")) > 0 })
	eventually(t, func() bool { return w.running() == 2 }, "the pods run")
	for _, id := range first {
		eventually(t, func() bool {
			life, err := query[contract.NodeView](w, contract.NodeID("demo", id), contract.QueryLife)
			return err == nil && strings.Contains(strings.Join(life.Notes, "\n"), "EC2 had called it hibernated: its memory was lost.")
		}, "the boot ID of "+id+" has told")
		require.NotEqual(t, boots[id], w.bootIDs()[id])
	}
	eventually(t, func() bool {
		states := map[string]int{}
		for _, i := range w.truth().Instances {
			states[i.State]++
		}
		return len(w.frozen("general")) == 2 && states["running"] == 2 && states["stopped"] == 2
	}, "two serve, two sleep")
	require.Len(t, w.truth().Instances, 4, "none is doubled, and none is lost")
}

// killedAt kills the worker as soon as something has come, and starts it again.
func (w *world) killedAt(moment string, reached func() bool) {
	w.t.Helper()
	eventually(w.t, reached, moment)
	w.worker.Kill()
	require.NoError(w.t, w.worker.Restart(w.t.Context()))
}
