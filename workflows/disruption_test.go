package workflows

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// leaving is the part of the world that voluntary leaving needs.
type leaving struct {
	disrupt func(contract.DisruptInput) (contract.DisruptResult, error)
	await   func(contract.AwaitNodesInput) (contract.AwaitNodesResult, error)
	events  func([]contract.EventRecord) error

	looks    []contract.DisruptInput
	recorded []contract.EventRecord
	cordoned []string
	replaced []contract.ReplaceInput

	mu      sync.Mutex                    // signals are sent side by side
	asked   map[string]contract.Operation // of Nodes by workflow, to terminate
	signals []string
}

func newLeaving() *leaving {
	return &leaving{
		disrupt: func(contract.DisruptInput) (contract.DisruptResult, error) {
			return contract.DisruptResult{Next: time.Minute}, nil
		},
		await: func(contract.AwaitNodesInput) (contract.AwaitNodesResult, error) {
			return contract.AwaitNodesResult{}, nil
		},
		events: func([]contract.EventRecord) error { return nil },
		asked:  map[string]contract.Operation{},
	}
}

func (l *leaving) prepare(env *testsuite.TestWorkflowEnvironment) {
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: 10 * time.Second}) // a busy machine is no deadlock
	register := func(name string, f any) { env.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name}) }
	register(contract.ActivityDisrupt, func(_ context.Context, in contract.DisruptInput) (contract.DisruptResult, error) {
		l.looks = append(l.looks, in)
		return l.disrupt(in)
	})
	register(contract.ActivityAwaitNodes, func(_ context.Context, in contract.AwaitNodesInput) (contract.AwaitNodesResult, error) {
		return l.await(in)
	})
	register(contract.ActivityCordon, func(_ context.Context, in contract.CordonInput) error {
		l.cordoned = append(l.cordoned, in.Node)
		return nil
	})
	register(contract.ActivityPutEvents, func(_ context.Context, in []contract.EventRecord) error {
		if err := l.events(in); err != nil {
			return err
		}
		l.recorded = append(l.recorded, in...)
		return nil
	})
	env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).
		Return(func(_, id, _, signal string, arg any) error {
			l.took(id, signal, arg)
			if id == "node/demo/i-silent" {
				return errors.New("no such workflow")
			}
			return nil
		})
}

func (l *leaving) took(id, signal string, arg any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.signals = append(l.signals, id+" "+signal)
	if op, ok := arg.(contract.Operation); ok && (signal == contract.SignalTerminate || signal == contract.SignalLeave) {
		l.asked[id] = op
	}
}

// noReplacements keeps replacements from running.
func (l *leaving) noReplacements(env *testsuite.TestWorkflowEnvironment) {
	for _, name := range []string{contract.WorkflowReplace, contract.WorkflowReturnToSpot} {
		env.OnWorkflow(name, mock.Anything, mock.Anything).Return(
			func(_ workflow.Context, in contract.ReplaceInput) (*contract.ReplaceResult, error) {
				l.replaced = append(l.replaced, in)
				return &contract.ReplaceResult{}, nil
			})
	}
}

func disruptionView(t *testing.T, env *testsuite.TestWorkflowEnvironment) (v contract.DisruptionView) {
	t.Helper()
	got, err := env.QueryWorkflow(contract.QueryState)
	require.NoError(t, err)
	require.NoError(t, got.Get(&v))
	return v
}

