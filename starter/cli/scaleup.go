package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/starter/fleet"
	"floe.dev/floe/starter/table"
)

func scaleUpCommand(a *app) *cobra.Command {
	verbs := []*cobra.Command{scaleUpListCommand(a), scaleUpDescribeCommand(a)}
	for _, s := range steerings {
		verbs = append(verbs, steeringCommand(a, s))
	}
	return group("scaleup", "Look at launches and steer them along their chains",
		"  floe scaleup list\n  floe scaleup use-now scaleup/prod/0a1b2c3d-7/0 3", verbs...)
}

func scaleUpListCommand(a *app) *cobra.Command {
	all := false
	cmd := a.printsData(&cobra.Command{
		Use:     "list",
		Short:   "List launches: what they were asked for, what they have, and what comes next",
		Long:    "List the launches of a cluster that are under way; with --all those that have ended too, for as long as Temporal keeps them.",
		Example: "  floe scaleup list\n  floe scaleup list --all -o json | jq -r '.[] | select(.phase == \"exhausted\").reason'",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withTemporal(cmd.Context(), func(ctx context.Context, c client.Client, cluster string) error {
				launches, err := fleet.Launches(ctx, c, cluster)
				if err != nil {
					return explainTemporal(err, "list launches")
				}
				shown := []fleet.Launch{}
				for _, l := range launches {
					if all || !l.Ended() {
						shown = append(shown, l)
					}
				}
				return a.print(shown, func(w io.Writer) { printLaunches(w, shown, time.Now()) })
			})
		},
	})
	cmd.Flags().BoolVar(&all, "all", false, "those that have ended too")
	return cmd
}

func printLaunches(w io.Writer, launches []fleet.Launch, now time.Time) {
	if len(launches) == 0 {
		fmt.Fprintln(w, "no launches")
		return
	}
	var rows [][]string
	for _, l := range launches {
		words := l.Next
		if l.Reason != "" {
			words = l.Reason
		}
		rows = append(rows, []string{
			l.Workflow, l.Pool, string(l.Purpose), table.Age(now, l.Started), string(l.Phase),
			fmt.Sprintf("%d of %d", len(l.Instances), l.Count), strconv.Itoa(len(l.Hops)), words,
		})
	}
	table.Write(w, []string{"LAUNCH", "POOL", "PURPOSE", "AGE", "PHASE", "MACHINES", "HOPS", ""}, rows)
}

func scaleUpDescribeCommand(a *app) *cobra.Command {
	return a.printsData(&cobra.Command{
		Use:   "describe ID",
		Short: "Show one launch: each hop of its chain with the answers, its machines, what is next",
		Long: `Show one launch, as its workflow tells it; also after it has ended, for as long as Temporal keeps the history.

The same by Temporal's own command line: temporal workflow query --workflow-id ID --type chain`,
		Example: "  floe scaleup describe scaleup/prod/0a1b2c3d-7/0",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.withTemporal(cmd.Context(), func(ctx context.Context, c client.Client, _ string) error {
				value, err := c.QueryWorkflow(ctx, ids[0], "", contract.QueryChain)
				if err != nil {
					return explainScaleUp(err, ids[0])
				}
				var view contract.ScaleUpView
				if err := value.Get(&view); err != nil {
					return err
				}
				return a.print(view, func(w io.Writer) { printLaunch(w, ids[0], view) })
			})
		},
	})
}

// printLaunch is printScaleUp with what is told of a launch beside its machines.
func printLaunch(w io.Writer, id string, v contract.ScaleUpView) {
	printScaleUp(w, id, v)
	if v.Chain != nil {
		for _, step := range v.Chain.Steps {
			if step.Skipped != "" {
				fmt.Fprintf(w, "\nstep %d (%s) is skipped: %s", step.Index+1, step.CapacityType, step.Skipped)
			}
		}
	}
	for _, line := range []struct{ what, text string }{{"next", v.Next}, {"it ended", v.Reason}} {
		if line.text != "" {
			fmt.Fprintf(w, "\n%s: %s", line.what, line.text)
		}
	}
	for _, note := range v.Notes {
		fmt.Fprintf(w, "\n- %s", note)
	}
	fmt.Fprintln(w)
}

