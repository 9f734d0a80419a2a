package workflows

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// world answers the activities; each field may be replaced by a test. What was asked is kept.
type world struct {
	t *testing.T

	plan       func(contract.PlanInput) (contract.PlanDigest, error)
	chain      func(contract.OpenChainInput) (contract.Chain, error)
	launch     func(contract.LaunchInput) (contract.LaunchResult, error)
	register   func(contract.RegisterInput) (contract.RegisterResult, error)
	read       func(contract.ReadNodeInput) (contract.KubeNode, error)
	drain      func(contract.DrainInput) (contract.DrainResult, error)
	describe   func(contract.InstanceInput) (contract.InstanceResult, error)
	terminate  func(contract.InstanceInput) (contract.InstanceResult, error)
	putNode    func(contract.NodeRecord) error
	deleteNode func(contract.DeleteNodeInput) error
	confirm    func(contract.ConfirmReclaimInput) (contract.ConfirmReclaimResult, error)

	plans      []contract.PlanInput
	launches   []contract.LaunchInput
	records    []contract.NodeRecord
	hops       []contract.HopRecord
	started    [][]contract.NodeInput // by an activity, not as children
	terminated []string
	deleted    []string
	drained    []contract.DrainInput
	confirmed  []contract.ConfirmReclaimInput
	unmarked   []contract.UnmarkInput
	reclaimed  []contract.ReclaimedRecord
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t,
		plan: func(in contract.PlanInput) (contract.PlanDigest, error) {
			return contract.PlanDigest{Plan: in.Plan, CaughtUp: true}, nil
		},
		chain:  func(contract.OpenChainInput) (contract.Chain, error) { return threeSteps(), nil },
		launch: func(in contract.LaunchInput) (contract.LaunchResult, error) { return brings(in, in.Count), nil },
		register: func(in contract.RegisterInput) (contract.RegisterResult, error) {
			return contract.RegisterResult{Node: contract.KubeNode{Name: in.Node, Exists: true, Initialized: true}}, nil
		},
		read:  func(contract.ReadNodeInput) (contract.KubeNode, error) { return contract.KubeNode{}, nil },
		drain: func(contract.DrainInput) (contract.DrainResult, error) { return contract.DrainResult{Evicted: 1}, nil },
		describe: func(contract.InstanceInput) (contract.InstanceResult, error) {
			return contract.InstanceResult{State: "running"}, nil
		},
		terminate: func(contract.InstanceInput) (contract.InstanceResult, error) {
			return contract.InstanceResult{State: "shutting-down"}, nil
		},
		putNode:    func(contract.NodeRecord) error { return nil },
		deleteNode: func(contract.DeleteNodeInput) error { return nil },
		confirm: func(contract.ConfirmReclaimInput) (contract.ConfirmReclaimResult, error) {
			return contract.ConfirmReclaimResult{Verdict: contract.ReclaimConfirmed, Why: "marked-for-termination"}, nil
		},
	}
}

// env is a test environment in which the world answers, and signals to other workflows are taken.
func (w *world) env() *testsuite.TestWorkflowEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(5 * time.Minute)
	// The SDK takes a workflow for deadlocked that has not yielded for a second, and a busy machine may not run it for as long.
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: 5 * time.Minute})
	Register(env)
	register := func(name string, f any) { env.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name}) }
	register(contract.ActivityPlan, func(_ context.Context, in contract.PlanInput) (contract.PlanDigest, error) {
		w.plans = append(w.plans, in)
		return w.plan(in)
	})
	register(contract.ActivityOpenChain, func(_ context.Context, in contract.OpenChainInput) (contract.Chain, error) { return w.chain(in) })
	register(contract.ActivityLaunch, func(_ context.Context, in contract.LaunchInput) (contract.LaunchResult, error) {
		w.launches = append(w.launches, in)
		return w.launch(in)
	})
	register(contract.ActivityRegister, func(_ context.Context, in contract.RegisterInput) (contract.RegisterResult, error) {
		return w.register(in)
	})
	register(contract.ActivityReadNode, func(_ context.Context, in contract.ReadNodeInput) (contract.KubeNode, error) { return w.read(in) })
	register(contract.ActivityDrain, func(_ context.Context, in contract.DrainInput) (contract.DrainResult, error) {
		w.drained = append(w.drained, in)
		return w.drain(in)
	})
	register(contract.ActivityConfirmReclaim, func(_ context.Context, in contract.ConfirmReclaimInput) (contract.ConfirmReclaimResult, error) {
		if len(w.confirmed) == 0 || w.confirmed[len(w.confirmed)-1] != in { // else it is tried again
			w.confirmed = append(w.confirmed, in)
		}
		return w.confirm(in)
	})
	register(contract.ActivityUnmark, func(_ context.Context, in contract.UnmarkInput) error {
		w.unmarked = append(w.unmarked, in)
		return nil
	})
	register(contract.ActivityPutReclaim, func(_ context.Context, in contract.ReclaimedRecord) error {
		w.reclaimed = append(w.reclaimed, in)
		return nil
	})
	register(contract.ActivityDeleteNode, func(_ context.Context, in contract.DeleteNodeInput) error {
		w.deleted = append(w.deleted, in.Node)
		return w.deleteNode(in)
	})
	register(contract.ActivityTerminate, func(_ context.Context, in contract.InstanceInput) (contract.InstanceResult, error) {
		w.terminated = append(w.terminated, in.Instance)
		return w.terminate(in)
	})
	register(contract.ActivityDescribe, func(_ context.Context, in contract.InstanceInput) (contract.InstanceResult, error) {
		return w.describe(in)
	})
	register(contract.ActivityPutNode, func(_ context.Context, in contract.NodeRecord) error {
		w.records = append(w.records, in)
		return w.putNode(in)
	})
	register(contract.ActivityStartNodes, func(_ context.Context, in contract.StartNodesInput) error {
		w.started = append(w.started, in.Nodes)
		return nil
	})
	register(contract.ActivityPutHops, func(_ context.Context, in []contract.HopRecord) error {
		w.hops = append(w.hops, in...)
		return nil
	})
	return env
}

