package integration

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ktypes "k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/audit"
	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/testbed"
	"floe.dev/floe/starter/doctor"
)

// A Node workflow that was ended by hand is started again for the same machine, and no pod notices. A machine that ended
// while nobody watched is told to its workflow.
func TestSweepPutsMachinesAndWorkflowsTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.createPool(pool("general"))
	w.deploy("small", 6, "3", "2Gi")
	eventually(t, func() bool { return w.running() == 6 }, "every pod runs")
	pods := w.podsByUID()
	before := w.truth().Instances
	orphan := before[0].ID
	life := contract.NodeID(w.Cluster, orphan)
	eventually(t, func() bool { return w.phase(life) == contract.PhaseReady }, "the node is in service")

	w.cli("workflow", "terminate", "--workflow-id", life, "--reason", "an operator's mistake")
	result := w.sweep()
	require.Len(t, result.Repairs, 1)
	require.Equal(t, contract.RepairAdopt, result.Repairs[0].Kind)
	require.Equal(t, orphan, result.Repairs[0].Instance)
	eventually(t, func() bool { return w.phase(life) == contract.PhaseReady }, "the adopted node is in service")
	view, err := query[contract.NodeView](w, life, contract.QueryLife)
	require.NoError(t, err)
	require.Positive(t, view.Instance.USDPerHour)
	require.Equal(t, before[0].Tags[contract.TagScaleUp], view.ScaleUp)
	require.Equal(t, pods, w.podsByUID(), "no pod was touched")
	require.Len(t, w.truth().Instances, len(before), "nothing was bought")
	require.Empty(t, w.sweep().Repairs, "all is in order now")
	require.Contains(t, w.workerMetrics(), `floe_sweep_repairs_total{cluster="demo",kind="adopt"} 1`)

	watcher := w.Process("watcher-1")
	watcher.Kill()
	_, err = w.ec2().TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{orphan}})
	require.NoError(t, err)
	eventually(t, func() bool {
		for _, i := range w.truth().Instances {
			if i.ID == orphan {
				return i.State == "terminated"
			}
		}
		return false
	}, "the machine is ended behind Floe's back")
	eventually(t, func() bool {
		result = w.sweep()
		return len(result.Repairs) > 0
	}, "the sweep sees it")
	require.Len(t, result.Repairs, 1)
	require.Equal(t, contract.RepairTell, result.Repairs[0].Kind)
	require.Equal(t, orphan, result.Repairs[0].Instance)
	var end contract.NodeView
	require.NoError(t, w.temporal.GetWorkflow(t.Context(), life, "").Get(t.Context(), &end))
	require.Equal(t, contract.PhaseTerminated, end.Phase)
	require.NoError(t, watcher.Restart(t.Context()))
	eventually(t, func() bool { return w.running() == 6 }, "the pods run elsewhere")
}

