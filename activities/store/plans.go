package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"floe.dev/floe/api/contract"
)

const (
	// planTimeout bounds the write of a plan: it stands between a demand and its launches.
	planTimeout = time.Second
	// chunkSize is how large a document of a plan may be. MongoDB takes 16 MB
	// (mongodb.com/docs/manual/reference/limits); half of it leaves room for what a server adds.
	chunkSize = 8 << 20
)

// PlanRecord is a whole plan: what was decided and why. It is immutable; its id is the plan's.
type PlanRecord struct {
	ID      string              `json:"id"` // cluster/plan
	At      time.Time           `json:"at"`
	Cluster string              `json:"cluster"`
	Digest  contract.PlanDigest `json:"digest"`
	// Plan is the planner's whole result; whatever encodes to JSON.
	Plan any `json:"plan,omitempty"`
}

// PutPlan writes a plan within a second, or gives up. A plan too large for one document has its JSON cut into chunks:
// documents with the ids ID#0, ID#1, …, whose data fields joined are the JSON of Plan; the plan's own document then
// says in "chunks" how many there are, and is written last, so that a plan that is there is whole.
func (a *Activities) PutPlan(ctx context.Context, record PlanRecord) error {
	if record.ID == "" {
		return invalid("a plan's record needs an id: cluster/plan")
	}
	if a.client == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	docs, err := planDocuments(record, chunkSize)
	if err != nil {
		return invalid("plan %s: %v", record.ID, err)
	}
	collection := a.database.Collection(contract.CollectionPlans)
	for _, doc := range docs {
		if _, err := collection.InsertOne(ctx, doc); classify(err, "") != nil {
			return classify(err, "the write of plan "+record.ID)
		}
	}
	return nil
}

// planDocuments are the documents of a plan in the order that they are to be written in.
func planDocuments(record PlanRecord, most int) ([]bson.D, error) {
	doc, err := document(record)
	if err != nil {
		return nil, err
	}
	encoded, err := bson.Marshal(doc)
	if err != nil {
		return nil, err
	}
	if len(encoded) <= most {
		return []bson.D{doc}, nil
	}
	whole, err := json.Marshal(record.Plan)
	if err != nil {
		return nil, err
	}
	var docs []bson.D
	for len(whole) > 0 {
		chunk := whole[:min(most, len(whole))]
		whole = whole[len(chunk):]
		docs = append(docs, bson.D{
			{Key: "_id", Value: fmt.Sprintf("%s#%d", record.ID, len(docs))},
			{Key: "at", Value: record.At},
			{Key: "plan", Value: record.ID},
			{Key: "data", Value: chunk},
		})
	}
	record.Plan = nil
	head, err := document(record)
	if err != nil {
		return nil, err
	}
	return append(docs, append(head, bson.E{Key: "chunks", Value: len(docs)})), nil
}
