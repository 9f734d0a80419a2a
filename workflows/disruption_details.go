package workflows

import (
	"slices"
	"strings"
	"time"

	"floe.dev/floe/api/contract"
)

// disruptionDetails is a Disruption's current details.
func disruptionDetails(v contract.DisruptionView) string {
	const most = 30 // rows of a table: the query `state` has the rest
	var b strings.Builder
	b.WriteString(v.Doing)
	if v.Trouble != "" {
		b.WriteString("\n\n**Trouble:** " + v.Trouble)
	}
	sayf(&b, "\n\n%d nodes were let go of %d that were to leave.", v.Ended, v.Grants)
	if len(v.Leaving) > 0 {
		b.WriteString("\n\n| leaves | pool | reason | since | by | its machine |\n|---|---|---|---|---|---|\n")
		for _, l := range v.Leaving[:min(most, len(v.Leaving))] {
			by := l.Workflow
			if by == "" {
				by = contract.NodeID(v.Cluster, l.Instance)
			}
			sayf(&b, "| %s | %s | %s: %s | %s | `%s` | %s |\n", l.Node, l.Pool, l.Reason, l.Words, l.Since.UTC().Format(time.RFC3339), by, l.Fate)
		}
	}
	if len(v.Departed) > 0 {
		b.WriteString("\n\n| left | pool | reason | at | its machine |\n|---|---|---|---|---|\n")
		for _, g := range slices.Backward(v.Departed) {
			sayf(&b, "| %s | %s | %s | %s | %s |\n", g.Node, g.Pool, g.Reason, g.At.UTC().Format(time.RFC3339), g.Fate)
		}
	}
	if v.RefusedCount > 0 {
		sayf(&b, "\n\n%d would leave and may not:\n\n| node | pool | reason | why not |\n|---|---|---|---|\n", v.RefusedCount)
		for _, r := range v.Refused[:min(most, len(v.Refused))] {
			sayf(&b, "| %s | %s | %s | %s |\n", r.Node, r.Pool, r.Reason, r.Why)
		}
	}
	return b.String()
}
