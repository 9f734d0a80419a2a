// Package cli is the command line `floe`: floe <noun> <verb>, one file a noun.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"floe.dev/floe/internal/config"
	"floe.dev/floe/internal/version"
)

// Exit codes.
const (
	// ExitOK: it is done.
	ExitOK = 0
	// ExitFailed: it could not be done; stderr has one line that says why and what to do.
	ExitFailed = 1
	// ExitUsage: the command line is wrong.
	ExitUsage = 2
	// ExitUnmet: it was done, and what was waited for did not come (a launch was exhausted, say).
	ExitUnmet = 3
	// ExitInterrupted: Ctrl-C or SIGTERM came first (128 + SIGINT, as shells have it).
	ExitInterrupted = 130
)

// Execute runs one command line and returns its exit code. Data goes to out, everything else to errs.
func Execute(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	root := command(in, out)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return ExitInterrupted
	}
	fmt.Fprintf(errs, "floe: %v\n", err)
	var (
		usage usageError
		unmet unmetError
	)
	switch {
	case errors.As(err, &usage):
		fmt.Fprintf(errs, "see: %s --help\n", cmd.CommandPath())
		return ExitUsage
	case errors.As(err, &unmet):
		return ExitUnmet
	}
	return ExitFailed
}

// usageError is a command line that is wrong.
type usageError struct{ error }

// Unwrap gives the error inside.
func (e usageError) Unwrap() error { return e.error }

// unmetError is something waited for that did not come.
type unmetError struct{ error }

// Unwrap gives the error inside.
func (e unmetError) Unwrap() error { return e.error }

func command(in io.Reader, out io.Writer) *cobra.Command {
	a := &app{in: in, out: out, format: formatTable, cluster: os.Getenv("FLOE_CLUSTER")}
	root := &cobra.Command{
		Use:   "floe",
		Short: "Nodes for Kubernetes on AWS, as durable workflows",
		Long: `Floe buys the machines that pending pods need, walks fallback chains when EC2 is out of capacity, and sees each
node through its life, as Temporal workflows that survive any crash and can be read afterwards.`,
		Example: `  floe demo                                     # all of it, on this machine
  floe pool apply -f pools.yaml
  floe plan                                     # what would be bought now, and why
  floe why shop/web-7d4b9-x2x7k                 # one pod: where it stands, what is tried for it, what would help
  floe pool scale-up general --count 3 --wait
  floe node list -o yaml
  floe why i-0123456789abcdef0                  # why is it still there`,
		Version:       version.String(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	flags := root.PersistentFlags()
	config.Flags(flags)
	flags.StringVar(&a.cluster, "cluster", a.cluster, "cluster of the configuration; the only one unless named [FLOE_CLUSTER]")
	flags.StringVar(&a.kubeconfig, "kubeconfig", "", "kubeconfig file, instead of the configuration's")
	a.flags = flags
	root.AddCommand(
		poolCommand(a), nodeCommand(a), imageCommand(a), standbyCommand(a), scaleUpCommand(a), planCommand(a), whyCommand(a), evaluateCommand(a),
		watchCommand(a), simCommand(a), demoCommand(a), doctorCommand(a), versionCommand(a),
	)
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.Example = "  source <(floe completion bash)\n  floe completion zsh > \"${fpath[1]}/_floe\""
		}
	}
	return root
}

// args turns a wrong number of arguments into a usage error.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if err := check(cmd, given); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// group is a noun: it does nothing itself.
func group(use, short, example string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(verbs...)
	return cmd
}
