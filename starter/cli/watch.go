package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"floe.dev/floe/activities/aws"
	"floe.dev/floe/activities/kube"
	"floe.dev/floe/activities/store"
	"floe.dev/floe/internal/config"
	"floe.dev/floe/internal/dial"
	"floe.dev/floe/internal/health"
	"floe.dev/floe/internal/reclaim"
	"floe.dev/floe/internal/telemetry"
	"floe.dev/floe/internal/version"
	"floe.dev/floe/starter/watch"
)

func watchCommand(a *app) *cobra.Command {
	listen := "127.0.0.1:8081"
	if fromEnv := os.Getenv("FLOE_LISTEN"); fromEnv != "" {
		listen = fromEnv
	}
	var readyFile string
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Watch a cluster and EC2, and signal what changed",
		Long: `Watch a cluster and what it owns in EC2, and signal workflows what changed: pods that need room, nodes that came, became
ready or went, instances that ended, machines that AWS takes back. It runs in the cluster; it keeps nothing, so a restart
loses nothing. Two of it see the same and tell it twice, which does no harm.

At --listen it answers /healthz, /readyz and /metrics.`,
		Example: "  floe watch --config floe.yaml\n  floe watch --cluster prod --listen :8081",
		Args:    args(cobra.NoArgs),
	}
	flags := cmd.Flags()
	logger := telemetry.LogFlags(flags)
	flags.StringVar(&listen, "listen", listen, "address of /healthz, /readyz and /metrics [FLOE_LISTEN]")
	flags.StringVar(&readyFile, "ready-file", "", "file that gets the URL of that address once it serves")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		log, err := logger()
		if err != nil {
			return usageError{err}
		}
		cfg, cluster, err := a.config()
		if err != nil {
			return err
		}
		return runWatch(cmd.Context(), cfg, cluster, health.Options{Listen: listen, ReadyFile: readyFile}, log)
	}
	return cmd
}

// runWatch builds the watcher's clients and runs it until ctx ends.
func runWatch(ctx context.Context, cfg *config.Config, c config.Cluster, serve health.Options, log *slog.Logger) error {
	tel, err := telemetry.Setup(ctx, "floe-watch")
	if err != nil {
		return err
	}
	defer tel.Flush()
	typed, dynamic, err := kube.Connect(c.Kubeconfig)
	if err != nil {
		return fmt.Errorf("cluster %s: %w", c.Name, err)
	}
	sizes := &watch.Sizes{}
	cluster, err := kube.NewCluster(kube.ClusterOptions{
		Name: c.Name, Account: c.Account, Client: typed, Dynamic: dynamic, Images: sizes.Tell, Log: log,
	})
	if err != nil {
		return fmt.Errorf("cluster %s: %w", c.Name, err)
	}
	nothing, err := store.New(config.Store{}, nil) // it lists instances; only launches use the offering memory
	if err != nil {
		return err
	}
	kept, err := store.New(cfg.Store, tel.Mongo())
	if err != nil {
		return err
	}
	defer func() { _ = kept.Close(context.WithoutCancel(ctx)) }()
	ec2, err := aws.New(ctx, aws.Options{
		Accounts: cfg.Accounts, DescribeLag: cfg.DescribeLag, Store: nothing, Configure: tel.AWS(), Log: log,
	})
	if err != nil {
		return err
	}
	queues, err := queuesOf(cfg, ec2)
	if err != nil {
		return err
	}
	options, err := dial.Options(cfg.Temporal, tel, log)
	if err != nil {
		return err
	}
	var connected atomic.Pointer[client.Client]
	serve.Metrics = tel.Registry
	serve.Ready = map[string]health.Check{
		"cluster " + c.Name: func(context.Context) error { return cluster.Ready() },
		"temporal":          dial.Check(&connected),
	}
	server, err := health.Serve(serve)
	if err != nil {
		return err
	}
	defer server.Close()
	log.InfoContext(ctx, "watcher starts", "version", version.String(), "address", server.URL(), "cluster", c.Name,
		"temporal", options.HostPort, "namespace", options.Namespace)

	cluster.Start(ctx) // its informers fill while Temporal is waited for
	temporal, err := dial.Wait(ctx, options, log)
	if errors.Is(err, context.Canceled) {
		return nil // asked to stop before Temporal was there
	} else if err != nil {
		return err
	}
	defer temporal.Close()
	connected.Store(&temporal)

	accounts := make([]string, len(cfg.Accounts))
	for i, account := range cfg.Accounts {
		accounts[i] = account.Name
	}
	return watch.Run(ctx, watch.Options{
		Cluster: cluster, Temporal: temporal, EC2: ec2, Accounts: accounts, Queues: queues, Signs: signsOf(c), Events: kept, Metrics: tel.Registry, Log: log,
		Images: kept, Sizes: sizes, Timing: watch.Timing{DescribeLag: cfg.DescribeLag},
	})
}

// signsOf are the signs on Nodes that the configuration names.
func signsOf(c config.Cluster) []reclaim.Sign {
	var signs []reclaim.Sign
	for _, n := range c.Notices {
		signs = append(signs, reclaim.Sign{Condition: n.Condition, Taint: n.Taint, Kind: n.Kind})
	}
	return signs
}

// queuesOf are the interruption queues that the configuration names.
func queuesOf(cfg *config.Config, ec2 *aws.Activities) ([]watch.Queue, error) {
	var queues []watch.Queue
	for _, account := range cfg.Accounts {
		q, ok, err := ec2.Queue(account.Name)
		if err != nil {
			return nil, err
		}
		if ok {
			queues = append(queues, q)
		}
	}
	return queues, nil
}
