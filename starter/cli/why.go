package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/starter/explain"
	"floe.dev/floe/starter/table"
)

func whyCommand(a *app) *cobra.Command {
	return a.printsData(&cobra.Command{
		Use:   "why POD|NODE",
		Short: "Say why a pod is where it is and what is tried for it, or why a node is still there",
		Long: `Explain one pod, named as namespace/name or by a name that no other pod has: where it stands, what the scheduler said, what
a plan of now would do for it (nothing is bought), the launches under way for it with each hop and its answers, when the next
plan comes, and what would bring machines where launches found none. Of a pod that has a node: which machine that is, and
which launch brought it.

Explain one node, named as its Node or by its instance's ID: its life, and reason by reason whether it would leave voluntarily
now (unsound, empty, expired, drifted, return to spot, underused) and what is in the way: a clock, a hold, a budget, a
PodDisruptionBudget, an annotation, no room for its pods. The same by Temporal's own command line:
temporal workflow update execute --workflow-id disruption/CLUSTER --name why --input '{"node":"NODE"}'`,
		Example: "  floe why i-0123456789abcdef0\n  floe why shop/web-7d4b9-x2x7k\n  floe why web-0 -o json | jq '.launches[].hops'",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			w, err := a.worlds(cmd.Context())
			if err != nil {
				return err
			}
			defer w.close()
			if namesNode(cmd.Context(), w.kube, names[0]) {
				return a.whyNode(cmd.Context(), w, names[0])
			}
			answer, err := explain.Why(cmd.Context(), explain.Sources{
				Cluster: w.cluster.Name, Kube: w.kube, Temporal: w.temporal,
				DryRun: func(ctx context.Context, why string) (contract.PlanDigest, error) {
					digest, err := dryRun(ctx, w.temporal, w.cluster.Name, why)
					return digest, explainTemporal(err, "plan cluster "+w.cluster.Name)
				},
			}, names[0])
			if err != nil {
				return explainKube(err, w.cluster.Name, "explain pod "+names[0])
			}
			return a.print(answer, func(w io.Writer) { printAnswer(w, answer) })
		},
	})
}

func printAnswer(w io.Writer, a explain.Answer) {
	fmt.Fprintf(w, "%s: %s\n", a.Pod, a.Words)
	if a.Scheduler != "" {
		fmt.Fprintf(w, "the scheduler: %s\n", a.Scheduler)
	}
	if l := a.Life; l != nil {
		fmt.Fprintf(w, "its node is %s: %s %s in %s at $%s/h, pool %s, %s; launched by %s\n", l.Instance.ID,
			l.Instance.CapacityType, l.Instance.InstanceType, l.Instance.Zone, table.USD(l.Instance.USDPerHour), l.Pool, l.Phase, l.ScaleUp)
	}
	if a.Plan != nil {
		fmt.Fprint(w, "\nA plan of now: ")
		printWhy(w, a.Plan)
	}
	for _, l := range a.Launches {
		fmt.Fprint(w, "\nLaunch ")
		printLaunch(w, l.Workflow, l.ScaleUpView)
	}
	section(w, "would help", a.Help)
	if a.Trouble != "" {
		fmt.Fprintf(w, "\ntrouble: %s\n", a.Trouble)
	}
	if !a.Next.IsZero() {
		fmt.Fprintf(w, "\nnext plan: at %s at the latest\n", a.Next.UTC().Format(time.RFC3339))
	}
	section(w, "not checked", a.Unchecked)
}
