package kube

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"floe.dev/floe/api/contract"
)

// DeleteNode deletes a Node object, if it is still the one with the UID. That it is gone already, or that another has
// taken its name, is success.
func (a *Activities) DeleteNode(ctx context.Context, in contract.DeleteNodeInput) error {
	c, err := a.cluster(in.Cluster)
	if err != nil {
		return err
	}
	if in.Node == "" {
		return invalid("node: is empty; name the Node to delete")
	}
	err = c.client.CoreV1().Nodes().Delete(ctx, in.Node, metav1.DeleteOptions{Preconditions: uidIs(in.UID)})
	if apierrors.IsNotFound(err) || in.UID != "" && apierrors.IsConflict(err) {
		return nil
	}
	return c.classify("delete", "nodes", err)
}

// uidIs makes the API server refuse (Conflict) where the object is another one of the same name.
func uidIs(uid string) *metav1.Preconditions {
	if uid == "" {
		return nil
	}
	u := types.UID(uid)
	return &metav1.Preconditions{UID: &u}
}
