package workflows

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// prefetches has the pool want images before a freeze, and the activity answer.
func prefetches(f *freezer, answer func(n int) (contract.PrefetchResult, error)) {
	f.freeze = func(contract.FreezeInput) (contract.FreezeResult, error) {
		return contract.FreezeResult{Prefetch: true}, nil
	}
	f.prefetch = answer
}

// Images are pulled before the freeze, and the proof of the next wake tells which are there still.
func TestImagesArePulledBeforeTheFreeze(t *testing.T) {
	w, f := newWorld(t), newFreezer()
	prefetches(f, func(int) (contract.PrefetchResult, error) {
		return contract.PrefetchResult{Images: []string{"a", "b"}, Bytes: 1 << 30, Failed: []contract.PrefetchFailure{{Image: "c", Reason: "not found"}}}, nil
	})
	f.prove = func(_ context.Context, in contract.ProveInput) (contract.Proof, error) {
		return contract.Proof{Lease: true, Status: true, BootID: "boot-1", SameBoot: true, Images: 1, Lost: in.Last.Images[1:]}, nil
	}
	var asleep contract.NodeView
	v := live(t, w, f, onDemand(), hibernateAt(10*time.Minute),
		event{11 * time.Minute, func(env *testsuite.TestWorkflowEnvironment) { asleep = nodeView(t, env) }}, resumeAt(20*time.Minute))
	require.Equal(t, []string{"freeze", "prefetch", "freeze", "stop hibernate=true", "last words", "start", "prove", "open"}, f.asked,
		"it is looked for pods again after the pulls")
	require.Equal(t, prefetchTime, f.prefetched[0].Within)
	require.Equal(t, []string{"a", "b"}, asleep.Standby.Prefetched.Images)
	require.Len(t, asleep.Standby.Prefetched.Tried(), 3)
	require.Contains(t, asleep.Notes[0], "2 images prefetched, 1.0 GiB. 1 image could not be: c: not found.")
	require.Equal(t, []string{"a", "b"}, f.proven[0].Last.Images)
	require.Equal(t, contract.PhaseReady, v.Phase, "missing images keep it from nothing")
	require.Equal(t, []string{"b"}, v.Standby.Prefetched.Lost)
	require.Contains(t, v.Notes[1], "Prefetched and gone: 1 image (b).")
}

// A prefetch that fails loses no machine: it is frozen with what it has.
func TestAFreezeGoesOnWithoutImages(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(n int) (contract.PrefetchResult, error)
		tries  int
		says   string
	}{
		"refused": {func(int) (contract.PrefetchResult, error) {
			return contract.PrefetchResult{}, fatal(contract.ErrAccessDenied, "may not list pods")
		}, 1, "may not list pods"},
		"the second try pulls": {func(n int) (contract.PrefetchResult, error) {
			if n == 1 {
				return contract.PrefetchResult{}, context.DeadlineExceeded
			}
			return contract.PrefetchResult{Images: []string{"a"}}, nil
		}, 2, "1 image prefetched"},
		"the API server is away": {func(int) (contract.PrefetchResult, error) {
			return contract.PrefetchResult{}, context.DeadlineExceeded
		}, 0, "could not be pulled"},
		"nothing to pull": {func(int) (contract.PrefetchResult, error) {
			return contract.PrefetchResult{Note: "nothing is known of the pool's images"}, nil
		}, 1, "nothing is known"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFreezer()
			prefetches(f, c.answer)
			v := live(t, newWorld(t), f, onDemand(), hibernateAt(10*time.Minute))
			require.Equal(t, contract.PhaseStandby, v.Phase)
			require.Equal(t, contract.VerdictHibernated, v.Standby.Verdict)
			require.Contains(t, v.Notes[0], c.says)
			require.Contains(t, nodeDetails(v), c.says)
			if c.tries > 0 {
				require.Len(t, f.prefetched, c.tries)
			}
		})
	}
}

