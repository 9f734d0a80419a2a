package workflows

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"floe.dev/floe/api/contract"
)

// AWS takes a machine's hardware away: while it is frozen, and while it wakes. It leaves; no pod is given to it from then
// on, and it is terminated once.
func TestScheduledChangesMeetStandbyMachines(t *testing.T) {
	for name, c := range map[string]struct {
		at     time.Duration
		prove  time.Duration // how long the proof takes
		opened bool
	}{
		"while it is frozen":        {at: 15 * time.Minute},
		"while it wakes":            {at: 20*time.Minute + 30*time.Second, prove: time.Minute, opened: true},
		"when it has woken already": {at: 25 * time.Minute, opened: true},
	} {
		t.Run(name, func(t *testing.T) {
			w, f := newWorld(t), newFreezer()
			w.terminate = func(contract.InstanceInput) (contract.InstanceResult, error) {
				return contract.InstanceResult{State: "terminated"}, nil
			}
			if c.prove > 0 {
				f.proveAfter, f.proof = c.prove, contract.Proof{Lease: true, Status: true, BootID: "boot-1", SameBoot: true}
			}
			v := live(t, w, f, onDemand(), hibernateAt(10*time.Minute), resumeAt(20*time.Minute), event{c.at, reclaimSignal("e-1", contract.ReclaimScheduled)})
			require.Equal(t, contract.PhaseTerminated, v.Phase, v.Notes)
			require.Equal(t, []string{"i-1"}, w.terminated)
			require.Equal(t, c.opened, len(f.open) > 0)
			require.Equal(t, contract.ReclaimConfirmed, v.Reclaim.Verdict)
		})
	}
}

// Every step of a freeze or of a wake fails for a while, for a reason that passes, and for longer than Temporal tries it by
// itself: the step is taken again, and nothing else.
func TestFreezesAndWakesInsist(t *testing.T) {
	const failures = 4
	passes := func(f *freezer) map[string]func() {
		failed := 0
		fails := func(step string) error {
			if failed == failures {
				return nil
			}
			failed++
			return fmt.Errorf("%s: connection refused", step)
		}
		return map[string]func(){
			"freeze": func() {
				f.freeze = func(contract.FreezeInput) (contract.FreezeResult, error) {
					return contract.FreezeResult{}, fails("freeze")
				}
			},
			"stop": func() {
				answer := f.stop
				f.stop = func(in contract.StopInput) (contract.StopResult, error) {
					r, _ := answer(in)
					return r, fails("stop")
				}
			},
			"await": func() {
				answer := f.await
				f.await = func(ctx context.Context, in contract.AwaitStateInput) (contract.InstanceResult, error) {
					r, _ := answer(ctx, in)
					return r, fails("await")
				}
			},
			"start": func() {
				answer := f.start
				f.start = func(in contract.StartInput) (contract.StartResult, error) {
					r, _ := answer(in)
					return r, fails("start")
				}
			},
			"prove": func() {
				answer := f.prove
				f.prove = func(ctx context.Context, in contract.ProveInput) (contract.Proof, error) {
					r, _ := answer(ctx, in)
					return r, fails("prove")
				}
			},
		}
	}
	for step := range passes(newFreezer()) {
		t.Run(step, func(t *testing.T) {
			w, f := newWorld(t), newFreezer()
			passes(f)[step]()
			v := live(t, w, f, onDemand(), hibernateAt(10*time.Minute), resumeAt(20*time.Minute))
			require.Equal(t, contract.PhaseReady, v.Phase, v.Notes)
			require.Equal(t, contract.VerdictHibernated, v.Standby.Verdict)
			require.Len(t, f.open, 1)
			require.Empty(t, w.terminated)
			if step != "await" {
				asked := strings.Join(f.asked, ", ")
				require.Equal(t, 1+failures, strings.Count(asked, step), asked)
			}
		})
	}
}

// The launch template moves on while a machine wakes for a claim: those that sleep are renewed, and what wakes is left to
// whom it was given.
func TestATemplateMovesOnWhileAMachineWakes(t *testing.T) {
	p := newPooled(2)
	p.sleepers = 2
	var waking contract.StandbyView
	v := p.play(t,
		claims(time.Minute, "k", 1),
		event{2 * time.Minute, func(*testsuite.TestWorkflowEnvironment) { p.facts.ImageID = "ami-2" }},
		event{2*time.Minute + time.Second, signal(contract.SignalPoolChanged, struct{}{})},
		event{3 * time.Minute, func(env *testsuite.TestWorkflowEnvironment) {
			got, err := env.QueryWorkflow(contract.QueryStandby)
			require.NoError(t, err)
			require.NoError(t, got.Get(&waking))
		}},
		reports(4*time.Minute, 1, contract.ReportInService))
	renewed := map[string]bool{}
	for _, m := range waking.Machines {
		renewed[m.Instance.ID] = m.Renewing != ""
	}
	require.Equal(t, map[string]bool{"i-1": false, "i-2": true}, renewed, "what sleeps is renewed")
	require.Len(t, p.answers, 1)
	require.Equal(t, "i-1", p.answers[0].Machines[0].ID)
	require.NotContains(t, p.sent, "node/demo/i-1 terminate")
	require.NotContains(t, p.sent, "node/demo/i-1 hibernate")
	require.NotContains(t, whereabouts(v), "i-1", "it is its ScaleUp's")
	made := 0
	for _, l := range p.launches {
		made += l.Count
	}
	require.Equal(t, 2, made, "one in the place of what was claimed, one in that of what is renewed")
}

// Two hundred claims at once: what there is, is handed over once, in few calls, and everybody is answered.
func TestManyClaimsAtOnce(t *testing.T) {
	const machines, claimants = 150, 200
	p := newPooled(machines)
	p.sleepers = machines
	events := make([]event, claimants)
	for n := range claimants {
		events[n] = claims(time.Minute, fmt.Sprintf("k-%d", n), 1)
	}
	p.play(t, events...)
	require.Len(t, p.answers, claimants)
	given := map[string]int{}
	for _, a := range p.answers {
		if len(a.Machines) == 0 {
			require.NotEmpty(t, a.Reason)
		}
		for _, m := range a.Machines {
			given[m.ID]++
		}
	}
	require.Len(t, given, machines)
	for id, times := range given {
		require.Equal(t, 1, times, "%s was given to more than one", id)
	}
	require.Len(t, p.resumed, machines)
	answered := slices.IndexFunc(p.sent, func(s string) bool { return strings.HasSuffix(s, " "+contract.SignalClaimed) })
	woken := slices.IndexFunc(p.sent, func(s string) bool { return strings.HasSuffix(s, " "+contract.SignalResume) })
	require.Less(t, answered, woken, "ScaleUps wait for the answer: it comes before hundreds of Nodes are asked to wake their machines")
	starts := 0
	for _, a := range p.asked {
		if a == "start" {
			starts++
		}
	}
	require.LessOrEqual(t, starts, 5, "calls for 200 claims")
}
