package store

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"floe.dev/floe/api/contract"
)

// PutHops writes hops, and what they learned of offerings to the offering memory. Hops that are stored already are left
// as they are.
func (a *Activities) PutHops(ctx context.Context, records []contract.HopRecord) error {
	if a.client == nil || len(records) == 0 {
		return nil
	}
	hops := make([]any, len(records))
	var learned []any
	for i, record := range records {
		if record.ID == "" {
			return invalid("a hop's record needs an id: its launch token")
		}
		doc, err := document(record)
		if err != nil {
			return invalid("hop %s: %v", record.ID, err)
		}
		hops[i] = doc
		learned = append(learned, a.learnedFrom(record)...)
	}
	var group errgroup.Group
	group.Go(func() error {
		return insert(ctx, a.database.Collection(contract.CollectionHops), hops, "the write of hops")
	})
	group.Go(func() error {
		return insert(ctx, a.database.Collection(contract.CollectionOfferings), learned, "the write of outcomes")
	})
	return group.Wait()
}

// PutLearned writes to the offering memory alone what a record's outcomes teach: they are no launch's. Under one id it counts
// once.
func (a *Activities) PutLearned(ctx context.Context, record contract.HopRecord) error {
	if a.client == nil {
		return nil
	}
	if record.ID == "" {
		return invalid("what is learned of offerings needs an id")
	}
	return insert(ctx, a.database.Collection(contract.CollectionOfferings), a.learnedFrom(record), "the write of outcomes")
}

// insert writes what is not stored yet. It is unordered: a document that is there does not keep out those after it.
func insert(ctx context.Context, c *mongo.Collection, docs []any, action string) error {
	if len(docs) == 0 {
		return nil
	}
	_, err := c.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
	var bulk mongo.BulkWriteException
	if errors.As(err, &bulk) && bulk.WriteConcernError == nil {
		// What is told of one document is told beside duplicates of others: only the rest is a failure.
		rest := slices.DeleteFunc(bulk.WriteErrors, func(e mongo.BulkWriteError) bool { return mongo.IsDuplicateKeyError(e.WriteError) })
		if len(rest) == 0 {
			return nil
		}
		err = rest[0].WriteError
	}
	return classify(err, action)
}
