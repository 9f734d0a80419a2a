// The worker is the program that does Floe's work: it polls Temporal for workflow tasks and activities and keeps
// nothing but caches. Any number of them may run; one that dies is replaced by the others at once.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"floe.dev/floe/internal/config"
	"floe.dev/floe/internal/telemetry"
	"floe.dev/floe/internal/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

// settings are the worker's own, beside the configuration that all programs share.
type settings struct {
	listen      string
	readyFile   string
	stopTimeout time.Duration
	cache       int
}

func command() *cobra.Command {
	s := settings{listen: "127.0.0.1:8080"}
	if listen := os.Getenv("FLOE_LISTEN"); listen != "" {
		s.listen = listen
	}
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Run Floe's workflows and activities",
		Long: `Run Floe's workflows and activities.

The worker polls the workflow queue, a queue for each cluster of the configuration and, for each account, a queue for
each class of AWS calls, whose rate Temporal keeps for all workers together. While Temporal, an API server, AWS or the
store is away it says so and goes on when it is back.

At --listen it answers /healthz (it lives), /readyz (Temporal and the clusters answer) and /metrics.
SIGTERM lets it finish what it does, for at most --stop-timeout.`,
		Example: `  worker --config floe.yaml
  TEMPORAL_ADDRESS=temporal.example:7233 worker --config floe.yaml --listen :8080`,
		Args:          cobra.NoArgs,
		Version:       version.String(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	flags := cmd.Flags()
	config.Flags(flags)
	logger := telemetry.LogFlags(flags)
	flags.StringVar(&s.listen, "listen", s.listen, "address of /healthz, /readyz and /metrics [FLOE_LISTEN]")
	flags.StringVar(&s.readyFile, "ready-file", "", "file that gets the URL of that address once it serves")
	flags.DurationVar(&s.stopTimeout, "stop-timeout", 10*time.Second, "how long activities may take to finish at SIGTERM")
	flags.IntVar(&s.cache, "workflow-cache", 2000,
		"workflows kept in memory between their tasks; one more is replayed from its history when it goes on")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		log, err := logger()
		if err != nil {
			return err
		}
		cfg, err := config.Load(flags)
		if err != nil {
			return err
		}
		return run(cmd.Context(), cfg, s, log)
	}
	return cmd
}
