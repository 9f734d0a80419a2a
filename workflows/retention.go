package workflows

import (
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
)

var pruneActivity = define(contract.ActivityPrune, storeActivities.Prune)

// Retention deletes from the store what is older than its input says, one collection after the other, and counts what
// stays. It takes the place of TTL indexes, which not every store has. Where the store is away it waits for it.
func Retention(ctx workflow.Context, in contract.RetentionInput) (*contract.RetentionResult, error) {
	if err := in.Validate(); err != nil {
		return nil, temporal.NewNonRetryableApplicationError(err.Error(), contract.ErrInvalidInput, nil)
	}
	result := &contract.RetentionResult{}
	now := workflow.Now(ctx)
	for _, collection := range contract.Retained {
		prune := contract.PruneInput{Collection: collection}
		what := "count " + collection
		if age := in.Age(collection); age > 0 {
			prune.Before = now.Add(-age)
			what = "delete from " + collection + " what is from before " + prune.Before.UTC().Format(time.DateOnly)
		}
		workflow.SetCurrentDetails(ctx, retentionDetails(*result, what))
		pruned, err := pruneActivity.run(ctx, pruning(what), prune)
		if err != nil {
			workflow.SetCurrentDetails(ctx, retentionDetails(*result, what)+"\n\n**Trouble:** "+words(err))
			return nil, err
		}
		result.Collections = append(result.Collections, pruned)
	}
	workflow.SetCurrentDetails(ctx, retentionDetails(*result, ""))
	return result, nil
}

// retentionDetails is a Retention's current details.
func retentionDetails(r contract.RetentionResult, doing string) string {
	var b strings.Builder
	for _, p := range r.Collections {
		sayf(&b, "- `%s`: ", p.Collection)
		if !p.Before.IsZero() {
			sayf(&b, "%d from before %s are gone, ", p.Gone, p.Before.UTC().Format(time.RFC3339))
		}
		sayf(&b, "%d stay\n", p.Left)
	}
	if doing != "" {
		sayf(&b, "\nNow: %s.", doing)
	}
	return b.String()
}

// pruning is for one collection: nobody waits for it, and with the first years' worth of documents it may take long.
func pruning(summary string) workflow.ActivityOptions {
	o := recording(summary)
	o.StartToCloseTimeout, o.HeartbeatTimeout = 6*time.Hour, 3*time.Minute
	return o
}
