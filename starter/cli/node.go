package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/starter/fleet"
	"floe.dev/floe/starter/table"
)

func nodeCommand(a *app) *cobra.Command {
	return group("node", "Look at the nodes that Floe owns, and let them go", "  floe node list",
		nodeListCommand(a), nodeDescribeCommand(a),
		nodeOperationCommand(a, contract.UpdateDrain, "Empty a node and keep it cordoned",
			"Empty a node: cordon it, evict its pods, budgets kept, and at the pool's drainTimeout delete those that are left. The\nmachine stays."),
		nodeOperationCommand(a, contract.UpdateTerminate, "Drain a node, then terminate its machine",
			"Drain a node, terminate its machine and delete its Node. Pods that need room then bring a new one."))
}

func nodeListCommand(a *app) *cobra.Command {
	return a.printsData(&cobra.Command{
		Use:   "list",
		Short: "List machines: their Node, offering, price and phase",
		Long: `List the machines of a cluster: those that a Node workflow owns, registered or not, and Nodes of a pool that no
workflow owns. Prices need a worker that answers.`,
		Example: "  floe node list\n  floe node list -o json | jq -r '.[] | select(.phase != \"ready\").workflow'",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, cluster, err := a.config()
			if err != nil {
				return err
			}
			client, _, err := a.kubernetes(cluster)
			if err != nil {
				return err
			}
			temporal, err := a.temporal(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			defer temporal.Close()
			nodes, err := fleet.Nodes(cmd.Context(), client, temporal, cluster.Name)
			if err != nil {
				return explainKube(err, cluster.Name, "list nodes")
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
		rows = append(rows, []string{
			n.Instance, n.Name, n.Pool, n.InstanceType, n.Zone, string(n.CapacityType), table.USD(n.USDPerHour),
			table.Age(now, n.Launched), phase,
		})
	}
	table.Write(w, []string{"INSTANCE", "NODE", "POOL", "TYPE", "ZONE", "CAPACITY", "$/H", "AGE", "PHASE"}, rows)
	fmt.Fprintf(w, "\n%d nodes, $%.4f/h\n", len(nodes), total)
}
