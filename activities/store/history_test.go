package store

import (
	"time"

	"floe.dev/floe/api/contract"
)

func (s *onAStore) TestLaunchHistory() {
	ctx := s.T().Context()
	now := time.Date(2026, 7, 6, 12, 30, 0, 0, time.UTC)
	of := func(token, pool, plan string, ago time.Duration, got int) contract.HopRecord {
		record := hop(token, now.Add(-ago))
		record.Pool, record.Plan, record.ScaleUp, record.Hop.Asked, record.Hop.Got = pool, plan, token, got, got
		return record
	}
	// A launch of three: one claimed from standby, two bought, and what a hedge brought beyond.
	raced := []contract.HopRecord{
		of("g1", "general", "1-4", 90*time.Minute, 1), of("g2", "general", "1-4", 89*time.Minute, 2), of("g3", "general", "1-4", 88*time.Minute, 2),
	}
	for i, asked := range []int{3, 2, 2} {
		raced[i].ScaleUp, raced[i].Hop.Asked = "g", asked
	}
	raced[0].Hop.CapacityType = "hibernated"
	s.Require().NoError(s.store.PutHops(ctx, raced))
	s.Require().NoError(s.store.PutHops(ctx, []contract.HopRecord{
		of("a", "general", "1-1", 10*time.Minute, 3),
		of("b", "general", "1-2", 20*time.Minute, 2),
		of("c", "general", "", 15*time.Minute, 50), // by hand
		of("d", "general", "1-0", 3*time.Hour, 7),
		of("e", "other", "1-3", 5*time.Hour, 9),
		of("f", "general", "0-1", 70*24*time.Hour, 9), // before all that a forecast looks at
	}))
	history, err := s.store.LaunchHistory(ctx, contract.LaunchHistoryInput{Cluster: "demo", Pool: "general", Now: now})
	s.Require().NoError(err)
	s.Equal(time.Date(2026, 7, 6, 9, 0, 0, 0, time.UTC), history.Since)
	s.Equal([]int{7, 0, 3, 5}, history.Launched)

	none, err := s.store.LaunchHistory(ctx, contract.LaunchHistoryInput{Cluster: "other", Pool: "general", Now: now})
	s.Require().NoError(err)
	s.Empty(none.Launched)
}
