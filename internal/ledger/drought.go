package ledger

import (
	"cmp"
	"slices"
	"time"

	"floe.dev/floe/api/contract"
)

// Dry notes at now that a launch for demand found no capacity. A pool has one drought, which goes on until it is over.
func Dry(s *contract.ProvisionerState, ev contract.LaunchEvent, now time.Time) {
	d := contract.Drought{Pool: ev.Pool, ScaleUp: ev.ScaleUp, At: now, Since: now, Launches: 1, Reason: ev.Reason, Help: ev.Help}
	i, found := slices.BinarySearchFunc(s.Droughts, d, func(a, b contract.Drought) int { return cmp.Compare(a.Pool, b.Pool) })
	if !found {
		s.Droughts = slices.Insert(s.Droughts, i, d)
		return
	}
	was := s.Droughts[i]
	d.Since, d.Launches = was.Since, was.Launches+1
	if len(d.Help) == 0 {
		d.Help = was.Help
	}
	s.Droughts[i] = d
}

// Rained notes that a launch of a pool was filled: its drought is over.
func Rained(s *contract.ProvisionerState, pool string) {
	s.Droughts = slices.DeleteFunc(s.Droughts, func(d contract.Drought) bool { return d.Pool == pool })
}
