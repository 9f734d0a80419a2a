package aws

import (
	"floe.dev/floe/api/contract"
)

// tally counts an answer's instances and errors by offering.
type tally struct {
	order []contract.Offering
	byKey map[contract.Offering]*contract.Outcome
}

// newTally knows the hop's offerings, so that outcomes come in the order that the hop asked in.
func newTally(in contract.LaunchInput) *tally {
	t := &tally{byKey: map[contract.Offering]*contract.Outcome{}}
	for _, o := range in.Step.Overrides {
		t.know(o.Offering)
	}
	return t
}

func (t *tally) know(o contract.Offering) *contract.Outcome {
	outcome := t.byKey[o]
	if outcome == nil {
		outcome = &contract.Outcome{Offering: o}
		t.byKey[o] = outcome
		t.order = append(t.order, o)
	}
	return outcome
}

func (t *tally) launched(o contract.Offering, n int) {
	if n == 0 {
		return
	}
	outcome := t.know(o)
	outcome.Answer = contract.AnswerLaunched
	outcome.Count += n
}

// failed notes an error. An offering that gave instances too stays launched and carries the code beside; of several
// errors the first stays, but an answer about capacity replaces one that only asks to come later.
func (t *tally) failed(overrides []contract.Override, code, message string) {
	for _, o := range overrides {
		outcome := t.know(o.Offering)
		if outcome.Code != "" && outcome.Answer != contract.AnswerThrottled {
			continue
		}
		outcome.Code, outcome.Message = code, clip(message)
		if outcome.Answer != contract.AnswerLaunched {
			outcome.Answer = answerOf(code)
		}
	}
}

// outcomes are what was learned: nothing of offerings that the answer does not mention.
func (t *tally) outcomes() []contract.Outcome {
	var learned []contract.Outcome
	for _, o := range t.order {
		if t.byKey[o].Answer != "" {
			learned = append(learned, *t.byKey[o])
		}
	}
	return learned
}

// fleetActions are what EC2 needs to be allowed to launch for a fleet, beyond ec2:CreateFleet itself
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-fleet-prerequisites.html).
const fleetActions = "ec2:RunInstances, ec2:CreateTags or iam:PassRole"

// common is the trouble that all errors share, as that of the whole call. all is false where they do not, or where
// there is none.
func (t *tally) common() (d diagnosis, all bool) {
	for _, o := range t.outcomes() {
		trouble, _ := troubleOf(o.Code)
		if all && trouble != d.trouble {
			return d, false
		}
		if !all {
			d, all = diagnosis{trouble: trouble, action: "ec2:CreateFleet", code: o.Code, message: o.Message}, true
		}
	}
	if d.trouble == denied {
		d.action = fleetActions
	}
	return d, all
}
