package integration

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
)

// A person empties a node and then gives its machine back, with Floe's own command line.
func TestANodeByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.createPool(pool("general"))
	status, _, errs := w.floe("pool", "scale-up", "general", "--count=2", "--instance-type=m5.xlarge", "--wait")
	require.Zero(t, status, errs)
	w.deploy("app", 4, "250m", "256Mi")
	eventually(t, func() bool { return w.running() == 4 }, "every pod runs")
	node := w.nodes("general")[0]
	instance, ok := contract.InstanceOfProviderID(node.Spec.ProviderID)
	require.True(t, ok)

	status, out, errs := w.floe("node", "drain", instance, "--reason=maintenance")
	require.Zero(t, status, errs)
	require.Contains(t, out, "drain begins")
	eventually(t, func() bool {
		pods, err := w.kube.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=" + node.Name})
		require.NoError(t, err)
		return len(pods.Items) == 0 && w.running() == 4
	}, "its pods run elsewhere")
	var life contract.NodeView
	eventually(t, func() bool {
		status, out, errs = w.floe("node", "describe", instance, "--output=json")
		require.Zero(t, status, errs)
		require.NoError(t, json.Unmarshal([]byte(out), &life))
		return len(life.Notes) == 1
	}, "its life tells of the drain")
	require.Equal(t, contract.PhaseReady, life.Phase, "the machine stays")

	status, out, errs = w.floe("node", "terminate", instance, "--reason=bad disk")
	require.Zero(t, status, errs)
	require.Contains(t, out, "terminate begins")
	eventually(t, func() bool {
		for _, i := range w.truth().Instances {
			if i.ID == instance {
				return i.State == "terminated"
			}
		}
		return false
	}, "the machine is gone")
	eventually(t, func() bool { return w.phase(contract.NodeID("demo", instance)) == contract.PhaseTerminated }, "its life is over")
	status, out, errs = w.floe("node", "describe", instance)
	require.Zero(t, status, errs)
	require.Contains(t, out, "it leaves because: bad disk")

	status, _, errs = w.floe("node", "terminate", "i-00000000000000000")
	require.Equal(t, 1, status)
	require.Contains(t, errs, "there is no open workflow node/demo/i-00000000000000000")
}
