package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
	err = a.putNewer(ctx, a.database.Collection(contract.CollectionNodes), record, doc)
	return classify(err, "the write of node "+record.ID)
}

// putNewer writes the record unless the store has one of its revision or a later one.
func (a *Activities) putNewer(ctx context.Context, c *mongo.Collection, record contract.NodeRecord, doc bson.D) error {
	if record.Revision == 1 { // nothing is older
		_, err := c.InsertOne(ctx, doc)
		return err
	}
	scans, err := a.scans(ctx)
	if err != nil {
		return err
	}
	if scans {
		return replaceRead(ctx, c, record, doc)
	}
	// The filter passes over a record of this revision or a later one; the upsert then fails on its _id.
	older := bson.D{{Key: "_id", Value: record.ID}, {Key: "revision", Value: bson.D{{Key: "$lt", Value: record.Revision}}}}
	_, err = c.ReplaceOne(ctx, older, doc, options.Replace().SetUpsert(true))
	if mongo.IsDuplicateKeyError(err) {
		// As a rule this one is late. But where there was no record a moment ago, an older one may have come in between.
		_, err = c.ReplaceOne(ctx, older, doc)
	}
	return err
}

// scans reports whether the server reads a whole collection for a filter of more than _id, as FerretDB 1 does (its
// SQLite backend hands down a filter only where that is _id alone): 500 nodes that scale up would wait minutes for it.
func (a *Activities) scans(ctx context.Context) (bool, error) {
	if known := a.scanning.Load(); known != nil {
		return *known, nil
	}
	var info struct {
		// FerretDB's own field. Built without its release script, as the testbed's, it says "unknown".
		FerretDB string `bson:"ferretdbVersion"`
	}
	err := a.database.RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&info)
	if err != nil {
		return false, err
	}
	scans := info.FerretDB == "unknown" || strings.HasPrefix(info.FerretDB, "v1.")
	a.scanning.Store(&scans)
	return scans, nil
}

// replaceRead does by _id alone what a guarded replacement does. Between reading and writing another write could come in;
// in FerretDB 1 so it could within the guarded one.
func replaceRead(ctx context.Context, c *mongo.Collection, record contract.NodeRecord, doc bson.D) error {
	id := bson.D{{Key: "_id", Value: record.ID}}
	for {
		var stored struct {
			Revision int64 `bson:"revision"`
		}
		err := c.FindOne(ctx, id, options.FindOne().SetProjection(bson.D{{Key: "revision", Value: 1}})).Decode(&stored)
		switch {
		case errors.Is(err, mongo.ErrNoDocuments):
			_, err = c.InsertOne(ctx, doc)
			if mongo.IsDuplicateKeyError(err) {
				continue // it has just come: see which it is
			}
			return err
		case err != nil || stored.Revision >= record.Revision:
			return err
		}
		_, err = c.ReplaceOne(ctx, id, doc)
		return err
	}
}

func invalid(format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), contract.ErrInvalidInput, nil)
}
