package workflows

import (
	"fmt"
	"strings"
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/reclaim"
)

// scaleUpDetails is a ScaleUp's current details: markdown for the UI.
func scaleUpDetails(v contract.ScaleUpView, trouble string) string {
	var b strings.Builder
	sayf(&b, "**%d of %d** machines of pool `%s` (%s): %s.", len(v.Instances), v.Count, v.Pool, v.Purpose, v.Phase)
	for _, line := range []string{trouble, v.Next, v.Reason} {
		if line != "" {
			b.WriteString("\n\n" + line)
		}
	}
	if len(v.Hops) > 0 {
		b.WriteString("\n\n| hop | step | capacity | asked | got | answers |\n|---|---|---|---|---|---|\n")
		for _, h := range v.Hops {
			sayf(&b, "| %d | %d | %s | %d | %d | %s |\n", h.Number, h.Step+1, h.CapacityType, h.Asked, h.Got, contract.Answers(h))
		}
	}
	if v.Phase == contract.ScaleUpLaunching && v.Chain != nil {
		for _, step := range v.Chain.Steps {
			if step.Skipped != "" {
				sayf(&b, "\n- step %d (%s) is skipped: %s", step.Index+1, step.CapacityType, step.Skipped)
			}
		}
	}
	for _, note := range v.Notes {
		b.WriteString("\n- " + note)
	}
	return b.String()
}

// provisionerDetails is a Provisioner's current details.
func provisionerDetails(v contract.ProvisionerView) string {
	var b strings.Builder
	b.WriteString(v.Doing)
	if v.Trouble != "" {
		b.WriteString("\n\n**Trouble:** " + v.Trouble)
	}
	if p := v.LastPlan; p != nil {
		sayf(&b, "\n\nPlan `%s` at %s: %d pods need room: %d fit on nodes there are, %d on launches in flight, %d on %d new launches ($%.3f/h), %d cannot be placed.",
			p.Plan, p.At.UTC().Format(time.RFC3339), p.Pending, p.OnNodes, p.InFlight, p.Launched, len(p.Launches), p.USDPerHour, p.UnplaceableCount)
		for _, problem := range p.Problems {
			b.WriteString("\n- " + problem)
		}
		for _, u := range p.Unplaceable {
			sayf(&b, "\n- `%s`%s: %s", u.Pod, more(u.Count), strings.Join(u.Reasons, "; "))
		}
	}
	for _, d := range v.Droughts {
		sayf(&b, "\n\n**Launches of pool `%s` are not filled** since %s: %d of them.", d.Pool, d.Since.UTC().Format(time.RFC3339), d.Launches)
		if !strings.Contains(v.Trouble, d.Reason) { // which says it already
			sayf(&b, " The last, `%s`, at %s: %s.", d.ScaleUp, d.At.UTC().Format(time.RFC3339), d.Reason)
		}
	}
	if len(v.Ledger) > 0 {
		b.WriteString("\n\n| launch in flight | pool | to come | launched |\n|---|---|---|---|\n")
		for _, e := range v.Ledger {
			sayf(&b, "| `%s` | %s | %d | %d |\n", e.ScaleUp, e.Pool, e.Open, len(e.Instances))
		}
	}
	return b.String()
}

// nodeDetails is a Node's current details.
func nodeDetails(v contract.NodeView) string {
	var b strings.Builder
	name := "not registered"
	if v.Node != nil {
		name = "`" + v.Node.Name + "`"
	}
	sayf(&b, "**%s** since %s. Node %s on `%s`: %s %s in %s at $%.4f/h, pool `%s`.",
		v.Phase, v.Since[v.Phase].UTC().Format(time.RFC3339), name, v.Instance.ID,
		v.Instance.CapacityType, v.Instance.InstanceType, v.Instance.Zone, v.Instance.USDPerHour, v.Pool)
	if v.Hold != nil {
		b.WriteString("\n\nIt is " + v.Hold.String() + ".")
	}
	if v.Standby != nil {
		b.WriteString("\n\n" + standbyWords(*v.Standby))
	}
	if v.Reclaim != nil {
		b.WriteString("\n\n" + reclaim.Verdict(*v.Reclaim))
		for _, r := range v.Reclaim.Asking {
			sayf(&b, "\n\nEC2 is being asked whether a notice (%s) is true: %s.", r.Source, reclaim.Reason(r))
		}
	}
	if v.Reason != "" {
		b.WriteString("\n\nIt leaves because " + v.Reason + ".")
	}
	if v.Trouble != "" {
		b.WriteString("\n\n**Trouble:** " + v.Trouble)
	}
	for _, note := range v.Notes {
		b.WriteString("\n- " + note)
	}
	return b.String()
}

// drainDetails are a Drain's details once it is over: what became of each pod.
func drainDetails(in contract.DrainInput, r contract.DrainResult) string {
	var b strings.Builder
	sayf(&b, "Node `%s` is drained: %d pods evicted, %d deleted past the deadline.", in.Node, r.Evicted, r.Deleted)
	switch {
	case r.Gone:
		b.WriteString(" The Node was gone.")
	case r.Left > 0:
		sayf(&b, " %d have not gone.", r.Left)
	}
	if r.Volumes > 0 {
		sayf(&b, " %d volumes are still attached.", r.Volumes)
	}
	if len(r.Pods) == 0 {
		return b.String()
	}
	b.WriteString("\n\n| pod | what became of it | at | evictions refused |\n|---|---|---|---|\n")
	for _, p := range r.Pods {
		sayf(&b, "| `%s` | %s | %s | %d |\n", p.Pod, p.What, p.At.UTC().Format(time.TimeOnly), p.Refused)
	}
	return b.String()
}

// standbyDetails is a Standby's current details.
func standbyDetails(v contract.StandbyView) string {
	var b strings.Builder
	sayf(&b, "Pool `%s` is to keep **%d hibernated** and **%d stopped**. %s", v.Pool, v.Hibernated, v.Stopped, v.Doing)
	if v.Trouble != "" {
		b.WriteString("\n\n**Trouble:** " + v.Trouble)
	}
	for _, f := range v.Fills {
		sayf(&b, "\n- `%s` is to bring %d to be %s", f.ScaleUp, f.Open, f.Tier)
	}
	if len(v.Machines) > 0 {
		b.WriteString("\n\n| machine | tier | is | since | |\n|---|---|---|---|---|\n")
		for _, m := range v.Machines {
			sayf(&b, "| `%s` | %s | %s %s | %s | %s %s |\n", m.Instance.ID, m.Tier, m.Phase, m.Verdict, m.Since.UTC().Format(time.RFC3339), m.Reason, m.Renewing)
		}
	}
	return b.String()
}

func more(count int) string {
	if count <= 1 {
		return ""
	}
	return fmt.Sprintf(" and %d alike", count-1)
}

// sayf is fmt.Fprintf by way of Sprintf, which workflowcheck knows to be deterministic.
func sayf(b *strings.Builder, format string, args ...any) {
	b.WriteString(fmt.Sprintf(format, args...))
}
