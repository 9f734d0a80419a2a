package workflows

import (
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	startnodes "floe.dev/floe/activities/nodes"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/fallback"
)

// ScaleUp brings so many machines of a pool by walking the pool's chain: hop after hop until it is filled or exhausted.
// A hop that is not answered in time may get another beside it; the launch ends when every hop is answered, and what came
// too much is given back. Waiting for capacity is not its business but the Provisioner's. Canceled, it stops after the
// hops under way and keeps what it got. It fails only where nothing could be tried, with the remedy in the message.
func ScaleUp(ctx workflow.Context, in contract.ScaleUpInput) (*contract.ScaleUpView, error) {
	s, err := newScaleUp(ctx, in)
	if err != nil {
		return nil, err
	}
	return s.run(ctx)
}

type scaleUp struct {
	in   contract.ScaleUpInput
	view contract.ScaleUpView
	info *workflow.Info

	steering   steering
	claims     workflow.ReceiveChannel // answers of the pool's Standby
	path       *fallback.Walk          // nil until the chain is open
	under      []*underWay             // hops without an answer, by number
	wake       timer
	blocked    error // no other hop can do better
	nodes      []workflow.ChildWorkflowFuture
	starts     []workflow.Future // of many Nodes each
	told       []workflow.Future // signals to the Provisioner
	unrecorded []int             // numbers of hops that the store has not yet
	trouble    string
}

func newScaleUp(ctx workflow.Context, in contract.ScaleUpInput) (*scaleUp, error) {
	if in.Tier != "" {
		in.Purpose = contract.PurposeStandby
	}
	if in.Purpose == "" {
		in.Purpose = contract.PurposeHand
	}
	s := &scaleUp{
		in: in, info: workflow.GetInfo(ctx), wake: timer{summary: "look at the chain again"},
		view: contract.ScaleUpView{
			Cluster: in.Cluster, Pool: in.Pool, Purpose: in.Purpose, Count: in.Count, Phase: contract.ScaleUpOpening,
			Instances: []contract.Instance{}, Hops: []contract.Hop{},
		},
	}
	s.steering = steer(ctx)
	s.claims = workflow.GetSignalChannelWithOptions(ctx, contract.SignalClaimed, workflow.SignalChannelOptions{
		Description: "The pool's Standby answers a claim of this launch.",
	})
	err := workflow.SetQueryHandlerWithOptions(ctx, contract.QueryChain, func() (contract.ScaleUpView, error) { return s.view, nil },
		workflow.QueryHandlerOptions{Description: "The chain: each hop, its outcome, and what is next."})
	if err != nil {
		return nil, err
	}
	if err := in.Validate(); err != nil {
		return nil, temporal.NewNonRetryableApplicationError(err.Error(), contract.ErrInvalidInput, nil)
	}
	return s, nil
}

func (s *scaleUp) run(ctx workflow.Context) (*contract.ScaleUpView, error) {
	if s.in.Plan == "" { // a plan's launches are in the Provisioner's ledger already, and labeled by it
		s.label(ctx)
		s.tell(ctx, contract.SignalLaunchOpened, "opened", nil)
	}
	chain, err := s.open(ctx)
	if err == nil {
		s.view.Chain, s.view.Phase = &chain, contract.ScaleUpLaunching
		err = s.walk(ctx, chain)
	}
	return s.close(ctx, err)
}

// open resolves the chain: pool, template, image, offerings. By hand, what a person can mend is waited for; a plan's
// launch ends, and the Provisioner plans again later.
func (s *scaleUp) open(ctx workflow.Context) (contract.Chain, error) {
	s.describe(ctx, "Resolving the chain.")
	o := quick(contract.KubeTaskQueue(s.in.Cluster), "resolve the chain of pool "+s.in.Pool)
	gives := func(err error) bool {
		switch errorType(err) {
		case contract.ErrInvalidInput, contract.ErrPoolNotFound:
			return true
		case contract.ErrPoolInvalid, contract.ErrAccessDenied:
			return s.in.Purpose != contract.PurposeHand
		}
		return false
	}
	return insist(ctx, openChainActivity, o, contract.OpenChainInput{Launch: s.in}, gives, func(trouble string) {
		s.trouble = trouble
		s.describe(ctx, "Resolving the chain.")
	})
}

