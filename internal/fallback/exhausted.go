package fallback

import (
	"fmt"
	"strings"

	"floe.dev/floe/api/contract"
)

// Exhausted says in words why a chain that was walked to its end did not bring all machines.
func Exhausted(v contract.ScaleUpView) string {
	said := []string{fmt.Sprintf("the chain's end is reached with %d of %d machines", len(v.Instances), v.Count)}
	if v.Chain != nil {
		for _, step := range v.Chain.Steps {
			if step.Skipped != "" {
				said = append(said, fmt.Sprintf("step %d (%s) was skipped: %s", step.Index+1, step.CapacityType, step.Skipped))
			}
		}
	}
	for _, h := range v.Hops {
		said = append(said, fmt.Sprintf("hop %d (%s): %s", h.Number, h.CapacityType, contract.Answers(h)))
	}
	return strings.Join(said, "; ")
}
