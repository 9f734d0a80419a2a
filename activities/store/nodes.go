package store

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
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
	// The filter passes over a record of this revision or a later one; the upsert then fails on its _id, which is how a
	// late write learns that it is late.
	older := bson.D{{Key: "_id", Value: record.ID}, {Key: "revision", Value: bson.D{{Key: "$lt", Value: record.Revision}}}}
	_, err = a.database.Collection(contract.CollectionNodes).ReplaceOne(ctx, older, doc, options.Replace().SetUpsert(true))
	return classify(err, "the write of node "+record.ID)
}

func invalid(format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), contract.ErrInvalidInput, nil)
}
