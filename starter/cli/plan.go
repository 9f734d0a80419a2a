package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/starter/plan"
)

func planCommand(a *app) *cobra.Command {
	var files planFiles
	why := ""
	cmd := a.printsData(&cobra.Command{
		Use:   "plan",
		Short: "Show what would be bought now, and why",
		Long: `Make a plan without doing it: the pods that need room, the machines that would be bought for them, and each pod that
no pool can hold, with the reasons.

Of the live cluster its Provisioner makes the plan (update plan-now with dryRun), so it knows of the launches under way;
it is started where none runs yet.

With --pods and --pools the plan is made from files alone, for an empty cluster: no API server, Temporal or AWS is asked.
--pods takes Kubernetes YAML (Pod, Deployment, StatefulSet, ReplicaSet, Job, DaemonSet, Namespace, lists of these) or CSV
with the columns name,cpu_milli,memory_mib. --catalog takes CSV with the columns name, arch, vcpu, memory_mib, enis,
ipv4_per_eni and on_demand_usd_per_hour, and if known bare_metal, hibernation and spot_usd_per_hour; without it the types
and us-east-1 prices that Floe brings along are meant. Other columns are ignored. The pools' subnets lie in --zones in
turn.`,
		Example: `  floe plan
  floe plan --cluster prod -o json | jq .unschedulable
  floe plan --why shop/web-7d4b9-x2x7k
  floe plan --pods pods.csv --pools pools.yaml
  kubectl get pods -A -o yaml | floe plan --pods - --pools pools.yaml --catalog types.csv --why web-0`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var report *plan.Report
			var err error
			if files.any() {
				report, err = a.planFiles(files, why)
			} else {
				report, err = a.planCluster(cmd.Context(), why)
			}
			if err != nil {
				return err
			}
			if why != "" && report.Why == nil {
				return fmt.Errorf("--why %s: no pod of that name needs room: name one of the %d that do, as namespace/name", why, report.Pods)
			}
			return a.print(report, func(w io.Writer) { printPlan(w, report) })
		},
	})
	flags := cmd.Flags()
	flags.StringVar(&why, "why", "", "explain one pod (namespace/name): the winner, the three next best and their cost, what was filtered and why")
	flags.StringVar(&files.pods, "pods", "", "plan these pods instead of a cluster's: YAML, JSON or CSV; - is stdin")
	flags.StringVar(&files.pools, "pools", "", "with these NodePools, YAML or JSON; - is stdin")
	flags.StringVar(&files.catalog, "catalog", "", "and these machine types, CSV; - is stdin; the types that Floe knows unless named")
	flags.StringSliceVar(&files.zones, "zones", []string{"us-east-1a", "us-east-1b", "us-east-1c"}, "zones that the pools' subnets lie in, in the order in which pools name them")
	return cmd
}

// planCluster has the cluster's Provisioner make the plan.
func (a *app) planCluster(ctx context.Context, why string) (*plan.Report, error) {
	cfg, cluster, err := a.config()
	if err != nil {
		return nil, err
	}
	temporal, err := a.temporal(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer temporal.Close()
	digest, err := dryRun(ctx, temporal, cluster.Name, why)
	if err != nil {
		return nil, explainTemporal(err, "plan cluster "+cluster.Name)
	}
	return plan.FromDigest(&digest), nil
}

// dryRun asks the Provisioner, and starts it where it does not run.
func dryRun(ctx context.Context, c client.Client, cluster, why string) (contract.PlanDigest, error) {
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
			Args:         []any{contract.PlanNow{Reason: "floe plan", DryRun: true, Why: why}},
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
