package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/images"
)

// Hibernate freezes one machine, in either tier: its Node is closed to pods, and only when no workload pod is left and it
// has been up for long enough is EC2 asked to stop it, with its memory or without. It is a workflow of its own so that the
// UI shows each freeze as its own story. A machine that is refused runs on; that is a result, and no error.
func Hibernate(ctx workflow.Context, in contract.HibernateInput) (*contract.HibernateResult, error) {
	h := &hibernate{in: in}
	if err := h.run(ctx); err != nil {
		return nil, err
	}
	return &h.result, nil
}

type hibernate struct {
	in     contract.HibernateInput
	result contract.HibernateResult
	closed contract.FreezeResult   // what was said when its Node was closed
	seen   contract.InstanceResult // the instance, once it is stopped
	doing  string
}

const (
	// askAgain is how long to wait before a machine that EC2 found too early to hibernate is asked for again.
	askAgain = 15 * time.Second
	// prefetchTime is how long images may be pulled before a freeze, and prefetchGrace what a worker that died meanwhile,
	// or an API server that was away, may add: the machine is frozen then with what it has.
	prefetchTime  = 10 * time.Minute
	prefetchGrace = 2 * time.Minute
	// ignoredAfter is how long a machine may run on after EC2 took a stop before that is taken for one that was ignored:
	// longer than what EC2 takes, as a rule, to show a change.
	ignoredAfter = 20 * time.Second
)

func (h *hibernate) run(ctx workflow.Context) error {
	why, err := h.freeze(ctx)
	switch {
	case err != nil:
		return err
	case why != "":
		return h.refuse(ctx, why)
	}
	return h.frozen(ctx)
}

// freeze has the machine stopped, or says why it is not.
func (h *hibernate) freeze(ctx workflow.Context) (why string, err error) {
	if why, err = h.close(ctx, "close "+h.in.Node+" to pods"); err != nil || why != "" {
		return why, err
	}
	prefetches := h.closed.Prefetch
	if prefetches {
		if err := h.prefetch(ctx); err != nil {
			return "", err
		}
	}
	if wait := h.in.NotBefore.Sub(workflow.Now(ctx)); wait > 0 {
		h.describe(ctx, "Waiting until the machine has been up for long enough, at "+h.in.NotBefore.UTC().Format(time.RFC3339)+".")
		if err := sleep(ctx, wait, "until it has been up for long enough"); err != nil {
			return "", err
		}
	}
	if prefetches {
		// The pulls took a while, and a pod that tolerates everything may have come.
		if why, err = h.close(ctx, "see that no pod has come to "+h.in.Node); err != nil || why != "" {
			return why, err
		}
	}
	h.seen, why, err = h.stop(ctx)
	return why, err
}

// close closes the Node to pods, or says why the machine is not to be frozen.
func (h *hibernate) close(ctx workflow.Context, summary string) (why string, err error) {
	h.describe(ctx, fmt.Sprintf("Closing Node `%s` to pods.", h.in.Node))
	h.closed, err = insist(ctx, freezeActivity, quick(contract.KubeTaskQueue(h.in.Cluster), summary), contract.FreezeInput{
		Cluster: h.in.Cluster, Node: h.in.Node, UID: h.in.UID, Tier: h.in.Tier, Pool: h.in.Pool,
	}, lostNode, h.trouble(ctx))
	switch {
	case err != nil && ctx.Err() != nil:
		return "", err
	case err != nil:
		return words(err), nil
	case len(h.closed.Pods) > 0:
		return "pods are still on it: " + strings.Join(h.closed.Pods, ", "), nil
	}
	return "", nil
}

