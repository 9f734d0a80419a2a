package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/starter/fleet"
	"floe.dev/floe/starter/table"
)

func standbyCommand(a *app) *cobra.Command {
	return group("standby", "Look at machines that are frozen and ready, fill the standby, empty it", "  floe standby list",
		standbyListCommand(a),
		standbyOrderCommand(a, contract.UpdateFill, "Make machines ready now, also where the standby was drained or waits after a failure"),
		standbyOrderCommand(a, contract.UpdateDrain, "Terminate the frozen machines of a pool, and make no others before a fill"))
}

func standbyListCommand(a *app) *cobra.Command {
	return a.printsData(&cobra.Command{
		Use:   "list",
		Short: "List the standby of every pool: what is wanted, what there is, and what its disks cost",
		Long: `List the standby of every pool that keeps one, as its Standby workflow tells it.

The same by Temporal's own command line, for one pool:
temporal workflow query --workflow-id standby/CLUSTER/POOL --type ` + contract.QueryStandby,
		Example: "  floe standby list\n  floe standby list -o json | jq '.[].machines'",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, cluster, err := a.config()
			if err != nil {
				return err
			}
			temporal, err := a.temporal(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			defer temporal.Close()
			ctx, cancel := context.WithTimeout(cmd.Context(), answerTimeout)
			defer cancel()
			views, err := fleet.Standbys(ctx, temporal, cluster.Name)
			if err != nil {
				return err
			}
			return a.print(views, func(w io.Writer) { printStandbys(w, views, time.Now()) })
		},
	})
}

func standbyOrderCommand(a *app, update, short string) *cobra.Command {
	var order contract.StandbyOrder
	cmd := a.printsData(&cobra.Command{
		Use:   update + " POOL",
		Short: short,
		Long: short + `.

The same by Temporal's own command line:
temporal workflow update execute --workflow-id standby/CLUSTER/POOL --name ` + update + ` --input '{"tier":"hibernated"}'`,
		Example: "  floe standby " + update + " general --tier hibernated",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			if tiers := []v1alpha1.CapacityType{"", v1alpha1.Hibernated, v1alpha1.Stopped}; !slices.Contains(tiers, order.Tier) {
				return usageError{fmt.Errorf("--tier %q: want hibernated or stopped, or leave it out for both", order.Tier)}
			}
			cfg, cluster, err := a.config()
			if err != nil {
				return err
			}
			temporal, err := a.temporal(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			defer temporal.Close()
			ctx, cancel := context.WithTimeout(cmd.Context(), answerTimeout)
			defer cancel()
			order.By = whoAsks()
			view, err := orderStandby(ctx, temporal, contract.StandbyID(cluster.Name, names[0]), update, order)
			if err != nil {
				return err
			}
			return a.print(view, func(w io.Writer) { printStandbys(w, []contract.StandbyView{view}, time.Now()) })
		},
	})
	cmd.Flags().StringVar((*string)(&order.Tier), "tier", "", "hibernated or stopped (default: both)")
	cmd.Flags().StringVar(&order.Reason, "reason", "by hand", "why, for whoever reads the history")
	return cmd
}

func orderStandby(ctx context.Context, c client.Client, id, update string, order contract.StandbyOrder) (view contract.StandbyView, err error) {
	handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateID: uuid.NewString(), UpdateName: update, Args: []any{order}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, &view)
	}
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return view, fmt.Errorf("there is no open workflow %s: the pool keeps no standby (spec.standby), or floe watch has not seen it yet", id)
	}
	return view, explainTemporal(err, id)
}

func printStandbys(w io.Writer, views []contract.StandbyView, now time.Time) {
	if len(views) == 0 {
		fmt.Fprintln(w, "no pool keeps a standby; spec.standby of a NodePool says how many machines")
		return
	}
	for i, v := range views {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "pool %s: %d hibernated and %d stopped wanted, disks $%.2f a month\n", v.Pool, v.Hibernated, v.Stopped, v.DiskUSDPerMonth)
		for _, reason := range v.Reasons {
			fmt.Fprintf(w, "  %s\n", reason)
		}
		if len(v.Drained) > 0 {
			fmt.Fprintf(w, "drained: %v; floe standby fill %s ends that\n", v.Drained, v.Pool)
		}
		if v.Trouble != "" {
			fmt.Fprintf(w, "trouble: %s\n", v.Trouble)
		}
		var rows [][]string
		for _, m := range v.Machines {
			took := ""
			if m.Took > 0 {
				took = m.Took.Round(time.Millisecond).String()
			}
			rows = append(rows, []string{
				m.Instance.ID, m.Instance.InstanceType, m.Instance.Zone, string(m.Tier), string(m.Phase), table.Age(now, m.Since), string(m.Verdict), took, m.Reason,
			})
		}
		if len(rows) > 0 {
			table.Write(w, []string{"INSTANCE", "TYPE", "ZONE", "TIER", "IS", "SINCE", "VERDICT", "LAST WAKE", ""}, rows)
		}
	}
}
