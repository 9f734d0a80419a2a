package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/fallback"
)

// Learned is what one hop, one reclaim or one claim of a probe taught of offerings.
type Learned struct {
	// ID tells it from every other: a reader that sees it twice counts it once.
	ID string
	// Stored is when it came into the store, by its writer's clock: a hop that is handed in late is stored later than
	// it happened.
	Stored time.Time
	Events []fallback.Event
}

// learned is a document of the collection offerings: one for each hop and region, so that a hop on sixty offerings is
// one insert; one for each reclaim, and one for each claim of a probe.
type learned struct {
	ID     string `bson:"_id"` // launch token/region, instance/reclaimed, or fallback.ProbeID
	Region string `bson:"region"`
	// Account that was answered; empty in documents of before quotas were remembered.
	Account string `bson:"account,omitempty"`
	// By is the workflow id of the ScaleUp that claimed a probe.
	By       string    `bson:"by,omitempty"`
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

// LearnedID is the id under which the offering memory has what a hop learned in a region.
func LearnedID(record contract.HopRecord, region string) string { return record.ID + "/" + region }

// learnedFrom are the documents of a hop's outcomes: as a rule one, since a hop asks in one region.
func (a *Activities) learnedFrom(record contract.HopRecord) (docs []any) {
	byRegion := map[string]*learned{}
	for _, o := range record.Hop.Outcomes {
		if o.Answer == contract.AnswerYielded {
			continue // nothing was learned
		}
		doc := byRegion[o.Offering.Region]
		if doc == nil {
			doc = &learned{
				ID: LearnedID(record, o.Offering.Region), Region: o.Offering.Region, Account: record.Account,
				At: record.Hop.Ended, Stored: a.now(),
			}
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
				ID:       doc.ID,
				Answer:   o.Answer,
				At:       doc.At,
				Count:    o.Count,
				Account:  doc.Account,
				Code:     o.Code,
			}
		}
	}
	return result, nil
}