// prefetch pulls the images that the pool's pods are likely to need. Whatever comes of it, the machine is frozen: without
// its images it is slower, and not wrong.
func (h *hibernate) prefetch(ctx workflow.Context) error {
	h.describe(ctx, "Pulling the pool's images onto it, until "+workflow.Now(ctx).Add(prefetchTime).UTC().Format(time.RFC3339)+" at the latest.")
	o := awaiting(contract.KubeTaskQueue(h.in.Cluster), "pull images onto "+h.in.Node)
	o.ScheduleToCloseTimeout = prefetchTime + prefetchGrace
	result, err := prefetchActivity.run(ctx, o, contract.PrefetchInput{
		Cluster: h.in.Cluster, Pool: h.in.Pool, Node: h.in.Node, UID: h.in.UID, Within: prefetchTime,
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		result.Note = "the images could not be pulled: " + words(err)
	}
	h.result.Prefetched = &contract.Prefetched{PrefetchResult: result, At: workflow.Now(ctx)}
	return nil
}

// stop asks EC2 until the machine is stopped, or says why it is not.
func (h *hibernate) stop(ctx workflow.Context) (seen contract.InstanceResult, why string, err error) {
	verb := "hibernate"
	if h.in.Tier == v1alpha1.Stopped {
		verb = "stop"
	}
	until := workflow.Now(ctx).Add(h.in.Patience)
	for {
		h.describe(ctx, "Asking EC2 to "+verb+" it.")
		o := limited(contract.AWSTaskQueue(h.in.Account, h.in.Region, contract.ClassStop), verb+" "+h.in.Instance.ID)
		answer, err := insist(ctx, stopActivity, o, contract.StopInput{
			InstanceInput: h.instance(), Hibernate: h.in.Tier == v1alpha1.Hibernated,
		}, func(error) bool { return workflow.Now(ctx).After(until) }, h.trouble(ctx))
		if ctx.Err() != nil {
			return seen, "", ctx.Err()
		}
		h.result.State = answer.State
		switch {
		case err != nil:
			return seen, words(err), nil
		case answer.Answer == contract.StopAccepted:
			if seen, err = h.awaitStopped(ctx); err != nil {
				return seen, "", err
			}
			switch h.result.State = seen.State; seen.State {
			case "stopped":
				return seen, "", nil
			case "running":
				why = "EC2 took the request and did nothing, as it does within 30 s of a resume"
			default:
				return seen, "the instance is " + seen.State, nil
			}
		case answer.Answer == contract.StopEarly:
			why = fmt.Sprintf("EC2 says that it is too early: %s (%s)", answer.Message, answer.Code)
		default:
			return seen, fmt.Sprintf("EC2 refuses to %s it: %s (%s)", verb, answer.Message, answer.Code), nil
		}
		if !workflow.Now(ctx).Before(until) {
			return seen, why, nil
		}
		h.trouble(ctx)(why)
		if err := sleep(ctx, askAgain, "ask again: "+why); err != nil {
			return seen, "", err
		}
	}
}

func (h *hibernate) awaitStopped(ctx workflow.Context) (contract.InstanceResult, error) {
	h.describe(ctx, "EC2 has taken it. Its memory goes to its disk as fast as that writes: at 125 MiB/s, a GiB in 8 s.")
	o := awaiting(contract.AWSTaskQueue(h.in.Account, h.in.Region, contract.ClassRead), "until EC2 shows it stopped")
	return awaitStateActivity.run(ctx, o, contract.AwaitStateInput{
		InstanceInput: h.instance(), States: []string{"stopped"}, Leaves: "running", Within: ignoredAfter,
	})
}

// frozen ends a freeze that came off: what the Node said last is written down, for the proof of its next wake, and the Node
// is deleted where the pool wants that.
func (h *hibernate) frozen(ctx workflow.Context) error {
	h.result.Since = workflow.Now(ctx)
	o := quick(contract.KubeTaskQueue(h.in.Cluster), "write down what "+h.in.Node+" said last")
	in := contract.ReadLastWordsInput{Cluster: h.in.Cluster, Node: h.in.Node, UID: h.in.UID}
	if h.result.Prefetched != nil {
		in.Images = h.result.Prefetched.Images
	}
	last, err := insist(ctx, lastWordsActivity, o, in, lostNode, h.trouble(ctx))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil { // else its Node is gone, which its workflow sees too
		h.result.Last = last
	}
	h.result.Verdict = contract.VerdictPlainStopped
	switch {
	case h.in.Tier == v1alpha1.Hibernated && h.seen.Reason == contract.StateReasonHibernate:
		h.result.Verdict = contract.VerdictHibernated
	case h.in.Tier == v1alpha1.Hibernated:
		h.result.Reason = fmt.Sprintf("EC2 gives %q as the reason of its stop, and not %s: somebody else stopped it", h.seen.Reason, contract.StateReasonHibernate)
	}
	if h.closed.DeleteNode && err == nil {
		if err := h.deleteNode(ctx); err != nil {
			return err
		}
	}
	h.describe(ctx, "Frozen.")
	return nil
}

// deleteNode deletes the Node of the stopped machine. Where that is refused it is kept, which the result tells.
func (h *hibernate) deleteNode(ctx workflow.Context) error {
	h.describe(ctx, fmt.Sprintf("Deleting Node `%s`: the pool wants no Nodes of stopped machines.", h.in.Node))
	o := quick(contract.KubeTaskQueue(h.in.Cluster), "delete the Node "+h.in.Node)
	_, err := insist(ctx, deleteNodeActivity, o, contract.DeleteNodeInput{Cluster: h.in.Cluster, Node: h.in.Node, UID: h.in.UID}, denied, h.trouble(ctx))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if h.result.NodeDeleted = err == nil; err != nil {
		h.result.Reason = "its Node is kept: " + words(err)
	}
	return nil
}

// refuse ends a freeze that did not come off.
func (h *hibernate) refuse(ctx workflow.Context, why string) error {
	h.result.Verdict, h.result.Reason = contract.VerdictRefused, why
	h.describe(ctx, "It runs on: "+why+".")
	if !h.in.Reopen {
		return nil
	}
	o := quick(contract.KubeTaskQueue(h.in.Cluster), "open "+h.in.Node+" to pods again")
	_, err := insist(ctx, openNodeActivity, o, contract.OpenNodeInput{Cluster: h.in.Cluster, Node: h.in.Node, UID: h.in.UID}, lostNode, h.trouble(ctx))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		h.result.Reason += "; and its Node is not open to pods: " + words(err)
	}
	return nil
}

func (h *hibernate) instance() contract.InstanceInput {
	return contract.InstanceInput{
		Account: h.in.Account, Region: h.in.Region, Cluster: h.in.Cluster, Instance: h.in.Instance.ID, Launched: h.in.Instance.LaunchTime,
	}
}

func (h *hibernate) describe(ctx workflow.Context, doing string) {
	h.doing = doing
	h.trouble(ctx)("")
}

// trouble shows a trouble in the details.
func (h *hibernate) trouble(ctx workflow.Context) func(string) {
	return func(trouble string) {
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("`%s`, tier %s, because %s.\n\n%s\n\n%s\n\n%s",
			h.in.Instance.ID, h.in.Tier, h.in.Reason, h.doing, images.Told(h.result.Prefetched), trouble))
	}
}

// lostNode is true of errors that no repetition mends: the Node is gone, or the payload is wrong.
func lostNode(err error) bool {
	kind := errorType(err)
	return kind == contract.ErrNodeNotFound || kind == contract.ErrInvalidInput
}

// denied is true where the worker lacks the right, which no repetition mends.
func denied(err error) bool { return errorType(err) == contract.ErrAccessDenied }
