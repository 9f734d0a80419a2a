package store

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"floe.dev/floe/api/contract"
)

// byAge is what retention reads a collection by: the oldest first, and nothing but the index is read.
var byAge = bson.D{{Key: "at", Value: 1}, {Key: "_id", Value: 1}}

// indexes are those of each collection beside the one on _id.
var indexes = map[string][]bson.D{
	contract.CollectionNodes:     {byAge, {{Key: "view.cluster", Value: 1}, {Key: "view.phase", Value: 1}}}, // LivingNodes
	contract.CollectionPlans:     {byAge},
	contract.CollectionHops:      {byAge, {{Key: "cluster", Value: 1}, {Key: "pool", Value: 1}, {Key: "at", Value: 1}}}, // LaunchHistory
	contract.CollectionOfferings: {byAge, {{Key: "region", Value: 1}, {Key: "stored", Value: 1}}},                       // Learned
	contract.CollectionEvents:    {byAge},
	contract.CollectionImages:    {byAge, {{Key: "cluster", Value: 1}, {Key: "pool", Value: 1}, {Key: "at", Value: 1}}}, // Images
}

// indexed is the collection, with its indexes made if this process has not seen to them yet. Without an index a read is
// slow, not wrong, so a failure only leaves it to the next call.
func (a *Activities) indexed(ctx context.Context, name string) *mongo.Collection {
	collection := a.database.Collection(name)
	if _, done := a.indexes.Load(name); done {
		return collection
	}
	var models []mongo.IndexModel
	for _, keys := range indexes[name] {
		models = append(models, mongo.IndexModel{Keys: keys})
	}
	if _, err := collection.Indexes().CreateMany(ctx, models); err == nil {
		a.indexes.Store(name, true)
	}
	return collection
}
