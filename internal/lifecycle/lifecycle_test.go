package lifecycle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
)

var (
	start    = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	deadline = start.Add(15 * time.Minute)
)

func node(ready, initialized bool, taints ...string) *contract.KubeNode {
	return &contract.KubeNode{Name: "n", Exists: true, Ready: ready, Initialized: initialized, Taints: taints}
}

func TestNext(t *testing.T) {
	const cni = "cni.example/agent-not-ready:NoExecute"
	for name, c := range map[string]struct {
		state contract.NodeState
		now   time.Time
		want  Step
	}{
		"waits for its Node": {
			contract.NodeState{Phase: contract.PhaseLaunching, Instance: "pending"},
			start,
			Step{contract.PhaseLaunching, Wait, ""},
		},
		"never registered": {
			contract.NodeState{Phase: contract.PhaseLaunching, Instance: "running"},
			deadline,
			Step{contract.PhaseTerminating, Leave, "it did not register a Node in time"},
		},
		"Node appears, even at the deadline": {
			contract.NodeState{Phase: contract.PhaseLaunching, Instance: "running", Node: node(false, false)},
			deadline,
			Step{contract.PhaseRegistered, Register, ""},
		},
		"registration unfinished": {
			contract.NodeState{Phase: contract.PhaseRegistered, Node: node(true, true)},
			start,
			Step{contract.PhaseRegistered, Register, ""},
		},
		"registered, kubelet not ready": {
			contract.NodeState{Phase: contract.PhaseRegistered, Registered: true, Node: node(false, true)},
			start,
			Step{contract.PhaseRegistered, Wait, ""},
		},
		"registered, no allocatable yet": {
			contract.NodeState{Phase: contract.PhaseRegistered, Registered: true, Node: node(true, false)},
			start,
			Step{contract.PhaseRegistered, Wait, ""},
		},
		"initialized": {
			contract.NodeState{Phase: contract.PhaseRegistered, Registered: true, Node: node(true, true)},
			start,
			Step{contract.PhaseInitialized, Wait, ""},
		},
		"a startup taint is on": {
			contract.NodeState{Phase: contract.PhaseInitialized, Registered: true, StartupTaints: []string{cni}, Node: node(true, true, cni)},
			start,
			Step{contract.PhaseInitialized, Wait, ""},
		},
		"a pool's lasting taint does not hold it": {
			contract.NodeState{Phase: contract.PhaseInitialized, Registered: true, StartupTaints: []string{cni}, Node: node(true, true, "app=db:NoSchedule")},
			start,
			Step{contract.PhaseReady, Wait, ""},
		},
		"ready stays ready when the kubelet is silent": {
			contract.NodeState{Phase: contract.PhaseReady, Registered: true, Node: node(false, true)},
			start,
			Step{contract.PhaseReady, Wait, ""},
		},
		"Node deleted by hand": {
			contract.NodeState{Phase: contract.PhaseReady, Node: &contract.KubeNode{Name: "n"}},
			start,
			Step{contract.PhaseTerminating, Leave, "its Node was deleted"},
		},
		"Node deleted for the freeze": {
			contract.NodeState{Phase: contract.PhaseReady, Node: &contract.KubeNode{Name: "n"}, Standby: &contract.Frozen{Asleep: true, NodeDeleted: true}},
			start,
			Step{contract.PhaseStandby, Wait, ""},
		},
		"Node of a frozen machine deleted by hand": {
			contract.NodeState{Phase: contract.PhaseStandby, Node: &contract.KubeNode{Name: "n"}, Standby: &contract.Frozen{Asleep: true}},
			start,
			Step{contract.PhaseTerminating, Leave, "its Node was deleted"},
		},
		"instance terminated by someone": {
			contract.NodeState{Phase: contract.PhaseReady, Instance: "terminated", Node: node(true, true)},
			start,
			Step{contract.PhaseTerminating, Close, "the instance is terminated, not at Floe's request"},
		},
		"asked to terminate": {
			contract.NodeState{Phase: contract.PhaseReady, Operation: &contract.Operation{Kind: "terminate", Reason: "by hand"}, Node: node(true, true)},
			start,
			Step{contract.PhaseTerminating, Leave, "by hand"},
		},
		"asked to drain only": {
			contract.NodeState{Phase: contract.PhaseReady, Operation: &contract.Operation{Kind: "drain"}, Node: node(true, true)},
			start,
			Step{contract.PhaseReady, Wait, ""},
		},
		"taken back": {
			contract.NodeState{Phase: contract.PhaseReady, Node: node(true, true), Reclaim: &contract.ReclaimState{
				Reclaim: contract.Reclaim{Kind: contract.ReclaimInterruption, Deadline: deadline}, Verdict: contract.ReclaimConfirmed,
			}, Operation: &contract.Operation{Kind: "drain", Reason: "maintenance"}},
			start,
			Step{contract.PhaseTerminating, Leave, "EC2 takes the spot machine back at 2026-01-01T12:15:00Z"},
		},
		"taken back before its Node came": {
			contract.NodeState{Phase: contract.PhaseLaunching, Reclaim: &contract.ReclaimState{
				Reclaim: contract.Reclaim{Kind: contract.ReclaimInterruption}, Verdict: contract.ReclaimUnanswered,
			}},
			start,
			Step{contract.PhaseTerminating, Leave, "EC2 takes the spot machine back"},
		},
		"a notice that EC2 is asked about": {
			contract.NodeState{Phase: contract.PhaseReady, Node: node(true, true), Reclaim: &contract.ReclaimState{
				Asking: []contract.Reclaim{{Kind: contract.ReclaimInterruption}},
			}},
			start,
			Step{contract.PhaseReady, Wait, ""},
		},
		"a notice that is refuted": {
			contract.NodeState{Phase: contract.PhaseReady, Node: node(true, true), Reclaim: &contract.ReclaimState{
				Verdict: contract.ReclaimRefuted, Unmark: true,
			}},
			start,
			Step{contract.PhaseReady, Unmark, ""},
		},
		"recommended to leave, and to stay until then": {
			contract.NodeState{Phase: contract.PhaseReady, Node: node(true, true), Reclaim: &contract.ReclaimState{
				Reclaim: contract.Reclaim{Kind: contract.ReclaimRebalance, Stay: true}, Verdict: contract.ReclaimConfirmed,
			}},
			start,
			Step{contract.PhaseReady, Wait, ""},
		},
		"leaving goes on": {
			contract.NodeState{Phase: contract.PhaseTerminating, Reason: "expired", Node: node(true, true)},
			start,
			Step{contract.PhaseTerminating, Leave, "expired"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, Next(c.state, c.now, deadline))
		})
	}
}

