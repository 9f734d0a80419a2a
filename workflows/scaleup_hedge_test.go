package workflows

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"

	"go.temporal.io/sdk/testsuite"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// slowly makes the answers of hops take so long, one after the other.
func (w *world) slowly(env *testsuite.TestWorkflowEnvironment, delays ...time.Duration) {
	env.OnActivity(contract.ActivityLaunch, mock.Anything, mock.Anything).Return(
		func(_ context.Context, in contract.LaunchInput) (contract.LaunchResult, error) {
			w.launches = append(w.launches, in)
			return w.launch(in)
		}).AfterFn(func() (d time.Duration) {
		if len(delays) > 0 {
			d, delays = delays[0], delays[1:]
		}
		return d
	})
}

// hedged is a chain of today's rules, with a hedge.
func hedged(after time.Duration) contract.Chain {
	chain := threeSteps()
	chain.HedgeAfter, chain.Version = after, contract.ChainVersion
	return chain
}

func chainView(t *testing.T, env *testsuite.TestWorkflowEnvironment) (v contract.ScaleUpView) {
	t.Helper()
	got, err := env.QueryWorkflow(contract.QueryChain)
	require.NoError(t, err)
	require.NoError(t, got.Get(&v))
	return v
}

// A hop that is not answered in time gets another beside it, on what is left of the chain. The launch ends when both are
// answered, and what the late one brought is given back.
func TestScaleUpHedges(t *testing.T) {
	w := newWorld(t)
	w.chain = func(contract.OpenChainInput) (contract.Chain, error) { return hedged(20 * time.Second), nil }
	env := w.env()
	sent, nodes := takesSignals(env), noNodes(env)
	w.slowly(env, time.Minute, time.Second)
	env.RegisterDelayedCallback(func() {
		v := chainView(t, env)
		require.Len(t, v.Hops, 1)
		require.Equal(t, "Hop 1: asking for 2 × spot among 2 offerings.", v.Next)
	}, 19*time.Second)
	env.RegisterDelayedCallback(func() {
		v := chainView(t, env)
		require.Len(t, v.Instances, 2, "the second hop has brought them")
		require.Equal(t, contract.ScaleUpLaunching, v.Phase, "the first hop may have launched too")
		require.Equal(t, "Hop 1: asking for 2 × spot among 2 offerings. All machines are here; what is still brought is given back.", v.Next)
	}, 30*time.Second)
	env.ExecuteWorkflow(contract.WorkflowScaleUp, scaleUpInput(2))
	var view contract.ScaleUpView
	require.NoError(t, env.GetWorkflowResult(&view))

	require.Equal(t, contract.ScaleUpFilled, view.Phase)
	require.Len(t, view.Hops, 2)
	require.Equal(t, []int{2, 2}, []int{view.Hops[0].Got, view.Hops[1].Got})
	require.Equal(t, v1alpha1.OnDemand, view.Hops[1].CapacityType)
	require.NotEqual(t, view.Hops[0].Token, view.Hops[1].Token)
	require.Len(t, *nodes, 4)
	for _, n := range *nodes {
		require.Equal(t, n.Instance.CapacityType == v1alpha1.Spot, n.Surplus != "", "the late ones give themselves back: %s", n.Instance.ID)
	}
	require.Equal(t, []string{contract.SignalLaunchFilled}, *sent, "nobody hears of machines that are given back")
}

// Quick answers are walked as without a hedge.
func TestScaleUpDoesNotHedgeWithoutNeed(t *testing.T) {
	for name, tc := range map[string]struct {
		after time.Duration
		delay time.Duration
		want  int
	}{
		"answered in time": {20 * time.Second, 19 * time.Second, 1},
		"no hedge":         {0, time.Hour, 1},
		"too late":         {20 * time.Second, 21 * time.Second, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.chain = func(contract.OpenChainInput) (contract.Chain, error) { return hedged(tc.after), nil }
			env := w.env()
			takesSignals(env)
			noNodes(env)
			w.slowly(env, tc.delay)
			env.ExecuteWorkflow(contract.WorkflowScaleUp, scaleUpInput(1))
			require.NoError(t, env.GetWorkflowError())
			require.Len(t, w.launches, tc.want)
		})
	}
}

// What one hop refused is not asked for again by a later step of the chain.
func TestScaleUpDoesNotAskAgainForWhatWasRefused(t *testing.T) {
	w := newWorld(t)
	w.chain = func(contract.OpenChainInput) (contract.Chain, error) {
		chain := hedged(0)
		chain.Steps[1] = contract.Step{Index: 1, CapacityType: v1alpha1.Spot, Overrides: []contract.Override{
			override(v1alpha1.Spot, "c5.large"), override(v1alpha1.Spot, "r5.large"),
		}}
		return chain, nil
	}
	w.launch = func(in contract.LaunchInput) (contract.LaunchResult, error) { return brings(in, 0), nil }
	env := w.env()
	takesSignals(env)
	noNodes(env)
	env.ExecuteWorkflow(contract.WorkflowScaleUp, scaleUpInput(1))
	require.NoError(t, env.GetWorkflowError())
	require.Len(t, w.launches, 3)
	require.Len(t, w.launches[1].Step.Overrides, 1)
	require.Equal(t, "r5.large", w.launches[1].Step.Overrides[0].InstanceType)
}