// A pod that came while images were pulled is not frozen with the machine.
func TestAPodThatComesDuringThePulls(t *testing.T) {
	f := newFreezer()
	prefetches(f, func(int) (contract.PrefetchResult, error) { return contract.PrefetchResult{}, nil })
	f.freeze = func(contract.FreezeInput) (contract.FreezeResult, error) {
		result := contract.FreezeResult{Prefetch: true}
		if len(f.prefetched) > 0 {
			result.Pods = []string{"default/late"}
		}
		return result, nil
	}
	v := live(t, newWorld(t), f, onDemand(), hibernateAt(10*time.Minute))
	require.Equal(t, contract.VerdictRefused, v.Standby.Verdict)
	require.Contains(t, v.Standby.Reason, "default/late")
	require.Empty(t, f.stops)
}

// deletesNodes has the pool want the Node of a stopped machine deleted, and the watcher see it go.
func deletesNodes(w *world, f *freezer) {
	f.freeze = func(in contract.FreezeInput) (contract.FreezeResult, error) {
		return contract.FreezeResult{DeleteNode: in.Tier == v1alpha1.Stopped}, nil
	}
	f.await = func(_ context.Context, in contract.AwaitStateInput) (contract.InstanceResult, error) {
		return contract.InstanceResult{State: in.States[0]}, nil
	}
	w.register = func(in contract.RegisterInput) (contract.RegisterResult, error) {
		result := contract.RegisterResult{Node: contract.KubeNode{Name: in.Node, UID: "u1", Exists: true, Initialized: true}}
		if in.NotUID != "" {
			result.Node.UID, result.StartupTaints = "u2", []string{"cni:NoSchedule"}
		}
		return result, nil
	}
}

// nodeGone is the watcher's word that a Node was deleted.
func nodeGone(at time.Duration) event {
	return event{at, signal(contract.SignalObserved, contract.Observation{Key: "gone " + at.String(), Node: &contract.KubeNode{Name: "ip-10-0-0-1", UID: "u1"}})}
}

func TestTheNodeOfAStoppedMachineIsDeleted(t *testing.T) {
	w, f := newWorld(t), newFreezer()
	deletesNodes(w, f)
	var registered []contract.RegisterInput
	answer := w.register
	w.register = func(in contract.RegisterInput) (contract.RegisterResult, error) {
		registered = append(registered, in)
		if n := len(registered); n > 1 && n < 4 { // it has not booted yet
			return contract.RegisterResult{}, noNode()
		}
		return answer(in)
	}
	var asleep contract.NodeView
	v := live(t, w, f, onDemand(), event{10 * time.Minute, signal(contract.SignalHibernate, contract.Operation{Request: "h", Tier: v1alpha1.Stopped})},
		nodeGone(12*time.Minute),
		event{15 * time.Minute, func(env *testsuite.TestWorkflowEnvironment) { asleep = nodeView(t, env) }}, resumeAt(20*time.Minute))
	require.Equal(t, contract.PhaseStandby, asleep.Phase, "that its Node is gone is no reason to leave")
	require.True(t, asleep.Standby.NodeDeleted)
	require.Len(t, w.deleted, 1)
	require.Equal(t, []string{"freeze", "stop hibernate=false", "last words", "start", "prove", "open"}, f.asked)
	require.Len(t, registered, 4)
	require.Equal(t, v1alpha1.Stopped, registered[3].Tier, "it is closed to pods until it is proven")
	require.NotEmpty(t, registered[3].NotUID)
	require.Equal(t, "u2", f.proven[0].UID)
	require.Equal(t, "u2", f.open[0].UID)
	require.Equal(t, contract.PhaseReady, v.Phase)
	require.Equal(t, "u2", v.Node.UID)
	require.Equal(t, []string{"cni:NoSchedule"}, v.StartupTaints)
	require.False(t, v.Standby.NodeDeleted)
	require.Empty(t, w.terminated)
}

