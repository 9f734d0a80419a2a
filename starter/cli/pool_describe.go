package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/starter/pools"
	"floe.dev/floe/starter/table"
)

func poolDescribeCommand(a *app) *cobra.Command {
	return a.printsData(&cobra.Command{
		Use:   "describe POOL",
		Short: "Show one pool: what it asks for, its chain as it expands now, its machines, launches and problems",
		Long: `Show one pool from all sides: requirements and limits, each step of its chain with the offerings that a launch of now
would try, its machines by phase, capacity type and zone, launches in flight, pods that wait for them and pods that it
cannot hold, offerings in back-off, quotas of the account that launches met, and what is wrong with it.

It calls EC2 with the SDK's own credentials and the configuration's role, and reads the store; what does not answer is
named at the end. Nothing is changed.`,
		Example: "  floe pool describe general\n  floe pool describe general -o json | jq '.steps[] | {capacityType, skipped, offerings: (.overrides | length)}'",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			w, err := a.worlds(cmd.Context())
			if err != nil {
				return err
			}
			defer w.close()
			d, err := pools.Describe(cmd.Context(), pools.Sources{
				Config: w.config, Cluster: w.cluster, Kube: w.kube, Pools: w.pools, Temporal: w.temporal,
			}, names[0])
			if apierrors.IsNotFound(err) {
				return fmt.Errorf("cluster %s has no NodePool %s: floe pool list shows those there are", w.cluster.Name, names[0])
			} else if err != nil {
				return explainKube(err, w.cluster.Name, "describe pool "+names[0])
			}
			return a.print(d, func(out io.Writer) { printDescription(out, d, time.Now()) })
		},
	})
}

func printDescription(w io.Writer, d pools.Description, now time.Time) {
	spec := &d.Pool.Spec
	template := templateName(spec.LaunchTemplate)
	if d.Template != nil {
		template += fmt.Sprintf(" (version %s, %s)", d.Template.Version, d.Template.ImageID)
	}
	table.Write(w, []string{"POOL", "WEIGHT", "ACCOUNT", "REGION", "TEMPLATE", "SUBNETS", "AGE"}, [][]string{{
		d.Pool.Name, strconv.Itoa(int(spec.Weight)), d.Account, d.Region, template, strconv.Itoa(len(spec.Subnets)),
		table.Age(now, d.Pool.CreationTimestamp.Time),
	}})
	section(w, "problem", d.Problems)
	var required []string
	for _, r := range spec.Requirements {
		required = append(required, catalog.RequirementWords(r))
	}
	section(w, "requires", required)
	fmt.Fprintln(w)
	printUse(w, d)
	fmt.Fprintln(w)
	printSteps(w, d)
	printPoolNodes(w, d)
	printPoolDemand(w, d, now)
	var waits [][]string
	for _, b := range d.BackOff {
		waits = append(waits, []string{b.InstanceType, b.ZoneID, string(b.CapacityType), b.Until.UTC().Format(time.RFC3339)})
	}
	if len(waits) > 0 {
		fmt.Fprintln(w)
	}
	table.Write(w, []string{"IN BACK-OFF", "ZONE ID", "CAPACITY", "UNTIL"}, waits)
	printQuotas(w, d.Quotas)
	section(w, "not checked", d.Unchecked)
}

// printQuotas shows what the account may not, by the answers that its launches got.
func printQuotas(w io.Writer, quotas []contract.Quota) {
	var rows [][]string
	for _, q := range quotas {
		rows = append(rows, []string{
			q.Code, q.Account, q.Region, string(q.CapacityType), some(q.Types, 3), q.At.UTC().Format(time.RFC3339), q.Until.UTC().Format(time.RFC3339),
		})
	}
	if len(rows) > 0 {
		fmt.Fprintln(w)
	}
	table.Write(w, []string{"QUOTA", "ACCOUNT", "REGION", "CAPACITY", "TYPES", "MET", "UNTIL"}, rows)
}

