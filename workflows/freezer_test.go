package workflows

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// freezer answers what freezing and waking ask for; each field may be replaced by a test. What was asked is kept in order.
type freezer struct {
	freeze func(contract.FreezeInput) (contract.FreezeResult, error)
	stop   func(contract.StopInput) (contract.StopResult, error)
	await  func(context.Context, contract.AwaitStateInput) (contract.InstanceResult, error)
	words  contract.LastWords
	start  func(contract.StartInput) (contract.StartResult, error)
	prove  func(context.Context, contract.ProveInput) (contract.Proof, error)
	// prefetch answers the n-th try.
	prefetch func(n int) (contract.PrefetchResult, error)

	// proveAfter, where set, is how long a proof takes, and proof what it is; nothing is proven without.
	proveAfter time.Duration
	proof      contract.Proof

	asked      []string
	stops      []time.Time
	open       []contract.OpenNodeInput
	prefetched []contract.PrefetchInput
	proven     []contract.ProveInput
}

func newFreezer() *freezer {
	return &freezer{
		freeze: func(contract.FreezeInput) (contract.FreezeResult, error) { return contract.FreezeResult{}, nil },
		stop: func(contract.StopInput) (contract.StopResult, error) {
			return contract.StopResult{Answer: contract.StopAccepted, State: "stopping"}, nil
		},
		await: func(_ context.Context, in contract.AwaitStateInput) (contract.InstanceResult, error) {
			return contract.InstanceResult{State: in.States[0], Reason: contract.StateReasonHibernate}, nil
		},
		words: contract.LastWords{BootID: "boot-1", Lease: time.Unix(100, 0).UTC(), Status: time.Unix(90, 0).UTC()},
		start: func(in contract.StartInput) (contract.StartResult, error) {
			return starts(in, contract.AnswerStarted), nil
		},
		prove: func(context.Context, contract.ProveInput) (contract.Proof, error) {
			return contract.Proof{Lease: true, Status: true, BootID: "boot-1", SameBoot: true}, nil
		},
	}
}

// starts answers alike for every instance.
func starts(in contract.StartInput, answer contract.Answer) (r contract.StartResult) {
	for _, id := range in.Instances {
		r.Answers = append(r.Answers, contract.StartAnswer{Instance: id, Answer: answer, Code: "code", Message: "message"})
	}
	return r
}

// register puts the freezer's activities on an environment.
func (f *freezer) register(env *testsuite.TestWorkflowEnvironment) {
	register := func(name string, served any) {
		env.RegisterActivityWithOptions(served, activity.RegisterOptions{Name: name})
	}
	register(contract.ActivityFreeze, func(_ context.Context, in contract.FreezeInput) (contract.FreezeResult, error) {
		f.asked = append(f.asked, "freeze")
		return f.freeze(in)
	})
	register(contract.ActivityPrefetch, func(_ context.Context, in contract.PrefetchInput) (contract.PrefetchResult, error) {
		f.asked, f.prefetched = append(f.asked, "prefetch"), append(f.prefetched, in)
		return f.prefetch(len(f.prefetched))
	})
	register(contract.ActivityStop, func(_ context.Context, in contract.StopInput) (contract.StopResult, error) {
		f.asked, f.stops = append(f.asked, fmt.Sprintf("stop hibernate=%t", in.Hibernate)), append(f.stops, env.Now())
		return f.stop(in)
	})
	register(contract.ActivityAwaitState, func(ctx context.Context, in contract.AwaitStateInput) (contract.InstanceResult, error) {
		return f.await(ctx, in)
	})
	register(contract.ActivityReadLastWords, func(_ context.Context, in contract.ReadLastWordsInput) (contract.LastWords, error) {
		f.asked = append(f.asked, "last words")
		words := f.words
		words.Images = in.Images
		return words, nil
	})
	register(contract.ActivityStart, func(_ context.Context, in contract.StartInput) (contract.StartResult, error) {
		f.asked = append(f.asked, "start")
		return f.start(in)
	})
	register(contract.ActivityProve, func(ctx context.Context, in contract.ProveInput) (contract.Proof, error) {
		f.asked, f.proven = append(f.asked, "prove"), append(f.proven, in)
		return f.prove(ctx, in)
	})
	register(contract.ActivityOpenNode, func(_ context.Context, in contract.OpenNodeInput) error {
		f.asked, f.open = append(f.asked, "open"), append(f.open, in)
		return nil
	})
	if f.proveAfter > 0 {
		proof := f.proof
		if !proof.Lease {
			proof.Missing = "all of it"
		}
		env.OnActivity(contract.ActivityProve, mock.Anything, mock.Anything).After(f.proveAfter).Return(proof, nil)
	}
}

func onDemand() contract.NodeInput {
	in := nodeInput()
	in.Instance.CapacityType = v1alpha1.OnDemand
	return in
}

// live plays events on a node's life and gives its last view.
func live(t *testing.T, w *world, f *freezer, in contract.NodeInput, events ...event) contract.NodeView {
	t.Helper()
	env := w.env()
	f.register(env)
	takesSignals(env)
	for _, e := range append([]event{{2 * time.Second, seen("a", true)}, {3 * time.Second, seen("b", true)}}, events...) {
		env.RegisterDelayedCallback(func() { e.do(env) }, e.at)
	}
	return lived(t, env, in)
}

// lived runs a node's life for an hour, or to its end where that comes sooner, and gives its last view.
func lived(t *testing.T, env *testsuite.TestWorkflowEnvironment, in contract.NodeInput) (last contract.NodeView) {
	t.Helper()
	env.RegisterDelayedCallback(func() { last = nodeView(t, env); env.CancelWorkflow() }, time.Hour)
	env.ExecuteWorkflow(contract.WorkflowNode, in)
	if env.GetWorkflowError() == nil {
		require.NoError(t, env.GetWorkflowResult(&last))
	}
	return last
}

func hibernateAt(at time.Duration) event {
	return event{at, signal(contract.SignalHibernate, contract.Operation{Request: at.String(), Reason: "at night"})}
}

func resumeAt(at time.Duration) event {
	return event{at, signal(contract.SignalResume, contract.Operation{Request: at.String(), Reason: "morning", Pods: []string{"default/p"}})}
}
