package store

import (
	"context"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"floe.dev/floe/api/contract"
)

// Living is a record of a node that the store takes for alive.
type Living struct {
	Instance string
	Revision int64
	At       time.Time
}

// LivingNodes are the records of a cluster's nodes that have not come to their end, all of them: it is for an audit, not
// for a hot path.
func (a *Activities) LivingNodes(ctx context.Context, cluster string) ([]Living, error) {
	if a.client == nil {
		return nil, nil
	}
	const action = "the read of nodes"
	cursor, err := a.indexed(ctx, contract.CollectionNodes).Find(ctx,
		bson.D{{Key: "view.cluster", Value: cluster}, {Key: "view.phase", Value: bson.D{{Key: "$ne", Value: string(contract.PhaseTerminated)}}}},
		options.Find().SetProjection(bson.D{{Key: "revision", Value: 1}, {Key: "at", Value: 1}}))
	if err != nil {
		return nil, classify(err, action)
	}
	var docs []struct {
		ID       string    `bson:"_id"`
		Revision int64     `bson:"revision"`
		At       time.Time `bson:"at"`
	}
	if err := cursor.All(ctx, &docs); err != nil {
		return nil, classify(err, action)
	}
	living := make([]Living, len(docs))
	for i, doc := range docs {
		living[i] = Living{Instance: strings.TrimPrefix(doc.ID, cluster+"/"), Revision: doc.Revision, At: doc.At}
	}
	return living, nil
}
