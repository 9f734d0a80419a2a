package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/testbed"
)

// world is all of Floe on a testbed.
type world struct {
	*testbed.Testbed
	t        *testing.T
	kube     kubernetes.Interface
	pools    dynamic.ResourceInterface
	temporal client.Client
	worker   *testbed.Process
}

// quickBoot makes machines that are Ready within a second, and lets EC2's answers be a little behind the truth.
const quickBoot = `
boot: {pending: 200ms, register: 300ms, ready: 200ms, stopping: 200ms, shuttingDown: 200ms, deletion: 300ms, jitter: 0.5}
describeLag: 500ms
`

// newWorld starts everything. script is what goes wrong in the simulated AWS, one event a line.
func newWorld(t *testing.T, script string) *world {
	t.Helper()
	return newWorldOf(t, "", script)
}

// newWorldOf is newWorld with more to say of the simulated AWS: lines of a scenario.
func newWorldOf(t *testing.T, scenario, script string) *world {
	t.Helper()
	return newWorldWith(t, testbed.Options{}, scenario, script)
}

// newWorldWith is newWorldOf with more to say of the testbed.
func newWorldWith(t *testing.T, options testbed.Options, scenario, script string) *world {
	t.Helper()
	scenario = quickBoot + scenario + "\n"
	if script != "" {
		scenario += "script: |\n  " + script + "\n"
	}
	file := filepath.Join(t.TempDir(), "scenario.yaml")
	require.NoError(t, os.WriteFile(file, []byte(scenario), 0o600))
	options.Scenario, options.Headless, options.DescribeLag = file, true, 5*time.Second
	w := &world{t: t, Testbed: testbed.New(t, options)}
	var err error
	w.kube, err = kubernetes.NewForConfig(w.Kube)
	require.NoError(t, err)
	pools, err := dynamic.NewForConfig(w.Kube)
	require.NoError(t, err)
	w.pools = pools.Resource(v1alpha1.NodePoolResource)
	w.temporal, err = w.DialTemporal(t.Context())
	require.NoError(t, err)
	t.Cleanup(w.temporal.Close)
	w.worker, err = w.StartWorker(t.Context())
	require.NoError(t, err)
	watcher, err := w.StartWatcher(t.Context())
	require.NoError(t, err)
	require.NoError(t, w.worker.AwaitReady(t.Context()))
	require.NoError(t, watcher.AwaitReady(t.Context()))
	t.Cleanup(w.requireReplay)
	t.Cleanup(w.requireSound)
	return w
}

// pool is a pool of small general machines: spot first, then on-demand.
func pool(name string) *v1alpha1.NodePool {
	return &v1alpha1.NodePool{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "NodePool"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.NodePoolSpec{
			LaunchTemplate: v1alpha1.LaunchTemplate{ID: sim.LaunchTemplateID},
			Subnets:        []string{sim.SubnetA, sim.SubnetB, sim.SubnetC},
			Requirements: []corev1.NodeSelectorRequirement{
				{Key: v1alpha1.LabelInstanceFamily, Operator: corev1.NodeSelectorOpIn, Values: []string{"m5", "c5", "r5"}},
				{Key: v1alpha1.LabelInstanceCPU, Operator: corev1.NodeSelectorOpLt, Values: []string{"17"}},
			},
			Reserved: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse(sim.ReservedCPU), corev1.ResourceMemory: resource.MustParse(sim.ReservedMemory),
			},
			Fallback: []v1alpha1.FallbackStep{{CapacityType: v1alpha1.Spot}, {CapacityType: v1alpha1.OnDemand}},
		},
	}
}

func (w *world) createPool(p *v1alpha1.NodePool) {
	w.t.Helper()
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(p)
	require.NoError(w.t, err)
	_, err = w.pools.Create(w.t.Context(), &unstructured.Unstructured{Object: object}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// deploy creates a Deployment whose pods ask for that much.
func (w *world) deploy(name string, replicas int32, cpu, memory string) {
	w.t.Helper()
	labels := map[string]string{"app": name}
	template := pod("")
	template.Labels = labels
	template.Spec.Containers[0].Resources.Requests = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
	}
	_, err := w.kube.AppsV1().Deployments("default").Create(w.t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: template.Spec},
		},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// running counts the pods that run and are ready.
func (w *world) running() int {
	w.t.Helper()
	pods, err := w.kube.CoreV1().Pods("default").List(w.t.Context(), metav1.ListOptions{})
	require.NoError(w.t, err)
	n := 0
	for i := range pods.Items {
		if pods.Items[i].Status.Phase == corev1.PodRunning && ready(&pods.Items[i]) {
			n++
		}
	}
	return n
}

// nodes are the Ready nodes of a pool, registered, not cordoned and free of Floe's taints. The node controller's own may linger for
// seconds on one that has pods already.
func (w *world) nodes(pool string) (found []corev1.Node) {
	w.t.Helper()
	list, err := w.kube.CoreV1().Nodes().List(w.t.Context(), metav1.ListOptions{LabelSelector: v1alpha1.LabelPool + "=" + pool})
	require.NoError(w.t, err)
	for _, node := range list.Items {
		if node.Spec.Unschedulable || slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool {
			return strings.HasPrefix(t.Key, v1alpha1.GroupVersion.Group+"/")
		}) {
			continue
		}
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
				found = append(found, node)
			}
		}
	}
	return found
}

// nodeOf is the Node of an instance, nil where it has none.
func (w *world) nodeOf(instance string) *corev1.Node {
	w.t.Helper()
	list, err := w.kube.CoreV1().Nodes().List(w.t.Context(), metav1.ListOptions{})
	require.NoError(w.t, err)
	for i, n := range list.Items {
		if id, ok := contract.InstanceOfProviderID(n.Spec.ProviderID); ok && id == instance {
			return &list.Items[i]
		}
	}
	return nil
}

// truth asks the simulated AWS for all that happened, which nobody has to believe Floe.
func (w *world) truth() sim.Truth {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.SimURL+"/truth", nil)
	require.NoError(w.t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer res.Body.Close()
	require.Equal(w.t, http.StatusOK, res.StatusCode)
	var truth sim.Truth
	require.NoError(w.t, json.NewDecoder(res.Body).Decode(&truth))
	return truth
}

// cli runs Temporal's own command line and returns its stdout.
func (w *world) cli(args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), w.Tool("temporal"), args...)
	cmd.Env = append(w.Environment(), "PATH="+os.Getenv("PATH"), "HOME="+w.Dir)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	require.NoError(w.t, err, "temporal %v\n%s%s", args, out, errs.String())
	return string(out)
}

// floe runs Floe's own command line as a person would.
func (w *world) floe(args ...string) (status int, stdout, stderr string) {
	w.t.Helper()
	bin, err := testbed.Binaries(w.t.Context())
	require.NoError(w.t, err)
	cmd := exec.CommandContext(w.t.Context(), filepath.Join(bin, "floe"), args...)
	cmd.Env = append(w.Environment(), "HOME="+w.Dir)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) {
		require.NoError(w.t, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// query asks a workflow by the SDK.
func query[T any](w *world, workflow, name string) (view T, err error) {
	value, err := w.temporal.QueryWorkflow(w.t.Context(), workflow, "", name)
	if err != nil {
		return view, err
	}
	return view, value.Get(&view)
}
