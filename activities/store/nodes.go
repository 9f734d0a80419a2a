package store

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.temporal.io/sdk/temporal"

	"floe.dev/floe/api/contract"
)

// PutNode writes a node's record. A record of a lower or the same revision as the one stored changes nothing, so that
// a write that comes late or twice does no harm.
func (a *Activities) PutNode(ctx context.Context, record contract.NodeRecord) error {
	if record.ID == "" || record.Revision <= 0 {
		return invalid("a node's record needs an id (cluster/instance) and a revision from 1; it has %q and %d", record.ID, record.Revision)
	}
	if a.client == nil {
		return nil
	}
	doc, err := document(record)
	if err != nil {
		return invalid("node %s: %v", record.ID, err)
	}
	err = putNewer(ctx, a.database.Collection(contract.CollectionNodes), record, doc)
	return classify(err, "the write of node "+record.ID)
}

// putNewer writes the record unless the store has one of its revision or a later one.
func putNewer(ctx context.Context, c *mongo.Collection, record contract.NodeRecord, doc bson.D) error {
	if record.Revision == 1 {
		// Nothing is older. (An insert is also what FerretDB 1 does without reading the whole collection.)
		_, err := c.InsertOne(ctx, doc)
		return err
	}
	// The filter passes over a record of this revision or a later one; the upsert then fails on its _id.
	older := bson.D{{Key: "_id", Value: record.ID}, {Key: "revision", Value: bson.D{{Key: "$lt", Value: record.Revision}}}}
	_, err := c.ReplaceOne(ctx, older, doc, options.Replace().SetUpsert(true))
	if mongo.IsDuplicateKeyError(err) {
		// As a rule this one is late. But where there was no record a moment ago, an older one may have come in between.
		_, err = c.ReplaceOne(ctx, older, doc)
	}
	return err
}

func invalid(format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), contract.ErrInvalidInput, nil)
}
