package fallback

import (
	"fmt"
	"slices"

	"floe.dev/floe/api/contract"
)

// Walk is a chain that is being walked: what of each step is left to be asked for, while hops are under way. It does no
// more than remember, and decides the same on every replay.
type Walk struct {
	chain contract.Chain
	left  []rest
	// refused are offerings that a hop was told no for: no later step asks for them again.
	refused map[contract.Offering]bool
	// asked are the offerings of hops under way.
	asked map[contract.Offering]bool
}

// rest is what is left of a step.
type rest struct {
	overrides []contract.Override
	claim     bool
	skipped   bool
}

// NewWalk begins at the chain's first step.
func NewWalk(chain contract.Chain) *Walk {
	w := &Walk{
		chain: chain, left: make([]rest, len(chain.Steps)),
		refused: map[contract.Offering]bool{}, asked: map[contract.Offering]bool{},
	}
	for i, step := range chain.Steps {
		w.left[i] = rest{overrides: step.Overrides, claim: step.Claims()}
	}
	return w
}

// Next takes what the next hop is to ask for: the first step that has something left, without the offerings that were
// refused and those that a hop under way asks for. ok is false where there is none, now or at all. Every step that it
// gives must come back by Answered.
func (w *Walk) Next() (step contract.Step, ok bool) {
	for i := range w.left {
		l := &w.left[i]
		if l.skipped {
			continue
		}
		step = w.chain.Steps[i]
		if l.claim {
			l.claim = false
			return step, true
		}
		step.Overrides = nil
		var later []contract.Override
		for _, o := range l.overrides {
			switch {
			case w.asked[o.Offering]:
				later = append(later, o)
			case !w.refused[o.Offering]:
				step.Overrides = append(step.Overrides, o)
			}
		}
		if len(step.Overrides) == 0 {
			continue
		}
		l.overrides = later
		for _, o := range step.Overrides {
			w.asked[o.Offering] = true
		}
		return step, true
	}
	return contract.Step{}, false
}

// Ended reports whether nothing is left to be asked for, now or when the hops under way are answered.
func (w *Walk) Ended() bool {
	return !slices.ContainsFunc(w.left, func(l rest) bool {
		return !l.skipped && (l.claim || slices.ContainsFunc(l.overrides, func(o contract.Override) bool { return !w.refused[o.Offering] }))
	})
}

// Answered takes the answer to a step that Next gave: what of it is worth another hop (see Rest) is left to be asked for.
func (w *Walk) Answered(step contract.Step, outcomes []contract.Outcome, got int) {
	for _, o := range step.Overrides {
		delete(w.asked, o.Offering)
	}
	if w.chain.Version > 0 {
		for _, o := range outcomes {
			if refuses(o.Answer) {
				w.refused[o.Offering] = true
			}
		}
	}
	l := &w.left[step.Index]
	l.overrides = slices.Concat(Rest(step, outcomes, got).Overrides, l.overrides)
}

// Skip leaves a step out, from now on. The error says what would be right.
func (w *Walk) Skip(index int) error {
	if err := w.check(index); err != nil {
		return err
	}
	w.left[index].skipped = true
	return nil
}

// Use goes on with a step and those after it, in order; what was before it is not tried any more. The step is tried
// whole, also where it was tried or skipped before. The error says what would be right, or why the step has nothing that
// could be tried.
func (w *Walk) Use(index int) error {
	if err := w.check(index); err != nil {
		return err
	}
	step := w.chain.Steps[index]
	if step.Skipped != "" {
		return fmt.Errorf("it has nothing to try: %s", step.Skipped)
	}
	for i := range index {
		w.left[i] = rest{}
	}
	w.left[index] = rest{overrides: step.Overrides, claim: step.Claims()}
	for _, o := range step.Overrides {
		delete(w.refused, o.Offering)
	}
	for i := index + 1; i < len(w.left); i++ {
		later := w.chain.Steps[i]
		w.left[i] = rest{overrides: later.Overrides, claim: later.Claims(), skipped: w.left[i].skipped}
	}
	return nil
}

func (w *Walk) check(index int) error {
	if index < 0 || index >= len(w.chain.Steps) {
		return fmt.Errorf("the chain has no step of index %d; the indexes are 0 to %d", index, len(w.chain.Steps)-1)
	}
	return nil
}
