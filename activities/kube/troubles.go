package kube

import (
	"context"
	"io"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/cache"
)

// quiet is how long the same trouble of a cluster's watches is not told again: several informers fail together.
const quiet = 5 * time.Second

// troubles keeps the last thing that went wrong with a cluster's watches.
type troubles struct {
	mu   sync.Mutex
	what string
	at   time.Time
}

// add keeps a trouble and reports whether it is worth a line in the log.
func (t *troubles) add(what string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if what == t.what && now.Sub(t.at) < quiet {
		return false
	}
	t.what, t.at = what, now
	return true
}

func (t *troubles) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.what
}

// watchFailed is called each time a watch or its first list fails, before client-go backs off (0.8 to 30 s) and tries
// again.
func (c *Cluster) watchFailed(resource string) cache.WatchErrorHandlerWithContext {
	return func(ctx context.Context, _ *cache.Reflector, err error) {
		if ctx.Err() != nil || err == io.EOF || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
			return // a watch that ends is opened again: nothing is wrong
		}
		what := explainWatch(resource, err)
		if c.troubles.add(what, time.Now()) {
			c.log.Warn("cannot watch the cluster, trying again", "trouble", what)
		}
	}
}

// knock asks the API server for its version until the first lists are there. client-go tries a first list again and
// again without telling the handler above while the connection is refused, and then nobody would know why nothing comes.
func (c *Cluster) knock(ctx context.Context) {
	tick := time.NewTicker(quiet / 2)
	defer tick.Stop()
	for c.Ready() != nil {
		// The version is open to everybody by the default role system:public-info-viewer.
		if _, err := c.client.Discovery().ServerVersion(); err != nil && ctx.Err() == nil {
			what := explainWatch("anything", err)
			if c.troubles.add(what, time.Now()) {
				c.log.Warn("cannot watch the cluster, trying again", "trouble", what)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// explainWatch says what to do about a watch that fails.
func explainWatch(resource string, err error) string {
	switch {
	case apierrors.IsNotFound(err) && resource == "nodepools":
		return "the cluster does not know NodePools: apply deploy/crds to it"
	case apierrors.IsForbidden(err):
		return "may not list and watch " + resource + ": apply deploy/rbac to the cluster: " + err.Error()
	case apierrors.IsUnauthorized(err):
		return "the API server does not accept the credentials of the kubeconfig: " + err.Error()
	case apierrors.ReasonForError(err) != "":
		return "the API server refuses to list and watch " + resource + ": " + err.Error()
	default:
		return "the API server cannot be reached; check that it runs and that the kubeconfig names it: " + err.Error()
	}
}
