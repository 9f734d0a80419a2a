package workflows

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// proves has a woken machine ask for its standby's word.
func proves(at time.Duration, claim string, n int) event {
	id := machineOf(n).ID
	return event{at, signal(contract.SignalProven, contract.Proven{
		Claim: claim, Instance: id, ReplyTo: contract.ReplyTo{WorkflowID: contract.ResumeID("demo", id, 1), Signal: contract.SignalOpen},
	})}
}

func opened(p *pooled) (ids []string) {
	for _, w := range p.words {
		if w.order.Open {
			ids = append(ids, w.to)
		}
	}
	return ids
}

// Two are asked for, three are woken in one call; the two that are ready first are kept, and the third sleeps again.
func TestStandbyWakesMoreAndKeepsTheFastest(t *testing.T) {
	over := intstr.FromString("20%")
	p := newPooled(4)
	p.facts.Spec.OverResume = &over
	p.sleepers = 4
	var mid contract.StandbyView
	v := p.play(t, claims(time.Minute, "k", 2),
		event{time.Minute + time.Second, func(env *testsuite.TestWorkflowEnvironment) { mid = standbyView(t, env) }},
		proves(2*time.Minute, "k", 3), reports(2*time.Minute+time.Second, 3, contract.ReportInService),
		proves(3*time.Minute, "k", 1), reports(3*time.Minute+time.Second, 1, contract.ReportInService),
		proves(4*time.Minute, "k", 2), reports(5*time.Minute, 2, contract.ReportFrozen))
	require.Equal(t, 1, len(slices.DeleteFunc(slices.Clone(p.asked), func(a string) bool { return a != "start" })), "all in one call")
	require.Len(t, p.resumed, 3)
	require.Len(t, p.answers[0].Machines, 2, "the claim gets what it asked for")
	require.Contains(t, mid.Reasons, "0 of 2 machines that scaleup/demo/p-1/0 claimed are ready")
	require.Equal(t, []string{"resume/demo/i-3/1", "resume/demo/i-1/1"}, opened(p))
	require.Equal(t, []string{"default/b"}, p.words[0].order.Pods, "it has the pods of the one whose seat it takes")
	require.Equal(t, []string{"default/a"}, p.words[1].order.Pods)
	require.Equal(t, "others were ready first", p.words[2].order.Reason)
	require.Equal(t, []string{"i-2"}, p.gone, "no plan counts on the one that sleeps again")
	require.Equal(t, map[string]contract.StandbyPhase{"i-2": contract.StandbyFrozen, "i-4": contract.StandbyFrozen}, whereabouts(v))
	require.Empty(t, v.Races)
	require.Len(t, p.launches, 1)
	require.Equal(t, 2, p.launches[0].Count, "those that are in service are replaced, and no others")
}

// Not more are woken than there are; what other claims lack is woken first.
func TestStandbyOverResumesWhatIsLeft(t *testing.T) {
	over := intstr.FromInt32(2)
	p := newPooled(3)
	p.facts.Spec.OverResume = &over
	p.sleepers = 3
	v := p.play(t, claims(time.Minute, "a", 1), claims(time.Minute, "b", 1), claims(time.Minute, "c", 2),
		proves(2*time.Minute, "a", 3), reports(2*time.Minute+time.Second, 3, contract.ReportInService),
		proves(3*time.Minute, "a", 1), reports(3*time.Minute+time.Second, 1, contract.ReportInService),
		proves(4*time.Minute, "a", 2), reports(4*time.Minute+time.Second, 2, contract.ReportInService))
	require.Len(t, p.resumed, 3)
	var handed []string
	for _, a := range p.answers {
		require.Len(t, a.Machines, 1, a.Reason)
		handed = append(handed, a.Machines[0].ID)
	}
	require.ElementsMatch(t, []string{"i-1", "i-2", "i-3"}, handed, "what one claim has too much, others have")
	require.NotEmpty(t, p.answers[2].Reason)
	require.Len(t, opened(p), 3)
	require.Empty(t, v.Races)
}

// A claim that is given back before its machines are awake opens none.
func TestStandbyRaceThatIsGivenBack(t *testing.T) {
	over := intstr.FromInt32(1)
	p := newPooled(2)
	p.facts.Spec.OverResume = &over
	p.sleepers = 2
	v := p.play(t, claims(time.Minute, "k", 1),
		event{90 * time.Second, signal(contract.SignalUnclaim, contract.Unclaim{Key: "k", Instances: []string{"i-1"}})},
		proves(2*time.Minute, "k", 1), proves(2*time.Minute, "k", 2))
	require.Empty(t, opened(p))
	require.Len(t, p.words, 2)
	require.Equal(t, map[string]contract.StandbyPhase{"i-1": contract.StandbyMaking, "i-2": contract.StandbyMaking}, whereabouts(v))
	require.Empty(t, v.Races)
}

