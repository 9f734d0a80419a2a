package config

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"floe.dev/floe/api/contract"
)

// Notice is a sign that somebody else puts on a Node to say that AWS takes its machine back, or may: see docs/leaving.md.
// It has a Condition or a Taint.
type Notice struct {
	// Condition is the type of a node condition that says so while it is True: SpotInterruption.
	Condition string `koanf:"condition"`
	// Taint is the key of a taint that says so, whatever its value and effect: aws-node-termination-handler/spot-itn.
	Taint string `koanf:"taint"`
	// Kind is what it says: interruption, rebalance or scheduled.
	Kind contract.ReclaimKind `koanf:"kind"`
}

// noticeKinds are what a Notice may say.
var noticeKinds = []contract.ReclaimKind{contract.ReclaimInterruption, contract.ReclaimRebalance, contract.ReclaimScheduled}

func validateNotices(p *problems, path string, notices []Notice) {
	first := map[Notice]int{}
	for i, n := range notices {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case n.Condition == "" && n.Taint == "":
			p.add("%s: says nothing to look for: give condition, a node condition's type, or taint, a taint's key", at)
		case n.Condition != "" && n.Taint != "":
			p.add("%s: has both condition and taint: make two notices of it", at)
		case n.Condition == "Ready":
			p.add("%s.condition: Ready is True of every healthy node: give one that is True when AWS takes the machine back", at)
		case n.Condition != "":
			p.qualified(at+".condition", n.Condition, "SpotInterruption")
		case strings.HasPrefix(n.Taint, "floe.dev/"):
			p.add("%s.taint: %q is Floe's own: give one that somebody else puts on", at, n.Taint)
		default:
			p.qualified(at+".taint", n.Taint, "aws-node-termination-handler/spot-itn")
		}
		if !slices.Contains(noticeKinds, n.Kind) {
			p.add("%s.kind: %q is no kind of notice: give interruption, rebalance or scheduled", at, n.Kind)
		}
		what := Notice{Condition: n.Condition, Taint: n.Taint}
		if before, ok := first[what]; ok {
			p.add("%s: looks for what %s[%d] looks for already: leave one out", at, path, before)
		} else {
			first[what] = i
		}
	}
}

// qualified checks the name of a condition or a taint.
func (p *problems) qualified(path, name, example string) {
	if wrong := validation.IsQualifiedName(name); len(wrong) > 0 {
		p.add("%s: %q is no name such as %s: %s", path, name, example, wrong[0])
	}
}