// What is another's is never touched; what nobody can use is given back, after its pods have gone; a Node without a
// machine is deleted.
func TestSweepTouchesOnlyWhatIsFloes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	owned := map[string]string{contract.TagOwner: contract.OwnerFloe, contract.TagCluster: w.Cluster, contract.TagPool: "general"}
	launched := map[string]string{contract.TagScaleUp: "scaleup/demo/lost/0", contract.TagToken: "token"}
	foreign := map[string]string{
		"no tags":           w.launch(nil),
		"another cluster's": w.launch(owned, launched, map[string]string{contract.TagCluster: "other"}),
		"Karpenter's":       w.launch(owned, launched, map[string]string{"karpenter.sh/nodepool": "general"}),
		"a person's copy":   w.launch(owned),
	}
	lost := w.launch(owned, launched) // of a launch that no longer runs, for a pool that does not exist

	ghost := w.ghost("i-0123456789abcdef0")
	alive := w.ghost("i-0123456789abcdef1")
	w.becomesReady(alive)
	time.Sleep(6 * time.Second) // the describe lag: before that, nothing that is not shown proves anything

	result := w.sweep()
	done := map[string]contract.RepairKind{}
	for _, r := range result.Repairs {
		done[r.Instance] = r.Kind
	}
	require.Equal(t, map[string]contract.RepairKind{
		lost: contract.RepairGiveBack, "i-0123456789abcdef0": contract.RepairDeleteNode,
	}, done)
	left := map[string]bool{}
	for _, f := range result.Left {
		left[f.Subject] = true
	}
	require.True(t, left[foreign["Karpenter's"]], "%v", result.Left)
	require.True(t, left[foreign["a person's copy"]], "%v", result.Left)
	require.True(t, left[alive], "a kubelet that is alive proves a machine: %v", result.Left)

	var end contract.NodeView
	require.NoError(t, w.temporal.GetWorkflow(t.Context(), contract.NodeID(w.Cluster, lost), "").Get(t.Context(), &end))
	require.Contains(t, end.Reason, "general")
	_, err := w.kube.CoreV1().Nodes().Get(t.Context(), ghost, metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
	_, err = w.kube.CoreV1().Nodes().Get(t.Context(), alive, metav1.GetOptions{})
	require.NoError(t, err)
	var all []string
	for whose, id := range foreign {
		all = append(all, id)
		for _, i := range w.truth().Instances {
			if i.ID == id {
				require.Equal(t, "running", i.State, whose)
			}
		}
	}

	status, report := w.doctor()
	require.Equal(t, 1, status)
	about := map[string]audit.Kind{}
	for _, v := range report.Violations {
		about[v.IDs[0]] = v.Kind
	}
	require.Equal(t, audit.InstanceWithoutWorkflow, about[foreign["a person's copy"]], "%v", report.Violations)
	require.NotContains(t, about, foreign["Karpenter's"])
	require.NotContains(t, about, foreign["another cluster's"])

	// The test's own leftovers.
	_, err = w.ec2().TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: all})
	require.NoError(t, err)
	require.NoError(t, w.kube.CoreV1().Nodes().Delete(t.Context(), alive, metav1.DeleteOptions{}))
}

// The worker schedules the sweep itself, and a second worker changes nothing of what an operator set.
func TestSweepIsScheduled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	schedule := w.temporal.ScheduleClient().GetHandle(t.Context(), contract.SweepScheduleID(w.Cluster))
	var is *client.ScheduleDescription
	eventually(t, func() bool {
		var err error
		is, err = schedule.Describe(t.Context())
		return err == nil
	}, "the schedule is there")
	require.Equal(t, time.Minute, is.Schedule.Spec.Intervals[0].Every)
	require.Equal(t, time.Minute, is.Schedule.Policy.CatchupWindow)

	require.NoError(t, schedule.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	eventually(t, func() bool {
		is, err := schedule.Describe(t.Context())
		require.NoError(t, err)
		for _, ran := range is.Info.RecentActions {
			var result contract.SweepResult
			started := ran.StartWorkflowResult
			if w.temporal.GetWorkflow(t.Context(), started.WorkflowID, started.FirstExecutionRunID).Get(t.Context(), &result) == nil {
				return result.Cluster == w.Cluster
			}
		}
		return false
	}, "a sweep of the schedule has come to its end")

	status, report := w.doctor()
	require.Zero(t, status, "%v", report.Violations)
	require.Empty(t, report.Unchecked)

	require.NoError(t, schedule.Pause(t.Context(), client.SchedulePauseOptions{Note: "by hand"}))
	require.NoError(t, w.worker.Restart(t.Context()))
	require.NoError(t, w.worker.AwaitReady(t.Context()))
	is, err := schedule.Describe(t.Context())
	require.NoError(t, err)
	require.True(t, is.Schedule.State.Paused)
}

// sweep runs a sweep by hand, with a short second thought, and returns its result.
func (w *world) sweep() (result contract.SweepResult) {
	w.t.Helper()
	run, err := w.temporal.ExecuteWorkflow(w.t.Context(), client.StartWorkflowOptions{
		ID: contract.SweepID(w.Cluster), TaskQueue: contract.TaskQueue,
	}, contract.WorkflowSweep, contract.SweepInput{
		Cluster: w.Cluster, Accounts: []contract.AccountRegion{{Account: testbed.Account, Region: testbed.Region}}, Settle: 2 * time.Second,
	})
	require.NoError(w.t, err)
	require.NoError(w.t, run.Get(w.t.Context(), &result))
	return result
}

