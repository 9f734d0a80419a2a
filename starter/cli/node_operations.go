package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/lifecycle"
	"floe.dev/floe/starter/table"
)

func nodeDescribeCommand(a *app) *cobra.Command {
	return a.printsData(&cobra.Command{
		Use:   "describe INSTANCE",
		Short: "Show one node's life: its phases and when they began, its offering, its troubles",
		Long: `Show one node's life, as its workflow tells it; also after it has left, for as long as Temporal keeps the history.

The same by Temporal's own command line: temporal workflow query --workflow-id node/CLUSTER/INSTANCE --type life`,
		Example: "  floe node describe i-0123456789abcdef0",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.withNode(cmd.Context(), names[0], func(ctx context.Context, c client.Client, id string) error {
				value, err := c.QueryWorkflow(ctx, id, "", contract.QueryLife)
				if err != nil {
					return explainNode(err, id)
				}
				var life contract.NodeView
				if err := value.Get(&life); err != nil {
					return err
				}
				return a.print(life, func(w io.Writer) { printLife(w, id, life) })
			})
		},
	})
}

// nodeOperationCommand is `floe node drain` or `floe node terminate`: an update of the Node workflow.
func nodeOperationCommand(a *app, update, short, long string) *cobra.Command {
	var op contract.Operation
	cmd := a.printsData(&cobra.Command{
		Use:   update + " INSTANCE",
		Short: short,
		Long: long + `

The same by Temporal's own command line:
temporal workflow update execute --workflow-id node/CLUSTER/INSTANCE --name ` + update + ` --input '{"reason":"…"}'`,
		Example: "  floe node " + update + " i-0123456789abcdef0 --reason 'bad disk'",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.withNode(cmd.Context(), names[0], func(ctx context.Context, c client.Client, id string) error {
				op.Request = uuid.NewString()
				handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
					WorkflowID: id, UpdateID: op.Request, UpdateName: update, Args: []any{op}, WaitForStage: client.WorkflowUpdateStageCompleted,
				})
				var result contract.OperationResult
				if err == nil {
					err = handle.Get(ctx, &result)
				}
				if err != nil {
					return explainNode(err, id)
				}
				return a.print(result, func(w io.Writer) {
					fmt.Fprintf(w, "%s: %s\nwatch it: temporal workflow metadata --workflow-id %s, or that workflow in Temporal's UI\n", id, result.Message, result.Watch)
				})
			})
		},
	})
	cmd.Flags().StringVar(&op.Reason, "reason", "by hand", "why, for whoever reads the node's history")
	return cmd
}

// withNode does something with the Node workflow of an instance.
func (a *app) withNode(ctx context.Context, instance string, do func(ctx context.Context, c client.Client, id string) error) error {
	cfg, cluster, err := a.config()
	if err != nil {
		return err
	}
	temporal, err := a.temporal(ctx, cfg)
	if err != nil {
		return err
	}
	defer temporal.Close()
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return do(ctx, temporal, contract.NodeID(cluster.Name, instance))
}

func explainNode(err error, id string) error {
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return fmt.Errorf("there is no open workflow %s: floe node list shows the instances there are", id)
	}
	return explainTemporal(err, id)
}

func printLife(w io.Writer, id string, v contract.NodeView) {
	name := "none yet"
	if v.Node != nil {
		name = v.Node.Name
	}
	table.Write(w, []string{"WORKFLOW", "NODE", "POOL", "TYPE", "ZONE", "CAPACITY", "$/H", "PHASE"}, [][]string{{
		id, name, v.Pool, v.Instance.InstanceType, v.Instance.Zone, string(v.Instance.CapacityType), table.USD(v.Instance.USDPerHour), string(v.Phase),
	}})
	fmt.Fprintln(w)
	var rows [][]string
	for _, phase := range lifecycle.Phases() {
		if since, ok := v.Since[phase]; ok {
			rows = append(rows, []string{string(phase), since.UTC().Format(time.RFC3339), table.Age(since, v.Instance.LaunchTime) + " after launch"})
		}
	}
	table.Write(w, []string{"PHASE", "SINCE", ""}, rows)
	for _, line := range []struct{ what, text string }{
		{"launched by", v.ScaleUp}, {"it leaves because", v.Reason}, {"trouble", v.Trouble},
	} {
		if line.text != "" {
			fmt.Fprintf(w, "\n%s: %s", line.what, line.text)
		}
	}
	for _, note := range v.Notes {
		fmt.Fprintf(w, "\n- %s", note)
	}
	fmt.Fprintln(w)
}
