package integration

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/starter/pools"
)

// A person holds a node, looks at its pool, empties it and then gives its machine back, with Floe's own command line and
// with Temporal's.
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

	// Held: neither Floe's command line nor Temporal's empties it.
	id := contract.NodeID("demo", instance)
	status, out, errs := w.floe("node", "hold", instance, "--for=1h", "--reason=debugging")
	require.Zero(t, status, errs)
	require.Regexp(t, "^"+id+`: held by \S+ until \S+Z: debugging\nwatch it: temporal workflow show -w `+id+"\n$", out)
	status, _, errs = w.floe("node", "drain", instance)
	require.Equal(t, 1, status)
	require.Contains(t, errs, "release it with: floe node release "+instance+" --cluster demo, or ask with force")
	status, out, errs = w.floe("node", "list")
	require.Zero(t, status, errs)
	require.Contains(t, out, "ready, held by ")
	released := w.cli("workflow", "update", "execute", "--workflow-id", id, "--name", "release", "--input", `{"by":"bob","reason":"done"}`)
	require.Contains(t, released, "released; it was held by")
	held := w.cli("workflow", "update", "execute", "--workflow-id", id, "--name", "hold", "--input", `{"by":"bob","reason":"debugging","for":"4h"}`)
	require.Contains(t, held, "held by bob until")
	w.cli("workflow", "signal", "--workflow-id", id, "--name", "hold", "--input", `{"by":"carol"}`)
	w.cli("workflow", "signal", "--workflow-id", id, "--name", "drain", "--input", `{"reason":"not now"}`)
	w.cli("workflow", "signal", "--workflow-id", id, "--name", "release", "--input", `{"by":"carol"}`)
	var life contract.NodeView
	eventually(t, func() bool {
		status, out, errs = w.floe("node", "describe", instance, "--output=json")
		require.Zero(t, status, errs)
		life = contract.NodeView{}
		require.NoError(t, json.Unmarshal([]byte(out), &life))
		return len(life.Notes) == 3
	}, "its life tells of three holds")
	require.Nil(t, life.Hold)
	require.Zero(t, life.Drains)
	require.NotEmpty(t, life.InstanceState)
	require.Equal(t, life.Instance.State, life.InstanceState)
	require.Equal(t, instance, life.Instance.ID)

	status, out, errs = w.floe("pool", "describe", "general", "--output=json")
	require.Zero(t, status, errs)
	var described pools.Description
	require.NoError(t, json.Unmarshal([]byte(out), &described))
	for _, unchecked := range described.Unchecked {
		require.Contains(t, unchecked, "no Provisioner runs yet", "no pod has needed room")
	}
	require.Empty(t, described.Problems)
	require.NotEmpty(t, described.Template.ImageID)
	require.Len(t, described.Steps, 2)
	require.NotEmpty(t, described.Steps[0].Overrides)
	nodes := described.Use[v1alpha1.ResourceNodes]
	require.EqualValues(t, 2, nodes.Value())
	require.Positive(t, described.USDPerHour)
	status, out, errs = w.floe("pool", "describe", "general")
	require.Zero(t, status, errs)
	require.Contains(t, out, "2 nodes, $")
	status, _, errs = w.floe("pool", "describe", "genral")
	require.Equal(t, 1, status)
	require.Contains(t, errs, "cluster demo has no NodePool genral: floe pool list shows those there are")

	status, out, errs = w.floe("node", "drain", instance, "--reason=maintenance")
	require.Zero(t, status, errs)
	require.Contains(t, out, "drain begins")
	eventually(t, func() bool {
		pods, err := w.kube.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=" + node.Name})
		require.NoError(t, err)
		return len(pods.Items) == 0 && w.running() == 4
	}, "its pods run elsewhere")
	eventually(t, func() bool {
		status, out, errs = w.floe("node", "describe", instance, "--output=json")
		require.Zero(t, status, errs)
		require.NoError(t, json.Unmarshal([]byte(out), &life))
		return len(life.Notes) == 4
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
