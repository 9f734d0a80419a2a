package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/starter/plan"
	"floe.dev/floe/starter/table"
)

// maxRefused is how many kinds of pods that cannot be placed a table lists; -o json has them all.
const maxRefused = 50

// printPlan prints a plan for people; where a pod was asked for, what is to say of that pod alone.
func printPlan(w io.Writer, r *plan.Report) {
	if r.Why != nil {
		printWhy(w, r.Why)
		return
	}
	fmt.Fprintf(w, "%d pods need room: %d fit on nodes there are, %d on launches under way, %d on new machines, %d nowhere.\n",
		r.Pods, r.OnNodes, r.InFlight, r.Launched, r.UnschedulableCount)
	if r.Ignored > 0 {
		fmt.Fprintf(w, "%d pods are left out: they have a node or ended, are being deleted, wait for gates, or are a DaemonSet's.\n", r.Ignored)
	}
	for _, problem := range r.Problems {
		fmt.Fprintf(w, "problem: %s\n", problem)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
	if len(r.Launches) > 0 {
		bound := ""
		if r.LowerBoundUSDPerHour > 0 {
			bound = fmt.Sprintf("; no plan costs less than $%.4f/h", r.LowerBoundUSDPerHour)
		}
		fmt.Fprintf(w, "\nWould buy %s for $%.4f/h%s:\n", plural(r.Nodes, "machine"), r.USDPerHour, bound)
		var rows [][]string
		for _, l := range r.Launches {
			rows = append(rows, []string{
				l.Pool, strconv.Itoa(l.Count), some(l.InstanceTypes, 3), strings.Join(l.Zones, ","),
				table.USD(l.USDPerHour), strconv.Itoa(l.Pods), l.Reason,
			})
		}
		table.Write(w, []string{"POOL", "COUNT", "TYPES", "ZONES", "$/H EACH", "PODS", "WHY"}, rows)
	}
	printRefused(w, r.Unschedulable)
}

// printRefused lists pods that cannot be placed, those with the same reasons together.
func printRefused(w io.Writer, refused []plan.Unschedulable) {
	if len(refused) == 0 {
		return
	}
	fmt.Fprintln(w, "\nCannot be placed:")
	for shown := 0; len(refused) > 0; shown++ {
		if shown == maxRefused {
			fmt.Fprintf(w, "  and %d more: see -o json\n", count(refused))
			return
		}
		n := slices.IndexFunc(refused, func(u plan.Unschedulable) bool { return !slices.Equal(u.Reasons, refused[0].Reasons) })
		if n < 0 {
			n = len(refused)
		}
		fmt.Fprintf(w, "  %s%s\n", refused[0].Pod, alike(count(refused[:n])))
		for _, reason := range refused[0].Reasons {
			fmt.Fprintf(w, "    %s\n", reason)
		}
		refused = refused[n:]
	}
}

func count(refused []plan.Unschedulable) int {
	n := 0
	for _, u := range refused {
		n += u.Count
	}
	return n
}

// printWhy explains one pod.
func printWhy(w io.Writer, e *contract.Explanation) {
	fmt.Fprintf(w, "%s: %s", e.Pod, e.Place)
	if e.Beside > 0 {
		fmt.Fprintf(w, ", which it shares with %s", plural(e.Beside, "other pod"))
	}
	fmt.Fprintln(w)
	var rows [][]string
	header := []string{"", "POOL", "TYPE", "CAPACITY", "STEP", "ZONES", "$/H", "MORE"}
	row := func(rank string, c *contract.Choice) {
		more := ""
		if e.Winner != nil && c != e.Winner {
			more = fmt.Sprintf("%+.4f", c.MoreUSDPerHour)
		}
		rows = append(rows, []string{
			rank, c.Pool, c.InstanceType, string(c.CapacityType), strconv.Itoa(c.Step), strings.Join(c.Zones, ","), table.USD(c.USDPerHour), more,
		})
		if c.RiskUSDPerHour > 0 {
			at := len(rows) - 1
			rows[at] = append(rows[at], fmt.Sprintf("%+.4f", c.RiskUSDPerHour))
			header = append(header[:8], "RECLAIMS")
		}
	}
	next := "instead"
	if e.Winner != nil {
		row("winner", e.Winner)
	} else if len(e.Next) > 0 {
		fmt.Fprintln(w, "If it did not fit there, what would be bought for it alone:")
		next = "next"
	}
	for i := range e.Next {
		row(next, &e.Next[i])
	}
	table.Write(w, header, rows)
	for _, pool := range e.Pools {
		fmt.Fprintln(w, pool)
	}
}

// plural counts things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
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
