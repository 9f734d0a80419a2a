package testbed

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"

	"floe.dev/floe/deploy"
)

//go:embed roles.yaml
var ownRoles []byte

var (
	crds     = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	roles    = rbacv1.SchemeGroupVersion.WithResource("clusterroles")
	bindings = rbacv1.SchemeGroupVersion.WithResource("clusterrolebindings")
)

// applyManifests brings Floe's resource types and roles into the cluster, as package deploy has them, and binds the roles
// to the users of this testbed. The service accounts and bindings of deploy are left out: nobody here uses them.
func (tb *Testbed) applyManifests(ctx context.Context) error {
	client, err := dynamic.NewForConfig(tb.Kube)
	if err != nil {
		return err
	}
	if err := grant(ctx, client, "roles.yaml", ownRoles); err != nil {
		return err
	}
	if err := grant(ctx, client, "deploy/rbac/worker.yaml", deploy.WorkerRBAC); err != nil {
		return err
	}
	if err := grant(ctx, client, "deploy/rbac/watcher.yaml", deploy.WatcherRBAC); err != nil {
		return err
	}
	types, err := decode(deploy.NodePoolCRD)
	if err != nil {
		return fmt.Errorf("deploy/crds: %w", err)
	}
	for _, object := range types {
		if err := apply(ctx, client, crds, object); err != nil {
			return err
		}
		if err := established(ctx, client, object.GetName()); err != nil {
			return err
		}
	}
	return nil
}

// grant applies the ClusterRoles of a manifest and binds each to the user of the same name.
func grant(ctx context.Context, client dynamic.Interface, file string, manifest []byte) error {
	objects, err := decode(manifest)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, object := range objects {
		if object.GetKind() != "ClusterRole" {
			continue
		}
		if err := apply(ctx, client, roles, object); err != nil {
			return err
		}
		if err := bind(ctx, client, object.GetName()); err != nil {
			return err
		}
	}
	return nil
}

// established waits for the server's word that it serves the type, and then for the type itself: the word comes first.
func established(ctx context.Context, client dynamic.Interface, name string) error {
	err := wait.PollUntilContextTimeout(ctx, poll, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		object, err := client.Resource(crds).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		group, _, _ := unstructured.NestedString(object.Object, "spec", "group")
		plural, _, _ := unstructured.NestedString(object.Object, "spec", "names", "plural")
		versions, _, _ := unstructured.NestedStringSlice(object.Object, "status", "storedVersions")
		if len(versions) == 0 {
			return false, nil
		}
		resource := schema.GroupVersionResource{Group: group, Version: versions[0], Resource: plural}
		_, err = client.Resource(resource).List(ctx, metav1.ListOptions{Limit: 1})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return fmt.Errorf("resource type %s is not served: %w", name, err)
	}
	return nil
}

// bind gives the role to the user of the same name.
func bind(ctx context.Context, client dynamic.Interface, role string) error {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&rbacv1.ClusterRoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRoleBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: "testbed:" + role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: role}},
	})
	if err != nil {
		return err
	}
	return apply(ctx, client, bindings, &unstructured.Unstructured{Object: object})
}

func apply(ctx context.Context, client dynamic.Interface, resource schema.GroupVersionResource, object *unstructured.Unstructured) error {
	options := metav1.ApplyOptions{FieldManager: "floe-testbed", Force: true}
	if _, err := client.Resource(resource).Apply(ctx, object.GetName(), object, options); err != nil {
		return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

// decode returns the objects of a YAML file.
func decode(data []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(object.Object) > 0 { // a document of comments alone
			objects = append(objects, object)
		}
	}
}
