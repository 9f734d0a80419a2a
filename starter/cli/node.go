package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"floe.dev/floe/starter/fleet"
	"floe.dev/floe/starter/table"
)

func nodeCommand(a *app) *cobra.Command {
	verbs := []*cobra.Command{nodeListCommand(a), nodeDescribeCommand(a)}
	for _, o := range nodeOperations {
		verbs = append(verbs, nodeOperationCommand(a, o))
	}
	return group("node", "Look at the nodes that Floe owns, hold them, and let them go", "  floe node list", verbs...)
}

func nodeListCommand(a *app) *cobra.Command {
	return a.printsData(&cobra.Command{
		Use:   "list",
		Short: "List machines: their Node, offering, price and phase",
		Long: `List the machines of a cluster: those that a Node workflow owns, registered or not, and Nodes of a pool that no
workflow owns. Prices and holds need a worker that answers.`,
		Example: "  floe node list\n  floe node list -o json | jq -r '.[] | select(.phase != \"ready\").workflow'",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := a.worlds(cmd.Context())
			if err != nil {
				return err
			}
			defer w.close()
			nodes, err := fleet.Nodes(cmd.Context(), w.kube, w.temporal, w.cluster.Name)
			if err != nil {
				return explainKube(err, w.cluster.Name, "list nodes")
			}
			if nodes == nil {
				nodes = []fleet.Node{}
			}
			return a.print(nodes, func(w io.Writer) { printNodes(w, nodes, time.Now()) })
		},
	})
}

func printNodes(w io.Writer, nodes []fleet.Node, now time.Time) {
	if len(nodes) == 0 {
		fmt.Fprintln(w, "no nodes")
		return
	}
	var (
		rows  [][]string
		total float64
	)
	for _, n := range nodes {
		total += n.USDPerHour
		phase := string(n.Phase)
		if phase == "" {
			phase = "unowned"
		}
		if n.Trouble != "" {
			phase += " (" + n.Trouble + ")"
		}
		if n.Life != nil && n.Life.Hold.Lasts(now) {
			phase += ", " + n.Life.Hold.String()
		}
		rows = append(rows, []string{
			n.Instance, n.Name, n.Pool, n.InstanceType, n.Zone, string(n.CapacityType), table.USD(n.USDPerHour),
			table.Age(now, n.Launched), phase,
		})
	}
	table.Write(w, []string{"INSTANCE", "NODE", "POOL", "TYPE", "ZONE", "CAPACITY", "$/H", "AGE", "PHASE"}, rows)
	fmt.Fprintf(w, "\n%d nodes, $%.4f/h\n", len(nodes), total)
}
