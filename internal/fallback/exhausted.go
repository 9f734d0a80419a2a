package fallback

import (
	"fmt"
	"strings"

	"floe.dev/floe/api/contract"
)

// maxTold is how many steps and how many hops Exhausted tells of: it goes through the Provisioner's history, and the
// ScaleUp itself shows all of them.
const maxTold = 6

// Exhausted says in words why a chain that was walked to its end did not bring all machines, and what would help where
// the chain knows.
func Exhausted(v contract.ScaleUpView) string {
	said := []string{fmt.Sprintf("the chain's end is reached with %d of %d machines", len(v.Instances), v.Count)}
	if v.Chain != nil {
		var skipped []string
		for _, step := range v.Chain.Steps {
			if step.Skipped != "" {
				skipped = append(skipped, fmt.Sprintf("step %d (%s) was skipped: %s", step.Index+1, step.CapacityType, step.Skipped))
			}
		}
		said = append(said, some(skipped, "steps")...)
	}
	var hops []string
	for _, h := range v.Hops {
		hops = append(hops, fmt.Sprintf("hop %d (%s): %s", h.Number, h.CapacityType, contract.Answers(h)))
	}
	said = append(said, some(hops, "hops")...)
	if v.Chain != nil && len(v.Chain.Help) > 0 {
		said = append(said, "what would help: "+strings.Join(v.Chain.Help, ", or "))
	}
	return strings.Join(said, "; ")
}

func some(all []string, what string) []string {
	if len(all) <= maxTold {
		return all
	}
	return append(all[:maxTold:maxTold], fmt.Sprintf("and %d %s more", len(all)-maxTold, what))
}
