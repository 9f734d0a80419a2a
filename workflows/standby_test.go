package workflows

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// pooled is a Standby's world: what its pool says, the launches it opened and the signals it sent.
type pooled struct {
	*freezer
	facts    contract.StandbyFacts
	launches []contract.ScaleUpInput
	sent     []string // workflow signal
	answers  []contract.Claimed
	resumed  []contract.Operation
	fates    []contract.Fate
	noTaker  bool // of claimed: the ScaleUp has ended
	sleepers int  // machines 1 to so many are frozen from the start

	zones map[int]string // of those that are not where the others are

	words []struct { // to machines that ask
		to    string
		order contract.OpenOrder
	}
	gone []string // of what a Provisioner counts on
	// nodeless are the machines that have no Node workflow.
	nodeless []string

	history func(contract.LaunchHistoryInput) (contract.LaunchHistory, error)
	asks    []contract.LaunchHistoryInput
	dropped []contract.Operation
}

func newPooled(hibernated int32) *pooled {
	return &pooled{freezer: newFreezer(), facts: contract.StandbyFacts{
		Account: "main", Region: "eu-west-1", ImageID: "ami-1", Spec: &v1alpha1.Standby{Hibernated: hibernated, RenewAtOnce: 1},
	}}
}

// prepare has the world answer in an environment.
func (p *pooled) prepare(env *testsuite.TestWorkflowEnvironment) {
	p.register(env)
	env.RegisterActivityWithOptions(func(contract.ReadStandbyInput) (contract.StandbyFacts, error) { return p.facts, nil },
		activity.RegisterOptions{Name: contract.ActivityReadStandby})
	env.RegisterActivityWithOptions(func(in contract.LaunchHistoryInput) (contract.LaunchHistory, error) {
		p.asks = append(p.asks, in)
		return p.history(in)
	}, activity.RegisterOptions{Name: contract.ActivityLaunchHistory})
	env.RegisterActivityWithOptions(func(in contract.WakeNodesInput) (result contract.WakeNodesResult, _ error) {
		for _, m := range in.Machines {
			if slices.Contains(p.nodeless, m.Instance) {
				result.Missing = append(result.Missing, m.Instance)
				continue
			}
			p.sent, p.resumed = append(p.sent, contract.NodeID(in.Cluster, m.Instance)+" "+contract.SignalResume), append(p.resumed, m.Resume)
		}
		return result, nil
	}, activity.RegisterOptions{Name: contract.ActivityWakeNodes})
	env.OnWorkflow(contract.WorkflowScaleUp, mock.Anything, mock.Anything).Return(
		func(_ workflow.Context, in contract.ScaleUpInput) (*contract.ScaleUpView, error) {
			p.launches = append(p.launches, in)
			return &contract.ScaleUpView{}, nil
		})
	env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(
		func(_, id, _, signal string, payload any) error {
			p.sent = append(p.sent, id+" "+signal)
			switch v := payload.(type) {
			case contract.Claimed:
				if p.noTaker {
					return fmt.Errorf("no such workflow")
				}
				p.answers = append(p.answers, v)
			case contract.OpenOrder:
				p.words = append(p.words, struct {
					to    string
					order contract.OpenOrder
				}{id, v})
			case contract.Gone:
				p.gone = append(p.gone, v.Instance)
			case contract.Fate:
				p.fates = append(p.fates, v)
			case contract.Operation:
				if signal == contract.SignalTerminate {
					p.dropped = append(p.dropped, v)
				}
			}
			return nil
		})
}

// input starts a Standby with its sleepers.
func (p *pooled) input() contract.StandbyInput {
	in := contract.StandbyInput{Cluster: "demo", Pool: "general", State: &contract.StandbyState{}}
	for n := range p.sleepers {
		in.State.Machines = append(in.State.Machines, contract.StandbyMachine{
			Instance: machineOf(n + 1), Tier: v1alpha1.Hibernated, Phase: contract.StandbyFrozen, Verdict: contract.VerdictHibernated,
		})
		if zone := p.zones[n+1]; zone != "" {
			in.State.Machines[n].Instance.Zone = zone
		}
	}
	return in
}

// play runs a Standby through events and gives its last view.
func (p *pooled) play(t *testing.T, events ...event) (view contract.StandbyView) {
	t.Helper()
	env := newWorld(t).env()
	p.prepare(env)
	for _, e := range events {
		env.RegisterDelayedCallback(func() { e.do(env) }, e.at)
	}
	env.RegisterDelayedCallback(func() {
		got, err := env.QueryWorkflow(contract.QueryStandby)
		require.NoError(t, err)
		require.NoError(t, got.Get(&view))
		env.CancelWorkflow()
	}, 30*time.Minute)
	env.ExecuteWorkflow(contract.WorkflowStandby, p.input())
	require.True(t, env.IsWorkflowCompleted())
	return view
}

