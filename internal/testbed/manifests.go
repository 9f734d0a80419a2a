package testbed

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
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

	"floe.dev/floe/internal/testbed/toolchain"
)

//go:embed roles.yaml
var ownRoles []byte

var (
	crds     = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	roles    = rbacv1.SchemeGroupVersion.WithResource("clusterroles")
	bindings = rbacv1.SchemeGroupVersion.WithResource("clusterrolebindings")
)

// applyManifests brings Floe's resource types and roles into the cluster, from the checkout's deploy folder, and binds
// the roles to the users of this testbed. Service accounts and bindings of deploy are left out: nobody here uses them.
func (tb *Testbed) applyManifests(ctx context.Context) error {
	root, err := toolchain.Root()
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(tb.Kube)
	if err != nil {
		return err
	}
	deploy := os.DirFS(path.Join(root, "deploy"))

	own, err := decode(ownRoles)
	if err != nil {
		return fmt.Errorf("roles.yaml: %w", err)
	}
	for _, role := range own {
		if err := apply(ctx, client, roles, role); err != nil {
			return err
		}
	}
	grants := map[string][]string{
		userKwok: {"floe-testbed-kwok"},
		userSim:  {"floe-testbed-sim"},
	}
	for file, user := range map[string]string{"rbac/worker.yaml": userWorker, "rbac/watcher.yaml": userWatcher} {
		objects, err := readManifest(deploy, file)
		if err != nil {
			return err
		}
		for _, object := range objects {
			if object.GetKind() != "ClusterRole" {
				continue
			}
			if err := apply(ctx, client, roles, object); err != nil {
				return err
			}
			grants[user] = append(grants[user], object.GetName())
		}
	}
	for user, names := range grants {
		for _, name := range names {
			if err := bind(ctx, client, name, user); err != nil {
				return err
			}
		}
	}
	return applyCRDs(ctx, client, deploy)
}

// applyCRDs applies deploy/crds and waits until the server serves the new types.
func applyCRDs(ctx context.Context, client dynamic.Interface, deploy fs.FS) error {
	files, err := fs.Glob(deploy, "crds/*.yaml")
	if err != nil {
		return err
	}
	for _, file := range files {
		objects, err := readManifest(deploy, file)
		if err != nil {
			return err
		}
		for _, object := range objects {
			if err := apply(ctx, client, crds, object); err != nil {
				return err
			}
			if err := established(ctx, client, object.GetName()); err != nil {
				return err
			}
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

func bind(ctx context.Context, client dynamic.Interface, role, user string) error {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&rbacv1.ClusterRoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRoleBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: "testbed:" + role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
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

// readManifest returns the objects of a YAML file, none where there is no such file.
func readManifest(from fs.FS, file string) ([]*unstructured.Unstructured, error) {
	data, err := fs.ReadFile(from, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	objects, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("deploy/%s: %w", file, err)
	}
	return objects, nil
}

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
