package store

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"floe.dev/floe/api/contract"
)

// ClaimProbes claims the probes of offerings (contract.Override.Probe) for the ScaleUp whose workflow id is by. It returns
// the ids of those that another one has claimed: they are not to be asked. A probe is claimed by a unique insert, so that
// of all who come, in whatever process, one wins; who claims again what it has already won has it still.
//
// Where the store does not answer, none is known to be taken, and the error is contract.ErrUnavailable.
func (a *Activities) ClaimProbes(ctx context.Context, by string, probes []contract.Override) (taken map[string]bool, err error) {
	if a.client == nil || len(probes) == 0 {
		return nil, nil
	}
	docs := make([]any, len(probes))
	now := a.now()
	for i, p := range probes {
		docs[i] = learned{
			ID: p.Probe, Region: p.Region, By: by, At: now, Stored: now,
			Outcomes: []outcome{{ZoneID: p.ZoneID, InstanceType: p.InstanceType, CapacityType: p.CapacityType, Answer: contract.AnswerProbing}},
		}
	}
	const action = "claims of probes"
	offerings := a.database.Collection(contract.CollectionOfferings)
	_, err = offerings.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
	var bulk mongo.BulkWriteException
	switch {
	case err == nil:
		return nil, nil
	case !errors.As(err, &bulk) || bulk.WriteConcernError != nil:
		return nil, classify(err, action)
	}
	taken = map[string]bool{}
	var ids bson.A
	for _, e := range bulk.WriteErrors {
		if !mongo.IsDuplicateKeyError(e.WriteError) || e.Index < 0 || e.Index >= len(probes) {
			return nil, classify(e.WriteError, action)
		}
		taken[probes[e.Index].Probe] = true
		ids = append(ids, probes[e.Index].Probe)
	}
	return taken, classify(a.dropOwn(ctx, offerings, by, ids, taken), action)
}

// dropOwn leaves out of taken what an earlier attempt or hop of the same ScaleUp has claimed.
func (a *Activities) dropOwn(ctx context.Context, offerings *mongo.Collection, by string, ids bson.A, taken map[string]bool) error {
	cursor, err := offerings.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}, {Key: "by", Value: by}})
	if err != nil {
		return err
	}
	var own []learned
	if err := cursor.All(ctx, &own); err != nil {
		return err
	}
	for _, doc := range own {
		delete(taken, doc.ID)
	}
	return nil
}