// The day of a Disruption: an empty node leaves, one that may not is told of once, a fallback is replaced and its
// replacement finds no spot, so that it is left alone for a while. However often it continues as new, the outcome is the
// same.
func TestDisruptionAcrossContinueAsNew(t *testing.T) {
	atEveryTurn(t, func(t *testing.T, maxTurns int) {
		w, l := newWorld(t), newLeaving()
		since := time.Date(2026, 1, 1, 11, 0, 0, 0, time.UTC)
		n := 0
		l.disrupt = func(in contract.DisruptInput) (contract.DisruptResult, error) {
			n++
			r := contract.DisruptResult{
				Next: time.Minute, RefusedCount: 1,
				Refused: []contract.Refusal{{Instance: "i-pdb", Node: "pdb", Pool: "p", Reason: "expired", Code: "pdb", Why: fmt.Sprintf("for the %dth time", n)}},
				Memory:  contract.DisruptionMemory{EmptySince: map[string]time.Time{"i-1": since}},
			}
			if n == 1 {
				r.Grants = []contract.Grant{
					{Instance: "i-1", Node: "one", Pool: "p", Reason: "empty", Words: "it is empty"},
					{Instance: "i-2", Node: "two", Pool: "p", Reason: "return", Words: "it was a fallback", Launches: []contract.PlannedLaunch{{Pool: "p", Count: 1}}},
					{Instance: "i-silent", Node: "silent", Pool: "p", Reason: "empty", Words: "it is empty"},
				}
			} else {
				require.Equal(t, r.Memory, in.Memory, "what was learned is carried")
			}
			return r, nil
		}
		answer := func(i int, accepted bool, message string) func(*testsuite.TestWorkflowEnvironment) {
			return func(env *testsuite.TestWorkflowEnvironment) {
				l.mu.Lock()
				defer l.mu.Unlock()
				request := l.asked["node/demo/i-1"].Request
				if i == 1 {
					request = l.replaced[0].Request
				}
				env.SignalWorkflow(contract.SignalLeft, contract.OperationResult{Request: request, Accepted: accepted, Message: message})
			}
		}
		var middle, end contract.DisruptionView
		env, runs := runAcrossContinue(t, w, func(env *testsuite.TestWorkflowEnvironment) { l.prepare(env); l.noReplacements(env) },
			contract.WorkflowDisruption, contract.DisruptionInput{Cluster: "demo", MaxTurns: maxTurns}, []event{
				{30 * time.Second, func(env *testsuite.TestWorkflowEnvironment) { middle = disruptionView(t, env) }},
				{33 * time.Second, answer(0, true, "terminated")},
				{34 * time.Second, answer(0, true, "terminated")}, // twice
				{35 * time.Second, answer(1, false, "there is no spot")},
				{36 * time.Second, signal(contract.SignalChanged, nil)},
				{10 * time.Minute, func(env *testsuite.TestWorkflowEnvironment) { end = disruptionView(t, env) }},
				{10*time.Minute + time.Second, cancel},
			})
		require.ErrorContains(t, env.GetWorkflowError(), "canceled")
		require.Equal(t, maxTurns > 0, runs > 1)

		require.Len(t, middle.Leaving, 2, "the silent one is left alone at once")
		require.Equal(t, "i-1", middle.Leaving[0].Instance)
		require.Regexp(t, `^return-to-spot/demo/i-2/2$`, middle.Leaving[1].Workflow)
		require.Equal(t, "its workflow could not be asked: no such workflow", middle.NotBefore["i-silent"].Why)

		require.Len(t, l.asked, 2)
		asked := l.asked["node/demo/i-1"]
		require.Equal(t, "empty: it is empty", asked.Reason)
		require.Equal(t, &contract.ReplyTo{WorkflowID: "disruption/demo", Signal: contract.SignalLeft}, asked.ReplyTo)
		require.Len(t, l.replaced, 1)
		require.Equal(t, asked.ReplyTo, l.replaced[0].ReplyTo)

		require.Empty(t, end.Leaving)
		require.Equal(t, 3, end.Grants)
		require.Equal(t, 1, end.Ended)
		require.Equal(t, v1alpha1.DisruptReturn, end.NotBefore["i-2"].Reason)
		require.Equal(t, "there is no spot", end.NotBefore["i-2"].Why)
		require.GreaterOrEqual(t, end.NotBefore["i-2"].Until.Sub(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)), 5*time.Minute)
		kinds := map[string]int{}
		ids := map[string]bool{}
		for _, e := range l.recorded {
			kinds[e.Kind]++
			require.False(t, ids[e.ID], "twice: %s", e.ID)
			ids[e.ID] = true
		}
		require.Equal(t, map[string]int{"disruption-granted": 3, "disruption-left": 1, "disruption-stayed": 2, "disruption-refused": 1}, kinds)
		require.Contains(t, disruptionDetails(end), "| pdb | p | expired | for the ")
		require.LessOrEqual(t, len(l.looks), 14, "every minute, and on news")
	})
}