// doctor runs `floe doctor` and returns its status and its report.
func (w *world) doctor() (status int, report doctor.Report) {
	w.t.Helper()
	status, out, errs := w.floe("doctor", "--output=json", "--settle=1s")
	require.NoError(w.t, json.Unmarshal([]byte(out), &report), "%s%s", out, errs)
	return status, report
}

// phase is a Node workflow's; empty where it does not answer.
func (w *world) phase(life string) contract.Phase {
	view, err := query[contract.NodeView](w, life, contract.QueryLife)
	if err != nil {
		return ""
	}
	return view.Phase
}

// podsByUID are all pods and the nodes that they run on.
func (w *world) podsByUID() map[ktypes.UID]string {
	w.t.Helper()
	pods, err := w.kube.CoreV1().Pods("default").List(w.t.Context(), metav1.ListOptions{})
	require.NoError(w.t, err)
	all := map[ktypes.UID]string{}
	for _, p := range pods.Items {
		all[p.UID] = p.Spec.NodeName
	}
	return all
}

// workerMetrics is the worker's /metrics.
func (w *world) workerMetrics() string {
	w.t.Helper()
	return w.metricsOf(w.worker)
}

// metricsOf is a worker's or a watcher's /metrics.
func (w *world) metricsOf(p *testbed.Process) string {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, p.URL()+"/metrics", nil)
	require.NoError(w.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(w.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(w.t, err)
	return string(body)
}

// ec2 is a client of the simulated AWS that is not Floe's.
func (w *world) ec2() *ec2.Client {
	return ec2.New(ec2.Options{
		Region: testbed.Region, BaseEndpoint: &w.SimURL,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""),
	})
}

// launch runs a machine that Floe did not launch, with these tags, the later over the earlier.
func (w *world) launch(tags ...map[string]string) string {
	w.t.Helper()
	merged := map[string]string{"launched-by": "the test"}
	for _, m := range tags {
		for key, value := range m {
			merged[key] = value
		}
	}
	spec := types.TagSpecification{ResourceType: types.ResourceTypeInstance}
	for key, value := range merged {
		spec.Tags = append(spec.Tags, types.Tag{Key: &key, Value: &value})
	}
	out, err := w.ec2().RunInstances(w.t.Context(), &ec2.RunInstancesInput{
		MinCount: awssdk.Int32(1), MaxCount: awssdk.Int32(1), InstanceType: types.InstanceTypeM5Large, SubnetId: awssdk.String(sim.SubnetA),
		LaunchTemplate:    &types.LaunchTemplateSpecification{LaunchTemplateId: awssdk.String(sim.LaunchTemplateID)},
		TagSpecifications: []types.TagSpecification{spec},
	})
	require.NoError(w.t, err)
	return *out.Instances[0].InstanceId
}

// ghost makes a Node object of Floe's for an instance that does not exist.
func (w *world) ghost(instance string) (name string) {
	w.t.Helper()
	node, err := w.kube.CoreV1().Nodes().Create(w.t.Context(), &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "ghost-", Labels: map[string]string{v1alpha1.LabelPool: "general"}},
		Spec:       corev1.NodeSpec{ProviderID: contract.ProviderID("eu-west-1a", instance)},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	return node.Name
}

// becomesReady lets a Node say that its kubelet is well.
func (w *world) becomesReady(name string) {
	w.t.Helper()
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error { // the controllers write to it too
		node, err := w.kube.CoreV1().Nodes().Get(w.t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		node.Status.Conditions = []corev1.NodeCondition{{
			Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now(),
		}}
		_, err = w.kube.CoreV1().Nodes().UpdateStatus(w.t.Context(), node, metav1.UpdateOptions{})
		return err
	})
	require.NoError(w.t, err)
}
