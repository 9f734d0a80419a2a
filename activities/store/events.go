package store

import (
	"context"

	"floe.dev/floe/api/contract"
)

// PutEvents writes events. Those that are stored already are left as they are.
func (a *Activities) PutEvents(ctx context.Context, records []contract.EventRecord) error {
	if a.client == nil {
		return nil
	}
	docs := make([]any, len(records))
	for i, record := range records {
		if record.ID == "" {
			return invalid("an event's record needs an id: cluster/origin/kind/subject")
		}
		doc, err := document(record)
		if err != nil {
			return invalid("event %s: %v", record.ID, err)
		}
		docs[i] = doc
	}
	return insert(ctx, a.database.Collection(contract.CollectionEvents), docs, "the write of events")
}
