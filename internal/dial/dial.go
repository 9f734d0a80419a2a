// Package dial connects Floe's programs to Temporal: by TEMPORAL_* variables and temporal.toml as every Temporal tool
// does, with Floe's configuration over them, and with our telemetry.
package dial

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"

	"floe.dev/floe/internal/config"
	"floe.dev/floe/internal/telemetry"
)

// once is how long one attempt to reach Temporal may take.
const once = 5 * time.Second

// Options are Temporal's client options: those of TEMPORAL_* variables and temporal.toml
// (docs.temporal.io/develop/environment-configuration), overridden by what cfg names. tel and log may be nil: then
// nothing is traced or counted, and Temporal's SDK is silent.
func Options(cfg config.Temporal, tel *telemetry.Telemetry, log *slog.Logger) (client.Options, error) {
	o, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{ConfigFileProfile: cfg.Profile})
	if err != nil {
		return client.Options{}, fmt.Errorf("TEMPORAL_* variables or temporal.toml: %w", err)
	}
	if cfg.Address != "" {
		o.HostPort = cfg.Address
	}
	if o.HostPort == "" {
		o.HostPort = client.DefaultHostPort
	}
	if cfg.Namespace != "" {
		o.Namespace = cfg.Namespace
	}
	if o.Namespace == "" {
		o.Namespace = client.DefaultNamespace
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	o.Logger = telemetry.TemporalLogger(log.With("component", "temporal"))
	if tel != nil {
		o.MetricsHandler = tel.MetricsHandler()
		if o.Interceptors, err = tel.TemporalInterceptors(); err != nil {
			return client.Options{}, err
		}
	}
	return o, nil
}

// Temporal connects once. Its error is one line that says what to do.
func Temporal(ctx context.Context, o client.Options) (client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, once)
	defer cancel()
	c, err := client.DialContext(ctx, o)
	if err != nil {
		return nil, explain(err, o)
	}
	_, err = c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: o.Namespace})
	var denied *serviceerror.PermissionDenied
	if err != nil && !errors.As(err, &denied) { // who may not describe the namespace may still work in it
		c.Close()
		return nil, explain(err, o)
	}
	return c, nil
}

// Wait connects, however long that takes: it tries again with a growing pause, at most 10 s, and logs one line a
// pause. It fails only when ctx ends.
func Wait(ctx context.Context, o client.Options, log *slog.Logger) (client.Client, error) {
	pause := 250 * time.Millisecond
	for {
		c, err := Temporal(ctx, o)
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		log.WarnContext(ctx, "waiting for Temporal", "error", err, "retryIn", pause)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, 10*time.Second)
	}
}

// Check is a health check of a client that may not be there yet.
func Check(c *atomic.Pointer[client.Client]) func(context.Context) error {
	return func(ctx context.Context) error {
		connected := c.Load()
		if connected == nil {
			return errors.New("not reached yet")
		}
		_, err := (*connected).CheckHealth(ctx, &client.CheckHealthRequest{})
		return err
	}
}

func explain(err error, o client.Options) error {
	var (
		missing *serviceerror.NamespaceNotFound
		denied  *serviceerror.PermissionDenied
	)
	switch {
	case errors.As(err, &missing):
		return fmt.Errorf("no namespace %q at Temporal %s: create it (temporal operator namespace create --namespace %s), or set --temporal-namespace or TEMPORAL_NAMESPACE",
			o.Namespace, o.HostPort, o.Namespace)
	case errors.As(err, &denied):
		return fmt.Errorf("refused by Temporal at %s: check TEMPORAL_API_KEY or TEMPORAL_TLS_*: %w", o.HostPort, err)
	case errors.Is(err, context.Canceled):
		return err
	}
	return fmt.Errorf("cannot reach Temporal at %s: is it running? set --temporal-address or TEMPORAL_ADDRESS (%w)", o.HostPort, err)
}