func machineOf(n int) contract.Instance {
	return contract.Instance{
		ID: fmt.Sprintf("i-%d", n), InstanceType: "m5.large", Zone: "eu-west-1a", ImageID: "ami-1", RootGiB: 28,
		LaunchTime: time.Now(),
	}
}

// reports is a Node's word on its machine.
func reports(at time.Duration, n int, state contract.ReportedState) event {
	return event{at, signal(contract.SignalReported, contract.StandbyReport{
		Key: fmt.Sprint(at, n), Instance: machineOf(n), Tier: v1alpha1.Hibernated, State: state, Verdict: contract.VerdictHibernated,
	})}
}

func claims(at time.Duration, key string, count int) event {
	return event{at, signal(contract.SignalClaim, contract.Claim{
		Key: key, Count: count, Tier: v1alpha1.Hibernated, ReplyTo: contract.ReplyTo{WorkflowID: "scaleup/demo/p-1/0", Signal: contract.SignalClaimed},
		Machines: [][]string{{"default/a"}, {"default/b"}},
	})}
}

func whereabouts(v contract.StandbyView) map[string]contract.StandbyPhase {
	all := map[string]contract.StandbyPhase{}
	for _, m := range v.Machines {
		all[m.Instance.ID] = m.Phase
	}
	return all
}

func TestStandbyIsFilledOnce(t *testing.T) {
	p := newPooled(2)
	v := p.play(t)
	require.Len(t, p.launches, 1, "what is being launched is not launched again")
	require.Equal(t, 2, p.launches[0].Count)
	require.Equal(t, v1alpha1.Hibernated, p.launches[0].Tier)
	require.Equal(t, contract.PurposeStandby, p.launches[0].Purpose)
	require.Equal(t, 2, v.Fills[0].Open)
}

func TestStandbyServesClaims(t *testing.T) {
	p := newPooled(3)
	p.facts.Spec.ResumeTimeout = &metav1.Duration{Duration: 9 * time.Minute}
	p.sleepers = 3
	v := p.play(t,
		claims(time.Minute, "one", 1), claims(time.Minute, "two", 1), claims(2*time.Minute, "one", 1),
		reports(3*time.Minute, 1, contract.ReportInService))
	require.Len(t, p.answers, 3, "a claim that comes again is answered again")
	require.Equal(t, p.answers[0], p.answers[2])
	require.Len(t, p.resumed, 2, "and its machines are started once")
	require.Equal(t, []string{"default/a"}, p.resumed[0].Pods)
	require.NotZero(t, p.resumed[0].Started)
	require.Equal(t, 9*time.Minute, p.resumed[0].Within, "as the pool says today")
	starts := 0
	for _, a := range p.asked {
		if a == "start" {
			starts++
		}
	}
	require.LessOrEqual(t, starts, 2, "one call serves all claims that have come meanwhile")
	require.Equal(t, map[string]contract.StandbyPhase{"i-2": contract.StandbyWaking, "i-3": contract.StandbyFrozen}, whereabouts(v))
}

// One of two machines that were started has no workflow: it is the sweep's, and no room that a plan may count on.
func TestStandbyWakesOneThatHasNoWorkflow(t *testing.T) {
	p := newPooled(2)
	p.sleepers, p.nodeless = 2, []string{"i-1"}
	v := p.play(t, claims(time.Minute, "one", 2), reports(2*time.Minute, 2, contract.ReportInService))
	require.Len(t, p.answers[0].Machines, 2)
	require.Len(t, p.resumed, 1)
	require.Equal(t, []string{"i-1"}, p.gone)
	require.Empty(t, v.Machines)
}

// EC2 cannot start the first machine: another takes its place, and the claim is answered with what there is.
func TestStandbyTriesOthersWhereCapacityIsShort(t *testing.T) {
	p := newPooled(2)
	p.start = func(in contract.StartInput) (contract.StartResult, error) {
		r := starts(in, contract.AnswerStarted)
		for n := range r.Answers {
			if r.Answers[n].Instance == "i-1" {
				r.Answers[n].Answer, r.Answers[n].Message = contract.AnswerICE, "no capacity"
			}
		}
		return r, nil
	}
	p.sleepers = 2
	var mid contract.StandbyView
	p.play(t, claims(time.Minute, "k", 2),
		event{time.Minute + time.Second, func(env *testsuite.TestWorkflowEnvironment) {
			got, err := env.QueryWorkflow(contract.QueryStandby)
			require.NoError(t, err)
			require.NoError(t, got.Get(&mid))
		}})
	require.Len(t, p.answers, 1)
	require.Len(t, p.answers[0].Machines, 1)
	require.Equal(t, "i-2", p.answers[0].Machines[0].ID)
	require.Contains(t, p.answers[0].Reason, "no capacity")
	require.Equal(t, contract.StandbyFrozen, whereabouts(mid)["i-1"])
}

