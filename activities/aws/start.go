package aws

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"

	"floe.dev/floe/api/contract"
)

// mostStarted is how many instances one call starts. All of a call start or none does, and each that starts is taken out
// of a bucket of 1,000 that refills by 2 a second.
const mostStarted = 100

// Start starts stopped instances and answers for each of them: started (also where it runs already), or EC2's refusal;
// lack of capacity is an answer, not an error. It may be repeated, and beats its heart. Calls that come together are made as
// one.
//
// StartInstances starts all or none
// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StartInstances.html has no word for a part). Where it refuses, one
// look tells which are to blame, and the others are asked for again: by offering, since that is what lacks capacity.
//
// Lack of capacity and quotas are told to the offering memory, as a launch's are: a stopped machine needs the same room as a
// new one of its offering.
//
// Errors: contract.ErrThrottled and contract.ErrUnavailable are to be retried; contract.ErrAccessDenied and
// contract.ErrInvalidInput are not.
func (a *Activities) Start(ctx context.Context, in contract.StartInput) (contract.StartResult, error) {
	if len(in.Instances) == 0 {
		return contract.StartResult{}, invalid("instances: none; give the ids of EC2 instances, i-…")
	}
	acc, err := a.account(in.Account, in.Region)
	if err != nil {
		return contract.StartResult{}, err
	}
	defer beating(ctx, beatEvery)()
	out := contract.StartResult{SentAt: a.now(), Answers: make([]contract.StartAnswer, len(in.Instances))}
	errs := make([]error, len(in.Instances))
	var wait sync.WaitGroup
	for n, id := range in.Instances {
		wait.Go(func() {
			out.Answers[n], errs[n] = acc.starts.do(ctx, id)
			out.Answers[n].Instance = id
		})
	}
	wait.Wait()
	a.learnStarts(ctx, acc, in, out.Answers)
	return out, cmp.Or(errs...)
}

// learnStarts tells the offering memory what starts were refused for: this process's at once, and the store if it takes it
// in time. Without it the next launch finds out for itself.
func (a *Activities) learnStarts(ctx context.Context, acc *account, in contract.StartInput, answers []contract.StartAnswer) {
	record := contract.HopRecord{ID: startID(ctx), Cluster: in.Cluster, Account: in.Account, Hop: contract.Hop{Ended: a.now()}}
	for _, answer := range answers {
		outcome, taught := answer.Outcome()
		if taught && !slices.ContainsFunc(record.Hop.Outcomes, func(o contract.Outcome) bool { return o.Offering == outcome.Offering }) {
			record.Hop.Outcomes = append(record.Hop.Outcomes, outcome)
		}
	}
	if len(record.Hop.Outcomes) == 0 {
		return
	}
	a.memories[acc.cfg.Region].learn(record)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err := a.store.PutLearned(ctx, record); err != nil {
		a.log.WarnContext(ctx, "the store did not take what a start was refused for", "account", in.Account, "error", err)
	}
}

// startID tells one asking from every other. Another attempt asks anew, and is answered anew.
func startID(ctx context.Context) string {
	if !activity.IsActivity(ctx) {
		return "start/" + uuid.NewString()
	}
	info := activity.GetInfo(ctx)
	return fmt.Sprintf("start/%s/%s/%d", info.WorkflowExecution.RunID, info.ActivityID, info.Attempt)
}

// start starts many instances.
func (acc *account) start(ctx context.Context, ids []string) map[string]result[contract.StartAnswer] {
	results := make(map[string]result[contract.StartAnswer], len(ids))
	d, err := acc.startAll(ctx, ids, results)
	if err == nil {
		return results
	}
	if !splits(d) {
		failAll(results, ids, acc.fail(err))
		return results
	}
	// Some of them are to blame. What each is, and where, tells which.
	var instances []types.Instance
	if err := acc.eachInstance(ctx, func(i types.Instance) { instances = append(instances, i) }, filter("instance-id", ids...)); err != nil {
		failAll(results, ids, acc.fail(err))
		return results
	}
	for _, id := range ids {
		results[id] = result[contract.StartAnswer]{value: contract.StartAnswer{Answer: contract.AnswerRefused, State: contract.InstanceGone}}
	}
	stopped := map[contract.Offering][]string{}
	for _, i := range instances {
		decoded := decodeInstance(i)
		switch decoded.State {
		case string(types.InstanceStateNameStopped):
			place := contract.OfferingOf(acc.cfg.Region, decoded)
			stopped[place] = append(stopped[place], decoded.ID)
		case string(types.InstanceStateNamePending), string(types.InstanceStateNameRunning):
			results[decoded.ID] = result[contract.StartAnswer]{value: contract.StartAnswer{Answer: contract.AnswerStarted, State: decoded.State}}
		default:
			results[decoded.ID] = result[contract.StartAnswer]{value: contract.StartAnswer{Answer: contract.AnswerRefused, State: decoded.State, Code: d.code, Message: d.message}}
		}
	}
	for _, place := range sortedPlaces(stopped) {
		acc.startAlike(ctx, place, stopped[place], results)
	}
	return results
}

// startAlike starts as many as can be of instances of one offering: where all are too many, half of them, and so on.
func (acc *account) startAlike(ctx context.Context, place contract.Offering, ids []string, results map[string]result[contract.StartAnswer]) {
	for len(ids) > 0 {
		some := ids
		for {
			d, err := acc.startAll(ctx, some, results)
			if err == nil {
				break
			}
			if !splits(d) {
				failAll(results, ids, acc.fail(err))
				return
			}
			if len(some) > 1 {
				some = some[:len(some)/2]
				continue
			}
			refused := contract.StartAnswer{Answer: answerOf(d.code), State: string(types.InstanceStateNameStopped), Code: d.code, Message: d.message}
			if refused.Answer == contract.AnswerRefused {
				results[some[0]] = result[contract.StartAnswer]{value: refused}
				break // it alone: the next may do
			}
			refused.Offering = &place
			for _, id := range ids {
				results[id] = result[contract.StartAnswer]{value: refused}
			}
			return
		}
		ids = ids[len(some):]
	}
}

// startAll makes one call. Where it succeeds every instance has its answer.
func (acc *account) startAll(ctx context.Context, ids []string, results map[string]result[contract.StartAnswer]) (diagnosis, error) {
	_, err := ask(ctx, acc.budget, "StartInstances", len(ids), mutateTimeout, func(ctx context.Context) (*ec2.StartInstancesOutput, error) {
		return acc.ec2.StartInstances(ctx, &ec2.StartInstancesInput{InstanceIds: ids})
	})
	if err != nil {
		return diagnose(err), err
	}
	for _, id := range ids {
		results[id] = result[contract.StartAnswer]{value: contract.StartAnswer{Answer: contract.AnswerStarted, State: string(types.InstanceStateNamePending)}}
	}
	return diagnosis{}, nil
}

// splits reports whether a refusal may be about some of the instances only.
func splits(d diagnosis) bool {
	return d.trouble == capacity || d.trouble == quota || d.trouble == refused
}

func failAll[V any](results map[string]result[V], ids []string, err error) {
	for _, id := range ids {
		results[id] = result[V]{err: err}
	}
}

func sortedPlaces(stopped map[contract.Offering][]string) []contract.Offering {
	places := make([]contract.Offering, 0, len(stopped))
	for place, ids := range stopped {
		slices.Sort(ids)
		places = append(places, place)
	}
	slices.SortFunc(places, func(a, b contract.Offering) int { return cmp.Compare(a.Key(), b.Key()) })
	return places
}