// takesSignals lets signals to other workflows succeed, and returns what was sent.
func takesSignals(env *testsuite.TestWorkflowEnvironment) *[]string {
	sent := &[]string{}
	env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).
		Return(func(_, _, _, signal string, _ any) error {
			*sent = append(*sent, signal)
			return nil
		})
	return sent
}

// noNodes keeps Node workflows from running, and returns the inputs they were started with.
func noNodes(env *testsuite.TestWorkflowEnvironment) *[]contract.NodeInput {
	started := &[]contract.NodeInput{}
	env.OnWorkflow(contract.WorkflowNode, mock.Anything, mock.Anything).Return(
		func(_ workflow.Context, in contract.NodeInput) (*contract.NodeView, error) {
			*started = append(*started, in)
			return &contract.NodeView{}, nil
		})
	return started
}

func override(ct v1alpha1.CapacityType, instanceType string) contract.Override {
	return contract.Override{Offering: contract.Offering{Region: "eu-west-1", ZoneID: "euw1-az1", InstanceType: instanceType, CapacityType: ct}, Zone: "eu-west-1a", Subnet: "subnet-1", USDPerHour: 0.1}
}

func threeSteps() contract.Chain {
	return contract.Chain{
		Account: "main", Region: "eu-west-1", RegistrationTimeout: 15 * time.Minute,
		Steps: []contract.Step{
			{Index: 0, CapacityType: v1alpha1.Spot, Overrides: []contract.Override{override(v1alpha1.Spot, "m5.large"), override(v1alpha1.Spot, "c5.large")}},
			{Index: 1, CapacityType: v1alpha1.Hibernated, Skipped: "the pool keeps no standby"},
			{Index: 2, CapacityType: v1alpha1.OnDemand, Overrides: []contract.Override{override(v1alpha1.OnDemand, "m5.large")}},
		},
	}
}

// brings is the answer of a hop that launched n machines.
func brings(in contract.LaunchInput, n int) contract.LaunchResult {
	r := contract.LaunchResult{Recorded: true}
	for i := range n {
		r.Instances = append(r.Instances, contract.Instance{
			ID: fmt.Sprintf("i-%d-%d", in.Hop, i), InstanceType: in.Step.Overrides[0].InstanceType, Zone: "eu-west-1a",
			CapacityType: in.Step.CapacityType, State: "pending", Token: in.Token,
		})
	}
	if n > 0 {
		r.Outcomes = append(r.Outcomes, contract.Outcome{Offering: in.Step.Overrides[0].Offering, Answer: contract.AnswerLaunched, Count: n})
	}
	if n < in.Count {
		for _, o := range in.Step.Overrides {
			r.Outcomes = append(r.Outcomes, contract.Outcome{Offering: o.Offering, Answer: contract.AnswerICE, Code: "InsufficientInstanceCapacity"})
		}
	}
	return r
}

func fatal(kind, message string) error {
	return temporal.NewNonRetryableApplicationError(message, kind, nil)
}

func requireErrorType(t *testing.T, kind string, err error) {
	t.Helper()
	var app *temporal.ApplicationError
	require.True(t, errors.As(err, &app), "%v", err)
	require.Equal(t, kind, app.Type(), "%v", err)
}