// standby answers claims; claims and what is given back are kept.
type standby struct {
	claims  []contract.Claim
	unclaim []contract.Unclaim
	told    []contract.LaunchEvent
}

// claimable is a chain that begins with hibernated machines.
func claimable() contract.Chain {
	chain := hedged(0)
	chain.Steps = append([]contract.Step{{CapacityType: v1alpha1.Hibernated, InstanceTypes: []string{"m5.large"}, Zones: []string{"eu-west-1a"}}}, chain.Steps[0], chain.Steps[2])
	for i := range chain.Steps {
		chain.Steps[i].Index = i
	}
	return chain
}

// answersClaims has Standby answer after some time with machines of these ids.
func answersClaims(env *testsuite.TestWorkflowEnvironment, after time.Duration, ids ...string) *standby {
	s := &standby{}
	env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(
		func(_, id, _, signal string, arg any) error {
			switch signal {
			case contract.SignalClaim:
				claim := arg.(contract.Claim)
				s.claims = append(s.claims, claim)
				answer := contract.Claimed{Key: claim.Key, Reason: "no more are kept"}
				for _, id := range ids {
					answer.Machines = append(answer.Machines, contract.Instance{ID: id, CapacityType: v1alpha1.OnDemand})
				}
				env.RegisterDelayedCallback(func() { env.SignalWorkflow(claim.ReplyTo.Signal, answer) }, after)
				env.RegisterDelayedCallback(func() { env.SignalWorkflow(claim.ReplyTo.Signal, answer) }, after+time.Millisecond) // twice
			case contract.SignalUnclaim:
				s.unclaim = append(s.unclaim, arg.(contract.Unclaim))
			default:
				s.told = append(s.told, arg.(contract.LaunchEvent))
			}
			return nil
		})
	return s
}

func TestScaleUpClaimsFromStandby(t *testing.T) {
	w := newWorld(t)
	w.chain = func(contract.OpenChainInput) (contract.Chain, error) { return claimable(), nil }
	env := w.env()
	nodes := noNodes(env)
	s := answersClaims(env, time.Second, "i-frozen")
	in := scaleUpInput(2)
	in.Machines = [][]string{{"default/a"}, {"default/b"}}
	w.slowly(env, time.Second)
	env.ExecuteWorkflow(contract.WorkflowScaleUp, in)
	var view contract.ScaleUpView
	require.NoError(t, env.GetWorkflowResult(&view))

	require.Len(t, s.claims, 1)
	claim := s.claims[0]
	require.Equal(t, view.Hops[0].Token, claim.Key)
	require.Equal(t, contract.SignalClaimed, claim.ReplyTo.Signal)
	require.Equal(t, v1alpha1.Hibernated, claim.Tier)
	require.Equal(t, 2, claim.Count)
	require.Equal(t, []string{"m5.large"}, claim.InstanceTypes)
	require.Equal(t, []string{"eu-west-1a"}, claim.Zones)
	require.Equal(t, in.Machines, claim.Machines)

	require.Equal(t, contract.ScaleUpFilled, view.Phase)
	require.Len(t, view.Hops, 2)
	require.Equal(t, "1 of 2 handed over by the pool's standby: no more are kept", contract.Answers(view.Hops[0]))
	require.Equal(t, 1, w.launches[0].Count, "the rest is bought")
	require.Len(t, *nodes, 1, "the claimed machine's Node workflow runs already")
	require.Equal(t, []string{"default/b"}, (*nodes)[0].Pods)
	require.Len(t, s.told, 2)
	require.Equal(t, "i-frozen", s.told[0].Instances[0].ID)
	require.Equal(t, 1, s.told[0].Open)
	require.Len(t, w.hops, 1, "the store learns of the claim")
	require.Empty(t, s.unclaim)
}

