package workflows

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

func TestNodeIsFrozenAndWoken(t *testing.T) {
	w, f := newWorld(t), newFreezer()
	var asleep contract.NodeView
	v := live(t, w, f, onDemand(), hibernateAt(10*time.Minute),
		event{11 * time.Minute, func(env *testsuite.TestWorkflowEnvironment) { asleep = nodeView(t, env) }},
		event{12 * time.Minute, seen("silent", false, "floe.dev/standby:NoSchedule")},
		resumeAt(20*time.Minute))
	require.Equal(t, contract.PhaseStandby, asleep.Phase)
	require.Equal(t, contract.VerdictHibernated, asleep.Standby.Verdict)
	require.Equal(t, f.words, asleep.Standby.Last)
	require.Equal(t, []string{"freeze", "stop hibernate=true", "last words", "start", "prove", "open"}, f.asked)
	require.Len(t, w.drained, 1, "it is emptied before")
	require.Equal(t, contract.PhaseReady, v.Phase)
	require.False(t, v.Standby.Asleep)
	require.Equal(t, contract.VerdictHibernated, v.Standby.Verdict)
	require.Equal(t, []string{"default/p"}, f.open[0].Pods)
	require.Len(t, v.Notes, 2)
	var phases []contract.Phase
	for _, r := range w.records {
		phases = append(phases, r.View.Phase)
	}
	require.Contains(t, phases, contract.PhaseStandby)
}

// A machine that was launched for standby freezes itself, once it has been up for long enough, and was never open to pods.
func TestNodeMadeForStandby(t *testing.T) {
	w, f := newWorld(t), newFreezer()
	var registered contract.RegisterInput
	w.register = func(in contract.RegisterInput) (contract.RegisterResult, error) {
		registered = in
		return contract.RegisterResult{Node: contract.KubeNode{Name: in.Node, Exists: true, Initialized: true, Taints: []string{"floe.dev/standby:NoSchedule"}}}, nil
	}
	in := onDemand()
	in.Tier = v1alpha1.Hibernated
	begin := time.Time{}
	v := live(t, w, f, in, event{time.Second, func(env *testsuite.TestWorkflowEnvironment) { begin = env.Now() }})
	require.Equal(t, v1alpha1.Hibernated, registered.Tier)
	require.Equal(t, contract.PhaseStandby, v.Phase)
	require.Empty(t, w.drained)
	require.Equal(t, []string{"freeze", "stop hibernate=true", "last words"}, f.asked)
	require.GreaterOrEqual(t, f.stops[0].Sub(begin), minUptime-time.Second)
}

func TestFreezesThatGoWrong(t *testing.T) {
	early := contract.StopResult{Answer: contract.StopEarly, Code: "UnsupportedOperation", Message: "not ready to hibernate yet"}
	for name, c := range map[string]struct {
		change func(*freezer)
		want   contract.Verdict
		says   string
		stops  int // asked for; 0: not looked at
	}{
		"too early twice": {func(f *freezer) {
			f.stop = func(contract.StopInput) (contract.StopResult, error) {
				if len(f.stops) < 3 {
					return early, nil
				}
				return contract.StopResult{Answer: contract.StopAccepted}, nil
			}
		}, contract.VerdictHibernated, "", 3},
		"too early for ever": {func(f *freezer) {
			f.stop = func(contract.StopInput) (contract.StopResult, error) { return early, nil }
		}, contract.VerdictRefused, "too early", 0},
		"taken and ignored, once": {func(f *freezer) {
			f.await = func(_ context.Context, in contract.AwaitStateInput) (contract.InstanceResult, error) {
				if len(f.stops) == 1 {
					return contract.InstanceResult{State: in.Leaves}, nil
				}
				return contract.InstanceResult{State: "stopped", Reason: contract.StateReasonHibernate}, nil
			}
		}, contract.VerdictHibernated, "", 2},
		"not supported": {func(f *freezer) {
			f.stop = func(contract.StopInput) (contract.StopResult, error) {
				return contract.StopResult{Answer: contract.StopUnsupported, Code: "UnsupportedHibernationConfiguration", Message: "not configured at launch"}, nil
			}
		}, contract.VerdictRefused, "UnsupportedHibernationConfiguration", 1},
		"pods are left": {func(f *freezer) {
			f.freeze = func(contract.FreezeInput) (contract.FreezeResult, error) {
				return contract.FreezeResult{Pods: []string{"default/late"}}, nil
			}
		}, contract.VerdictRefused, "default/late", 0},
		"somebody else's stop": {func(f *freezer) {
			f.await = func(context.Context, contract.AwaitStateInput) (contract.InstanceResult, error) {
				return contract.InstanceResult{State: "stopped", Reason: "Client.UserInitiatedShutdown"}, nil
			}
		}, contract.VerdictPlainStopped, "somebody else", 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFreezer()
			c.change(f)
			v := live(t, newWorld(t), f, onDemand(), hibernateAt(10*time.Minute))
			require.Equal(t, c.want, v.Standby.Verdict, v.Standby.Reason)
			require.Contains(t, v.Standby.Reason, c.says)
			if c.stops > 0 {
				require.Len(t, f.stops, c.stops)
			}
			if c.want == contract.VerdictRefused {
				require.Equal(t, contract.PhaseReady, v.Phase)
				require.Equal(t, "open", f.asked[len(f.asked)-1], "it serves pods again")
			} else {
				require.Equal(t, contract.PhaseStandby, v.Phase)
			}
		})
	}
}

