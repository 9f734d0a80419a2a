package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
)

// Resume wakes one frozen machine: it is started (unless that was done for many at once), has to prove that it is alive,
// and is opened to pods only then. It is a workflow of its own so that the UI shows each wake as its own story. That the
// machine cannot be started now, or does not prove itself, is a result, and no error.
func Resume(ctx workflow.Context, in contract.ResumeInput) (*contract.ResumeResult, error) {
	r := &resume{in: in, result: contract.ResumeResult{Started: in.Started}}
	if err := r.run(ctx); err != nil {
		return nil, err
	}
	return &r.result, nil
}

// rejoinEvery is how often it is looked whether a machine has registered its Node anew. It does so seconds before it is
// Ready, so that nobody waits for this.
const rejoinEvery = 500 * time.Millisecond

type resume struct {
	in     contract.ResumeInput
	result contract.ResumeResult
	doing  string
}

func (r *resume) run(ctx workflow.Context) error {
	if r.in.Started.IsZero() {
		if started, err := r.start(ctx); err != nil || !started {
			return err
		}
	}
	if r.in.Rejoin != nil {
		if err := r.rejoin(ctx); err != nil || r.result.Outcome != "" {
			return err
		}
	}
	proof, err := r.prove(ctx)
	if err != nil || r.result.Outcome != "" {
		return err
	}
	r.result.SameBoot, r.result.Proven = proof.SameBoot, workflow.Now(ctx)
	r.result.Images, r.result.Lost = proof.Images, proof.Lost
	if open, err := r.ask(ctx); err != nil || !open {
		return err
	}
	return r.open(ctx)
}

// start asks EC2 for this one machine. It is false where the result is there already.
func (r *resume) start(ctx workflow.Context) (bool, error) {
	until := workflow.Now(ctx).Add(r.in.Within)
	for {
		r.describe(ctx, "Asking EC2 to start it.")
		r.result.Started = workflow.Now(ctx)
		o := limited(contract.AWSTaskQueue(r.in.Account, r.in.Region, contract.ClassStart), "start "+r.in.Instance.ID)
		out, err := insist(ctx, startActivity, o, contract.StartInput{
			Account: r.in.Account, Region: r.in.Region, Cluster: r.in.Cluster, Instances: []string{r.in.Instance.ID},
		}, func(error) bool { return workflow.Now(ctx).After(until) }, r.trouble(ctx))
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err != nil {
			return false, r.end(ctx, contract.ResumeNoCapacity, "EC2 cannot be asked: "+words(err))
		}
		var answer contract.StartAnswer
		if len(out.Answers) > 0 { // one for each, as it is asked
			answer = out.Answers[0]
		}
		r.result.State = answer.State
		why := fmt.Sprintf("EC2 does not start it: %s (%s)", answer.Message, answer.Code)
		switch {
		case answer.Answer == contract.AnswerStarted:
			return true, nil
		case answer.Answer == contract.AnswerICE, answer.Answer == contract.AnswerQuota:
			return false, r.end(ctx, contract.ResumeNoCapacity, why)
		case answer.State != "stopping" || !workflow.Now(ctx).Before(until):
			return false, r.end(ctx, contract.ResumeFailed, fmt.Sprintf("%s; the instance is %s", why, answer.State))
		}
		r.describe(ctx, "It is still on its way to sleep, and is started once it is there.")
		o = awaiting(contract.AWSTaskQueue(r.in.Account, r.in.Region, contract.ClassRead), "until EC2 shows it stopped")
		if _, err := awaitStateActivity.run(ctx, o, contract.AwaitStateInput{InstanceInput: r.instance(), States: []string{"stopped"}}); err != nil {
			return false, err
		}
	}
}

