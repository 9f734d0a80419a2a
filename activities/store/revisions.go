package store

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"floe.dev/floe/api/contract"
)

// mostAsked is how many records are asked for at once, so that no query grows with the cluster.
const mostAsked = 500

// Revisions are the revisions of nodes' records by id (cluster/instance). A node without a record is left out.
func (a *Activities) Revisions(ctx context.Context, ids []string) (map[string]int64, error) {
	revisions := map[string]int64{}
	if a.client == nil {
		return revisions, nil
	}
	const action = "the read of nodes"
	collection := a.database.Collection(contract.CollectionNodes)
	for chunk := range slices.Chunk(ids, mostAsked) {
		cursor, err := collection.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: chunk}}}},
			options.Find().SetProjection(bson.D{{Key: "revision", Value: 1}}))
		if err != nil {
			return nil, classify(err, action)
		}
		var docs []struct {
			ID       string `bson:"_id"`
			Revision int64  `bson:"revision"`
		}
		if err := cursor.All(ctx, &docs); err != nil {
			return nil, classify(err, action)
		}
		for _, doc := range docs {
			revisions[doc.ID] = doc.Revision
		}
	}
	return revisions, nil
}

// Kept reports whether there is a store at all.
func (a *Activities) Kept() bool { return a.client != nil }