func TestWakesThatGoWrong(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*freezer)
		phase  contract.Phase
		opened bool
		says   string
	}{
		"no capacity": {func(f *freezer) {
			f.start = func(in contract.StartInput) (contract.StartResult, error) { return starts(in, contract.AnswerICE), nil }
		}, contract.PhaseStandby, false, "frozen still"},
		"over the quota": {func(f *freezer) {
			f.start = func(in contract.StartInput) (contract.StartResult, error) {
				return starts(in, contract.AnswerQuota), nil
			}
		}, contract.PhaseStandby, false, "frozen still"},
		"its memory was lost without a word": {func(f *freezer) {
			f.prove = func(context.Context, contract.ProveInput) (contract.Proof, error) {
				return contract.Proof{Lease: true, Status: true, BootID: "boot-2"}, nil
			}
		}, contract.PhaseReady, true, "its memory was lost"},
		"it never renews its lease": {func(f *freezer) {
			f.prove = func(context.Context, contract.ProveInput) (contract.Proof, error) {
				return contract.Proof{Status: true, Missing: "it has not renewed its lease in 5m0s after its start"}, nil
			}
		}, contract.PhaseTerminated, false, "given no pods"},
		"it goes back to sleep": {func(f *freezer) {
			f.await = func(_ context.Context, in contract.AwaitStateInput) (contract.InstanceResult, error) {
				return contract.InstanceResult{State: map[string]string{"running": "stopped", "stopped": "stopped"}[in.States[0]], Reason: contract.StateReasonHibernate}, nil
			}
			f.proveAfter = time.Hour
		}, contract.PhaseTerminated, false, "the instance is stopped"},
		"it is still on its way to sleep": {func(f *freezer) {
			f.start = func(in contract.StartInput) (contract.StartResult, error) {
				if len(f.asked) > 4 {
					return starts(in, contract.AnswerStarted), nil
				}
				r := starts(in, contract.AnswerRefused)
				r.Answers[0].State = "stopping"
				return r, nil
			}
		}, contract.PhaseReady, true, "from memory"},
		"its Node is gone": {func(f *freezer) {
			f.prove = func(context.Context, contract.ProveInput) (contract.Proof, error) {
				return contract.Proof{}, temporal.NewNonRetryableApplicationError("no such Node", contract.ErrNodeNotFound, nil)
			}
		}, contract.PhaseTerminated, false, "no such Node"},
	} {
		t.Run(name, func(t *testing.T) {
			w, f := newWorld(t), newFreezer()
			w.terminate = func(contract.InstanceInput) (contract.InstanceResult, error) {
				return contract.InstanceResult{State: "terminated"}, nil
			}
			c.change(f)
			v := live(t, w, f, onDemand(), hibernateAt(10*time.Minute), resumeAt(20*time.Minute))
			require.Equal(t, c.phase, v.Phase)
			require.Equal(t, c.opened, len(f.open) > 0)
			require.Contains(t, v.Notes[len(v.Notes)-1]+fmt.Sprint(v.Notes), c.says)
			if c.phase == contract.PhaseTerminated {
				require.Equal(t, []string{"i-1"}, w.terminated)
				require.Contains(t, v.Reason, "it did not prove itself")
			}
		})
	}
}