func TestNodesOfFrozenMachinesThatGoWrong(t *testing.T) {
	stop := event{10 * time.Minute, signal(contract.SignalHibernate, contract.Operation{Request: "h", Tier: v1alpha1.Stopped})}
	t.Run("hibernated: it is kept", func(t *testing.T) {
		w, f := newWorld(t), newFreezer()
		deletesNodes(w, f)
		v := live(t, w, f, onDemand(), hibernateAt(10*time.Minute))
		require.False(t, v.Standby.NodeDeleted)
		require.Empty(t, w.deleted)
	})
	t.Run("it may not be deleted: it is kept", func(t *testing.T) {
		w, f := newWorld(t), newFreezer()
		deletesNodes(w, f)
		w.deleteNode = func(contract.DeleteNodeInput) error { return fatal(contract.ErrAccessDenied, "may not delete nodes") }
		v := live(t, w, f, onDemand(), stop)
		require.Equal(t, contract.PhaseStandby, v.Phase)
		require.False(t, v.Standby.NodeDeleted)
		require.Contains(t, v.Standby.Reason, "its Node is kept: may not delete nodes")
	})
	t.Run("it never registers another", func(t *testing.T) {
		w, f := newWorld(t), newFreezer()
		deletesNodes(w, f)
		answer := w.register
		w.register = func(in contract.RegisterInput) (contract.RegisterResult, error) {
			if in.NotUID != "" {
				return contract.RegisterResult{}, noNode()
			}
			return answer(in)
		}
		w.terminate = func(contract.InstanceInput) (contract.InstanceResult, error) {
			return contract.InstanceResult{State: "terminated"}, nil
		}
		v := live(t, w, f, onDemand(), stop, nodeGone(12*time.Minute), resumeAt(20*time.Minute))
		require.Equal(t, contract.PhaseTerminated, v.Phase)
		require.Contains(t, v.Reason, "it has not registered a Node within 5m0s of its start")
		require.Empty(t, f.open)
		require.Len(t, w.drained, 1, "before the freeze, and not after it")
	})
	t.Run("the Standby was started anew", func(t *testing.T) {
		w, f := newWorld(t), newFreezer()
		deletesNodes(w, f)
		f.freeze = func(contract.FreezeInput) (contract.FreezeResult, error) {
			return contract.FreezeResult{Prefetch: true, DeleteNode: true}, nil
		}
		f.prefetch = func(int) (contract.PrefetchResult, error) { return contract.PrefetchResult{Images: []string{"a"}}, nil }
		w.describe = func(contract.InstanceInput) (contract.InstanceResult, error) {
			return contract.InstanceResult{State: "stopped"}, nil
		}
		env := w.env()
		f.register(env)
		var reports []contract.StandbyReport
		env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, contract.SignalReported, mock.Anything).Return(
			func(_, _, _, _ string, payload any) error {
				reports = append(reports, payload.(contract.StandbyReport))
				return nil
			})
		for _, e := range []event{{2 * time.Second, seen("a", true)}, {3 * time.Second, seen("b", true)}, stop, nodeGone(12 * time.Minute)} {
			env.RegisterDelayedCallback(func() { e.do(env) }, e.at)
		}
		env.RegisterDelayedCallback(func() { env.CancelWorkflow() }, 3*time.Hour)
		env.ExecuteWorkflow(contract.WorkflowNode, onDemand())
		require.GreaterOrEqual(t, len(reports), 2, "it is told again every hour")
		for _, r := range reports {
			require.Equal(t, contract.ReportFrozen, r.State)
			require.Equal(t, []string{contract.ImageKey("a")}, r.Images)
		}
	})
}

func noNode() error {
	return temporal.NewApplicationError("cluster demo has no Node ip-10-0-0-1", contract.ErrNodeNotFound)
}

// A frozen machine that lacks much of what would be prefetched today is renewed.
func TestStandbyRenewsByItsImages(t *testing.T) {
	facts := func(p *pooled) {
		p.facts.Spec.Prefetch = &v1alpha1.Prefetch{DriftPercent: 50}
		p.facts.Images = []contract.ChosenImage{{Image: "web:2", Bytes: 3}, {Image: "base:1", Bytes: 1}}
	}
	frozen := func(at time.Duration, images ...string) event {
		r := contract.StandbyReport{
			Key: at.String(), Instance: machineOf(1), Tier: v1alpha1.Hibernated, State: contract.ReportFrozen, Verdict: contract.VerdictHibernated,
		}
		for _, image := range images {
			r.Images = append(r.Images, contract.ImageKey(image))
		}
		return event{at, signal(contract.SignalReported, r)}
	}
	p := newPooled(1)
	facts(p)
	v := p.play(t, frozen(0, "web:1", "base:1"))
	require.Contains(t, v.Machines[0].Renewing, "it lacks 75 % of the images")

	p = newPooled(1)
	facts(p)
	v = p.play(t, frozen(0, "web:2"))
	require.Empty(t, v.Machines[0].Renewing, "what it lacks is less than it may")
}
