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
	"github.com/spf13/pflag"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/images"
	"floe.dev/floe/internal/lifecycle"
	"floe.dev/floe/starter/table"
)

func nodeDescribeCommand(a *app) *cobra.Command {
	return a.printsData(&cobra.Command{
		Use:   "describe INSTANCE",
		Short: "Show one node's life: its phases and when they began, its offering, its hold, its troubles",
		Long: `Show one node's life, as its workflow tells it; also after it has left, for as long as Temporal keeps the history.

The same by Temporal's own command line: temporal workflow query --workflow-id node/CLUSTER/INSTANCE --type life`,
		Example: "  floe node describe i-0123456789abcdef0",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.withNode(cmd.Context(), names[0], func(ctx context.Context, c client.Client, id string, _ watching) error {
				value, err := c.QueryWorkflow(ctx, id, "", contract.QueryLife)
				if err != nil {
					return explainNode(err, id)
				}
				var life contract.NodeView
				if err := value.Get(&life); err != nil {
					return err
				}
				return a.print(life, func(w io.Writer) { printLife(w, id, life, time.Now()) })
			})
		},
	})
}

// nodeOperation is an update of the Node workflow as a command.
type nodeOperation struct {
	update, short, long string
	// payload that Temporal's own command line sends.
	payload string
	example string // its flags
	// flags adds those that are the operation's own; may be nil.
	flags func(*pflag.FlagSet, *contract.Operation)
}

var nodeOperations = []nodeOperation{
	{
		contract.UpdateDrain, "Empty a node and keep it cordoned",
		`Empty a node: cordon it, evict its pods, budgets kept, and at the pool's drainTimeout delete those that are left. The
machine stays. A node that is held is not drained, unless --force says so.`,
		`{"reason":"bad disk"}`, "--reason 'bad disk'", forceFlag,
	},
	{
		contract.UpdateTerminate, "Drain a node, then terminate its machine",
		`Drain a node, terminate its machine and delete its Node. Pods that need room then bring a new one. A node that is held
stays, unless --force says so.`,
		`{"reason":"bad disk"}`, "--reason 'bad disk'", forceFlag,
	},
	{
		contract.UpdateHibernate, "Empty a node, freeze its machine and keep it for standby",
		`Empty a node, budgets kept, and freeze its machine: hibernated, its memory on its disk, or with --tier stopped shut down.
The machine costs its disk alone then, and its Node is kept, closed to pods (that of a stopped one is deleted where the pool
says so: spec.standby.nodeWhileFrozen). The pool's images are pulled before, where it prefetches any. Only an on-demand machine can be frozen, and
only one that was launched for it can hibernate: one of the pool's standby. Where EC2 refuses, the node serves pods again and
its life says why.`,
		`{"reason":"at night"}`, "--reason 'at night'", func(flags *pflag.FlagSet, op *contract.Operation) {
			flags.StringVar((*string)(&op.Tier), "tier", string(v1alpha1.Hibernated), "hibernated or stopped")
			forceFlag(flags, op)
		},
	},
	{
		contract.UpdateResume, "Wake a frozen machine and open its node to pods once it has proven itself",
		`Wake a node's frozen machine. Its node is opened to pods only when the machine has renewed its lease and written its
status after the start; one that has not in the pool's time is terminated, and its life says what was missing. Where EC2 has
no capacity it stays frozen.`,
		`{"reason":"morning"}`, "--reason morning", nil,
	},
	{
		contract.UpdateHold, "Keep a node from leaving voluntarily",
		`Hold a node: until the hold's end nothing voluntary begins on it, neither what Floe would choose (return to spot,
consolidation, expiry) nor floe node drain and terminate. A spot reclaim goes its way, and so does a machine that is gone.
Holding a node that is held takes the place of the hold before; the same person with the same reason prolongs it.`,
		`{"by":"alice","reason":"debugging","for":"4h"}`, "--for 4h --reason debugging",
		func(flags *pflag.FlagSet, op *contract.Operation) {
			flags.DurationVar(&op.For.Duration, "for", 0, "how long (default: until floe node release)")
		},
	},
	{
		contract.UpdateRelease, "Let a held node go again",
		"Take the hold off a node, whoever put it on. What was refused meanwhile does not come back by itself.",
		`{"by":"alice","reason":"done"}`, "--reason done", nil,
	},
}

