package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/spf13/pflag"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"floe.dev/floe/activities/kube"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/config"
	"floe.dev/floe/internal/dial"
)

// answerTimeout is how long a worker may take to answer a query or an update.
const answerTimeout = 30 * time.Second

// app is what every command shares: the flags that all have, and how to reach the two worlds.
type app struct {
	in         io.Reader
	out        io.Writer
	flags      *pflag.FlagSet
	format     string
	cluster    string
	kubeconfig string
}

// config loads the configuration and finds the cluster that is meant. Without a configuration, --cluster names it and
// kubectl's own kubeconfig leads to it.
func (a *app) config() (*config.Config, config.Cluster, error) {
	cfg, err := config.Load(a.flags)
	if err != nil {
		return nil, config.Cluster{}, err
	}
	var cluster config.Cluster
	if len(cfg.Clusters) == 0 && a.cluster != "" {
		cluster = config.Cluster{Name: a.cluster}
	} else if cluster, err = cfg.Cluster(a.cluster); err != nil {
		return nil, config.Cluster{}, fmt.Errorf("%w; or name the cluster with --cluster", err)
	}
	if a.kubeconfig != "" {
		cluster.Kubeconfig = a.kubeconfig
	}
	return cfg, cluster, nil
}

// temporal connects to Temporal. Close the client after use.
func (a *app) temporal(ctx context.Context, cfg *config.Config) (client.Client, error) {
	options, err := dial.Options(cfg.Temporal, nil, nil)
	if err != nil {
		return nil, err
	}
	return dial.Temporal(ctx, options)
}

// kubernetes makes clients of a cluster.
func (a *app) kubernetes(c config.Cluster) (kubernetes.Interface, dynamic.Interface, error) {
	client, pools, err := kube.Connect(c.Kubeconfig)
	if err != nil {
		return nil, nil, fmt.Errorf("cluster %s: %w: name a kubeconfig with --kubeconfig, or in the configuration", c.Name, err)
	}
	return client, pools, nil
}

// worlds are both worlds that a cluster lives in, and the configuration that leads there.
type worlds struct {
	config   *config.Config
	cluster  config.Cluster
	kube     kubernetes.Interface
	pools    dynamic.Interface
	temporal client.Client
}

// worlds loads the configuration and connects to both worlds. Close what it returns after use.
func (a *app) worlds(ctx context.Context) (*worlds, error) {
	cfg, cluster, err := a.config()
	if err != nil {
		return nil, err
	}
	w := &worlds{config: cfg, cluster: cluster}
	if w.kube, w.pools, err = a.kubernetes(cluster); err != nil {
		return nil, err
	}
	if w.temporal, err = a.temporal(ctx, cfg); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *worlds) close() { w.temporal.Close() }

// explainKube turns an API server's error into one line that says what to do. what names what was asked for.
func explainKube(err error, cluster, what string) error {
	var connection *url.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &connection):
		return fmt.Errorf("cannot reach the API server of cluster %s: is it running? check --kubeconfig (%w)", cluster, connection)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%s: the API server of cluster %s does not know who asks: check the credentials of --kubeconfig: %w", what, cluster, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s: not allowed in cluster %s: %w", what, cluster, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// explainTemporal does the same for a workflow's answer.
func explainTemporal(err error, what string) error {
	var application *temporal.ApplicationError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: no worker answered in %s: is one running? it polls the task queue %q", what, answerTimeout, contract.TaskQueue)
	case errors.As(err, &application):
		return fmt.Errorf("%s: %s", what, application.Message())
	}
	return fmt.Errorf("%s: %w", what, err)
}