func TestStandbyRacesColdMachines(t *testing.T) {
	cold := func(id string, open int) func(*testsuite.TestWorkflowEnvironment) {
		return signal(contract.SignalLaunchFilled, contract.LaunchEvent{Key: "f" + id, Race: "k", Open: open, Instances: []contract.Instance{{ID: id}}})
	}
	for name, c := range map[string]struct {
		after  time.Duration
		events []event
		opened []string // of the frozen ones
		sent   string   // away
		gone   []string
		bought int
	}{
		"the frozen one is quick enough": {
			time.Minute,
			[]event{proves(90*time.Second, "k", 1), reports(91*time.Second, 1, contract.ReportInService)},
			[]string{"resume/demo/i-1/1"},
			"", nil, 0,
		},
		"the frozen one is first": {
			0,
			[]event{
				{70 * time.Second, cold("i-cold", 0)},
				proves(90*time.Second, "k", 1), reports(91*time.Second, 1, contract.ReportInService),
				{2 * time.Minute, signal(contract.SignalCold, contract.ColdReport{Claim: "k", Instance: "i-cold"})},
			},
			[]string{"resume/demo/i-1/1"},
			"node/demo/i-cold terminate", nil, 1,
		},
		"the cold one is brought late": {
			0,
			[]event{
				proves(70*time.Second, "k", 1), reports(71*time.Second, 1, contract.ReportInService),
				{90 * time.Second, cold("i-cold", 0)},
				{2 * time.Minute, signal(contract.SignalCold, contract.ColdReport{Claim: "k", Instance: "i-cold"})},
			},
			[]string{"resume/demo/i-1/1"},
			"node/demo/i-cold terminate", nil, 1,
		},
		"the cold one is first": {
			0,
			[]event{
				{70 * time.Second, cold("i-cold", 0)},
				{90 * time.Second, signal(contract.SignalCold, contract.ColdReport{Claim: "k", Instance: "i-cold", Ready: true})},
				proves(2*time.Minute, "k", 1),
			},
			nil, "",
			[]string{"i-1"},
			1,
		},
		"the frozen one never wakes": {
			0,
			[]event{
				{70 * time.Second, cold("i-cold", 0)},
				reports(80*time.Second, 1, contract.ReportGone),
				{90 * time.Second, signal(contract.SignalCold, contract.ColdReport{Claim: "k", Instance: "i-cold", Ready: true})},
			},
			nil, "",
			[]string{"i-1"},
			1,
		},
		"no cold one is to be had": {
			0,
			[]event{
				{70 * time.Second, signal(contract.SignalLaunchExhausted, contract.LaunchEvent{Key: "x", Race: "k"})},
				proves(90*time.Second, "k", 1), reports(91*time.Second, 1, contract.ReportInService),
			},
			[]string{"resume/demo/i-1/1"},
			"", nil, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPooled(1)
			p.facts.Spec.RaceAfter = &metav1.Duration{Duration: c.after}
			p.sleepers = 1
			v := p.play(t, append([]event{claims(time.Minute, "k", 1)}, c.events...)...)
			require.Equal(t, c.opened, opened(p))
			if c.sent != "" {
				require.Contains(t, p.sent, c.sent)
				require.True(t, p.dropped[0].Unready)
			} else {
				require.Empty(t, p.dropped)
			}
			require.Equal(t, c.gone, p.gone)
			require.Empty(t, v.Races, "it is settled")
			require.Empty(t, v.Trouble)
			bought := slices.DeleteFunc(p.launches, func(in contract.ScaleUpInput) bool { return in.Purpose != contract.PurposeRace })
			require.Len(t, bought, c.bought)
			for _, in := range bought {
				require.NoError(t, in.Validate())
				require.Equal(t, "k", in.Race)
				require.Equal(t, []v1alpha1.CapacityType{v1alpha1.Spot, v1alpha1.OnDemand}, in.CapacityTypes)
			}
		})
	}
}

