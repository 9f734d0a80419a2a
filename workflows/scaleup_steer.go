package workflows

import (
	"cmp"
	"fmt"

	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
)

// steering is a person's hand on a launch.
type steering struct {
	skip, use, hold, release workflow.ReceiveChannel
	// now is set where a step is to be tried at once, whatever is under way.
	now bool
}

func steer(ctx workflow.Context) steering {
	signal := func(name, description string) workflow.ReceiveChannel {
		return workflow.GetSignalChannelWithOptions(ctx, name, workflow.SignalChannelOptions{Description: description})
	}
	return steering{
		skip:    signal(contract.SignalSkipStep, `Do not try a step of the chain (any more): {"step": 0}`),
		use:     signal(contract.SignalUseNow, `Try a step of the chain now, then those after it: {"step": 2}. It ends a hold.`),
		hold:    signal(contract.SignalHold, `Begin no new hop: {"by": "alice", "reason": "…", "for": "10m"}; without for, until it is released.`),
		release: signal(contract.SignalRelease, `End a hold: {"by": "alice"}`),
	}
}

// heard reports whether a signal waits to be taken.
func (s *steering) heard() bool {
	return s.skip.Len() > 0 || s.use.Len() > 0 || s.hold.Len() > 0 || s.release.Len() > 0
}

// hear takes a person's signals. What came while the chain was being opened is taken when it is.
func (s *scaleUp) hear(ctx workflow.Context, chain contract.Chain) {
	drain(s.steering.skip, func(in contract.SkipStep) {
		s.note(fmt.Sprintf("step %d (index %d) is not to be tried", in.Step+1, in.Step), s.path.Skip(in.Step))
	})
	drain(s.steering.hold, func(op contract.Operation) {
		hold := &contract.Hold{By: op.By, Reason: op.Reason, Since: workflow.Now(ctx)}
		if op.For.Duration > 0 {
			hold.Until = hold.Since.Add(op.For.Duration)
		}
		s.view.Hold = hold
		s.note(hold.String(), nil)
	})
	drain(s.steering.release, func(op contract.Operation) {
		s.view.Hold = nil
		s.note("released by "+cmp.Or(op.By, "an unnamed hand"), nil)
	})
	drain(s.steering.use, func(in contract.SkipStep) {
		err := s.path.Use(in.Step)
		s.note(fmt.Sprintf("step %d (index %d) is to be tried now", in.Step+1, in.Step), err)
		if err != nil {
			return
		}
		s.view.Hold, s.steering.now = nil, true
		for _, u := range s.under {
			if u.step.Claims() {
				u.until = workflow.Now(ctx) // its answer is not waited for any more
			}
		}
	})
}

// note keeps what was asked of the launch, and why it was not done where it was not.
func (s *scaleUp) note(what string, err error) {
	if err != nil {
		what += ", but " + err.Error()
	}
	s.view.Notes = append(s.view.Notes, what)
	if extra := len(s.view.Notes) - contract.MaxNotes; extra > 0 {
		s.view.Notes = s.view.Notes[extra:]
	}
}
