package kube

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"go.temporal.io/sdk/temporal"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// Pool is a NodePool as the informer keeps it, defaults filled in.
type Pool struct {
	*v1alpha1.NodePool
	// Problem says why the pool cannot be worked with, naming the field and the remedy; empty where it can.
	Problem string
}

// decodePool is the transform of the pool informer. A pool that cannot be read is kept by its name with its problem,
// so that a plan can say so.
func decodePool(obj any) (any, error) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return obj, nil // decoded already
	}
	pool := &v1alpha1.NodePool{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, pool); err != nil {
		bare := &v1alpha1.NodePool{ObjectMeta: metav1.ObjectMeta{
			Name: u.GetName(), UID: u.GetUID(), ResourceVersion: u.GetResourceVersion(), Generation: u.GetGeneration(),
		}}
		return &Pool{NodePool: bare, Problem: "it cannot be read: " + err.Error() + ": correct it and apply it again"}, nil
	}
	slimMeta(&pool.ObjectMeta)
	v1alpha1.SetDefaults(pool)
	decoded := &Pool{NodePool: pool}
	if problems := v1alpha1.Validate(pool); len(problems) > 0 {
		decoded.Problem = problems.ToAggregate().Error()
	}
	return decoded, nil
}

// allPools are the cluster's pools by name.
func (c *Cluster) allPools() []*Pool {
	pools := list[*Pool](c.pools)
	slices.SortFunc(pools, func(a, b *Pool) int { return cmp.Compare(a.Name, b.Name) })
	return pools
}

// cachedPool is the pool of that name, if the informer knows it.
func (c *Cluster) cachedPool(name string) (*Pool, bool) {
	obj, ok, err := c.pools.GetStore().GetByKey(name)
	if err != nil || !ok {
		return nil, false
	}
	pool, ok := obj.(*Pool)
	return pool, ok
}

// pool is the pool of that name. Where the informer does not know it the API server is asked: it may be new.
func (c *Cluster) pool(ctx context.Context, name string) (*Pool, error) {
	if pool, ok := c.cachedPool(name); ok {
		return pool, nil
	}
	u, err := c.dynamic.Resource(v1alpha1.NodePoolResource).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, c.poolNotFound(name)
	}
	if err != nil {
		return nil, c.classify("get", "nodepools.floe.dev", err)
	}
	decoded, err := decodePool(u)
	if err != nil {
		return nil, unavailable(err)
	}
	return decoded.(*Pool), nil
}

func (c *Cluster) poolNotFound(name string) error {
	var names []string
	for _, pool := range c.allPools() {
		names = append(names, pool.Name)
	}
	message := "cluster " + c.name + " has no NodePool " + name + ": "
	if len(names) == 0 {
		message += "it has none at all; apply one"
	} else {
		message += "there are " + strings.Join(names, ", ")
	}
	return temporal.NewNonRetryableApplicationError(message, contract.ErrPoolNotFound, nil)
}

// accountOf is the name of the account that a pool buys in.
func (c *Cluster) accountOf(pool *v1alpha1.NodePool) string {
	return cmp.Or(pool.Spec.Account, c.account)
}