// A node whose machine its standby may want is asked to leave its pool, any other to terminate; what became of each is told.
func TestDisruptionTellsWhatBecomesOfMachines(t *testing.T) {
	w, l := newWorld(t), newLeaving()
	l.disrupt = func(in contract.DisruptInput) (contract.DisruptResult, error) {
		r := contract.DisruptResult{Next: time.Minute}
		if len(l.looks) == 1 {
			r.Grants = []contract.Grant{
				{Instance: "i-1", Node: "one", Pool: "p", Reason: "empty", Words: "it is empty", Keep: true},
				{Instance: "i-2", Node: "two", Pool: "p", Reason: "empty", Words: "it is empty", Fate: "terminated: a spot machine"},
			}
		}
		return r, nil
	}
	env := w.env()
	l.prepare(env)
	env.RegisterDelayedCallback(func() {
		require.ElementsMatch(t, []string{"node/demo/i-1 leave", "node/demo/i-2 terminate"}, l.signals)
		require.Equal(t, "terminated: a spot machine", l.asked["node/demo/i-2"].Fate)
		v := disruptionView(t, env)
		require.Equal(t, "its pool's standby is asked", v.Leaving[0].Fate)
		require.Equal(t, "terminated: a spot machine", v.Leaving[1].Fate)
		env.SignalWorkflow(contract.SignalLeft, contract.OperationResult{Request: v.Leaving[0].Request, Accepted: true, Message: "hibernated: the tier has 0 of 1"})
	}, 10*time.Second)
	env.RegisterDelayedCallback(func() {
		v := disruptionView(t, env)
		require.Len(t, v.Departed, 1)
		require.Equal(t, "hibernated: the tier has 0 of 1", v.Departed[0].Fate)
		require.Contains(t, disruptionDetails(v), "| hibernated: the tier has 0 of 1 |")
		require.Contains(t, disruptionDetails(v), "| terminated: a spot machine |")
		require.Contains(t, l.recorded[len(l.recorded)-1].Message, "one has left (empty): it is empty; hibernated: the tier has 0 of 1.")
	}, 5*time.Minute)
	env.RegisterDelayedCallback(env.CancelWorkflow, 6*time.Minute)
	env.ExecuteWorkflow(contract.WorkflowDisruption, contract.DisruptionInput{Cluster: "demo"})
}

func TestDisruptionBacksOffWhileNothingAnswers(t *testing.T) {
	w, l := newWorld(t), newLeaving()
	down := true
	l.disrupt = func(contract.DisruptInput) (contract.DisruptResult, error) {
		if down {
			return contract.DisruptResult{}, fatal(contract.ErrUnavailable, "the API server does not answer")
		}
		return contract.DisruptResult{Next: time.Minute}, nil
	}
	env := w.env()
	l.prepare(env)
	env.RegisterDelayedCallback(func() {
		v := disruptionView(t, env)
		require.Equal(t, "the API server does not answer", v.Trouble)
		require.Contains(t, disruptionDetails(v), "**Trouble:** the API server does not answer")
		require.LessOrEqual(t, len(l.looks), 6, "2 s, 4 s, 8 s, 16 s")
		down = false
	}, 29*time.Second)
	env.RegisterDelayedCallback(func() { require.Empty(t, disruptionView(t, env).Trouble) }, 2*time.Minute)
	env.RegisterDelayedCallback(env.CancelWorkflow, 3*time.Minute)
	env.ExecuteWorkflow(contract.WorkflowDisruption, contract.DisruptionInput{Cluster: "demo"})
}

