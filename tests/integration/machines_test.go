package integration

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/testbed"
)

// A simulated machine beside KWOK, without any of Floe: its pods' images are listed on its Node, pods that want to wait for
// theirs do, and what becomes of the pods of a machine that has fallen silent is what becomes of them on a real cluster.
func TestPodsOfASilentMachineStayUntilItIsBack(t *testing.T) {
	t.Parallel()
	scenario := filepath.Join(t.TempDir(), "scenario.yaml")
	require.NoError(t, os.WriteFile(scenario, []byte(`
boot: {pending: 0s, register: 0s, ready: 0s, stopping: 0s, shuttingDown: 0s, deletion: 0s, initialize: 0s, jitter: 0}
images: {mibPerSecond: 1000, mib: 100, sizes: [{image: huge, mib: 1e9}]}
userData: exec kubelet --cloud-provider=external
`), 0o600))
	tb := testbed.New(t, testbed.Options{Parts: testbed.Kubernetes | testbed.AWS, Scenario: scenario})
	kube, err := kubernetes.NewForConfig(tb.Kube)
	require.NoError(t, err)
	api := ec2.New(ec2.Options{
		BaseEndpoint: &tb.SimURL, Region: sim.DefaultRegion,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""),
	})
	_, err = api.RunInstances(t.Context(), &ec2.RunInstancesInput{
		MinCount: awssdk.Int32(1), MaxCount: awssdk.Int32(1), InstanceType: types.InstanceTypeM5Large, SubnetId: awssdk.String(sim.SubnetA),
		LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateId: awssdk.String(sim.LaunchTemplateID)},
	})
	require.NoError(t, err)
	script := func(line string) {
		t.Helper()
		res, err := http.Post(tb.SimURL+"/script", "text/plain", strings.NewReader(line))
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode)
	}

	pods := kube.CoreV1().Pods("default")
	_, err = pods.Create(t.Context(), pod("web"), metav1.CreateOptions{})
	require.NoError(t, err)
	var machine string
	eventually(t, func() bool {
		p, err := pods.Get(t.Context(), "web", metav1.GetOptions{})
		require.NoError(t, err)
		machine = p.Spec.NodeName
		return p.Status.Phase == corev1.PodRunning
	}, "the pod runs")
	node := func() *corev1.Node {
		n, err := kube.CoreV1().Nodes().Get(t.Context(), machine, metav1.GetOptions{})
		require.NoError(t, err)
		return n
	}
	eventually(t, func() bool { return len(node().Status.Images) == 1 }, "its image is there")
	require.Equal(t, pod("").Spec.Containers[0].Image, node().Status.Images[0].Names[0])
	require.NotEmpty(t, node().Spec.ProviderID, "the cloud provider's part was played")

	waiting := func(name, image string) {
		t.Helper()
		p := pod(name)
		p.Labels = map[string]string{"floe.dev/sim-images": "wait"}
		p.Spec.Containers[0].Image = image
		_, err := pods.Create(t.Context(), p, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	phase := func(name string) corev1.PodPhase {
		p, err := pods.Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err)
		return p.Status.Phase
	}
	waiting("huge", "huge")
	eventually(t, func() bool {
		p, err := pods.Get(t.Context(), "huge", metav1.GetOptions{})
		require.NoError(t, err)
		return p.Spec.NodeName != ""
	}, "it is bound")
	waiting("known", pod("").Spec.Containers[0].Image)
	eventually(t, func() bool { return phase("known") == corev1.PodRunning }, "its image was there")
	require.Equal(t, corev1.PodPending, phase("huge"), "its image takes days")

	script("silence * * *: all")
	eventually(t, func() bool { return node().Labels[testbed.LabelSimulated] == "off" }, "it is off")
	// KWOK hears of Nodes in order: once it runs a pod on a later one, it knows that this one is off.
	handMadeNode(t, kube, "other", map[string]string{testbed.LabelSimulated: "true"})
	elsewhere := func(name string) {
		t.Helper()
		bound := pod(name)
		bound.Spec.NodeName = "other"
		_, err := pods.Create(t.Context(), bound, metav1.CreateOptions{})
		require.NoError(t, err)
		eventually(t, func() bool {
			p, err := pods.Get(t.Context(), name, metav1.GetOptions{})
			require.NoError(t, err)
			return p.Status.Phase == corev1.PodRunning
		}, "a pod elsewhere runs")
	}
	elsewhere("before")
	require.NoError(t, pods.Delete(t.Context(), "web", metav1.DeleteOptions{}))
	late := pod("late")
	late.Spec.NodeName = machine
	_, err = pods.Create(t.Context(), late, metav1.CreateOptions{})
	require.NoError(t, err)
	elsewhere("after")
	p, err := pods.Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err, "a pod of a silent machine stays")
	require.NotNil(t, p.DeletionTimestamp)
	p, err = pods.Get(t.Context(), "late", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, corev1.PodPending, p.Status.Phase)

	script("restore * * *: all")
	eventually(t, func() bool {
		_, err := pods.Get(t.Context(), "web", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	}, "it goes when the machine is back")
	eventually(t, func() bool {
		p, err := pods.Get(t.Context(), "late", metav1.GetOptions{})
		require.NoError(t, err)
		return p.Status.Phase == corev1.PodRunning
	}, "and the other one runs")
}
