// Package pools checks NodePools and puts them into a cluster.
package pools

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/dynamic"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// fieldManager owns what is set here (kubernetes.io/docs/reference/using-api/server-side-apply).
const fieldManager = "floe-cli"

// Applied is what became of one pool.
type Applied struct {
	// Name of the pool.
	Name string `json:"name"`
	// Result: created, configured or unchanged.
	Result string `json:"result"`
}

// Check decodes manifests and checks them as far as that can be done without a cluster.
func Check(data []byte) ([]*v1alpha1.NodePool, error) {
	pools, err := v1alpha1.Decode(data)
	if err != nil {
		return nil, err
	}
	facts := catalog.Facts()
	var problems []string
	for _, pool := range pools {
		whole := pool.DeepCopy()
		v1alpha1.SetDefaults(whole)
		var errs field.ErrorList
		if errs = v1alpha1.Validate(whole); len(errs) == 0 {
			errs = catalog.CheckPool(whole, facts)
		}
		for _, e := range errs {
			problems = append(problems, fmt.Sprintf("pool %s: %v", pool.Name, e))
		}
	}
	if len(problems) > 0 {
		return nil, errors.New(strings.Join(problems, "\n"))
	}
	return pools, nil
}

// Apply puts one pool into a cluster by server-side apply. The API server's error is returned as it is.
func Apply(ctx context.Context, client dynamic.Interface, pool *v1alpha1.NodePool, dryRun bool) (Applied, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pool)
	if err != nil {
		return Applied{}, err
	}
	delete(content, "status") // Floe's to write
	object := &unstructured.Unstructured{Object: content}
	unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
	options := metav1.ApplyOptions{FieldManager: fieldManager, Force: true}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	pools := client.Resource(v1alpha1.NodePoolResource)
	before, err := pools.Get(ctx, pool.Name, metav1.GetOptions{})
	exists := err == nil
	if err != nil && !apierrors.IsNotFound(err) {
		return Applied{}, err
	}
	after, err := pools.Apply(ctx, pool.Name, object, options)
	if err != nil {
		return Applied{}, err
	}
	result := Applied{Name: pool.Name, Result: "configured"}
	switch {
	case !exists:
		result.Result = "created"
	case before.GetGeneration() == after.GetGeneration():
		result.Result = "unchanged"
	}
	return result, nil
}
