package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"floe.dev/floe/internal/testbed"
	"floe.dev/floe/internal/testbed/toolchain"
)

// karpenter is the rival: its program, and what its module and KWOK's bring along. Nothing of them is copied here.
type karpenter struct {
	program, kwok string   // paths
	version       string   // of the module
	crds          []string // its resource types
	stages        []string // what KWOK does to its Nodes and their pods
}

// noRival says that Karpenter did not run, so that there is nothing to compare with.
type noRival struct{ why error }

func (e *noRival) Error() string { return "Karpenter did not run: " + e.why.Error() }
func (e *noRival) Unwrap() error { return e.why }

var (
	karpenterClasses = schema.GroupVersionResource{Group: "karpenter.kwok.sh", Version: "v1alpha1", Resource: "kwoknodeclasses"}
	karpenterPools   = schema.GroupVersionResource{Group: "karpenter.sh", Version: "v1", Resource: "nodepools"}
	karpenterClaims  = schema.GroupVersionResource{Group: "karpenter.sh", Version: "v1", Resource: "nodeclaims"}
	customResources  = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
)

// karpenterClass registers a Node as soon as its NodeClaim is there.
const karpenterClass = `
apiVersion: karpenter.kwok.sh/v1alpha1
kind: KWOKNodeClass
metadata: {name: default}
spec: {nodeRegistrationDelay: 0s}
`

// karpenterPool allows all of the file of types. Consolidation is off, because buying is measured.
const karpenterPool = `
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: general}
spec:
  disruption: {consolidateAfter: Never}
  template:
    spec:
      nodeClassRef: {group: karpenter.kwok.sh, kind: KWOKNodeClass, name: default}
      requirements:
        - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}
`

// newKarpenter builds Karpenter, where the user's cache lacks it, and finds what its module brings. An error is a
// *noRival.
func newKarpenter(ctx context.Context) (k *karpenter, err error) {
	defer func() {
		if err != nil {
			err = &noRival{err}
		}
	}()
	paths, err := toolchain.Ensure(ctx, []string{"karpenter", "kwok"}, os.Stderr)
	if err != nil {
		return nil, err
	}
	own, err := findModule(ctx, "karpenter", "sigs.k8s.io/karpenter")
	if err != nil {
		return nil, err
	}
	kwok, err := findModule(ctx, "kwok", "sigs.k8s.io/kwok")
	if err != nil {
		return nil, err
	}
	k = &karpenter{program: paths["karpenter"], kwok: paths["kwok"], version: own.Version}
	if k.crds, err = own.files("pkg/apis/crds/*.yaml", "kwok/apis/crds/*.yaml"); err != nil {
		return nil, err
	}
	// What Karpenter's hack/install-kwok.sh applies as stage-fast.yaml: kustomize/stage/fast of KWOK's repository.
	k.stages, err = kwok.files(
		"kustomize/stage/node/fast/node-*.yaml", "kustomize/stage/node/heartbeat-with-lease/node-*.yaml",
		"kustomize/stage/pod/fast/pod-*.yaml")
	return k, err
}

// module is what `go mod download -json` says of one.
type module struct{ Version, Dir string }

// findModule finds a module at the version that the module in tools/tool pins.
func findModule(ctx context.Context, tool, path string) (m module, err error) {
	root, err := toolchain.Root()
	if err != nil {
		return m, err
	}
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", path)
	cmd.Dir = filepath.Join(root, "tools", tool)
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "PWD="+cmd.Dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return m, fmt.Errorf("find %s: %w\n%s", path, err, stderr.Bytes())
	}
	if err := json.Unmarshal(out, &m); err != nil {
		return m, fmt.Errorf("find %s: go mod download: %w", path, err)
	}
	return m, nil
}

// files are those of the module that match the patterns, each of which must match one.
func (m module) files(patterns ...string) (paths []string, err error) {
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join(m.Dir, filepath.FromSlash(pattern)))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s has no file %s", m.Dir, pattern)
		}
		paths = append(paths, found...)
	}
	return paths, nil
}

// burst is a burst on Karpenter. An error is a *noRival.
func (k *karpenter) burst(ctx context.Context, n int) (o outcome, err error) {
	defer func() {
		if err != nil {
			err = &noRival{err}
		}
	}()
	bed, err := testbed.Start(ctx, testbed.Options{Parts: testbed.Kubernetes, Progress: io.Discard})
	if err != nil {
		return o, err
	}
	defer bed.Close()
	h := &house{Testbed: bed}
	if h.kube, err = kubernetes.NewForConfig(bed.Kube); err != nil {
		return o, err
	}
	objects, err := dynamic.NewForConfig(bed.Kube)
	if err != nil {
		return o, err
	}
	controller, err := k.furnish(ctx, bed, objects)
	if err != nil {
		return o, err
	}
	launched, stop, err := firstClaim(ctx, objects)
	if err != nil {
		return o, err
	}
	defer stop()
	o, err = h.race(ctx, n, launched)
	if err != nil {
		return o, fmt.Errorf("%w\n%s", err, controller.Tail(20))
	}
	o.peakMiB = peakMiB(controller)
	return o, nil
}

