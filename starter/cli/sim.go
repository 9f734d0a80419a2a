package cli

import (
	"github.com/spf13/cobra"

	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/telemetry"
)

func simCommand(a *app) *cobra.Command {
	var listen, readyFile, scenario string
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Serve the simulated AWS",
		Long: `Serve the simulated AWS: EC2's query protocol with capacity that runs out, API budgets, lost answers and idempotency
tokens, as a scenario says. Any SDK or the AWS CLI can talk to it. With --kubeconfig, the machines it launches boot and
join that cluster.`,
		Example: `  floe sim --listen 127.0.0.1:4566
  floe sim --listen 127.0.0.1:4566 --scenario drought.yaml --kubeconfig ~/.kube/config
  aws --endpoint-url http://127.0.0.1:4566 --region eu-west-1 ec2 describe-instances
  curl -s http://127.0.0.1:4566/truth                  # all that ever happened
  curl -s --data 'm5.* spot *: 0' http://127.0.0.1:4566/script`,
		Args: args(cobra.NoArgs),
	}
	flags := cmd.Flags()
	logger := telemetry.LogFlags(flags)
	flags.StringVar(&listen, "listen", "127.0.0.1:4566", "address to serve on")
	flags.StringVar(&readyFile, "ready-file", "", "file that gets the URL of that address once it serves")
	flags.StringVar(&scenario, "scenario", "", "scenario file, YAML: what the world is like and what goes wrong (default: nothing does)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		log, err := logger()
		if err != nil {
			return usageError{err}
		}
		var options sim.Options
		if scenario != "" {
			if options, err = sim.LoadScenario(scenario); err != nil {
				return err
			}
		}
		options.Listen, options.ReadyFile, options.Kubeconfig, options.Log = listen, readyFile, a.kubeconfig, log
		return sim.Run(cmd.Context(), options)
	}
	return cmd
}
