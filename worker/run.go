package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"floe.dev/floe/activities/aws"
	"floe.dev/floe/activities/kube"
	"floe.dev/floe/activities/nodes"
	"floe.dev/floe/activities/store"
	"floe.dev/floe/activities/sweep"
	"floe.dev/floe/internal/config"
	"floe.dev/floe/internal/dial"
	"floe.dev/floe/internal/health"
	"floe.dev/floe/internal/telemetry"
	"floe.dev/floe/internal/version"
)

// closeTimeout is how long closing the store's connections may take at the end.
const closeTimeout = 2 * time.Second

// run builds the clients, then works until ctx ends. What is wrong with the configuration is an error; what is away
// only for now is waited for.
func run(ctx context.Context, cfg *config.Config, s settings, log *slog.Logger) error {
	tel, err := telemetry.Setup(ctx, "floe-worker")
	if err != nil {
		return err
	}
	defer tel.Flush()

	parts, err := build(ctx, cfg, tel, log)
	if err != nil {
		return err
	}
	defer parts.close()

	options, err := dial.Options(cfg.Temporal, tel, log)
	if err != nil {
		return err
	}
	var state state
	server, err := health.Serve(health.Options{
		Listen: s.listen, ReadyFile: s.readyFile, Metrics: tel.Registry, Ready: checks(&state, parts.clusters),
	})
	if err != nil {
		return err
	}
	defer server.Close()
	log.InfoContext(ctx, "worker starts", "version", version.String(), "address", server.URL(),
		"temporal", options.HostPort, "namespace", options.Namespace)

	for _, c := range parts.clusters {
		c.Start(ctx)
	}
	go parts.aws.Run(ctx)

	worker.SetStickyWorkflowCacheSize(s.cache)
	temporal, err := dial.Wait(ctx, options, log)
	if errors.Is(err, context.Canceled) {
		return nil // asked to stop before Temporal was there
	} else if err != nil {
		return err
	}
	defer temporal.Close()
	state.temporal.Store(&temporal)
	registerSearchAttributes(ctx, temporal, options.Namespace, log)
	go divideBudgets(ctx, temporal, cfg.Accounts, parts.aws, log)
	go keepSchedules(ctx, temporal.ScheduleClient(), cfg, log)
	work(ctx, temporal, parts.queues(cfg, s.stopTimeout), &state, log)
	log.Info("worker stopped")
	return nil
}

// parts are the activities, and what they are made of.
type parts struct {
	store    *store.Activities
	aws      *aws.Activities
	kube     *kube.Activities
	sweep    *sweep.Activities
	nodes    *nodes.Activities
	clusters []*kube.Cluster
}

// build makes the clients. It talks to nobody yet.
func build(ctx context.Context, cfg *config.Config, tel *telemetry.Telemetry, log *slog.Logger) (*parts, error) {
	var (
		p   parts
		err error
	)
	if p.store, err = store.New(cfg.Store, tel.Mongo()); err != nil {
		return nil, err
	}
	if p.aws, err = aws.New(ctx, aws.Options{
		Accounts: cfg.Accounts, DescribeLag: cfg.DescribeLag, Store: p.store, Configure: tel.AWS(), Log: log,
	}); err != nil {
		return nil, err
	}
	for _, c := range cfg.Clusters {
		client, dynamic, err := kube.Connect(c.Kubeconfig)
		if err != nil {
			return nil, fmt.Errorf("cluster %s: %w", c.Name, err)
		}
		cluster, err := kube.NewCluster(kube.ClusterOptions{
			Name: c.Name, Account: c.Account, Client: client, Dynamic: dynamic, Planning: true, Log: log,
		})
		if err != nil {
			return nil, fmt.Errorf("cluster %s: %w", c.Name, err)
		}
		p.clusters = append(p.clusters, cluster)
	}
	p.nodes = nodes.New()
	p.kube = kube.New(p.clusters, p.aws, p.store, log).WithImages(p.store)
	p.sweep = sweep.New(sweep.Options{
		EC2: p.aws, Clusters: p.clusters, Nodes: p.kube, Events: p.store, DescribeLag: cfg.DescribeLag, Log: log,
	})
	return &p, nil
}

// close ends the store's connections. What was being written is written again by whoever takes the activity over.
func (p *parts) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := p.store.Close(ctx); err != nil {
		slog.Warn("the store's connections were not closed cleanly", "error", err)
	}
}

// state is what /readyz looks at.
type state struct {
	temporal atomic.Pointer[client.Client]
	polling  atomic.Bool
}

func checks(s *state, clusters []*kube.Cluster) map[string]health.Check {
	checks := map[string]health.Check{
		"temporal": dial.Check(&s.temporal),
		"polling": func(context.Context) error {
			if !s.polling.Load() {
				return errors.New("not yet")
			}
			return nil
		},
	}
	for _, c := range clusters {
		checks["cluster "+c.Name()] = func(context.Context) error { return c.Ready() }
	}
	return checks
}
