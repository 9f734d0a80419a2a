package workflows

import (
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	startnodes "floe.dev/floe/activities/nodes"
	sweepactivities "floe.dev/floe/activities/sweep"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/sweep"
)

var (
	sweepActivities *sweepactivities.Activities

	lookActivity   = define(contract.ActivityLook, sweepActivities.Look)
	findActivity   = define(contract.ActivityFind, sweepActivities.Find)
	repairActivity = define(contract.ActivityRepair, sweepActivities.Repair)
)

// Sweep compares EC2, Kubernetes and the workflows of one cluster, both ways, and repairs what does not belong together:
// a machine without a Node workflow gets one, a Node workflow without a machine is told so, a Node object without a
// machine is deleted. What seems wrong is looked at twice before anything is done: most of it is only on its way.
func Sweep(ctx workflow.Context, in contract.SweepInput) (*contract.SweepResult, error) {
	if in.Cluster == "" || len(in.Accounts) == 0 {
		return nil, temporal.NewNonRetryableApplicationError(
			`cluster and accounts are needed: {"cluster": "prod", "accounts": [{"account": "main", "region": "eu-west-1"}]}; or trigger the schedule `+
				contract.SweepScheduleID("<cluster>"), contract.ErrInvalidInput, nil)
	}
	if in.Settle <= 0 {
		in.Settle = contract.DefaultSettle
	}
	if in.MaxAdoptions <= 0 {
		in.MaxAdoptions = contract.MaxAdoptions
	}
	s := &sweeper{in: in, result: contract.SweepResult{Cluster: in.Cluster}}
	return s.run(ctx)
}

type sweeper struct {
	in     contract.SweepInput
	result contract.SweepResult
}

func (s *sweeper) run(ctx workflow.Context) (*contract.SweepResult, error) {
	repairs, err := s.look(ctx, "Looking.")
	if err == nil && len(repairs) > 0 {
		s.describe(ctx, fmt.Sprintf("%d things seem to need a repair; looking again in %s.", len(repairs), s.in.Settle))
		if err := sleep(ctx, s.in.Settle, "let what is on its way arrive"); err != nil {
			return nil, err
		}
		var again []contract.Repair
		again, err = s.look(ctx, "Looking again.")
		repairs = sweep.Confirmed(repairs, again)
	}
	if err != nil {
		s.describe(ctx, "**Trouble:** "+words(err))
		return nil, err
	}
	repairs, s.result.Postponed = sweep.Bounded(repairs, s.in.MaxAdoptions)
	if err := s.repair(ctx, s.adopt(ctx, repairs)); err != nil {
		return nil, err
	}
	s.describe(ctx, "")
	return &s.result, nil
}

// look gathers what every account shows and asks what is to be repaired.
func (s *sweeper) look(ctx workflow.Context, doing string) ([]contract.Repair, error) {
	s.describe(ctx, doing)
	futures := make([]workflow.Future, len(s.in.Accounts))
	for i, account := range s.in.Accounts {
		o := looking(contract.AWSTaskQueue(account.Account, account.Region, contract.ClassRead), "list the machines in account "+account.Account)
		futures[i] = lookActivity.start(ctx, o, contract.LookInput{AccountRegion: account, Cluster: s.in.Cluster})
	}
	looks := make([]contract.LookResult, len(futures))
	s.result.Machines, s.result.InOrder = 0, 0
	for i, future := range futures {
		if err := future.Get(ctx, &looks[i]); err != nil {
			return nil, err
		}
		s.result.InOrder += len(looks[i].Live)
		s.result.Machines += len(looks[i].Live) + len(looks[i].Orphans)
	}
	o := looking(contract.KubeTaskQueue(s.in.Cluster), "compare machines, Nodes and workflows")
	found, err := findActivity.run(ctx, o, contract.FindInput{Cluster: s.in.Cluster, Looks: looks})
	s.result.Left = found.Left
	return found.Repairs, err
}

// adopt starts the Node workflows among the repairs and returns the repairs without those that could not be started.
func (s *sweeper) adopt(ctx workflow.Context, repairs []contract.Repair) []contract.Repair {
	children := make([]workflow.ChildWorkflowFuture, len(repairs))
	for i, r := range repairs {
		if r.Start == nil {
			continue
		}
		// A former Node workflow may have ended in any way: the machine is alive, so its id is free for another life.
		child := workflow.WithChildOptions(ctx, abandoned(contract.NodeID(s.in.Cluster, r.Instance), startnodes.Summary(*r.Start)+", adopted",
			enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, startnodes.SearchAttributes(*r.Start)...))
		children[i] = workflow.ExecuteChildWorkflow(child, contract.WorkflowNode, *r.Start)
	}
	var made []contract.Repair
	for i, r := range repairs {
		if children[i] != nil {
			if err := started(ctx, children[i]); err != nil {
				s.result.Left = append(s.result.Left, contract.Finding{Subject: r.Instance, Message: "its Node workflow could not be started: " + words(err)})
				continue
			}
			r.Start = nil // it is in the child's history
		}
		made = append(made, r)
	}
	return made
}

// mostUnrecorded bounds what is carried from sweep to sweep while the store is down.
const mostUnrecorded = 500

// repair makes the other repairs and records all of them, with what the store did not take last time.
func (s *sweeper) repair(ctx workflow.Context, repairs []contract.Repair) error {
	var last contract.SweepResult
	if workflow.HasLastCompletionResult(ctx) {
		if err := workflow.GetLastCompletionResult(ctx, &last); err != nil {
			workflow.GetLogger(ctx).Warn("the last sweep's result cannot be read", "error", err)
		}
	}
	if len(repairs) == 0 && len(last.Unrecorded) == 0 {
		return nil
	}
	s.describe(ctx, fmt.Sprintf("Making %d repairs.", len(repairs)))
	o := looking(contract.KubeTaskQueue(s.in.Cluster), fmt.Sprintf("make and record %d repairs", len(repairs)))
	done, err := repairActivity.run(ctx, o, contract.RepairInput{
		Cluster: s.in.Cluster, Sweep: workflow.GetInfo(ctx).WorkflowExecution.RunID, Repairs: repairs, Earlier: last.Unrecorded,
	})
	if err != nil {
		return err
	}
	s.result.Repairs = done.Done
	s.result.Left = append(s.result.Left, done.Failed...)
	s.result.Unrecorded = done.Unrecorded[max(0, len(done.Unrecorded)-mostUnrecorded):]
	return nil
}

func (s *sweeper) describe(ctx workflow.Context, doing string) {
	workflow.SetCurrentDetails(ctx, sweepDetails(s.result, doing))
}

// sweepDetails is a Sweep's current details.
func sweepDetails(r contract.SweepResult, doing string) string {
	var b strings.Builder
	if doing != "" {
		b.WriteString(doing + "\n\n")
	}
	sayf(&b, "%d machines, %d of them in order.", r.Machines, r.InOrder)
	for _, repair := range r.Repairs {
		sayf(&b, "\n- **%s** `%s`: %s", repair.Kind, repair.Instance, repair.Reason)
	}
	if r.Postponed > 0 {
		sayf(&b, "\n- %d adoptions are left to the next sweep.", r.Postponed)
	}
	for _, left := range r.Left {
		sayf(&b, "\n- left alone: `%s`: %s", left.Subject, left.Message)
	}
	return b.String()
}

// looking is for a sweep's activities: a cluster of thousands of machines is some seconds of calls.
func looking(queue, summary string) workflow.ActivityOptions {
	o := quick(queue, summary)
	o.StartToCloseTimeout = time.Minute
	return o
}
