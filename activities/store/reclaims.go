package store

import (
	"context"

	"floe.dev/floe/api/contract"
)

// PutReclaim tells the offering memory that EC2 took a machine back. However often it is written, it counts once.
func (a *Activities) PutReclaim(ctx context.Context, record contract.ReclaimedRecord) error {
	if record.Instance == "" || record.Offering.Region == "" || record.At.IsZero() {
		return invalid("a reclaim's record needs the instance's id, its offering and when it was; it has %q, %q and %s",
			record.Instance, record.Offering.Key(), record.At)
	}
	if a.client == nil {
		return nil
	}
	o := record.Offering
	return insert(ctx, a.database.Collection(contract.CollectionOfferings), []any{learned{
		ID: record.Instance + "/reclaimed", Region: o.Region, Account: record.Account, At: record.At, Stored: a.now(),
		Outcomes: []outcome{{
			ZoneID: o.ZoneID, InstanceType: o.InstanceType, CapacityType: o.CapacityType, Answer: contract.AnswerReclaimed, Count: 1,
		}},
	}}, "the write of a reclaim")
}
