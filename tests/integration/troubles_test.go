package integration

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim"
)

// Every trouble is said in one line where people look, and is over by itself when its cause is gone.

func TestAccessDenied(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "deny CreateFleet")
	w.createPool(pool("general"))
	w.deploy("app", 3, "500m", "512Mi")
	w.provisionerSays("CreateFleet")
	require.Empty(t, w.truth().Instances)
	w.script("allow CreateFleet")
	eventually(t, func() bool { return w.running() == 3 }, "every pod runs")
	w.provisionerIsWell()
}

func TestUnknownLaunchTemplate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	broken := pool("general")
	broken.Spec.LaunchTemplate = v1alpha1.LaunchTemplate{Name: "no-such-template"}
	w.createPool(broken)
	w.deploy("app", 3, "500m", "512Mi")
	w.provisionerSays("no-such-template")
	w.patchPool("general", `{"spec":{"launchTemplate":{"name":null,"id":"`+sim.LaunchTemplateID+`"}}}`)
	eventually(t, func() bool { return w.running() == 3 }, "every pod runs")
	w.provisionerIsWell()
}

func TestUnknownSubnets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	broken := pool("general")
	broken.Spec.Subnets = []string{"subnet-00000000000000000"}
	w.createPool(broken)
	w.deploy("app", 3, "500m", "512Mi")
	w.provisionerSays("subnet-00000000000000000")
	w.patchPool("general", `{"spec":{"subnets":["`+sim.SubnetA+`"]}}`)
	eventually(t, func() bool { return w.running() == 3 }, "every pod runs")
	w.provisionerIsWell()
}

// The API server, Temporal and the store are away when worker and watcher start.
func TestEverythingIsDownAtStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.createPool(pool("general"))
	w.deploy("app", 3, "500m", "512Mi")
	eventually(t, func() bool { return w.running() == 3 }, "every pod runs")

	api, temporal, store := w.Process("kube-apiserver"), w.Process("temporal"), w.Process("ferretdb")
	watcher := w.Process("watcher-1")
	w.worker.Kill()
	watcher.Kill()
	w.deploy("more", 30, "500m", "512Mi")
	for _, p := range []interface{ Kill() }{api, temporal, store} {
		p.Kill()
	}
	worker, err := w.StartWorker(t.Context())
	require.NoError(t, err)
	watch, err := w.StartWatcher(t.Context())
	require.NoError(t, err)
	says(t, worker.LogFile, "Temporal")
	says(t, watch.LogFile, "Temporal")
	require.NoError(t, temporal.Restart(t.Context()))
	says(t, worker.LogFile, "API server")
	says(t, watch.LogFile, "API server")
	require.NoError(t, api.Restart(t.Context()))
	eventually(t, func() bool { return w.running() == 33 }, "every pod runs, without the store")
	require.NoError(t, store.Restart(t.Context()))
	for _, node := range w.nodes("general") {
		id, _ := contract.InstanceOfProviderID(node.Spec.ProviderID)
		eventually(t, func() bool {
			view, err := query[contract.NodeView](w, contract.NodeID("demo", id), contract.QueryLife)
			return err == nil && view.Phase == contract.PhaseReady
		}, "the Node workflow of "+id+" is in phase ready")
	}
}

// The API server itself refuses what api/v1alpha1/testdata/refused.yaml says it refuses.
func TestMalformedPoolsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	data, err := os.ReadFile("../../api/v1alpha1/testdata/refused.yaml")
	require.NoError(t, err)
	var file struct {
		Base    map[string]any `json:"base"`
		Refused []struct {
			Name   string         `json:"name"`
			Patch  map[string]any `json:"patch"`
			Server bool           `json:"server"`
		} `json:"refused"`
	}
	require.NoError(t, yaml.Unmarshal(data, &file))
	dryRun := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}
	_, err = w.pools.Create(t.Context(), &unstructured.Unstructured{Object: runtime.DeepCopyJSON(file.Base)}, dryRun)
	require.NoError(t, err, "the base is a good pool")
	refused := 0
	for _, c := range file.Refused {
		if !c.Server {
			continue
		}
		refused++
		_, err := w.pools.Create(t.Context(), &unstructured.Unstructured{Object: merged(file.Base, c.Patch)}, dryRun)
		require.Error(t, err, c.Name)
		require.True(t, apierrors.IsInvalid(err) || apierrors.IsBadRequest(err), "%s: %v", c.Name, err)
	}
	require.Greater(t, refused, 10)
	_, err = w.pools.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "floe.dev/v1alpha1", "kind": "NodePool", "metadata": map[string]any{"name": "empty"}, "spec": map[string]any{},
	}}, metav1.CreateOptions{})
	require.ErrorContains(t, err, "spec.fallback")
}

// merged is an object with a JSON merge patch on it.
func merged(object, patch map[string]any) map[string]any {
	out := runtime.DeepCopyJSON(object)
	for key, value := range patch {
		inner, isMap := value.(map[string]any)
		was, wasMap := out[key].(map[string]any)
		switch {
		case value == nil:
			delete(out, key)
		case isMap && wasMap:
			out[key] = merged(was, inner)
		case isMap:
			out[key] = merged(map[string]any{}, inner)
		default:
			out[key] = value
		}
	}
	return out
}

// provisionerSays waits until the Provisioner's current details hold words.
func (w *world) provisionerSays(words string) {
	w.t.Helper()
	eventually(w.t, func() bool {
		_, err := query[contract.ProvisionerView](w, contract.ProvisionerID("demo"), contract.QueryState)
		return err == nil && strings.Contains(w.cli("workflow", "metadata", "--workflow-id", contract.ProvisionerID("demo")), words)
	}, "the Provisioner says "+words)
}

func (w *world) provisionerIsWell() {
	w.t.Helper()
	eventually(w.t, func() bool {
		view, err := query[contract.ProvisionerView](w, contract.ProvisionerID("demo"), contract.QueryState)
		return err == nil && view.Trouble == ""
	}, "the Provisioner has no trouble any more")
}

// script tells the simulated AWS what happens from now on.
func (w *world) script(lines string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.SimURL+"/script", strings.NewReader(lines))
	require.NoError(w.t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer res.Body.Close()
	require.Less(w.t, res.StatusCode, 300)
}

func (w *world) patchPool(name, patch string) {
	w.t.Helper()
	_, err := w.pools.Patch(w.t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(w.t, err)
}

// says waits until a log holds words.
func says(t *testing.T, file, words string) {
	t.Helper()
	eventually(t, func() bool {
		data, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(data), words)
	}, file+" says "+words)
}
