package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/testbed"
)

// house is a testbed with a worker, a watcher and the clients that a measure needs.
type house struct {
	*testbed.Testbed
	kube     *kubernetes.Clientset
	temporal client.Client
	worker   *testbed.Process
	watcher  *testbed.Process
}

// unlimited takes Floe's own waiting for AWS's API budgets away, as instant takes the budgets.
var unlimited = map[contract.APIClass]float64{
	contract.ClassLaunch: 10_000, contract.ClassTerminate: 10_000, contract.ClassRead: 10_000,
}

// build starts a testbed with a scenario, Floe's API rates (nil: AWS's), and the pools.
func build(ctx context.Context, scenario string, rates map[contract.APIClass]float64, pools ...string) (*house, error) {
	return buildWith(ctx, testbed.Options{Rates: rates}, scenario, pools...)
}

// buildWith is build with more to say of the testbed.
func buildWith(ctx context.Context, options testbed.Options, scenario string, pools ...string) (*house, error) {
	dir, err := os.MkdirTemp("", "floe-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "scenario.yaml")
	if err := os.WriteFile(file, []byte(scenario), 0o600); err != nil {
		return nil, err
	}
	options.Scenario, options.Headless, options.SearchAttributes, options.Progress = file, true, true, io.Discard
	bed, err := testbed.Start(ctx, options)
	if err != nil {
		return nil, err
	}
	h := &house{Testbed: bed}
	if err := h.furnish(ctx, pools); err != nil {
		return nil, fmt.Errorf("%w (and on closing: %v)", err, h.Close())
	}
	return h, nil
}

func (h *house) furnish(ctx context.Context, pools []string) (err error) {
	if h.kube, err = kubernetes.NewForConfig(h.Kube); err != nil {
		return err
	}
	if h.temporal, err = h.DialTemporal(ctx); err != nil {
		return err
	}
	objects, err := dynamic.NewForConfig(h.Kube)
	if err != nil {
		return err
	}
	for _, text := range pools {
		var pool unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(text), &pool.Object); err != nil {
			return err
		}
		if _, err := objects.Resource(v1alpha1.NodePoolResource).Create(ctx, &pool, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	if h.worker, err = h.StartWorker(ctx); err != nil {
		return err
	}
	if h.watcher, err = h.StartWatcher(ctx); err != nil {
		return err
	}
	if err = h.worker.AwaitReady(ctx); err != nil {
		return err
	}
	return h.watcher.AwaitReady(ctx)
}

func (h *house) close() error {
	if h.temporal != nil {
		h.temporal.Close()
	}
	return h.Close()
}

// pod asks for milli CPUs and MiB, and for the labels of selector.
func pod(name string, milli, mib int, selector map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault},
		Spec: corev1.PodSpec{
			NodeSelector: selector,
			Containers: []corev1.Container{{
				Name: "app", Image: "registry.k8s.io/pause:3.10",
				Resources: corev1.ResourceRequirements{Requests: requests(milli, mib)},
			}},
		},
	}
}

// residentMiB is the resident memory of a process now and at its peak.
func residentMiB(p *testbed.Process) (now, peak int) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kib, _ := strconv.Atoi(fields[1])
		switch fields[0] {
		case "VmRSS:":
			now = kib / 1024
		case "VmHWM:":
			peak = kib / 1024
		}
	}
	return now, peak
}

// poll asks again and again until done says so, or the time is up.
func poll(ctx context.Context, every, most time.Duration, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		ok, err := done(ctx)
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not done within %s", most)
		case <-time.After(every):
		}
	}
}
