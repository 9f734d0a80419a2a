package demo

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"floe.dev/floe/starter/pools"
)

var (
	//go:embed pools.yaml
	poolManifests []byte
	//go:embed workloads.yaml
	workloadManifests []byte
	//go:embed scenario.yaml
	scenario []byte
)

const (
	// namespace of the workloads.
	namespace = "shop"
	// annotationExpect on a Deployment, "pending", says that its pods can never run.
	annotationExpect = "demo.floe.dev/expect"
)

// workloads are the demo's Deployments, in the order of the manifest.
func workloads() ([]*appsv1.Deployment, error) {
	var all []*appsv1.Deployment
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(workloadManifests)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		d := &appsv1.Deployment{}
		if err := yaml.UnmarshalStrict(document, d); err != nil {
			return nil, fmt.Errorf("workloads.yaml: %w", err)
		}
		all = append(all, d)
	}
}

// applyPools puts the demo's pools into the cluster, by the way that `floe pool apply` goes.
func applyPools(ctx context.Context, client dynamic.Interface) error {
	wanted, err := pools.Check(poolManifests)
	if err != nil {
		return err
	}
	for _, pool := range wanted {
		if _, err := pools.Apply(ctx, client, pool, false); err != nil {
			return fmt.Errorf("pool %s: %w", pool.Name, err)
		}
	}
	return nil
}

// createWorkloads makes the namespace and the Deployments in it.
func createWorkloads(ctx context.Context, client kubernetes.Interface, wanted []*appsv1.Deployment) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if _, err := client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("namespace %s: %w", namespace, err)
	}
	for _, d := range wanted {
		if _, err := client.AppsV1().Deployments(namespace).Create(ctx, d, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("deployment %s: %w", d.Name, err)
		}
	}
	return nil
}