// section writes lines that each begin with the same word.
func section(w io.Writer, what string, lines []string) {
	if len(lines) > 0 {
		fmt.Fprintln(w)
	}
	for _, line := range lines {
		fmt.Fprintf(w, "%s: %s\n", what, line)
	}
}

func printUse(w io.Writer, d pools.Description) {
	var rows [][]string
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, v1alpha1.ResourceNodes} {
		used, limit := d.Use[name], "none"
		if q, ok := d.Pool.Spec.Limits[name]; ok {
			limit = q.String()
		}
		rows = append(rows, []string{string(name), used.String(), limit})
	}
	table.Write(w, []string{"RESOURCE", "USED", "LIMIT"}, rows)
}

// printSteps shows the chain as it expands now, or where that is not known, as it was written.
func printSteps(w io.Writer, d pools.Description) {
	var rows [][]string
	for i, step := range d.Pool.Spec.Fallback {
		row := []string{strconv.Itoa(i + 1), string(step.CapacityType), "", "", "", "", ""}
		var narrowed []string
		for _, r := range step.Requirements {
			narrowed = append(narrowed, catalog.RequirementWords(r))
		}
		if i < len(d.Steps) {
			row[2] = strconv.Itoa(len(d.Steps[i].Overrides))
			row[3], row[4], row[5] = offers(d.Steps[i].Overrides)
			if why := d.Steps[i].Skipped; why != "" {
				narrowed = append(narrowed, "skipped: "+why)
			}
		}
		row[6] = strings.Join(narrowed, "; ")
		rows = append(rows, row)
	}
	table.Write(w, []string{"STEP", "CAPACITY", "OFFERINGS", "TYPES", "ZONES", "$/H FROM", "NARROWED"}, rows)
}

// offers sums a step's offerings up: types, the best first, zones, and the lowest price.
func offers(overrides []contract.Override) (types, zones, from string) {
	var names, places []string
	least := 0.0
	for _, o := range overrides {
		if !slices.Contains(names, o.InstanceType) {
			names = append(names, o.InstanceType)
		}
		if !slices.Contains(places, o.Zone) {
			places = append(places, o.Zone)
		}
		if least == 0 || o.USDPerHour < least {
			least = o.USDPerHour
		}
	}
	slices.Sort(places)
	return some(names, 3), strings.Join(places, ","), table.USD(least)
}

func printPoolNodes(w io.Writer, d pools.Description) {
	var rows [][]string
	count := 0
	for _, g := range d.Nodes {
		count += g.Count
		phase := string(g.Phase)
		if phase == "" {
			phase = "unowned"
		}
		rows = append(rows, []string{phase, string(g.CapacityType), g.Zone, strconv.Itoa(g.Count), table.USD(g.USDPerHour)})
	}
	fmt.Fprintln(w)
	table.Write(w, []string{"PHASE", "CAPACITY", "ZONE", "NODES", "$/H"}, rows)
	fmt.Fprintf(w, "%d nodes, $%.4f/h\n", count, d.USDPerHour)
}

// printPoolDemand shows launches in flight, and the pods that wait.
func printPoolDemand(w io.Writer, d pools.Description, now time.Time) {
	var rows [][]string
	for _, l := range d.Launches {
		rows = append(rows, []string{
			l.ScaleUp, string(l.Purpose), table.Age(now, l.Opened), strconv.Itoa(l.Open), strconv.Itoa(len(l.Instances)), strconv.Itoa(l.PodCount),
		})
	}
	if len(rows) > 0 {
		fmt.Fprintln(w)
	}
	table.Write(w, []string{"LAUNCH IN FLIGHT", "PURPOSE", "AGE", "TO COME", "LAUNCHED", "PODS"}, rows)
	if len(d.Unplaceable) > 0 {
		fmt.Fprintln(w, "\nCannot hold:")
	}
	for _, u := range d.Unplaceable {
		fmt.Fprintf(w, "  %s%s: %s\n", u.Pod, alike(u.Count), strings.Join(u.Reasons, "; "))
	}
}
