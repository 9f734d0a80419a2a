package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/images"
)

// PutImages writes what pods used in windows of time. A window that is stored already is left as it is: another watcher saw
// the same.
func (a *Activities) PutImages(ctx context.Context, records []contract.ImageRecord) error {
	if a.client == nil {
		return nil
	}
	docs := make([]any, len(records))
	for i, record := range records {
		if record.ID == "" {
			return invalid("a record of images needs an id: cluster/pool/window")
		}
		doc, err := document(record)
		if err != nil {
			return invalid("images %s: %v", record.ID, err)
		}
		docs[i] = doc
	}
	return insert(ctx, a.database.Collection(contract.CollectionImages), docs, "the write of images")
}

// Images are what pods of a cluster's pool used since then, in no order. An empty pool means all; the uses are then by pool.
func (a *Activities) Images(ctx context.Context, cluster, pool string, since time.Time) (map[string][]images.Use, error) {
	used := map[string][]images.Use{}
	if a.client == nil {
		return used, nil
	}
	const action = "the read of images"
	filter := bson.D{{Key: "cluster", Value: cluster}, {Key: "at", Value: bson.D{{Key: "$gte", Value: since}}}}
	if pool != "" {
		filter = append(filter, bson.E{Key: "pool", Value: pool})
	}
	cursor, err := a.indexed(ctx, contract.CollectionImages).Find(ctx, filter)
	if err != nil {
		return nil, classify(err, action)
	}
	var records []contract.ImageRecord
	if err := cursor.All(ctx, &records); err != nil {
		return nil, classify(err, action)
	}
	for _, r := range records {
		for _, u := range r.Images {
			used[r.Pool] = append(used[r.Pool], images.Use{Image: u.Image, Bytes: u.Bytes, At: r.At, Pods: u.Pods, Nodes: u.Nodes})
		}
	}
	return used, nil
}