// A terminate, or a machine that is gone, ends a freeze and a wake that are under way.
func TestFreezeAndWakeAreOvertaken(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*freezer)
		events []event
		reason string
	}{
		"terminate while it is being frozen": {func(f *freezer) {
			f.stop = func(contract.StopInput) (contract.StopResult, error) {
				return contract.StopResult{Answer: contract.StopEarly}, nil
			}
		}, []event{hibernateAt(10 * time.Minute), {11 * time.Minute, signal(contract.SignalTerminate, contract.Operation{Request: "t", Reason: "bad disk"})}}, "bad disk"},
		"terminate while it wakes": {
			func(f *freezer) { f.proveAfter = time.Hour },
			[]event{hibernateAt(10 * time.Minute), resumeAt(12 * time.Minute), {13 * time.Minute, signal(contract.SignalTerminate, contract.Operation{Request: "t", Reason: "bad disk"})}},
			"bad disk",
		},
		"gone while it wakes": {
			func(f *freezer) { f.proveAfter = time.Hour },
			[]event{hibernateAt(10 * time.Minute), resumeAt(12 * time.Minute), {13 * time.Minute, signal(contract.SignalObserved, contract.Observation{Key: "gone", InstanceState: "terminated"})}},
			"the instance is terminated",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, f := newWorld(t), newFreezer()
			w.terminate = func(contract.InstanceInput) (contract.InstanceResult, error) {
				return contract.InstanceResult{State: "terminated"}, nil
			}
			c.change(f)
			v := live(t, w, f, onDemand(), c.events...)
			require.Equal(t, contract.PhaseTerminated, v.Phase)
			require.Contains(t, v.Reason, c.reason)
			require.Empty(t, f.open)
		})
	}
}

func TestStandbyOperationsThatAreRefused(t *testing.T) {
	w, f := newWorld(t), newFreezer()
	env := w.env()
	f.register(env)
	takesSignals(env)
	var answers []string
	ask := func(at time.Duration, kind string, op contract.Operation) {
		env.RegisterDelayedCallback(func() {
			op.Request = at.String()
			env.UpdateWorkflow(kind, op.Request, &testsuite.TestUpdateCallback{
				OnAccept:   func() {},
				OnReject:   func(err error) { answers = append(answers, "refused: "+words(err)) },
				OnComplete: func(v any, err error) { answers = append(answers, v.(contract.OperationResult).Message) },
			}, op)
		}, at)
	}
	ask(time.Second, contract.UpdateHibernate, contract.Operation{})
	env.RegisterDelayedCallback(func() { seen("a", true)(env) }, 2*time.Second)
	env.RegisterDelayedCallback(func() { seen("b", true)(env) }, 3*time.Second)
	ask(4*time.Minute, contract.UpdateResume, contract.Operation{})
	ask(5*time.Minute, contract.UpdateHibernate, contract.Operation{Tier: v1alpha1.Spot})
	ask(6*time.Minute, contract.UpdateHibernate, contract.Operation{Tier: v1alpha1.Stopped})
	ask(7*time.Minute, contract.UpdateHibernate, contract.Operation{})
	ask(8*time.Minute, contract.UpdateDrain, contract.Operation{})
	env.RegisterDelayedCallback(func() { env.CancelWorkflow() }, 10*time.Minute)
	env.ExecuteWorkflow(contract.WorkflowNode, onDemand())
	require.Len(t, answers, 6)
	require.Contains(t, answers[0], "only a ready node can be frozen")
	require.Contains(t, answers[1], "not frozen")
	require.Contains(t, answers[2], `tier: "spot"; want hibernated or stopped`)
	require.Equal(t, "hibernate begins", answers[3])
	require.Contains(t, answers[4], "frozen already")
	require.Contains(t, answers[5], "nothing to drain")
	require.Contains(t, f.asked, "stop hibernate=false")
}

// How long a machine has to prove itself is what its Standby says when it wakes it, else what its pool said at its launch.
func TestAMachineProvesItselfInTheTimeThatItsStandbySays(t *testing.T) {
	for _, c := range []struct{ launched, says, want time.Duration }{
		{0, 0, resumeTimeout}, {time.Minute, 0, time.Minute}, {time.Minute, 9 * time.Minute, 9 * time.Minute},
	} {
		f, in := newFreezer(), onDemand()
		in.Standby.ResumeTimeout = c.launched
		live(t, newWorld(t), f, in, hibernateAt(10*time.Minute), event{20 * time.Minute, func(env *testsuite.TestWorkflowEnvironment) {
			env.SignalWorkflow(contract.SignalResume, contract.Operation{Request: "r", Started: env.Now(), Within: c.says})
		}})
		require.Len(t, f.proven, 1)
		require.Equal(t, c.want, f.proven[0].Until.Sub(f.proven[0].Started))
	}
}
