package testbed_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/testbed"
)

func TestTestbedsRunSideBySide(t *testing.T) {
	t.Parallel()
	one := testbed.New(t, testbed.Options{Parts: testbed.Store})
	two := testbed.New(t, testbed.Options{Parts: testbed.Store})
	require.NotEqual(t, one.Dir, two.Dir)
	require.NotEqual(t, one.StoreURI, two.StoreURI)
	require.Empty(t, one.TemporalAddress, "a part that nobody asked for")

	require.NoError(t, one.Close())
	require.NoDirExists(t, one.Dir)
	require.NoError(t, two.Process("ferretdb").Restart(t.Context()), "the other goes on")
}

func TestTemporalKeepsItsStateOverARestart(t *testing.T) {
	t.Parallel()
	tb := testbed.New(t, testbed.Options{Parts: testbed.Temporal, SearchAttributes: true})
	res, err := http.Get(tb.TemporalUI)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)

	start := func() error {
		c, err := tb.DialTemporal(t.Context())
		require.NoError(t, err)
		defer c.Close()
		return startWorkflow(t, c)
	}
	require.NoError(t, start())
	require.NoError(t, tb.Process("temporal").Restart(t.Context()))
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	require.ErrorAs(t, start(), &started)
}

func TestUsersHaveTheirRolesOnly(t *testing.T) {
	t.Parallel()
	tb := testbed.New(t, testbed.Options{Parts: testbed.API})
	admin, err := kubernetes.NewForConfig(tb.Kube)
	require.NoError(t, err)
	_, err = admin.CoreV1().Secrets("kube-system").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)

	for _, kubeconfig := range []string{tb.WorkerKubeconfig, tb.WatcherKubeconfig} {
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		require.NoError(t, err)
		client, err := kubernetes.NewForConfig(config)
		require.NoError(t, err)
		_, err = client.CoreV1().Secrets("kube-system").List(t.Context(), metav1.ListOptions{})
		require.ErrorContains(t, err, "forbidden")
		_, err = client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err, "deploy/rbac is bound to %s", kubeconfig)
	}
}

// startWorkflow starts a workflow that nobody runs, under an id that must be free.
func startWorkflow(t *testing.T, c client.Client) error {
	t.Helper()
	_, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: "kept", TaskQueue: "nobody", WorkflowExecutionErrorWhenAlreadyStarted: true,
		TypedSearchAttributes: temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyKeyword(contract.AttributePool).ValueSet("general")),
	}, "None")
	return err
}
