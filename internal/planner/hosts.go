package planner

import (
	"cmp"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// hostRules are a class's rules about whom its pods share a machine with, as they bear on machines that are bought:
// spread, anti-affinity and host ports. A machine that is bought is empty, and some other empty machine may always be
// counted besides (a spread's least is taken as 0), so each rule is a bound on how many of a kind of pod one machine
// takes.
type hostRules struct {
	perMachine int         // of the class's own pods
	bounds     []hostBound // that the class's pods bring along
	kinds      []int       // of pod that the class's pods are of
}

// hostBound is the most pods of a kind on one machine.
type hostBound struct{ kind, most int }

// addHostRules numbers the kinds of pods that rules look at: a counter each, and a port each.
func (p *plan) addHostRules() {
	kinds := map[any]int{}
	kind := func(key any) int {
		if _, known := kinds[key]; !known {
			kinds[key] = len(kinds)
		}
		return kinds[key]
	}
	type port struct {
		protocol corev1.Protocol
		number   int32
	}
	for _, c := range p.classes {
		h := &c.host
		h.perMachine = math.MaxInt32
		t := &c.topology
		for _, r := range t.spreads {
			if r.term.key == corev1.LabelHostname {
				h.bounds = append(h.bounds, hostBound{kind(r.counter), r.maxSkew})
			}
		}
		for _, k := range t.without {
			if k.term.key == corev1.LabelHostname {
				h.bounds = append(h.bounds, hostBound{kind(k), btoi(t.self[k])})
			}
		}
		for _, k := range t.matched {
			if k.term.key == corev1.LabelHostname {
				h.kinds = append(h.kinds, kind(k))
			}
		}
		for _, hp := range c.ports {
			// Two addresses of one port could share a machine; that they are kept apart costs a machine, not a pod.
			n := kind(port{hp.protocol, hp.port})
			h.bounds, h.kinds = append(h.bounds, hostBound{n, 1}), append(h.kinds, n)
		}
	}
	p.simplifyHostRules(len(kinds))
}

// simplifyHostRules turns rules that concern one class alone, as nearly all do, into its perMachine.
func (p *plan) simplifyHostRules(kinds int) {
	concerned := make([]int, kinds) // number of classes
	for _, c := range p.classes {
		for n := range c.hostKinds() {
			concerned[n]++
		}
	}
	for _, c := range p.classes {
		h := &c.host
		is := map[int]bool{}
		var shared []int
		for _, n := range h.kinds {
			is[n] = true
			if concerned[n] > 1 {
				shared = append(shared, n)
			}
		}
		var bounds []hostBound
		for _, b := range h.bounds {
			if is[b.kind] {
				h.perMachine = min(h.perMachine, b.most)
			}
			if concerned[b.kind] > 1 {
				bounds = append(bounds, b)
			}
		}
		slices.Sort(shared)
		slices.SortFunc(bounds, func(a, b hostBound) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.most, b.most)) })
		h.kinds, h.bounds = shared, bounds
	}
}

func (c *class) hostKinds() map[int]bool {
	all := map[int]bool{}
	for _, b := range c.host.bounds {
		all[b.kind] = true
	}
	for _, n := range c.host.kinds {
		all[n] = true
	}
	return all
}

// tally counts the kinds of pods on one machine, and what bounds they brought along.
type tally []kindCount

type kindCount struct{ kind, n, most int }

func (t tally) of(kind int) kindCount {
	for _, k := range t {
		if k.kind == kind {
			return k
		}
	}
	return kindCount{kind: kind, most: math.MaxInt32}
}

// most pods of a class that a machine with these takes, at most want.
func (t tally) takes(h *hostRules, want int) int {
	want = min(want, h.perMachine)
	if len(h.bounds) == 0 && len(h.kinds) == 0 {
		return want
	}
	for _, b := range h.bounds {
		if t.of(b.kind).n > b.most {
			return 0
		}
	}
	for _, kind := range h.kinds {
		k := t.of(kind)
		for _, b := range h.bounds {
			if b.kind == kind {
				k.most = min(k.most, b.most)
			}
		}
		want = min(want, k.most-k.n)
	}
	return max(want, 0)
}

// with n pods more of a class.
func (t tally) with(h *hostRules, n int) tally {
	set := func(kind int, change func(*kindCount)) {
		for i := range t {
			if t[i].kind == kind {
				change(&t[i])
				return
			}
		}
		k := kindCount{kind: kind, most: math.MaxInt32}
		change(&k)
		t = append(t, k)
	}
	for _, b := range h.bounds {
		set(b.kind, func(k *kindCount) { k.most = min(k.most, b.most) })
	}
	for _, kind := range h.kinds {
		set(kind, func(k *kindCount) { k.n += n })
	}
	return t
}