// What EC2 has just not had is not asked for again: the next round goes to another zone at once.
func TestStandbyGoesToAnotherZone(t *testing.T) {
	p := newPooled(5)
	p.sleepers = 5
	p.zones = map[int]string{5: "eu-west-1b"}
	asked := [][]string{}
	p.start = func(in contract.StartInput) (contract.StartResult, error) {
		asked = append(asked, in.Instances)
		if in.Instances[0] == "i-5" {
			return starts(in, contract.AnswerStarted), nil
		}
		return starts(in, contract.AnswerICE), nil
	}
	p.play(t, claims(time.Minute, "k", 1))
	require.Equal(t, [][]string{{"i-1"}, {"i-5"}}, asked)
	require.Equal(t, "i-5", p.answers[0].Machines[0].ID)
}

func TestClaimsThatComeToNothing(t *testing.T) {
	back := signal(contract.SignalUnclaim, contract.Unclaim{Key: "k", Instances: []string{"i-1"}})
	for name, c := range map[string]struct {
		change func(*pooled)
		events []event
	}{
		"its ScaleUp has ended":             {func(p *pooled) { p.noTaker = true }, []event{reports(2*time.Minute, 1, contract.ReportInService)}},
		"given back before it is awake":     {func(*pooled) {}, []event{{90 * time.Second, back}, reports(2*time.Minute, 1, contract.ReportInService)}},
		"given back when it serves already": {func(*pooled) {}, []event{reports(2*time.Minute, 1, contract.ReportInService), {3 * time.Minute, back}}},
		"given back twice":                  {func(*pooled) {}, []event{{90 * time.Second, back}, {91 * time.Second, back}, reports(2*time.Minute, 1, contract.ReportInService)}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPooled(1)
			p.sleepers = 1
			c.change(p)
			v := p.play(t, append([]event{claims(time.Minute, "k", 1)}, c.events...)...)
			require.Contains(t, p.sent, "node/demo/i-1 hibernate", "it goes back to sleep")
			require.Equal(t, contract.StandbyMaking, whereabouts(v)["i-1"])
		})
	}
}

func TestStandbyMachinesThatGoWrong(t *testing.T) {
	p := newPooled(2)
	v := p.play(t, reports(time.Second, 1, contract.ReportRefused), reports(2*time.Second, 2, contract.ReportFrozen), reports(3*time.Second, 2, contract.ReportGone))
	require.Contains(t, p.sent, "node/demo/i-1 terminate")
	require.NotContains(t, whereabouts(v), "i-2")
}

func TestStandbyDrainAndFill(t *testing.T) {
	p := newPooled(1)
	p.sleepers = 1
	order := func(name string) func(*testsuite.TestWorkflowEnvironment) {
		return func(env *testsuite.TestWorkflowEnvironment) {
			env.UpdateWorkflow(name, name, &testsuite.TestUpdateCallback{OnAccept: func() {}, OnReject: func(err error) { require.NoError(t, err) }, OnComplete: func(any, error) {}}, contract.StandbyOrder{})
		}
	}
	p.play(t, event{time.Minute, order(contract.UpdateDrain)}, reports(2*time.Minute, 1, contract.ReportGone))
	require.Contains(t, p.sent, "node/demo/i-1 terminate")
	launched := len(p.launches)
	p.play(t, event{time.Minute, order(contract.UpdateDrain)}, reports(2*time.Minute, 1, contract.ReportGone), event{3 * time.Minute, order(contract.UpdateFill)})
	require.Greater(t, len(p.launches), launched)
}

// A Standby that is started anew asks the machines that it does not know; one whose pool keeps none any more ends.
func TestStandbyBeginsAndEnds(t *testing.T) {
	p := newPooled(1)
	p.facts.Closed = []string{"i-7"}
	p.play(t, reports(5*time.Second, 7, contract.ReportFrozen))
	require.Contains(t, p.sent, "node/demo/i-7 report")
	require.Empty(t, p.launches, "a machine that is there is not launched again")

	p = newPooled(0)
	env := newWorld(t).env()
	p.register(env)
	env.RegisterActivityWithOptions(func(contract.ReadStandbyInput) (contract.StandbyFacts, error) {
		return contract.StandbyFacts{Gone: true}, nil
	},
		activity.RegisterOptions{Name: contract.ActivityReadStandby})
	env.ExecuteWorkflow(contract.WorkflowStandby, contract.StandbyInput{Cluster: "demo", Pool: "general"})
	require.NoError(t, env.GetWorkflowError())
}
