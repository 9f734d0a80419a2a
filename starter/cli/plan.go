package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/starter/table"
)

func planCommand(a *app) *cobra.Command {
	return a.printsData(&cobra.Command{
		Use:   "plan",
		Short: "Show what would be bought now, and why",
		Long: `Make a plan of the live cluster without doing it: the pods that need room, the machines that would be bought for
them, and each pod that no pool can hold, with the reasons.

The cluster's Provisioner makes the plan (update plan-now with dryRun), so it knows of the launches under way; it is
started where none runs yet.`,
		Example: "  floe plan\n  floe plan --cluster prod -o json | jq .unplaceable",
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
			digest, err := dryRun(cmd.Context(), temporal, cluster.Name)
			if err != nil {
				return explainTemporal(err, "plan cluster "+cluster.Name)
			}
			return a.print(digest, func(w io.Writer) { printPlan(w, digest) })
		},
	})
}

// dryRun asks the Provisioner, and starts it where it does not run.
func dryRun(ctx context.Context, c client.Client, cluster string) (contract.PlanDigest, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	start := c.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID:                       contract.ProvisionerID(cluster),
		TaskQueue:                contract.TaskQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword(contract.AttributeCluster).ValueSet(cluster)),
		StaticSummary: "plans for cluster " + cluster,
	}, contract.WorkflowProvisioner, contract.ProvisionerInput{Cluster: cluster})
	var digest contract.PlanDigest
	handle, err := c.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{
			UpdateName:   contract.UpdatePlanNow,
			WaitForStage: client.WorkflowUpdateStageCompleted,
			Args:         []any{contract.PlanNow{Reason: "floe plan", DryRun: true}},
		},
	})
	if err == nil {
		err = handle.Get(ctx, &digest)
	}
	return digest, cmp.Or(err, timedOut(ctx))
}

// timedOut is the context's deadline, if it passed: the SDK may report it as an error of its own.
func timedOut(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return nil
}

func printPlan(w io.Writer, d contract.PlanDigest) {
	fmt.Fprintf(w, "%d pods need room: %d fit on nodes there are, %d on launches under way, %d on new machines, %d nowhere.\n",
		d.Pending, d.OnNodes, d.InFlight, d.Launched, d.UnplaceableCount)
	for _, problem := range d.Problems {
		fmt.Fprintf(w, "problem: %s\n", problem)
	}
	if len(d.Launches) > 0 {
		fmt.Fprintf(w, "\nWould buy, for $%.4f/h:\n", d.USDPerHour)
		var rows [][]string
		for _, l := range d.Launches {
			rows = append(rows, []string{
				l.Pool, strconv.Itoa(l.Count), some(l.InstanceTypes, 3), strings.Join(l.Zones, ","),
				table.USD(l.USDPerHour), strconv.Itoa(l.PodCount), l.Reason,
			})
		}
		table.Write(w, []string{"POOL", "COUNT", "TYPES", "ZONES", "$/H EACH", "PODS", "WHY"}, rows)
	}
	if len(d.Unplaceable) > 0 {
		fmt.Fprintln(w, "\nCannot be placed:")
		for _, u := range d.Unplaceable {
			fmt.Fprintf(w, "  %s%s\n", u.Pod, alike(u.Count))
			for _, reason := range u.Reasons {
				fmt.Fprintf(w, "    %s\n", reason)
			}
		}
	}
}

// alike says how many more pods there are of one kind.
func alike(count int) string {
	if count <= 1 {
		return ""
	}
	return fmt.Sprintf(" and %d alike", count-1)
}

// some are the first n words, and how many more there are.
func some(words []string, n int) string {
	if len(words) <= n {
		return strings.Join(words, ",")
	}
	return fmt.Sprintf("%s +%d", strings.Join(words[:n], ","), len(words)-n)
}