// Whatever is observed, a step's phase is the present one or lawfully follows it, and a reason comes with every leaving.
func TestNextIsLawful(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := contract.NodeState{
			Phase:      rapid.SampledFrom(Phases()).Draw(t, "phase"),
			Instance:   rapid.SampledFrom([]string{"", "pending", "running", "shutting-down", "terminated", "stopping", "stopped", "gone"}).Draw(t, "instance"),
			Registered: rapid.Bool().Draw(t, "registered"),
		}
		if s.Phase == contract.PhaseTerminating || s.Phase == contract.PhaseTerminated {
			s.Reason = "some reason"
		}
		if rapid.Bool().Draw(t, "has node") {
			s.Node = &contract.KubeNode{
				Exists: rapid.Bool().Draw(t, "exists"), Ready: rapid.Bool().Draw(t, "ready"), Initialized: rapid.Bool().Draw(t, "initialized"),
				Taints: rapid.SliceOf(rapid.SampledFrom([]string{"floe.dev/unregistered:NoExecute", "a=b:NoSchedule"})).Draw(t, "taints"),
			}
		}
		if rapid.Bool().Draw(t, "has been frozen") {
			s.Standby = &contract.Frozen{Asleep: rapid.Bool().Draw(t, "asleep"), NodeDeleted: rapid.Bool().Draw(t, "nodeless")}
		}
		if rapid.Bool().Draw(t, "has operation") {
			s.Operation = &contract.Operation{Kind: rapid.SampledFrom([]string{"drain", "terminate"}).Draw(t, "kind")}
		}
		if rapid.Bool().Draw(t, "has reclaim") {
			s.Reclaim = &contract.ReclaimState{
				Reclaim: contract.Reclaim{
					Kind: rapid.SampledFrom([]contract.ReclaimKind{contract.ReclaimRebalance, contract.ReclaimInterruption}).Draw(t, "reclaim"),
					Stay: rapid.Bool().Draw(t, "stay"),
				},
				Verdict: rapid.SampledFrom([]contract.ReclaimVerdict{"", contract.ReclaimConfirmed, contract.ReclaimUnanswered, contract.ReclaimRefuted}).Draw(t, "verdict"),
				Unmark:  rapid.Bool().Draw(t, "unmark"),
			}
		}
		now := start.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "minutes")) * time.Minute)
		step := Next(s, now, deadline)
		require.True(t, step.Phase == s.Phase || Lawful(s.Phase, step.Phase), "%s -> %s", s.Phase, step.Phase)
		require.Equal(t, step.Act == Leave || step.Act == Close, step.Reason != "", "%+v", step)
	})
}

func TestBackoff(t *testing.T) {
	require.Zero(t, Backoff(0))
	require.Equal(t, 2*time.Second, Backoff(1))
	require.Equal(t, 8*time.Second, Backoff(3))
	require.Equal(t, time.Minute, Backoff(6))
	require.Equal(t, time.Minute, Backoff(1_000_000))
}