// The store may be down for long: nobody waits for it, what it missed is bounded and handed in when it is back.
func TestDisruptionHandsInWhatTheStoreMissed(t *testing.T) {
	w, l := newWorld(t), newLeaving()
	down, n := true, 0
	l.events = func([]contract.EventRecord) error {
		if down {
			return errors.New("down")
		}
		return nil
	}
	l.disrupt = func(contract.DisruptInput) (contract.DisruptResult, error) {
		n++
		r := contract.DisruptResult{Next: time.Minute}
		for i := range 60 {
			r.Refused = append(r.Refused, contract.Refusal{Instance: fmt.Sprint(i), Code: fmt.Sprint(n)})
		}
		return r, nil
	}
	env := w.env()
	l.prepare(env)
	env.RegisterDelayedCallback(func() {
		require.Len(t, disruptionView(t, env).Unrecorded, mostUntold)
		down = false
	}, 10*time.Minute)
	env.RegisterDelayedCallback(func() { require.Empty(t, disruptionView(t, env).Unrecorded) }, 12*time.Minute)
	env.RegisterDelayedCallback(env.CancelWorkflow, 13*time.Minute)
	env.ExecuteWorkflow(contract.WorkflowDisruption, contract.DisruptionInput{Cluster: "demo"})
	require.GreaterOrEqual(t, len(l.recorded), mostUntold)
}

func TestWhyANodeMayNotLeave(t *testing.T) {
	w, l := newWorld(t), newLeaving()
	l.disrupt = func(in contract.DisruptInput) (contract.DisruptResult, error) {
		switch in.Why {
		case "n":
			return contract.DisruptResult{Verdict: &contract.NodeVerdict{Node: "n"}}, nil
		case "nobody":
			return contract.DisruptResult{}, fatal(contract.ErrNodeNotFound, "there is no nobody")
		}
		return contract.DisruptResult{Next: time.Minute}, nil
	}
	env := w.env()
	l.prepare(env)
	ask := func(node string, done func(v any, err error)) {
		env.UpdateWorkflow(contract.UpdateWhy, "u-"+node, &testsuite.TestUpdateCallback{
			OnAccept: func() {}, OnReject: func(err error) { t.Error(err) }, OnComplete: done,
		}, contract.WhyInput{Node: node})
	}
	answers := 0
	env.RegisterDelayedCallback(func() {
		ask("n", func(v any, err error) {
			answers++
			require.NoError(t, err)
			require.Equal(t, "n", v.(contract.NodeVerdict).Node)
		})
		ask("nobody", func(_ any, err error) { answers++; requireErrorType(t, contract.ErrNodeNotFound, err) })
		ask("", func(_ any, err error) { answers++; requireErrorType(t, contract.ErrInvalidInput, err) })
	}, time.Second)
	env.RegisterDelayedCallback(env.CancelWorkflow, 10*time.Second)
	env.ExecuteWorkflow(contract.WorkflowDisruption, contract.DisruptionInput{Cluster: "demo"})
	require.Equal(t, 3, answers)
	require.Empty(t, l.asked)
}

// A node that cannot leave is left alone for longer each time, up to an hour and a quarter.
func TestPausesGrow(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	d := &disruptor{in: contract.DisruptionInput{Cluster: "demo"}}
	var last time.Duration
	for try := 1; try <= 20; try++ {
		d.postpone(now, contract.Leaving{Instance: "i-1", Reason: "return"}, "no spot")
		pause := d.state.NotBefore["i-1"].Until.Sub(now)
		require.GreaterOrEqual(t, pause, last)
		require.LessOrEqual(t, pause, 75*time.Minute)
		require.Equal(t, try, d.state.NotBefore["i-1"].Tries)
		last = pause
	}
	d.postpone(now, contract.Leaving{Instance: "i-1", Reason: "expired"}, "held")
	require.Equal(t, 1, d.state.NotBefore["i-1"].Tries, "another reason begins anew")
}

func TestGrantsThatNobodyAnswersAreGivenUp(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	d := &disruptor{}
	for instance, age := range map[string]time.Duration{"gone": time.Hour, "just-gone": time.Minute, "slow": time.Hour, "lost": 7 * time.Hour} {
		d.state.Leaving = append(d.state.Leaving, contract.Leaving{Instance: instance, Since: now.Add(-age)})
	}
	d.giveUp(now, []string{"gone", "just-gone"})
	var left []string
	for _, l := range d.state.Leaving {
		left = append(left, l.Instance)
	}
	require.ElementsMatch(t, []string{"just-gone", "slow"}, left)
}