// What EC2 could not start it cannot launch either: the chain goes on elsewhere.
func TestScaleUpDoesNotAskForWhatCouldNotBeStarted(t *testing.T) {
	w := newWorld(t)
	dry := override(v1alpha1.OnDemand, "m5.large").Offering
	w.chain = func(contract.OpenChainInput) (contract.Chain, error) {
		chain := claimable()
		chain.Steps[1] = contract.Step{Index: 1, CapacityType: v1alpha1.OnDemand, Overrides: []contract.Override{
			override(v1alpha1.OnDemand, "m5.large"), override(v1alpha1.OnDemand, "c5.large"),
		}}
		return chain, nil
	}
	env := w.env()
	noNodes(env)
	env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, contract.SignalClaim, mock.Anything).Return(
		func(_, _, _, _ string, arg any) error {
			env.RegisterDelayedCallback(func() {
				env.SignalWorkflow(contract.SignalClaimed, contract.Claimed{
					Key: arg.(contract.Claim).Key, Outcomes: []contract.Outcome{{Offering: dry, Answer: contract.AnswerICE}},
				})
			}, time.Second)
			return nil
		})
	takesSignals(env)
	env.ExecuteWorkflow(contract.WorkflowScaleUp, scaleUpInput(1))
	require.NoError(t, env.GetWorkflowError())
	require.Len(t, w.launches, 1)
	require.Len(t, w.launches[0].Step.Overrides, 1)
	require.Equal(t, "c5.large", w.launches[0].Step.Overrides[0].InstanceType)
}

func TestScaleUpGoesOnWithoutStandby(t *testing.T) {
	w := newWorld(t)
	w.chain = func(contract.OpenChainInput) (contract.Chain, error) { return claimable(), nil }
	env := w.env()
	noNodes(env)
	env.OnSignalExternalWorkflow(mock.Anything, contract.StandbyID("demo", "general"), mock.Anything, mock.Anything, mock.Anything).
		Return(errors.New("unknown external workflow"))
	takesSignals(env)
	env.ExecuteWorkflow(contract.WorkflowScaleUp, scaleUpInput(1))
	var view contract.ScaleUpView
	require.NoError(t, env.GetWorkflowResult(&view))
	require.Equal(t, contract.ScaleUpFilled, view.Phase)
	require.Equal(t, "skipped: there is no workflow standby/demo/general", view.Hops[0].Note)
	require.Equal(t, v1alpha1.Spot, view.Hops[1].CapacityType)
}

// An answer that comes when the chain has gone on is taken as far as machines are missing, and the rest is given back.
func TestScaleUpTakesLateClaimsOrGivesThemBack(t *testing.T) {
	for name, tc := range map[string]struct {
		brings int // by the hop after the claim
		after  time.Duration
		taken  []string
		back   []string
	}{
		"missing":       {0, 10 * time.Second, []string{"i-1", "i-2"}, nil},
		"partly":        {1, 40 * time.Second, []string{"i-1"}, []string{"i-2"}},
		"after the end": {2, 40 * time.Second, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.chain = func(contract.OpenChainInput) (contract.Chain, error) { return claimable(), nil }
			w.launch = func(in contract.LaunchInput) (contract.LaunchResult, error) {
				if in.Hop == 2 {
					return brings(in, tc.brings), nil
				}
				return brings(in, 0), nil
			}
			env := w.env()
			noNodes(env)
			s := answersClaims(env, tc.after, "i-1", "i-2")
			w.slowly(env, 30*time.Second, 30*time.Second, 30*time.Second)
			env.ExecuteWorkflow(contract.WorkflowScaleUp, scaleUpInput(2))
			var view contract.ScaleUpView
			require.NoError(t, env.GetWorkflowResult(&view))
			require.Equal(t, contract.ScaleUpFilled, view.Phase)
			var taken, back []string
			for _, i := range view.Instances {
				if i.ID == "i-1" || i.ID == "i-2" {
					taken = append(taken, i.ID)
				}
			}
			for _, u := range s.unclaim[:min(1, len(s.unclaim))] { // the answer came twice
				require.Equal(t, s.claims[0].Key, u.Key)
				back = append(back, u.Instances...)
			}
			require.Equal(t, tc.taken, taken)
			require.Equal(t, tc.back, back)
			if tc.taken != nil {
				require.Contains(t, view.Hops[0].Note, "late: ")
				require.Equal(t, len(tc.taken), view.Hops[0].Got)
			}
		})
	}
}

// A claim without an answer is hedged like any hop: what is bought beside it is kept, and what the claim brings then goes
// back to sleep.
func TestScaleUpHedgesAClaim(t *testing.T) {
	w := newWorld(t)
	w.chain = func(contract.OpenChainInput) (contract.Chain, error) {
		chain := claimable()
		chain.HedgeAfter = time.Second
		return chain, nil
	}
	env := w.env()
	nodes := noNodes(env)
	s := answersClaims(env, 3*time.Second, "i-1")
	w.slowly(env, 500*time.Millisecond)
	env.ExecuteWorkflow(contract.WorkflowScaleUp, scaleUpInput(1))
	var view contract.ScaleUpView
	require.NoError(t, env.GetWorkflowResult(&view))
	require.Len(t, w.launches, 1)
	require.Less(t, view.Hops[1].Started.Sub(view.Hops[0].Started), contract.ClaimPatience)
	require.Len(t, *nodes, 1)
	require.Empty(t, (*nodes)[0].Surplus)
	require.Equal(t, []string{"i-1"}, s.unclaim[0].Instances)
}