// rejoin waits until the machine has registered a Node in place of the one that was deleted while it slept, and has the
// pool's labels and taints put on, the standby's with them: it stays closed to pods until the machine is proven.
func (r *resume) rejoin(ctx workflow.Context) error {
	until := r.result.Started.Add(r.in.Within)
	r.describe(ctx, "Its Node was deleted while it slept. Waiting until it registers another, until "+until.UTC().Format(time.RFC3339)+" at the latest.")
	o := quick(contract.KubeTaskQueue(r.in.Cluster), "register "+r.in.Node+" anew")
	o.ScheduleToStartTimeout, o.ScheduleToCloseTimeout = 0, max(time.Second, until.Sub(workflow.Now(ctx)))
	o.RetryPolicy = &temporal.RetryPolicy{InitialInterval: rejoinEvery, BackoffCoefficient: 1}
	registered, err := registerActivity.run(ctx, o, contract.RegisterInput{
		Cluster: r.in.Cluster, Pool: r.in.Pool, Node: r.in.Node, NotUID: r.in.UID, Instance: r.in.Instance,
		Tier: r.in.Rejoin.Tier, Purpose: r.in.Rejoin.Purpose, Template: r.in.Rejoin.Template,
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return r.end(ctx, contract.ResumeFailed, fmt.Sprintf("it has not registered a Node within %s of its start: %s", r.in.Within, words(err)))
	}
	r.result.Rejoined, r.in.UID = &registered, registered.Node.UID
	return nil
}

// prove waits for the machine's proof of life. EC2 is looked at beside it: a machine that goes back to sleep, or away,
// need not be waited for.
func (r *resume) prove(ctx workflow.Context) (proof contract.Proof, err error) {
	until := r.result.Started.Add(r.in.Within)
	r.describe(ctx, "Waiting for proof that it is alive, until "+until.UTC().Format(time.RFC3339)+" at the latest: a lease renewed and a status written after the start.")
	beside, stop := workflow.WithCancel(ctx)
	defer stop()
	seen := awaitStateActivity.start(beside, awaiting(contract.AWSTaskQueue(r.in.Account, r.in.Region, contract.ClassRead), "until EC2 shows it running"),
		contract.AwaitStateInput{InstanceInput: r.instance(), States: []string{"running"}})
	o := awaiting(contract.KubeTaskQueue(r.in.Cluster), "proof of life of "+r.in.Node)
	o.StartToCloseTimeout = r.in.Within + time.Minute
	proven := proveActivity.start(beside, o, contract.ProveInput{
		Cluster: r.in.Cluster, Node: r.in.Node, UID: r.in.UID, Started: r.result.Started, Until: until, Last: r.in.Last,
	})
	looked := false
	for {
		if err := workflow.Await(ctx, func() bool { return proven.IsReady() || !looked && seen.IsReady() }); err != nil {
			return proof, err
		}
		if !proven.IsReady() {
			looked = true
			var state contract.InstanceResult
			if seen.Get(ctx, &state) != nil {
				continue // the proof alone decides
			}
			if r.result.State = state.State; state.State != "running" {
				return proof, r.end(ctx, contract.ResumeFailed, "the instance is "+state.State)
			}
			r.result.Running = workflow.Now(ctx)
			r.describe(ctx, r.doing+" EC2 shows it running.")
			continue
		}
		err := proven.Get(ctx, &proof)
		switch {
		case err != nil && ctx.Err() != nil:
			return proof, err
		case err != nil:
			return proof, r.end(ctx, contract.ResumeFailed, words(err))
		case proof.Missing != "":
			return proof, r.end(ctx, contract.ResumeFailed, proof.Missing)
		}
		return proof, nil
	}
}

func (r *resume) open(ctx workflow.Context) error {
	r.describe(ctx, "It is alive. Opening its Node to pods.")
	o := quick(contract.KubeTaskQueue(r.in.Cluster), "open "+r.in.Node+" to pods")
	_, err := insist(ctx, openNodeActivity, o, contract.OpenNodeInput{
		Cluster: r.in.Cluster, Node: r.in.Node, UID: r.in.UID, Pods: r.in.Pods, Resumed: r.result.Started, Purpose: r.in.Purpose,
	}, lostNode, r.trouble(ctx))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return r.end(ctx, contract.ResumeFailed, words(err))
	}
	r.result.Opened, r.result.State = workflow.Now(ctx), "running"
	return r.end(ctx, contract.ResumeInService, "")
}

func (r *resume) end(ctx workflow.Context, outcome contract.ResumeOutcome, why string) error {
	r.result.Outcome, r.result.Reason = outcome, why
	r.describe(ctx, fmt.Sprintf("%s. %s", outcome, why))
	return nil
}

func (r *resume) instance() contract.InstanceInput {
	return contract.InstanceInput{
		Account: r.in.Account, Region: r.in.Region, Cluster: r.in.Cluster, Instance: r.in.Instance.ID, Launched: r.in.Instance.LaunchTime,
	}
}

func (r *resume) describe(ctx workflow.Context, doing string) {
	r.doing = doing
	r.trouble(ctx)("")
}

// trouble shows a trouble in the details.
func (r *resume) trouble(ctx workflow.Context) func(string) {
	return func(trouble string) {
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("`%s`, because %s.\n\n%s\n\n%s", r.in.Instance.ID, r.in.Reason, r.doing, trouble))
	}
}
