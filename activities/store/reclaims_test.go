package store

import (
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/fallback"
)

func (s *onAStore) TestAReclaimCountsOnce() {
	at := time.Now().UTC().Truncate(time.Second)
	record := contract.ReclaimedRecord{
		Instance: "i-1", At: at, Cluster: "demo", Account: "main",
		Offering: contract.Offering{Region: "eu-west-1", ZoneID: "euw1-az1", InstanceType: "m5.large", CapacityType: v1alpha1.Spot},
	}
	for range 2 {
		s.Require().NoError(s.store.PutReclaim(s.T().Context(), record))
	}
	learned, err := s.store.Learned(s.T().Context(), "eu-west-1", at.Add(-time.Minute))
	s.Require().NoError(err)
	s.Require().Len(learned, 1)
	s.Equal([]fallback.Event{{
		ID: "i-1/reclaimed", Offering: record.Offering, Answer: contract.AnswerReclaimed, At: at, Count: 1, Account: "main",
	}}, learned[0].Events)

	record.Offering.Region = ""
	s.ErrorContains(s.store.PutReclaim(s.T().Context(), record), "needs the instance's id, its offering and when it was")
}