// walk tries the steps in order until nothing is missing or nothing is left, and every hop is answered. It returns an
// error only where a hop says that no other can do better.
func (s *scaleUp) walk(ctx workflow.Context, chain contract.Chain) error {
	s.path = fallback.NewWalk(chain)
	detached, _ := workflow.NewDisconnectedContext(ctx) // a hop runs to its answer: the machines may exist by then
	for {
		s.hear(detached, chain)
		s.answers(detached, chain)
		now := workflow.Now(ctx)
		more := s.missing() > 0 && ctx.Err() == nil && s.blocked == nil && !s.path.Ended()
		if more && s.ripe(chain, now) {
			if step, ok := s.path.Next(); ok {
				s.steering.now = false
				s.hop(detached, chain, step)
				continue
			}
		}
		if len(s.under) == 0 && !(more && s.view.Hold.Lasts(now)) {
			return s.blocked
		}
		s.describe(ctx, s.waiting(more, now))
		s.wake.by(detached, s.next(chain, more, now))
		err := workflow.Await(detached, func() bool {
			return s.steering.heard() || s.claims.Len() > 0 || s.answered() || s.wake.fired() || (more && ctx.Err() != nil)
		})
		if err != nil {
			return err
		}
	}
}

const (
	// recordAfter is within the minute that the store may be behind.
	recordAfter = 50 * time.Second
	// leaveWithin is what a reclaim gives a machine; EC2 takes most of a minute to end one, and budgets of pods may take longer.
	leaveWithin = 2 * time.Minute
	// mostChildren of a hop are started as children, which the UI shows beneath their ScaleUp. Children of one parent
	// start one after the other, each with a task of the parent's: more of them are started by an activity.
	mostChildren = 16
)

// start starts Node workflows. That they run is awaited at the end.
func (s *scaleUp) start(ctx workflow.Context, nodes []contract.NodeInput) {
	if len(nodes) > mostChildren {
		for some := range slices.Chunk(nodes, mostTold) {
			o := telling(fmt.Sprintf("start %d Node workflows", len(some)))
			s.starts = append(s.starts, startNodesActivity.start(ctx, o, contract.StartNodesInput{Nodes: some}))
		}
		return
	}
	for _, in := range nodes {
		child := workflow.WithChildOptions(ctx, abandoned(contract.NodeID(in.Cluster, in.Instance.ID), startnodes.Summary(in),
			enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY, startnodes.SearchAttributes(in)...))
		s.nodes = append(s.nodes, workflow.ExecuteChildWorkflow(child, contract.WorkflowNode, in))
	}
}

