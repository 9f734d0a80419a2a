package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"floe.dev/floe/starter/doctor"
	"floe.dev/floe/starter/table"
)

func doctorCommand(a *app) *cobra.Command {
	var settle time.Duration
	cmd := a.printsData(&cobra.Command{
		Use:   "doctor",
		Short: "Say what does not belong together in EC2, Kubernetes, workflows and store",
		Long: `Compare EC2, Kubernetes, workflows and store of a cluster and list each violation with its ids and its remedy: machines
that no workflow owns, workflows without a machine, more machines than were asked for, Nodes without a machine, pods that
nobody works for, records that are behind. What seems wrong is looked at twice. Nothing is changed: repairs are the
sweep's (temporal schedule trigger --schedule-id sweep-CLUSTER).

It calls EC2 with the SDK's own credentials and the configuration's role; ec2:DescribeInstances is enough.
The status is 1 where something is wrong, and where it could not be looked at.`,
		Example: "  floe doctor\n  floe doctor -o json | jq -r '.violations[].ids[0]'",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := a.worlds(cmd.Context())
			if err != nil {
				return err
			}
			defer w.close()
			cluster := w.cluster.Name
			options, done, err := doctor.FromConfig(cmd.Context(), w.config, cluster, w.kube, w.temporal)
			if err != nil {
				return err
			}
			defer done()
			options.Settle = settle
			report, err := doctor.Examine(cmd.Context(), options)
			if err != nil {
				return explainKube(err, cluster, "examine cluster "+cluster)
			}
			if err := a.print(report, func(w io.Writer) { printReport(w, report) }); err != nil {
				return err
			}
			if n := len(report.Violations); n > 0 {
				return fmt.Errorf("cluster %s: %d violations", cluster, n)
			}
			return nil
		},
	})
	cmd.Flags().DurationVar(&settle, "settle", doctor.DefaultSettle, "pause before the second look at what seems wrong")
	return cmd
}

func printReport(w io.Writer, r doctor.Report) {
	fmt.Fprintf(w, "%d machines, %d Node workflows, %d Nodes, %d pods that need room: ", r.Machines, r.Workflows, r.Nodes, r.Waiting)
	if len(r.Violations) == 0 {
		fmt.Fprintln(w, "all belong together")
	} else {
		fmt.Fprintf(w, "%d violations\n\n", len(r.Violations))
	}
	var rows [][]string
	for _, v := range r.Violations {
		rows = append(rows, []string{string(v.Kind), some(v.IDs, 3), v.Message})
	}
	table.Write(w, []string{"VIOLATION", "IDS", "WHAT"}, rows)
	told := map[string]bool{}
	for _, v := range r.Violations {
		if remedy := string(v.Kind) + ": " + v.Remedy; !told[remedy] {
			told[remedy] = true
			fmt.Fprintf(w, "\n%s", remedy)
		}
	}
	if len(r.Violations) > 0 {
		fmt.Fprintln(w)
	}
	if len(r.Unchecked) > 0 {
		fmt.Fprintf(w, "\nnot checked:\n  %s\n", strings.Join(r.Unchecked, "\n  "))
	}
}
