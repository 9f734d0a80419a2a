package store

import (
	"context"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.temporal.io/sdk/activity"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/fallback"
)

const (
	// pruneFinds is how many documents are looked for at a time, and pruneDeletes how many are deleted in one call. The
	// calls are short, so that those who write meanwhile never wait for long. (FerretDB 1 reads the whole collection for
	// each of them, and deletes by at most 32,766 ids.)
	pruneFinds   = 10_000
	pruneDeletes = 1_000
	// pruneTimeout bounds one call: longer than others, since nobody waits for it.
	pruneTimeout = time.Minute
	// clocks is how far workers' clocks may be apart.
	clocks = time.Hour
)

// Prune deletes from a collection what is older than the input says, the oldest first, and counts. Doing it again deletes
// what is left. A node that has not left keeps its record whatever its age, and the offering memory keeps what it reads.
// An attempt that takes over from another goes on with its count.
func (a *Activities) Prune(ctx context.Context, in contract.PruneInput) (contract.PruneResult, error) {
	result := contract.PruneResult{PruneInput: in}
	if !slices.Contains(contract.Retained, in.Collection) {
		return result, invalid("collection: %q is not pruned; the collections are %v", in.Collection, contract.Retained)
	}
	if horizon := a.now().Add(-fallback.Forget - clocks); in.Collection == contract.CollectionOfferings && in.Before.After(horizon) {
		return result, invalid("before: %s would delete what the offering memory still reads; give a time before %s",
			in.Before.UTC().Format(time.RFC3339), horizon.UTC().Format(time.RFC3339))
	}
	if a.client == nil {
		return result, nil
	}
	if activity.IsActivity(ctx) && activity.HasHeartbeatDetails(ctx) {
		// A count that cannot be read is begun anew.
		_ = activity.GetHeartbeatDetails(ctx, &result.Gone)
	}
	p := pruner{collection: a.indexed(ctx, in.Collection), gone: &result.Gone}
	if !in.Before.IsZero() {
		for _, more := range olderThan(in) {
			if err := p.prune(ctx, more); err != nil {
				return result, err
			}
		}
	}
	var err error
	result.Left, err = p.collection.EstimatedDocumentCount(ctx)
	return result, classify(err, "the count of "+in.Collection)
}

// olderThan are the filters of what is to go, one after the other.
func olderThan(in contract.PruneInput) []bson.D {
	old := bson.D{{Key: "at", Value: bson.D{{Key: "$lt", Value: in.Before}}}}
	with := func(e bson.E) bson.D { return append(slices.Clone(old), e) }
	switch in.Collection {
	case contract.CollectionNodes:
		return []bson.D{with(bson.E{Key: "view.phase", Value: string(contract.PhaseTerminated)})}
	case contract.CollectionPlans:
		// First the plans, then the chunks of those that are gone: a plan that is there is whole.
		return []bson.D{with(bson.E{Key: "data", Value: bson.D{{Key: "$exists", Value: false}}}), old}
	}
	return []bson.D{old}
}

// pruner empties one collection.
type pruner struct {
	collection *mongo.Collection
	gone       *int64
}

// prune deletes what matches.
func (p pruner) prune(ctx context.Context, filter bson.D) error {
	for {
		ids, err := p.find(ctx, filter)
		if err != nil {
			return classify(err, "the search for what is old in "+p.collection.Name())
		}
		for batch := range slices.Chunk(ids, pruneDeletes) {
			if err := p.delete(ctx, batch); err != nil {
				return classify(err, "deletes from "+p.collection.Name())
			}
		}
		if len(ids) < pruneFinds {
			return nil
		}
	}
}

func (p pruner) find(ctx context.Context, filter bson.D) (bson.A, error) {
	ctx, cancel := context.WithTimeout(ctx, pruneTimeout)
	defer cancel()
	cursor, err := p.collection.Find(ctx, filter, options.Find().
		SetProjection(bson.D{{Key: "_id", Value: 1}}).SetSort(byAge).SetLimit(pruneFinds))
	if err != nil {
		return nil, err
	}
	var docs []struct {
		ID any `bson:"_id"`
	}
	if err := cursor.All(ctx, &docs); err != nil {
		return nil, err
	}
	ids := make(bson.A, len(docs))
	for i, doc := range docs {
		ids[i] = doc.ID
	}
	return ids, nil
}

func (p pruner) delete(ctx context.Context, ids bson.A) error {
	bounded, cancel := context.WithTimeout(ctx, pruneTimeout)
	defer cancel()
	result, err := p.collection.DeleteMany(bounded, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
	if err != nil {
		return err
	}
	*p.gone += result.DeletedCount
	if activity.IsActivity(ctx) {
		activity.RecordHeartbeat(ctx, *p.gone)
	}
	return nil
}