// steering is a signal of the ScaleUp workflow as a command.
type steering struct {
	signal, short, long string
	// payload that Temporal's own command line sends.
	payload string
	example string
	// step: the command names a step; otherwise it is an operation with a reason.
	step bool
	// flags adds those that are the signal's own; may be nil.
	flags func(*pflag.FlagSet, *contract.Operation)
}

var steerings = []steering{
	{
		contract.SignalSkipStep, "Do not try a step of a launch's chain (any more)",
		"Leave a step out of a launch's chain. A hop that is under way on it is not broken off.",
		`{"step":0}`, "1", true, nil,
	},
	{
		contract.SignalUseNow, "Try a step of a launch's chain now, then those after it",
		`Go on with a step now, and after it with those behind it in order; what was before it is not tried any more. A hop under
way goes on beside it, and what both bring too much is given back. A hold is ended. The step is tried whole, also where it
was skipped or refused before.`,
		`{"step":2}`, "3", true, nil,
	},
	{
		contract.SignalHold, "Begin no new hop of a launch",
		`Hold a launch: no new hop of its chain begins until the hold's end. Hops under way are finished, and what they bring is
kept. A launch that stands still for more than an hour no longer counts as room on its way: its pods are planned for anew.`,
		`{"by":"alice","reason":"quota","for":"10m"}`, "--for 10m --reason 'quota is being raised'", false,
		func(flags *pflag.FlagSet, op *contract.Operation) {
			flags.DurationVar(&op.For.Duration, "for", 0, "how long (default: until floe scaleup release)")
		},
	},
	{
		contract.SignalRelease, "End a launch's hold", "End a launch's hold: its chain goes on.",
		`{"by":"alice"}`, "", false, nil,
	},
}

func steeringCommand(a *app, s steering) *cobra.Command {
	var op contract.Operation
	use, count := s.signal+" ID", 1
	if s.step {
		use, count = use+" STEP", 2
	}
	cmd := &cobra.Command{
		Use:   use,
		Short: s.short,
		Long: s.long + `

The same by Temporal's own command line, where steps count from 0 and here from 1, as the tables show them:
temporal workflow signal --workflow-id ID --name ` + s.signal + ` --input '` + s.payload + `'`,
		Example: "  floe scaleup " + s.signal + " scaleup/prod/0a1b2c3d-7/0 " + s.example,
		Args:    args(cobra.ExactArgs(count)),
		RunE: func(cmd *cobra.Command, given []string) error {
			var payload any = &op
			if s.step {
				step, err := strconv.Atoi(given[1])
				if err != nil || step < 1 {
					return usageError{fmt.Errorf("step %q: give its number, from 1, as floe scaleup describe shows it", given[1])}
				}
				payload = contract.SkipStep{Step: step - 1}
			}
			if op.For.Duration < 0 {
				return usageError{fmt.Errorf("--for %s is in the past: give a duration such as 10m", op.For.Duration)}
			}
			op.By = whoAsks()
			return a.withTemporal(cmd.Context(), func(ctx context.Context, c client.Client, _ string) error {
				if err := c.SignalWorkflow(ctx, given[0], "", s.signal, payload); err != nil {
					return explainScaleUp(err, given[0])
				}
				_, err := fmt.Fprintf(a.out, "told %s; see: floe scaleup describe %s\n", given[0], given[0])
				return err
			})
		},
	}
	if !s.step {
		cmd.Flags().StringVar(&op.Reason, "reason", "by hand", "why, for whoever reads the launch's history")
	}
	if s.flags != nil {
		s.flags(cmd.Flags(), &op)
	}
	return cmd
}

// withTemporal does something that needs Temporal alone, within answerTimeout.
func (a *app) withTemporal(ctx context.Context, do func(ctx context.Context, c client.Client, cluster string) error) error {
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
	return do(ctx, temporal, cluster.Name)
}

func explainScaleUp(err error, id string) error {
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return fmt.Errorf("there is no open launch %s: floe scaleup list shows those there are", id)
	}
	return explainTemporal(err, id)
}