func forceFlag(flags *pflag.FlagSet, op *contract.Operation) {
	flags.BoolVar(&op.Force, "force", false, "although the node is held")
}

// operated is what an operation's command prints.
type operated struct {
	contract.OperationResult
	// UI is the page of the workflow that shows it; empty where no UI is known.
	UI string `json:"ui,omitempty"`
}

func nodeOperationCommand(a *app, o nodeOperation) *cobra.Command {
	var op contract.Operation
	cmd := a.printsData(&cobra.Command{
		Use:   o.update + " INSTANCE",
		Short: o.short,
		Long: o.long + `

The same by Temporal's own command line:
temporal workflow update execute --workflow-id node/CLUSTER/INSTANCE --name ` + o.update + ` --input '` + o.payload + `'`,
		Example: "  floe node " + o.update + " i-0123456789abcdef0 " + o.example,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			if op.For.Duration < 0 {
				return usageError{fmt.Errorf("--for %s is in the past: give a duration such as 4h", op.For.Duration)}
			}
			return a.withNode(cmd.Context(), names[0], func(ctx context.Context, c client.Client, id string, watch watching) error {
				op.Request, op.By = uuid.NewString(), whoAsks()
				result, err := operate(ctx, c, id, o.update, op)
				if err != nil {
					return explainNode(err, id)
				}
				return a.print(operated{result, watch.page(result.Watch)}, func(w io.Writer) {
					fmt.Fprintf(w, "%s: %s\n%s\n", id, result.Message, watch.words(result.Watch))
				})
			})
		},
	})
	cmd.Flags().StringVar(&op.Reason, "reason", "by hand", "why, for whoever reads the node's history")
	if o.flags != nil {
		o.flags(cmd.Flags(), &op)
	}
	return cmd
}

// operate sends the update and waits for its answer.
func operate(ctx context.Context, c client.Client, id, update string, op contract.Operation) (result contract.OperationResult, err error) {
	handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateID: op.Request, UpdateName: update, Args: []any{op}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return result, err
	}
	return result, handle.Get(ctx, &result)
}

// withNode does something with the Node workflow of an instance.
func (a *app) withNode(ctx context.Context, instance string, do func(ctx context.Context, c client.Client, id string, watch watching) error) error {
	cfg, cluster, err := a.config()
	if err != nil {
		return err
	}
	watch, err := watchingBy(cfg.Temporal)
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
	return do(ctx, temporal, contract.NodeID(cluster.Name, instance), watch)
}

func explainNode(err error, id string) error {
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return fmt.Errorf("there is no open workflow %s: floe node list shows the instances there are", id)
	}
	return explainTemporal(err, id)
}

func printLife(w io.Writer, id string, v contract.NodeView, now time.Time) {
	name := "none yet"
	if v.Node != nil {
		name = v.Node.Name
	}
	table.Write(w, []string{"WORKFLOW", "NODE", "POOL", "TYPE", "ZONE", "CAPACITY", "$/H", "PHASE"}, [][]string{{
		id, name, v.Pool, v.Instance.InstanceType, v.Instance.Zone, string(v.Instance.CapacityType), table.USD(v.Instance.USDPerHour), string(v.Phase),
	}})
	fmt.Fprintln(w)
	var rows [][]string
	phases := slices.DeleteFunc(lifecycle.Phases(), func(phase contract.Phase) bool { return v.Since[phase].IsZero() })
	slices.SortStableFunc(phases, func(a, b contract.Phase) int { return v.Since[a].Compare(v.Since[b]) }) // a machine may sleep and be ready again
	for _, phase := range phases {
		since := v.Since[phase]
		rows = append(rows, []string{string(phase), since.UTC().Format(time.RFC3339), table.Age(since, v.Instance.LaunchTime) + " after launch"})
	}
	table.Write(w, []string{"PHASE", "SINCE", ""}, rows)
	under := ""
	if op := v.Operation; op != nil {
		under = fmt.Sprintf("%s (%s)", op.Kind, op.Reason)
	}
	held := ""
	if v.Hold.Lasts(now) {
		held = v.Hold.String()
	}
	prefetched := ""
	if v.Standby != nil {
		prefetched = images.Told(v.Standby.Prefetched)
	}
	for _, line := range []struct{ what, text string }{
		{"launched by", v.ScaleUp}, {"under way", under}, {"it is", held}, {"images", prefetched}, {"it leaves because", v.Reason}, {"trouble", v.Trouble},
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
