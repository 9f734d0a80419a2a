package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/starter/table"
)

// lookAgain is how often --wait asks whether the nodes are Ready.
const lookAgain = 500 * time.Millisecond

func poolScaleUpCommand(a *app) *cobra.Command {
	var (
		in       contract.ScaleUpInput
		id       string
		capacity []string
		wait     bool
	)
	cmd := a.printsData(&cobra.Command{
		Use:   "scale-up POOL",
		Short: "Launch machines of a pool by hand",
		Long: `Launch machines of a pool by hand: start a ScaleUp, which walks the pool's chain.

With --wait, floe stays until the chain has ended and the machines it brought are Ready, shows what each hop answered,
and ends with status 3 where it brought fewer than were asked for.`,
		Example: `  floe pool scale-up general --count 3
  floe pool scale-up general --count 3 --zone eu-west-1a --capacity-type on-demand --wait
  floe pool scale-up general --count 3 --id before-the-match   # the same id twice launches once`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, cluster, err := a.config()
			if err != nil {
				return err
			}
			in.Cluster, in.Pool, in.Purpose = cluster.Name, names[0], contract.PurposeHand
			for _, c := range capacity {
				in.CapacityTypes = append(in.CapacityTypes, v1alpha1.CapacityType(c))
			}
			if err := in.Validate(); err != nil {
				return usageError{err}
			}
			if id == "" {
				id = in.Pool + "-" + time.Now().UTC().Format("20060102-150405")
			}
			watch, err := watchingBy(cfg.Temporal)
			if err != nil {
				return err
			}
			temporal, err := a.temporal(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			defer temporal.Close()
			run, err := startScaleUp(cmd.Context(), temporal, contract.HandScaleUpID(cluster.Name, id), in)
			if err != nil {
				return err
			}
			if wait {
				return a.awaitScaleUp(cmd.Context(), temporal, run)
			}
			s := started{run.GetID(), run.GetRunID(), watch.page(run.GetID())}
			return a.print(s, func(w io.Writer) { fmt.Fprintf(w, "started %s\n%s\n", s.Workflow, watch.words(s.Workflow)) })
		},
	})
	flags := cmd.Flags()
	flags.IntVar(&in.Count, "count", 1, fmt.Sprintf("machines wanted, 1 to %d", contract.MaxCount))
	flags.StringSliceVar(&in.InstanceTypes, "instance-type", nil, "only these types of the pool")
	flags.StringSliceVar(&in.Zones, "zone", nil, "only these zones of the pool, by name")
	flags.StringSliceVar(&capacity, "capacity-type", nil, "only steps of these capacity types")
	flags.StringVar(&id, "id", "", "name of the launch; a second launch of a name is refused (default: pool and time)")
	flags.BoolVar(&wait, "wait", false, "stay until the machines are Ready")
	return cmd
}

// started is what scale-up prints where it does not wait.
type started struct {
	Workflow string `json:"workflow"`
	Run      string `json:"run"`
	// UI is the workflow's page; empty where no UI is known.
	UI string `json:"ui,omitempty"`
}

func startScaleUp(ctx context.Context, c client.Client, id string, in contract.ScaleUpInput) (client.WorkflowRun, error) {
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                    id,
		TaskQueue:             contract.TaskQueue,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword(contract.AttributeCluster).ValueSet(in.Cluster),
			temporal.NewSearchAttributeKeyKeyword(contract.AttributePool).ValueSet(in.Pool)),
		StaticSummary:                            fmt.Sprintf("%d machines of pool %s, by hand", in.Count, in.Pool),
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, contract.WorkflowScaleUp, in)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return nil, fmt.Errorf("%s was launched before: choose another --id", id)
	}
	return run, err
}

// awaitScaleUp stays until the chain has ended and its machines are Ready, and prints what came of it.
func (a *app) awaitScaleUp(ctx context.Context, c client.Client, run client.WorkflowRun) error {
	var view contract.ScaleUpView
	if err := run.Get(ctx, &view); err != nil {
		return explainTemporal(err, run.GetID())
	}
	var late error
	for _, i := range view.Instances {
		late = errors.Join(late, awaitReady(ctx, c, contract.NodeID(view.Cluster, i.ID)))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := a.print(view, func(w io.Writer) { printScaleUp(w, run.GetID(), view) }); err != nil {
		return err
	}
	if view.Phase != contract.ScaleUpFilled {
		return unmetError{fmt.Errorf("%s: %s: %s", run.GetID(), view.Phase, view.Reason)}
	}
	return late
}

// awaitReady waits until a Node is Ready. One that leaves instead is unmet.
func awaitReady(ctx context.Context, c client.Client, id string) error {
	for {
		var life contract.NodeView
		value, err := c.QueryWorkflow(ctx, id, "", contract.QueryLife)
		if err == nil {
			err = value.Get(&life)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && life.Phase == contract.PhaseReady:
			return nil
		case err == nil && (life.Phase == contract.PhaseTerminating || life.Phase == contract.PhaseTerminated):
			return unmetError{fmt.Errorf("%s never became Ready: %s", id, life.Reason)}
		}
		// No answer is no verdict: a worker may be restarting.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookAgain):
		}
	}
}

func printScaleUp(w io.Writer, id string, v contract.ScaleUpView) {
	fmt.Fprintf(w, "%s: %s, %d of %d machines\n\n", id, v.Phase, len(v.Instances), v.Count)
	var rows [][]string
	for _, h := range v.Hops {
		rows = append(rows, []string{
			strconv.Itoa(h.Number), strconv.Itoa(h.Step + 1), string(h.CapacityType),
			strconv.Itoa(h.Asked), strconv.Itoa(h.Got), h.Took.Round(time.Millisecond).String(), contract.Answers(h),
		})
	}
	table.Write(w, []string{"HOP", "STEP", "CAPACITY", "ASKED", "GOT", "TOOK", "ANSWERS"}, rows)
	if len(v.Instances) > 0 {
		fmt.Fprintln(w)
	}
	rows = nil
	for _, i := range v.Instances {
		rows = append(rows, []string{i.ID, i.InstanceType, i.Zone, string(i.CapacityType), table.USD(i.USDPerHour)})
	}
	table.Write(w, []string{"INSTANCE", "TYPE", "ZONE", "CAPACITY", "$/H"}, rows)
}
