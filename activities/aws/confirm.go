package aws

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"go.temporal.io/sdk/temporal"

	"floe.dev/floe/api/contract"
)

const (
	// confirmEvery is how long after a look that showed nothing EC2 is asked again: its Describe calls lag.
	confirmEvery = 2 * time.Second
	// confirmTimeout bounds one look, so that several fit in the time there is.
	confirmTimeout = 5 * time.Second
	// learnTimeout bounds the write to the offering memory that a yes brings.
	learnTimeout = 500 * time.Millisecond
)

// ConfirmReclaim asks EC2 whether a notice is true: of an interruption the status of the instance's spot request, of a
// scheduled event the instance's own events. Looks that come together are made as one.
//
// A yes is the answer at once. Until in.By a no may be EC2's lag, and a failure may pass: both are errors to be retried,
// of type contract.ErrUnavailable. From then on a no refutes the notice, and where EC2 does not answer, that is the
// verdict. A yes is told to the offering memory too, where in.Record says what of it; the result says whether it took it.
func (a *Activities) ConfirmReclaim(ctx context.Context, in contract.ConfirmReclaimInput) (contract.ConfirmReclaimResult, error) {
	var look func(context.Context, *account) (word, error)
	switch in.Kind {
	case contract.ReclaimInterruption:
		look = func(ctx context.Context, acc *account) (word, error) { return acc.spotRequests.do(ctx, in.Instance) }
	case contract.ReclaimScheduled:
		look = func(ctx context.Context, acc *account) (word, error) { return acc.scheduled(ctx, in.Instance) }
	default:
		return contract.ConfirmReclaimResult{}, invalid("kind: %q can't be asked about; interruption and scheduled can", in.Kind)
	}
	if in.Instance == "" {
		return contract.ConfirmReclaimResult{}, invalid("instance: empty; give the id of an EC2 instance, i-…")
	}
	acc, err := a.account(in.Account, in.Region)
	if err != nil {
		return contract.ConfirmReclaimResult{}, err
	}
	bounded, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	w, err := look(bounded, acc)
	over := !a.now().Before(in.By)
	switch {
	case err != nil && ctx.Err() != nil:
		return contract.ConfirmReclaimResult{}, ctx.Err()
	case err != nil && over:
		return contract.ConfirmReclaimResult{Verdict: contract.ReclaimUnanswered, Why: why(err)}, nil
	case err != nil:
		return contract.ConfirmReclaimResult{}, later(why(err))
	case w.yes:
		return contract.ConfirmReclaimResult{
			Verdict: contract.ReclaimConfirmed, Why: w.says, Deadline: w.at, Recorded: a.learnReclaim(ctx, in.Record),
		}, nil
	case w.says == "" && over:
		return contract.ConfirmReclaimResult{Verdict: contract.ReclaimUnanswered, Why: "EC2 shows nothing of " + in.Instance}, nil
	case over:
		return contract.ConfirmReclaimResult{Verdict: contract.ReclaimRefuted, Why: w.says}, nil
	}
	return contract.ConfirmReclaimResult{}, later("EC2 does not say so yet: " + w.says)
}

// learnReclaim tells the offering memory of a true interruption, and reports whether it has taken it. It is tried once: the
// machine's pods wait for the answer, and the Node's workflow sees to what the store did not take.
func (a *Activities) learnReclaim(ctx context.Context, record contract.ReclaimedRecord) bool {
	if record == (contract.ReclaimedRecord{}) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, learnTimeout)
	defer cancel()
	err := a.store.PutReclaim(ctx, record)
	if err != nil {
		a.log.WarnContext(ctx, "the offering memory does not know of a reclaim yet", "instance", record.Instance, "error", err)
	}
	return err == nil
}

// word is EC2's word on a notice.
type word struct {
	yes  bool
	says string // EC2's own words; empty where it shows nothing at all
	at   time.Time
}

func later(message string) error {
	return temporal.NewApplicationErrorWithOptions(message, contract.ErrUnavailable, temporal.ApplicationErrorOptions{
		Category: temporal.ApplicationErrorCategoryBenign, NextRetryDelay: confirmEvery,
	})
}

// why is a failure in words: what is wrong and what would help.
func why(err error) string {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return app.Message()
	}
	return err.Error()
}

// reclaimed reports whether the status of a spot request says that EC2 takes the instance, or has taken it
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-request-status.html): marked-for-termination, marked-for-stop,
// instance-terminated-by-price, instance-stopped-no-capacity, …; but not what its user did.
func reclaimed(code string) bool {
	if code == "instance-terminated-by-user" || code == "instance-stopped-by-user" {
		return false
	}
	for _, prefix := range []string{"marked-for-", "instance-terminated-", "instance-stopped-"} {
		if strings.HasPrefix(code, prefix) {
			return true
		}
	}
	return false
}

// spotWords reads the spot requests of many instances. It asks by filter: an instance that has none is left out.
func (acc *account) spotWords(ctx context.Context, ids []string) map[string]result[word] {
	results := make(map[string]result[word], len(ids))
	for _, id := range ids {
		results[id] = result[word]{}
	}
	pages := ec2.NewDescribeSpotInstanceRequestsPaginator(acc.ec2, &ec2.DescribeSpotInstanceRequestsInput{
		Filters: []types.Filter{filter("instance-id", ids...)}, MaxResults: awssdk.Int32(1000), // the most that EC2 takes
	})
	err := eachPage(ctx, acc.budget, "DescribeSpotInstanceRequests", pages.HasMorePages, pages.NextPage, func(page *ec2.DescribeSpotInstanceRequestsOutput) {
		for _, r := range page.SpotInstanceRequests {
			if r.Status != nil {
				code := awssdk.ToString(r.Status.Code)
				results[awssdk.ToString(r.InstanceId)] = result[word]{value: word{yes: reclaimed(code), says: "the spot request is " + code}}
			}
		}
	})
	if err != nil {
		for _, id := range ids {
			results[id] = result[word]{err: acc.fail(err)}
		}
	}
	return results
}

// scheduled reads what AWS has scheduled for an instance. What is over has a description that begins with [Completed] or
// [Canceled] (docs.aws.amazon.com/AWSEC2/latest/UserGuide/viewing_scheduled_events.html).
func (acc *account) scheduled(ctx context.Context, id string) (word, error) {
	out, err := ask(ctx, acc.budget, "DescribeInstanceStatus", 0, confirmTimeout, func(ctx context.Context) (*ec2.DescribeInstanceStatusOutput, error) {
		return acc.ec2.DescribeInstanceStatus(ctx, &ec2.DescribeInstanceStatusInput{InstanceIds: []string{id}, IncludeAllInstances: awssdk.Bool(true)})
	})
	if err != nil {
		return word{}, acc.fail(err)
	}
	w := word{}
	for _, status := range out.InstanceStatuses {
		w.says = "nothing is scheduled for it"
		for _, e := range status.Events {
			description := awssdk.ToString(e.Description)
			if strings.HasPrefix(description, "[Completed]") || strings.HasPrefix(description, "[Canceled]") {
				continue
			}
			at := awssdk.ToTime(e.NotBefore)
			if !w.yes || !at.IsZero() && at.Before(w.at) {
				w = word{yes: true, at: at, says: fmt.Sprintf("%s at %s: %s", e.Code, at.UTC().Format(time.RFC3339), clip(description))}
			}
		}
	}
	return w, nil
}
