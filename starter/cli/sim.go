package cli

import (
	"io"

	"github.com/spf13/cobra"

	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/telemetry"
	"floe.dev/floe/starter/table"
)

func simCommand(a *app) *cobra.Command {
	var listen, readyFile, scenario string
	var list bool
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Serve the simulated AWS",
		Long: `Serve the simulated AWS: EC2's query protocol with capacity that runs out, API budgets, lost answers and idempotency
tokens, as a scenario says. Any SDK or the AWS CLI can talk to it; they need an access key of 16 characters or more, and any
secret. Events go to the queue floe-events. With --kubeconfig, the machines it launches boot and join that cluster.`,
		Example: `  floe sim --listen 127.0.0.1:4566
  floe sim --listen 127.0.0.1:4566 --scenario drought.yaml --kubeconfig ~/.kube/config
  floe sim --scenario evening-peak                     # one that comes with it; --list-scenarios tells all
  aws --endpoint-url http://127.0.0.1:4566 --region eu-west-1 ec2 describe-instances
  curl -s http://127.0.0.1:4566/truth                  # all that ever happened
  curl -s --data 'm5.* spot *: 0' http://127.0.0.1:4566/script`,
		Args: args(cobra.NoArgs),
	}
	flags := cmd.Flags()
	logger := telemetry.LogFlags(flags)
	flags.StringVar(&listen, "listen", "127.0.0.1:4566", "address to serve on")
	flags.StringVar(&readyFile, "ready-file", "", "file that gets the URL of that address once it serves")
	flags.StringVar(&scenario, "scenario", "", "scenario: a YAML file, or the name of one that comes with it; what the world is like and what goes wrong (default: nothing does)")
	flags.BoolVar(&list, "list-scenarios", false, "print the scenarios that come with it, and end")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		log, err := logger()
		if err != nil {
			return usageError{err}
		}
		if list {
			return listScenarios(cmd.OutOrStdout())
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

// listScenarios prints name and description of each.
func listScenarios(to io.Writer) error {
	scenarios, err := sim.Scenarios()
	if err != nil {
		return err
	}
	rows := make([][]string, 0, len(scenarios))
	for _, s := range scenarios {
		rows = append(rows, []string{s.Name, s.Description})
	}
	table.Write(to, []string{"SCENARIO", "WHAT IT IS LIKE"}, rows)
	return nil
}
