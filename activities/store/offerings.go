package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/fallback"
)

// Learned is what one hop taught of offerings.
type Learned struct {
	// ID tells it from every other: a reader that sees it twice counts it once.
	ID string
	// Stored is when it came into the store, by its writer's clock: a hop that is handed in late is stored later than
	// it happened.
	Stored time.Time
	Events []fallback.Event
}

// learned is a document of the collection offerings: one for each hop and region, so that a hop on sixty offerings is
// one insert.
type learned struct {
	ID       string    `bson:"_id"` // launch token/region
	Region   string    `bson:"region"`
	At       time.Time `bson:"at"`
	Stored   time.Time `bson:"stored"`
	Outcomes []outcome `bson:"outcomes"`
}

type outcome struct {
	ZoneID       string                `bson:"zoneID"`
	InstanceType string                `bson:"instanceType"`
	CapacityType v1alpha1.CapacityType `bson:"capacityType"`
	Answer       contract.Answer       `bson:"answer"`
	Count        int                   `bson:"count,omitempty"`
	Code         string                `bson:"code,omitempty"`
}

// learnedFrom are the documents of a hop's outcomes: as a rule one, since a hop asks in one region.
func (a *Activities) learnedFrom(record contract.HopRecord) (docs []any) {
	byRegion := map[string]*learned{}
	for _, o := range record.Hop.Outcomes {
		doc := byRegion[o.Offering.Region]
		if doc == nil {
			doc = &learned{ID: record.ID + "/" + o.Offering.Region, Region: o.Offering.Region, At: record.Hop.Ended, Stored: a.now()}
			byRegion[o.Offering.Region] = doc
			docs = append(docs, doc)
		}
		doc.Outcomes = append(doc.Outcomes, outcome{
			ZoneID: o.Offering.ZoneID, InstanceType: o.Offering.InstanceType, CapacityType: o.Offering.CapacityType,
			Answer: o.Answer, Count: o.Count, Code: o.Code,
		})
	}
	return docs
}

// Learned returns what came into the store since then on the region's offerings, in no order, whichever account or
// cluster it came from. Writers' clocks differ: ask from somewhat before the last read, and count each ID once.
func (a *Activities) Learned(ctx context.Context, region string, since time.Time) ([]Learned, error) {
	if a.client == nil {
		return nil, nil
	}
	const action = "the read of offerings"
	cursor, err := a.indexed(ctx, contract.CollectionOfferings).Find(ctx, bson.D{{Key: "region", Value: region}, {Key: "stored", Value: bson.D{{Key: "$gte", Value: since}}}})
	if err != nil {
		return nil, classify(err, action)
	}
	var docs []learned
	if err := cursor.All(ctx, &docs); err != nil {
		return nil, classify(err, action)
	}
	result := make([]Learned, len(docs))
	for i, doc := range docs {
		result[i] = Learned{ID: doc.ID, Stored: doc.Stored, Events: make([]fallback.Event, len(doc.Outcomes))}
		for j, o := range doc.Outcomes {
			result[i].Events[j] = fallback.Event{
				Offering: contract.Offering{Region: doc.Region, ZoneID: o.ZoneID, InstanceType: o.InstanceType, CapacityType: o.CapacityType},
				Answer:   o.Answer,
				At:       doc.At,
			}
		}
	}
	return result, nil
}