// close ends the launch once every Node has started and every hop is recorded.
func (s *scaleUp) close(ctx workflow.Context, err error) (*contract.ScaleUpView, error) {
	switch {
	case s.missing() == 0:
		s.view.Phase, err = contract.ScaleUpFilled, nil
	case ctx.Err() != nil:
		s.view.Phase, s.view.Reason = contract.ScaleUpCanceled, "canceled; what was launched is kept"
	case err != nil:
		s.view.Phase, s.view.Reason = contract.ScaleUpBlocked, words(err)
	default:
		s.view.Phase, s.view.Reason = contract.ScaleUpExhausted, fallback.Exhausted(s.view)
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	if s.missing() > 0 {
		s.tell(ctx, contract.SignalLaunchExhausted, "exhausted", nil)
	}
	if failed := s.awaitNodes(ctx); failed != nil {
		s.record(ctx) // what was asked and answered is true all the same
		return nil, fmt.Errorf("start the Node workflow: %w", failed)
	}
	s.awaitTold(ctx)
	s.describe(ctx, "")
	s.record(ctx)
	for s.claims.Len() > 0 { // an answer that came at the very end
		s.hearClaims(ctx)
		s.awaitTold(ctx)
	}
	if s.view.Phase == contract.ScaleUpBlocked {
		return nil, temporal.NewNonRetryableApplicationError(s.view.Reason, errorType(err), nil)
	}
	if s.view.Phase == contract.ScaleUpCanceled {
		return nil, temporal.NewCanceledError(s.result())
	}
	return s.result(), nil
}

// awaitNodes waits until every machine's Node workflow has started: until then the machine is the ScaleUp's.
func (s *scaleUp) awaitNodes(ctx workflow.Context) error {
	for _, node := range s.nodes {
		if err := started(ctx, node); err != nil {
			return err
		}
	}
	for _, start := range s.starts {
		if err := start.Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// awaitTold waits until what was signaled has arrived. One who is not there is not waited for.
func (s *scaleUp) awaitTold(ctx workflow.Context) {
	for _, signal := range s.told {
		if failed := signal.Get(ctx, nil); failed != nil {
			workflow.GetLogger(ctx).Info("nobody took the news of this launch", "error", failed)
		}
	}
	s.told = nil
}

// record hands in the hops that the store did not take while they happened.
func (s *scaleUp) record(ctx workflow.Context) {
	if len(s.unrecorded) == 0 {
		return
	}
	records := make([]contract.HopRecord, len(s.unrecorded))
	for i, number := range s.unrecorded {
		records[i] = s.recordOf(s.view.Hops[number-1]) // as it is by now: a claim may have been answered late
	}
	_, err := putHopsActivity.run(ctx, recording("hand in what the store missed"), records)
	if err != nil {
		workflow.GetLogger(ctx).Error("hops are not in the store", "error", err)
	}
}

// tell signals the Provisioner. The answer is awaited at the end.
func (s *scaleUp) tell(ctx workflow.Context, signal, event string, instances []contract.Instance) {
	news := contract.LaunchEvent{
		Key:     s.info.WorkflowExecution.RunID + "/" + event,
		ScaleUp: s.info.WorkflowExecution.ID, Pool: s.in.Pool, Purpose: s.in.Purpose, Open: s.missing(),
		Requests: s.in.Requests, InstanceTypes: s.in.InstanceTypes, Zones: s.in.Zones, CapacityTypes: s.in.CapacityTypes,
		Instances: instances, Reason: s.view.Reason,
	}
	if signal == contract.SignalLaunchExhausted {
		news.Open, news.Hops = 0, len(s.view.Hops)
		if s.view.Chain != nil {
			news.FreeAt, news.Help = fallback.FreeAt(s.view.Chain.Steps), s.view.Chain.Help
		}
	}
	to := contract.ProvisionerID(s.in.Cluster)
	if s.in.Tier != "" || s.in.Race != "" { // no plan may count on them
		to, news.Tier, news.Race = contract.StandbyID(s.in.Cluster, s.in.Pool), s.in.Tier, s.in.Race
	}
	s.told = append(s.told, workflow.SignalExternalWorkflow(ctx, to, "", signal, news))
}

// label sets the search attributes of a launch started by hand.
func (s *scaleUp) label(ctx workflow.Context) {
	err := workflow.UpsertTypedSearchAttributes(ctx, keyword(contract.AttributeCluster, s.in.Cluster), keyword(contract.AttributePool, s.in.Pool))
	if err != nil {
		workflow.GetLogger(ctx).Warn("search attributes are not set", "error", err)
	}
}

func (s *scaleUp) missing() int { return max(0, s.in.Count-len(s.view.Instances)) }

// result is the view less the chain, which the history has already.
func (s *scaleUp) result() *contract.ScaleUpView {
	v := s.view
	v.Chain = nil
	return &v
}

func (s *scaleUp) describe(ctx workflow.Context, next string) {
	s.view.Next = next
	workflow.SetCurrentDetails(ctx, scaleUpDetails(s.view, s.trouble))
}
