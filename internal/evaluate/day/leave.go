package day

import (
	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/disruption"
)

// leave lets decisions come true.
func (l *life) leave() (shrunk, returned int) {
	s := disruption.Snapshot{
		Now: l.now, Every: l.Step.Duration, Room: l.room(), NotBefore: l.later, Memory: l.memory,
		Pools: []disruption.Pool{{NodePool: l.pool}},
	}
	for _, m := range l.nodes {
		s.Nodes = append(s.Nodes, m.Node)
	}
	for _, r := range l.going {
		s.Leaving = append(s.Leaving, r.Leaving)
	}
	decision := disruption.Decide(s)
	l.memory = decision.Memory
	for _, g := range decision.Grants {
		if !l.grant(g) {
			continue
		}
		l.Granted[g.Reason]++
		switch g.Reason {
		case v1alpha1.DisruptEmpty, v1alpha1.DisruptUnderused:
			shrunk++
		case v1alpha1.DisruptReturn:
			returned++
		}
	}
	return shrunk, returned
}

// grant lets a node go. Where something has to come first it goes when that is Ready; where that is not to be had it
// stays, and the answer is false.
func (l *life) grant(g contract.Grant) bool {
	if len(g.Launches) == 0 {
		l.terminate(g.Instance)
		return true
	}
	r := replacement{Leaving: contract.Leaving{
		Instance: g.Instance, Node: g.Node, Pool: g.Pool, Reason: g.Reason, Words: g.Words, Since: l.now,
		Workflow: contract.ReplaceID(g.Reason, cluster, g.Instance, l.serial),
	}}
	for _, launch := range g.Launches {
		in := g.LaunchOf(cluster, launch)
		got := l.launch(in)
		r.by = append(r.by, got...)
		if len(got) < in.Count {
			for _, m := range r.by {
				l.terminate(m.instance)
			}
			l.later[g.Instance] = disruption.Postpone(l.later[g.Instance], g.Reason, g.Instance, l.now, "its replacement is not to be had")
			return false
		}
	}
	l.going = append(l.going, r)
	return true
}
