// Package lifecycle is the state machine of a node's life: its phases, the lawful transitions between them, and what
// its workflow has to do next. It is pure: no I/O, no clock.
package lifecycle

import (
	"slices"
	"strings"
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/reclaim"
)

// Act is what a Node workflow has to do next.
type Act string

// The acts.
const (
	// Wait for an observation, an operation or a timer.
	Wait Act = "wait"
	// Register the Node: put the pool's labels and taints on, take floe.dev/unregistered off.
	Register Act = "register"
	// Leave: drain where there is something to drain, terminate, delete the Node.
	Leave Act = "leave"
	// Unmark takes the mark of a reclaim that is refuted off the Node.
	Unmark Act = "unmark"
	// Close: the machine is gone; delete the Node and end.
	Close Act = "close"
)

// Step is a phase to be in and what to do there.
type Step struct {
	Phase contract.Phase
	Act   Act
	// Reason for leaving, in words. Empty unless Act is Leave or Close.
	Reason string
}

// lawful[from] are the phases that may follow. A phase never goes back, but for a machine that is frozen and woken: a
// Ready node whose kubelet stops answering is still in phase ready, with a Node that says not Ready.
var lawful = map[contract.Phase][]contract.Phase{
	contract.PhaseLaunching:   {contract.PhaseRegistered, contract.PhaseTerminating, contract.PhaseTerminated},
	contract.PhaseRegistered:  {contract.PhaseInitialized, contract.PhaseTerminating, contract.PhaseTerminated},
	contract.PhaseInitialized: {contract.PhaseReady, contract.PhaseTerminating, contract.PhaseTerminated},
	contract.PhaseReady:       {contract.PhaseStandby, contract.PhaseTerminating, contract.PhaseTerminated},
	contract.PhaseStandby:     {contract.PhaseReady, contract.PhaseTerminating, contract.PhaseTerminated},
	contract.PhaseTerminating: {contract.PhaseTerminated},
	contract.PhaseTerminated:  {},
}

// Lawful reports whether a node may go from one phase straight to another.
func Lawful(from, to contract.Phase) bool { return slices.Contains(lawful[from], to) }

// Phases lists every phase in order.
func Phases() []contract.Phase {
	return []contract.Phase{
		contract.PhaseLaunching, contract.PhaseRegistered, contract.PhaseInitialized,
		contract.PhaseReady, contract.PhaseStandby, contract.PhaseTerminating, contract.PhaseTerminated,
	}
}

// Next says what a node in state s has to do at now. registerBy is when it must have registered its Node. The phase of
// the step is the same as s.Phase or lawfully follows it.
func Next(s contract.NodeState, now, registerBy time.Time) Step {
	if s.Phase == contract.PhaseTerminated {
		return Step{contract.PhaseTerminated, Close, s.Reason}
	}
	if Dead(s.Instance) {
		return Step{contract.PhaseTerminating, Close, either(s.Reason, "the instance is "+s.Instance+", not at Floe's request")}
	}
	if s.Phase == contract.PhaseTerminating {
		return Step{contract.PhaseTerminating, Leave, s.Reason}
	}
	if s.Reclaim.Leaves() {
		return Step{contract.PhaseTerminating, Leave, reclaim.Reason(s.Reclaim.Reclaim)}
	}
	if s.Operation != nil && s.Operation.Kind == contract.SignalTerminate {
		return Step{contract.PhaseTerminating, Leave, either(s.Operation.Reason, "asked to terminate")}
	}
	switch {
	case s.Node == nil && s.Phase == contract.PhaseLaunching:
		if !now.Before(registerBy) {
			return Step{contract.PhaseTerminating, Leave, "it did not register a Node in time"}
		}
		return Step{contract.PhaseLaunching, Wait, ""}
	case s.Node == nil:
		return Step{s.Phase, Wait, ""}
	case !s.Node.Exists && !Nodeless(s):
		return Step{contract.PhaseTerminating, Leave, "its Node was deleted"}
	case s.Reclaim != nil && s.Reclaim.Unmark:
		return Step{s.Phase, Unmark, ""}
	}
	return living(s)
}

// living is Next for a node whose machine lives and whose Node exists, or was deleted for its freeze: one phase at a time.
func living(s contract.NodeState) Step {
	switch s.Phase {
	case contract.PhaseLaunching:
		return Step{contract.PhaseRegistered, Register, ""}
	case contract.PhaseRegistered:
		switch {
		case !s.Registered:
			return Step{contract.PhaseRegistered, Register, ""}
		case s.Node.Initialized && s.Node.Ready:
			return Step{contract.PhaseInitialized, Wait, ""}
		}
	case contract.PhaseInitialized:
		if len(Blocking(s)) == 0 {
			return Step{contract.PhaseReady, Wait, ""}
		}
	case contract.PhaseReady, contract.PhaseStandby:
		if Asleep(s) {
			return Step{contract.PhaseStandby, Wait, ""}
		}
		return Step{contract.PhaseReady, Wait, ""}
	}
	return Step{s.Phase, Wait, ""}
}

// Blocking are the taints that keep an initialized node from being Ready: startup taints still on, and
// floe.dev/unregistered.
func Blocking(s contract.NodeState) []string {
	if s.Node == nil {
		return nil
	}
	var on []string
	for _, taint := range s.Node.Taints {
		if slices.Contains(s.StartupTaints, taint) || keyOf(taint) == v1alpha1.TaintUnregistered {
			on = append(on, taint)
		}
	}
	return on
}

// Asleep reports whether the node's machine is frozen. Its Node says nothing then, and is kept or, as the pool says, deleted.
func Asleep(s contract.NodeState) bool { return s.Standby != nil && s.Standby.Asleep }

// Nodeless reports whether the node's machine is frozen, and its Node was deleted for that.
func Nodeless(s contract.NodeState) bool { return Asleep(s) && s.Standby.NodeDeleted }

// Closed reports whether a Node is kept from pods by the standby's taint.
func Closed(n *contract.KubeNode) bool {
	return n != nil && slices.ContainsFunc(n.Taints, func(t string) bool { return keyOf(t) == v1alpha1.TaintStandby })
}

// Dead reports whether EC2's word for an instance means that it is gone or going, whatever we do.
func Dead(instanceState string) bool {
	return instanceState == "shutting-down" || instanceState == "terminated" || instanceState == contract.InstanceGone
}

// Gone reports whether EC2's word for an instance means that nothing of it is left to wait for.
func Gone(instanceState string) bool {
	return instanceState == "terminated" || instanceState == contract.InstanceGone
}

// keyOf is the key of a taint written key[=value]:effect.
func keyOf(taint string) string {
	key, _, _ := strings.Cut(taint, ":")
	key, _, _ = strings.Cut(key, "=")
	return key
}

func either(reason, otherwise string) string {
	if reason != "" {
		return reason
	}
	return otherwise
}
