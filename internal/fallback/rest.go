package fallback

import (
	"slices"

	"floe.dev/floe/api/contract"
)

// Rest is what of a step is worth another hop after one that launched got machines, too few. Offerings that were
// refused are left out. A hop that launched nothing has told all the step can give: its rest is empty, and the chain goes
// on with the next step at once.
func Rest(step contract.Step, outcomes []contract.Outcome, got int) contract.Step {
	if got <= 0 {
		step.Overrides = nil
		return step
	}
	step.Overrides = slices.DeleteFunc(slices.Clone(step.Overrides), func(o contract.Override) bool {
		return slices.ContainsFunc(outcomes, func(out contract.Outcome) bool {
			return out.Offering == o.Offering && refuses(out.Answer)
		})
	})
	return step
}

// refuses reports whether an offering that answered so is not worth another try in this launch.
func refuses(a contract.Answer) bool {
	return a != contract.AnswerLaunched && a != contract.AnswerThrottled
}