// However often it continues as new: three are woken for two, a cold one is bought for the second seat, and is sent away when
// that is taken.
func TestStandbyRaceAcrossContinueAsNew(t *testing.T) {
	for _, turns := range []int{0, 3, 4, 5, 7, 11} { // a run begins with a look or two
		over := intstr.FromInt32(1)
		p := newPooled(3)
		p.facts.Spec.OverResume, p.facts.Spec.RaceAfter = &over, &metav1.Duration{Duration: 30 * time.Second}
		p.sleepers = 3
		in := p.input()
		in.MaxTurns = turns
		var v contract.StandbyView
		cold := signal(contract.SignalLaunchFilled, contract.LaunchEvent{Key: "f", Race: "k", Instances: []contract.Instance{{ID: "i-cold"}}})
		runAcrossContinue(t, newWorld(t), p.prepare, contract.WorkflowStandby, in, []event{
			claims(time.Minute, "k", 2),
			proves(80*time.Second, "k", 2), reports(81*time.Second, 2, contract.ReportInService),
			{100 * time.Second, cold},
			proves(2*time.Minute, "k", 3), reports(121*time.Second, 3, contract.ReportInService),
			{3 * time.Minute, signal(contract.SignalCold, contract.ColdReport{Claim: "k", Instance: "i-cold"})},
			proves(4*time.Minute, "k", 1), reports(5*time.Minute, 1, contract.ReportFrozen),
			{10 * time.Minute, func(env *testsuite.TestWorkflowEnvironment) {
				v = standbyView(t, env)
				env.CancelWorkflow()
			}},
		})
		require.Equal(t, []string{"resume/demo/i-2/1", "resume/demo/i-3/1"}, opened(p))
		require.Equal(t, map[string]contract.StandbyPhase{"i-1": contract.StandbyFrozen}, whereabouts(v))
		require.Contains(t, p.sent, "node/demo/i-cold terminate")
		require.Equal(t, []string{"i-1"}, p.gone)
		require.Empty(t, v.Races)
		counts := map[contract.Purpose]int{}
		for _, l := range p.launches {
			counts[l.Purpose] += l.Count
		}
		require.Equal(t, map[contract.Purpose]int{contract.PurposeRace: 1, contract.PurposeStandby: 2}, counts)
	}
}

// resumeAsking is a resume that asks before it opens.
func resumeAsking(at time.Duration) event {
	return event{at, signal(contract.SignalResume, contract.Operation{
		Request: at.String(), Reason: "claimed", Ask: &contract.Asking{Standby: contract.StandbyID("demo", "general"), Claim: "k"}, Pods: []string{"default/p"},
	})}
}

// A machine that others were quicker than is proven, never opened, and sleeps again; no pod is evicted for it.
func TestNodeStandsDown(t *testing.T) {
	w, f := newWorld(t), newFreezer()
	v := live(t, w, f, onDemand(), hibernateAt(10*time.Minute), resumeAsking(20*time.Minute), event{
		20*time.Minute + 10*time.Second,
		func(env *testsuite.TestWorkflowEnvironment) {
			require.NoError(t, env.SignalWorkflowByID(contract.ResumeID("demo", "i-1", 1), contract.SignalOpen, contract.OpenOrder{Reason: "others were ready first"}))
		},
	})
	require.Equal(t, []string{"freeze", "stop hibernate=true", "last words", "start", "prove", "freeze", "stop hibernate=true", "last words"}, f.asked)
	require.Equal(t, contract.PhaseStandby, v.Phase)
	require.Equal(t, contract.VerdictHibernated, v.Standby.Verdict)
	require.Len(t, w.drained, 1, "by the first freeze, when it was in service")
	require.Contains(t, v.Notes[1], "to sleep again: others were ready first")
	require.GreaterOrEqual(t, f.stops[1].Sub(v.Standby.Woke), quietAfterWake)
}

// The word is to open it; no word comes.
func TestNodeOpensWithAndWithoutAWord(t *testing.T) {
	for name, pods := range map[string][]string{"a word": {"default/other"}, "no word": {"default/p"}} {
		t.Run(name, func(t *testing.T) {
			f := newFreezer()
			v := live(t, newWorld(t), f, onDemand(), hibernateAt(10*time.Minute), resumeAsking(20*time.Minute), event{
				20*time.Minute + 10*time.Second,
				func(env *testsuite.TestWorkflowEnvironment) {
					if name == "a word" {
						require.NoError(t, env.SignalWorkflowByID(contract.ResumeID("demo", "i-1", 1), contract.SignalOpen, contract.OpenOrder{Open: true, Pods: pods}))
					}
				},
			})
			require.Equal(t, contract.PhaseReady, v.Phase)
			require.Equal(t, pods, f.open[0].Pods)
		})
	}
}

// A cold machine of a race tells its standby when it is ready, and goes only before.
func TestNodeThatRaces(t *testing.T) {
	for name, ready := range map[string]bool{"ready": true, "told to go before": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.terminate = func(contract.InstanceInput) (contract.InstanceResult, error) {
				return contract.InstanceResult{State: "terminated"}, nil
			}
			env := w.env()
			sent := takesSignals(env)
			in := nodeInput()
			in.Race = "k"
			if ready {
				env.RegisterDelayedCallback(func() { seen("a", true)(env) }, time.Second)
				env.RegisterDelayedCallback(func() { seen("b", true)(env) }, 2*time.Second)
			}
			env.RegisterDelayedCallback(func() {
				env.SignalWorkflow(contract.SignalTerminate, contract.Operation{Request: "r", Reason: "another was first", Unready: true})
			}, time.Minute)
			env.RegisterDelayedCallback(func() {
				require.Equal(t, contract.PhaseReady, nodeView(t, env).Phase)
				env.CancelWorkflow()
			}, time.Hour)
			env.ExecuteWorkflow(contract.WorkflowNode, in)
			require.Contains(t, *sent, contract.SignalCold)
			require.Equal(t, ready, len(w.terminated) == 0)
		})
	}
}
