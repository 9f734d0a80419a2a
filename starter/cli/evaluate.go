package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	evaluation "floe.dev/floe/internal/evaluate"
	"floe.dev/floe/starter/evaluate"
	"floe.dev/floe/starter/table"
)

func evaluateCommand(a *app) *cobra.Command {
	return group("evaluate", "Replay recorded markets and see what each way would have cost",
		"  floe evaluate fallback --traces recordings/\n  floe evaluate day --scenario docs/day.yaml", evaluateFallback(a), evaluateDay(a))
}

func evaluateFallback(a *app) *cobra.Command {
	request := evaluate.Request{Options: evaluation.DefaultOptions()}
	o := &request.Options
	cmd := a.printsData(&cobra.Command{
		Use:   "fallback",
		Short: "Compare ways of falling back from spot on recorded availability",
		Long: `Replay recordings of spot availability in virtual time, and tell for Floe's chain and memory, for other autoscalers
and for an oracle that knows the recordings: how long a missing machine was missing, how many launch calls were made and
refused, how much of the service on-demand machines gave although spot could be had, and what an hour of service cost.

Each file (*.json, at any depth) is one offering:
  {"metadata": {"gap_seconds": 600, "capacity_type": "spot"}, "data": [0, 1, 1, 2]}
data is how many instances could be had, and kept, at each tick: 0 is ICE, and a fall takes machines back. A file's name
says zone and type, as us-east-1a_m5.large.json. capacity_type is spot unless it says on-demand: on-demand machines can be
had always, unless a recording of their zone and type says otherwise. Nothing is asked of any cluster, Temporal or AWS.`,
		Example: `  floe evaluate fallback --traces recordings/
  floe evaluate fallback --traces recordings/ --policy floe,karpenter --demand 20 --boot 2m -o json
  floe evaluate fallback --traces recordings/ --folds 4 --curve`,
		Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if len(request.Folders) == 0 {
				return usageError{errors.New("--traces is missing: name a folder of recordings")}
			}
			for _, p := range request.Policies {
				if !slices.Contains(evaluation.Policies(), p) {
					return usageError{fmt.Errorf("--policy %q: use some of %s", p, strings.Join(evaluation.Policies(), ", "))}
				}
			}
			if err := o.Validate(); err != nil {
				return usageError{err}
			}
			report, err := evaluate.Fallback(request)
			if err != nil {
				return err
			}
			return a.print(report, func(w io.Writer) { printEvaluation(w, report) })
		},
	})
	flags := cmd.Flags()
	flags.StringSliceVar(&request.Folders, "traces", nil, "folder of recordings; may be given more than once")
	flags.StringSliceVar(&request.Policies, "policy", evaluation.Policies(), "policies to compare")
	flags.IntVar(&o.Demand, "demand", o.Demand, "machines wanted in service at all times")
	flags.DurationVar(&o.Boot, "boot", o.Boot, "time from a launch to service")
	flags.DurationVar(&o.Call, "call", o.Call, "time that a launch call takes, of every policy")
	flags.Float64Var(&o.SpotDiscount, "spot-discount", o.SpotDiscount, "share by which spot is cheaper than on-demand")
	flags.Float64Var(&o.OnDemandUSD, "on-demand-usd", o.OnDemandUSD, "price of an on-demand machine, USD an hour")
	flags.DurationVar(&o.For, "for", o.For, "length of the replay; 0 is that of the longest recording, and shorter ones begin again at their end")
	flags.IntVar(&o.Rounds, "rounds", o.Rounds, "times that each policy lives through the recordings; EC2 chooses at random among equals")
	flags.Uint64Var(&o.Seed, "seed", o.Seed, "seed of what is random")
	flags.DurationVar(&o.Rules.Base, "wait", o.Rules.Base, "Floe's back-off after the first ICE")
	flags.DurationVar(&o.Rules.Cap, "wait-max", o.Rules.Cap, "Floe's longest back-off")
	flags.DurationVar(&o.Restart, "karpenter-restart", o.Restart, "time between Karpenter's restarts, at which it forgets; 0 is never")
	flags.DurationVar(&o.ReturnAfter, "return-after", o.ReturnAfter, "age at which fixed-return drains an on-demand machine")
	flags.IntVar(&request.Folds, "folds", 0, "cross-validate: tune Floe's waits on all parts but one of so many, and report on that one")
	flags.BoolVar(&request.Curve, "curve", false, "tell cost and refused calls over the length of Floe's waits")
	_ = cmd.RegisterFlagCompletionFunc("policy", cobra.FixedCompletions(evaluation.Policies(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func printEvaluation(w io.Writer, r *evaluate.Report) {
	longest := 0.0
	for _, recording := range r.Recordings {
		longest = max(longest, recording.Days)
	}
	fmt.Fprintf(w, "%s, the longest of %.1f days.\n\n", plural(len(r.Recordings), "recording"), longest)
	printFigures(w, r.Figures)
	if r.Goals != nil {
		printGoals(w, *r.Goals)
	}
	for i, f := range r.Folds {
		fmt.Fprintf(w, "\nFold %d of %d, held out: %s.\nTuned on the others to waits of %s to %s:\n\n",
			i+1, len(r.Folds), strings.Join(f.HeldOut, ", "), seconds(f.Tuned.Wait), seconds(f.Tuned.WaitMax))
		shipped := f.Shipped
		shipped.Policy += " (as shipped)"
		printFigures(w, append(slices.Clone(f.Figures), shipped))
		printGoals(w, f.Goals)
	}
	if len(r.Curve) > 0 {
		fmt.Fprint(w, "\nFloe over the length of its waits:\n\n")
		var rows [][]string
		for _, p := range r.Curve {
			rows = append(rows, append([]string{seconds(p.Wait), seconds(p.WaitMax)}, cells(p.Figures)...))
		}
		table.Write(w, append([]string{"WAIT", "LONGEST"}, figuresHeading...), rows)
	}
}

var figuresHeading = []string{
	"P50", "P99", "MAX", "CALLS/H", "REFUSED/H", "ICES/H", "ON-DEMAND", "REGRET", "UNSERVED", "USD/H", "OVER ORACLE", "INTERRUPTIONS/DAY",
}

func printFigures(w io.Writer, figures []evaluation.Figures) {
	var rows [][]string
	for _, f := range figures {
		rows = append(rows, append([]string{f.Policy}, cells(f)...))
	}
	table.Write(w, append([]string{"POLICY"}, figuresHeading...), rows)
}

func cells(f evaluation.Figures) []string {
	return []string{
		fmt.Sprintf("%.1fs", f.P50), fmt.Sprintf("%.1fs", f.P99), fmt.Sprintf("%.0fs", f.Max),
		fmt.Sprintf("%.2f", f.CallsPerHour), fmt.Sprintf("%.2f", f.RefusedPerHour), fmt.Sprintf("%.2f", f.ICEsPerHour),
		percent(f.OnDemand), percent(f.Regret), percent(f.Unserved), table.USD(f.USDPerHour), percent(f.OverOracle),
		fmt.Sprintf("%.1f", f.InterruptionsPerDay),
	}
}

// printGoals says how Floe did beside the others.
func printGoals(w io.Writer, g evaluation.Goals) {
	fmt.Fprintf(w, "\nFloe beside the others: time to capacity p99 %.3f of cluster-autoscaler's (goal 0.1) and %.2f of Karpenter's (below 1), "+
		"refused calls %.2f of Karpenter's (0.5), cost %s over the oracle's (10%%).\n",
		g.P99OverAutoscaler, g.P99OverKarpenter, g.RefusedOverKarpenter, percent(g.OverOracle))
	for _, missed := range g.Missed {
		fmt.Fprintf(w, "missed: %s\n", missed)
	}
}

func percent(share float64) string { return fmt.Sprintf("%.1f%%", 100*share) }

func seconds(s float64) string { return time.Duration(s * float64(time.Second)).String() }
