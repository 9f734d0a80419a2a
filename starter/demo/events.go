package demo

import (
	"fmt"
	"slices"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/starter/fleet"
)

// events says in lines what happened between two looks.
func events(before, now state) []string {
	var lines []string
	say := func(format string, args ...any) {
		lines = append(lines, fmt.Sprintf("[%6.1fs] ", now.At.Seconds())+fmt.Sprintf(format, args...))
	}
	if was, is := pending(before), pending(now); is != was && is > 0 {
		say("%d pods pending", is)
	}
	if now.Trouble != "" && now.Trouble != before.Trouble {
		say("trouble: %s", now.Trouble)
	}
	for _, problem := range problems(now) {
		if !slices.Contains(problems(before), problem) {
			say("problem: %s", problem)
		}
	}
	sayLaunches(say, before.Launches, now.Launches)
	sayMachines(say, before.Machines, now.Machines)
	was, _ := before.counts()
	if is, wanted := now.counts(); is != was {
		say("%d of %d pods running", is, wanted)
	}
	return lines
}

// problems are the pools that the last plan could not plan with.
func problems(s state) []string {
	if s.Plan == nil {
		return nil
	}
	return s.Plan.Problems
}

func pending(s state) (n int) {
	for _, a := range s.Apps {
		n += a.Pending
	}
	return n
}

func sayLaunches(say func(string, ...any), before, now []fleet.Launch) {
	known := map[string]fleet.Launch{}
	for _, l := range before {
		known[l.Workflow] = l
	}
	for _, l := range now {
		was, ok := known[l.Workflow]
		if !ok {
			say("%s: wants %d of pool %s", l.Workflow, l.Count, l.Pool)
		}
		for _, h := range ended(l.Hops)[min(len(ended(was.Hops)), len(ended(l.Hops))):] {
			say("%s: hop %d, step %d (%s): got %d of %d: %s",
				l.Workflow, h.Number, h.Step+1, h.CapacityType, h.Got, h.Asked, contract.Answers(h))
		}
		if l.Phase != was.Phase && l.Reason != "" {
			say("%s: %s: %s", l.Workflow, l.Phase, l.Reason)
		}
	}
}

// ended are the hops that have their answer: all but the last, at most.
func ended(hops []contract.Hop) []contract.Hop {
	if n := len(hops); n > 0 && hops[n-1].Ended.IsZero() {
		return hops[:n-1]
	}
	return hops
}

func sayMachines(say func(string, ...any), before, now []machine) {
	known := map[string]machine{}
	for _, m := range before {
		known[m.Instance] = m
	}
	for _, m := range now {
		was, ok := known[m.Instance]
		if ok && was.Phase == m.Phase {
			continue
		}
		say("%s %s: %s %s in %s, $%.4f/h", m.Instance, m.Phase, m.CapacityType, m.InstanceType, m.Zone, m.USDPerHour)
	}
}