// furnish brings Karpenter into the cluster with a pool that is ready, and KWOK for its Nodes, which the testbed's own
// leaves alone.
func (k *karpenter) furnish(ctx context.Context, bed *testbed.Testbed, objects dynamic.Interface) (*testbed.Process, error) {
	for _, file := range k.crds {
		if err := createType(ctx, objects, file); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	for _, o := range []struct {
		resource schema.GroupVersionResource
		text     string
	}{{karpenterClasses, karpenterClass}, {karpenterPools, karpenterPool}} {
		var object unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(o.text), &object.Object); err != nil {
			return nil, err
		}
		if _, err := objects.Resource(o.resource).Create(ctx, &object, metav1.CreateOptions{}); err != nil {
			return nil, fmt.Errorf("create %s: %w", object.GetKind(), err)
		}
	}
	if err := k.startKwok(ctx, bed); err != nil {
		return nil, err
	}
	controller, err := k.startController(ctx, bed)
	if err != nil {
		return nil, err
	}
	err = poll(ctx, 50*time.Millisecond, time.Minute, func(ctx context.Context) (bool, error) {
		pool, err := objects.Resource(karpenterPools).Get(ctx, "general", metav1.GetOptions{})
		return err == nil && isTrue(pool, "Ready"), err
	})
	if err != nil {
		return nil, fmt.Errorf("its NodePool is not ready: %w\n%s", err, controller.Tail(20))
	}
	return controller, nil
}

func (k *karpenter) startKwok(ctx context.Context, bed *testbed.Testbed) error {
	args := []string{
		"--kubeconfig=" + bed.AdminKubeconfig,
		// The provider puts this on all its Nodes; the rest is KWOK's default.
		"--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
		"-v=WARN",
	}
	for _, stage := range k.stages {
		args = append(args, "--config="+stage)
	}
	_, err := bed.StartProgram(ctx, "kwok-karpenter", 1, func(ports []int) testbed.Program {
		address := fmt.Sprintf("127.0.0.1:%d", ports[0])
		return testbed.Program{Path: k.kwok, Args: append(args, "--server-address="+address), Ready: "http://" + address + "/healthz"}
	})
	return err
}

// startController runs Karpenter with its defaults, batching included (1 s without a new pod, 10 s at most), but for
// two: there is no other to elect a leader from, and its client is not held back.
func (k *karpenter) startController(ctx context.Context, bed *testbed.Testbed) (*testbed.Process, error) {
	types, err := karpenterTypes()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(bed.Dir, "karpenter-types.json")
	if err := os.WriteFile(file, types, 0o600); err != nil {
		return nil, err
	}
	return bed.StartProgram(ctx, "karpenter", 2, func(ports []int) testbed.Program {
		return testbed.Program{
			Path: k.program,
			Args: []string{
				"--instance-types-file-path=" + file, "--disable-leader-election=true",
				"--kube-client-qps=1000", "--kube-client-burst=2000",
				fmt.Sprintf("--metrics-port=%d", ports[0]), fmt.Sprintf("--health-probe-port=%d", ports[1]),
			},
			Env:   []string{"KUBECONFIG=" + bed.AdminKubeconfig},
			Ready: fmt.Sprintf("http://127.0.0.1:%d/readyz", ports[1]),
		}
	})
}

// createType creates a resource type and waits until the server serves it.
func createType(ctx context.Context, objects dynamic.Interface, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var crd unstructured.Unstructured
	if err := yaml.Unmarshal(data, &crd.Object); err != nil {
		return err
	}
	if _, err := objects.Resource(customResources).Create(ctx, &crd, metav1.CreateOptions{}); err != nil {
		return err
	}
	var spec struct {
		Spec struct {
			Group    string
			Names    struct{ Plural string }
			Versions []struct{ Name string }
		}
	}
	if err := yaml.Unmarshal(data, &spec); err != nil {
		return err
	}
	if len(spec.Spec.Versions) == 0 {
		return errors.New("spec.versions is empty: one version is needed")
	}
	resource := schema.GroupVersionResource{
		Group: spec.Spec.Group, Version: spec.Spec.Versions[0].Name, Resource: spec.Spec.Names.Plural,
	}
	return poll(ctx, 50*time.Millisecond, 30*time.Second, func(ctx context.Context) (bool, error) {
		_, err := objects.Resource(resource).List(ctx, metav1.ListOptions{Limit: 1})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// firstClaim watches for the first NodeClaim, by which Karpenter decides to launch: its provider makes the Node, which
// stands for the machine, right after. launched says when it came; it must have.
func firstClaim(ctx context.Context, objects dynamic.Interface) (launched func(context.Context) (time.Time, error), stop func(), err error) {
	events, err := objects.Resource(karpenterClaims).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, nil, err
	}
	came := make(chan time.Time, 1)
	go func() {
		for event := range events.ResultChan() {
			if event.Type == watch.Added {
				came <- time.Now()
				return
			}
		}
	}()
	return func(context.Context) (time.Time, error) {
		select {
		case at := <-came:
			return at, nil
		default:
			return time.Time{}, errors.New("no NodeClaim was seen")
		}
	}, events.Stop, nil
}

// isTrue says whether an object has a condition that is true.
func isTrue(object *unstructured.Unstructured, condition string) bool {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == condition {
			return m["status"] == "True"
		}
	}
	return false
}
