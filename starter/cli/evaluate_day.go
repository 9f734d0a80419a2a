package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/evaluate/day"
	"floe.dev/floe/starter/evaluate"
	"floe.dev/floe/starter/table"
)

func evaluateDay(a *app) *cobra.Command {
	var file, picture string
	cmd := a.printsData(&cobra.Command{
		Use:   "day",
		Short: "Live through a day of a pool: what leaves and returns, and what that costs",
		Long: `Live through a scenario in virtual time: services whose replicas follow curves, droughts, failures, reclaims. The
planner, the fallback chain, the offering memory and the decisions on disruption are the real ones; machines and prices are
synthetic. A day takes seconds, so that a pool's disruption can be tried before it is applied. docs/day.yaml in Floe's
repository is a scenario, and docs/disruption.md describes it. Nothing is asked of any cluster, Temporal or AWS.`,
		Example: `  floe evaluate day --scenario docs/day.yaml
  floe evaluate day --scenario mine.yaml --svg day.svg -o json`,
		Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if file == "" {
				return usageError{errors.New("--scenario is missing: name a scenario's file")}
			}
			s, err := evaluate.LoadDay(file)
			if err != nil {
				return fmt.Errorf("--scenario: %w", err)
			}
			report := day.Live(s)
			if picture != "" {
				if err := os.WriteFile(picture, day.SVG(s, report), 0o644); err != nil {
					return fmt.Errorf("--svg: %w", err)
				}
			}
			return a.print(report, func(w io.Writer) { printDay(w, s, report) })
		},
	})
	cmd.Flags().StringVar(&file, "scenario", "", "file that describes the day (YAML)")
	cmd.Flags().StringVar(&picture, "svg", "", "file to plot on-demand share, evictions and cost to")
	return cmd
}

// hourly is how many lines the table of a day has, about.
const hourly = 24

func printDay(w io.Writer, s *day.Scenario, r *day.Report) {
	var rows [][]string
	every := max(1, len(r.Samples)/hourly)
	shrunk, returned, bought := 0, 0, 0
	for i, sample := range r.Samples {
		shrunk, returned, bought = shrunk+sample.Shrunk, returned+sample.Returned, bought+sample.Bought
		if i%every != 0 {
			continue
		}
		at := s.Start.Add(time.Duration(sample.Seconds * float64(time.Second)))
		rows = append(rows, []string{
			at.Format("Jan 2 15:04"), fmt.Sprint(sample.Pods), fmt.Sprint(sample.Waiting), fmt.Sprint(sample.Spot), fmt.Sprint(sample.OnDemand),
			table.USD(sample.USDPerHour), fmt.Sprint(bought), fmt.Sprint(shrunk), fmt.Sprint(returned), fmt.Sprint(sample.Evictions),
		})
		shrunk, returned, bought = 0, 0, 0
	}
	table.Write(w, []string{"TIME", "PODS", "WAITING", "SPOT", "ON-DEMAND", "USD/H", "BOUGHT", "SHRUNK", "RETURNED", "EVICTED SO FAR"}, rows)
	fmt.Fprintf(w, "\n$%.2f in all ($%.2f where nothing may leave); %s of machine-hours on demand.\n", r.USD, r.USDIfNothingLeft, percent(r.OnDemandShare))
	fmt.Fprintf(w, "%s bought by %s, %d of them refused; %s taken back.\n", plural(r.Bought, "machine"), plural(r.Calls, "launch call"), r.Refused, plural(r.Reclaimed, "machine"))
	fmt.Fprintf(w, "Pods waited %.0fs (p50), %.0fs (p99), %.0fs at most, to a step of %s; %d wait still. %s.\n",
		r.WaitP50, r.WaitP99, r.WaitMax, s.Step.Duration, r.Waiting, plural(r.Evictions, "eviction"))
	for _, reason := range v1alpha1.DisruptionReasons {
		if n := r.Granted[reason]; n > 0 {
			fmt.Fprintf(w, "let go as %s: %d\n", reason, n)
		}
	}
}
